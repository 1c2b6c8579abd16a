"""RecommendationService over fake models."""

import grpc
import pytest

from onshelf.v1 import recommendation_pb2, types_pb2

R, T = recommendation_pb2, types_pb2


async def test_products_for_a_known_user(running, words):
    response = await running.recommend.RecommendProducts(R.RecommendProductsRequest(user_id="H00003"))
    assert len(response.products) == 10
    scores = [product.score for product in response.products]
    assert scores == sorted(scores, reverse=True)
    assert all(product.reason and product.title and product.category_path for product in response.products)
    assert any(product.bought_before for product in response.products)


async def test_scopes_categories_and_exclusions(running, words):
    async def ask(**fields):
        return await running.recommend.RecommendProducts(
            R.RecommendProductsRequest(user_id="H00003", count=200, **fields)
        )

    everything = await ask()
    fresh = await ask(scope=R.RECOMMENDATION_SCOPE_NEW_TO_USER)
    known = await ask(scope=R.RECOMMENDATION_SCOPE_BOUGHT_BEFORE)
    new = await ask(scope=R.RECOMMENDATION_SCOPE_NEW_PRODUCTS)
    assert not any(product.bought_before for product in fresh.products)
    assert all(product.bought_before for product in known.products)
    assert known.products
    assert all(product.new_product for product in new.products)
    assert len(new.products) == 9
    assert len(fresh.products) + len(known.products) == len(everything.products)
    assert "CANDIDATES_LIMITED" in words.notices(known)
    snacks = await ask(categories=["bag snacks"])
    assert {product.category_path[1] for product in snacks.products} == {"Bag snacks"}
    odd = await ask(categories=["Bag snakes"])
    assert not odd.products
    assert any("Bag snacks" in notice.message for notice in odd.info.notices)
    left_out = everything.products[0].product_id
    rest = await ask(excluded_product_ids=[left_out, "no such product"])
    assert left_out not in {product.product_id for product in rest.products}


async def test_an_unknown_user_needs_a_history(running, words):
    refusal = await words.refusal(running.recommend.RecommendProducts(R.RecommendProductsRequest(user_id="nobody-7")))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, "USER_NOT_FOUND")
    assert "nobody-7" not in refusal.message
    events = [
        R.HistoryEvent(product_id="P0000"),
        R.HistoryEvent(product_id="P0001", kind=R.EVENT_KIND_VIEW, age_days=2),
    ]
    request = R.RecommendProductsRequest(user_id="nobody-7", history=[*events, R.HistoryEvent(product_id="gone")])
    response = await running.recommend.RecommendProducts(request)
    assert response.products
    assert {"USER_COLD", "FIELD_IGNORED"} <= set(words.notices(response))
    bought = {product.product_id for product in response.products if product.bought_before}
    assert bought <= {"P0000"}, "a view is no purchase"


async def test_the_history_of_a_request_comes_on_top(running, words):
    plain = await running.recommend.RecommendProducts(R.RecommendProductsRequest(user_id="H00003"))
    events = [R.HistoryEvent(product_id=f"P{n:04d}") for n in range(24, 36)]
    more = await running.recommend.RecommendProducts(R.RecommendProductsRequest(user_id="H00003", history=events))
    assert [p.product_id for p in plain.products] != [p.product_id for p in more.products]
    assert "USER_COLD" not in words.notices(more)


def past(times: int = 1, **event):
    return {"history": [R.HistoryEvent(**event)] * times}


