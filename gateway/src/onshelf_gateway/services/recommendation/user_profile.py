"""GetUserProfile: what the model release knows of a user."""

import numpy as np

from onshelf.v1 import recommendation_pb2
from onshelf_gateway.call.call import Call
from onshelf_gateway.call.errors import without_users
from onshelf_gateway.requests.checks import Checker
from onshelf_gateway.services.gateway import Gateway
from onshelf_gateway.services.recommendation.recommend import user_not_found
from onshelf_gateway.services.response import response_info
from onshelf_release.codes import CATEGORY_LEVELS

R = recommendation_pb2
MAX_INTERESTS = 10


async def get_user_profile(gateway: Gateway, call: Call, request: R.GetUserProfileRequest) -> R.GetUserProfileResponse:
    """Answer GetUserProfile."""
    with call.stage("validate"):
        release = gateway.release(call, request.model_release)
        check = Checker()
        user_id = check.user_id("user_id", request.user_id, required=True)
        check.done()
        if not release.has_users:
            raise without_users(release.version)
        row = await gateway.forgotten.user_row(release, user_id)
        if row is None:
            raise user_not_found(release)
    with gateway.permits.hold(call), call.stage("response"):
        shares = release.shares_of(row)
        usual = release.interest_average
        best = [n for n in np.argsort(-shares, kind="stable")[:MAX_INTERESTS].tolist() if shares[n] > 0 and n]
        interests = [
            R.CategoryInterest(
                category_path=release.vocabulary.path(
                    release.vocabulary.with_parents(CATEGORY_LEVELS.index("category"), n)
                ),
                share=float(shares[n]),
                lift=float(shares[n] / max(usual[n], 1e-12)),
            )
            for n in best
        ]
        facts = {
            name: float(release.users[name][row].as_py() or 0.0)
            for name in (
                "purchases_per_week",
                "recency_weeks",
                "price_tier",
                "promotion_sensitivity",
                "new_product_share",
            )
        }
        bought = release.users["bought"][row].as_py() or []
        profile = R.UserProfile(user_id=request.user_id, interests=interests, products_bought=len(bought), **facts)
    return R.GetUserProfileResponse(profile=profile, info=response_info(call, release))