BAD = {
    "nobody": ({}, "FIELD_REQUIRED", "user_id"),
    "e-mail": ({"user_id": "ann@example.com"}, "USER_ID_PERSONAL", "user_id"),
    "phone": ({"user_id": "+1 (555) 010-9999"}, "USER_ID_PERSONAL", "user_id"),
    "mobile": ({"user_id": "13812345678"}, "USER_ID_PERSONAL", "user_id"),
    "long": ({"user_id": "u" * 129}, "TEXT_TOO_LONG", "user_id"),
    "control": ({"user_id": "u\x01"}, "TEXT_INVALID", "user_id"),
    "count": ({"user_id": "u", "count": 201}, "VALUE_OUT_OF_RANGE", "count"),
    "scope": ({"user_id": "u", "scope": 9}, "VALUE_OUT_OF_RANGE", "scope"),
    "categories": ({"user_id": "u", "categories": ["a"] * 17}, "TOO_MANY", "categories"),
    "exclusions": ({"user_id": "u", "excluded_product_ids": ["a"] * 1001}, "TOO_MANY", "excluded_product_ids"),
    "events": (past(257, product_id="p"), "TOO_MANY", "history"),
    "event": (past(), "FIELD_REQUIRED", "history[0].product_id"),
    "kind": (past(product_id="p", kind=99), "VALUE_OUT_OF_RANGE", "history[0].kind"),
    "age": (past(product_id="p", age_days=-1), "VALUE_OUT_OF_RANGE", "history[0].age_days"),
    "quantity": (past(product_id="p", quantity=float("nan")), "VALUE_OUT_OF_RANGE", "history[0].quantity"),
}


@pytest.mark.parametrize("case", BAD)
async def test_recommend_products_refuses(case, running, words):
    fields, reason, path = BAD[case]
    refusal = await words.refusal(running.recommend.RecommendProducts(R.RecommendProductsRequest(**fields)))
    assert refusal.reason == reason
    assert path in refusal.fields
    assert "ann@example.com" not in refusal.message


async def test_audience_of_a_product(running, words):
    response = await running.recommend.FindAudience(R.FindAudienceRequest(product=words.product(), segments=True))
    assert len(response.users) == 100
    assert response.segments
    assert all(segment.users >= 10 and segment.lift >= 1 for segment in response.segments)
    few = await running.recommend.FindAudience(R.FindAudienceRequest(product_id="P0002", count=3))
    assert len(few.users) == 3
    assert not few.segments
    none = await running.recommend.FindAudience(R.FindAudienceRequest(product_id="P0002", count=0))
    assert not none.users
    assert none.segments
    assert none.category.matched


async def test_similar_launches_of_a_product(running, words):
    response = await running.recommend.FindSimilarLaunches(
        R.FindSimilarLaunchesRequest(product=words.product(), count=7)
    )
    assert len(response.launches) == 7
    similarity = [launch.similarity for launch in response.launches]
    assert similarity == sorted(similarity, reverse=True)
    assert list(response.launches[0].category_path)[:2] == ["Grocery", "Bag snacks"]


@pytest.mark.parametrize("call", ["FindAudience", "FindSimilarLaunches"])
async def test_subjects_are_checked(call, running, words):
    request = getattr(R, f"{call}Request")
    ask = getattr(running.recommend, call)
    assert (await words.refusal(ask(request()))).fields[0] == "product"
    assert (await words.refusal(ask(request(product_id="gone")))).reason == "PRODUCT_NOT_FOUND"
    assert (await words.refusal(ask(request(product_id="p" * 200)))).reason == "TEXT_TOO_LONG"
    assert (await words.refusal(ask(request(product_id="P0000", count=9999)))).reason == "VALUE_OUT_OF_RANGE"
    assert (await words.refusal(ask(request(product=T.Product(title="\x00"))))).reason == "TEXT_INVALID"


async def test_profile_of_a_user(running, words):
    response = await running.recommend.GetUserProfile(R.GetUserProfileRequest(user_id="H00003"))
    profile = response.profile
    shares = [interest.share for interest in profile.interests]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(1)
    assert profile.interests[0].lift > 1
    assert profile.products_bought > 0
    assert 0 <= profile.price_tier <= 1
    assert (await words.refusal(running.recommend.GetUserProfile(R.GetUserProfileRequest()))).reason == "FIELD_REQUIRED"


async def test_without_the_model_recommendations_are_unavailable(running, words):
    from onshelf_gateway.inference.backend import BackendUnavailableError

    running.backend.failing["product_retrieval"] = BackendUnavailableError("gone")
    refusal = await words.refusal(running.recommend.RecommendProducts(R.RecommendProductsRequest(user_id="H00003")))
    assert refusal.code == grpc.StatusCode.UNAVAILABLE
    assert refusal.retry is not None
