"""RecommendProducts: history -> user vector -> products, filtered by scope, categories and exclusions.

Products that were upserted since the model release are scored beside its own new ones, and share their places.
"""

import asyncio
import datetime as dt
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onshelf.v1 import recommendation_pb2, types_pb2
from onshelf_gateway.call import side_by_side
from onshelf_gateway.call.call import Call
from onshelf_gateway.call.errors import GatewayError, Violation, without_users
from onshelf_gateway.call.optional import optional
from onshelf_gateway.catalog.in_categories import in_categories
from onshelf_gateway.catalog.shelf import Shelf, UpsertedProducts, merged, shared
from onshelf_gateway.feedback import holdout
from onshelf_gateway.feedback.memory import BEST_FIRST
from onshelf_gateway.inference.outputs import EncodedUser, Retrieved
from onshelf_gateway.recommendation.history import UserHistory, read_history
from onshelf_gateway.releases.model_release import ModelRelease
from onshelf_gateway.requests.checks import Checker
from onshelf_gateway.services.gateway import Gateway
from onshelf_gateway.services.recommendation.control import in_lots, untargeted
from onshelf_gateway.services.recommendation.promise import promise
from onshelf_gateway.services.response import response_info
from onshelf_gateway.store.answers import RECOMMENDATION
from onshelf_release.codes import CATEGORY_LEVELS

R = recommendation_pb2
SCOPES = {number: name for name, number in R.RecommendationScope.items()}
KINDS = {number: name for name, number in R.EventKind.items()}
INTEREST = 0.03  # share of purchases from which a category is named as the reason


@dataclass(frozen=True, kw_only=True)
class RecommendQuestion:
    """A checked RecommendProductsRequest; `row` is the user's, None for an unknown one."""

    row: int | None
    events: list[R.HistoryEvent]
    count: int
    scope: int
    categories: tuple[str, ...]
    excluded: frozenset[str]
    new_product_share: float


def parse(request: R.RecommendProductsRequest, release: ModelRelease, row: int | None) -> RecommendQuestion:
    """Check a request; `row` is its user's in users.arrow, None for one that is unknown or forgotten.

    Raises:
        GatewayError: USER_NOT_FOUND, NOT_LEARNED, or the reason of the first violation.
    """
    check = Checker()
    check.user_id("user_id", request.user_id, required=not request.history)
    if check.count("history", request.history, 256):
        for n, event in enumerate(request.history):
            check.text(f"history[{n}].product_id", event.product_id, 128, required=True)
            check.enum(f"history[{n}].kind", event.kind, KINDS)
            check.number(f"history[{n}].age_days", event.age_days, 0, 3650)
            check.number(f"history[{n}].quantity", event.quantity, 0, 10_000)
    count = int(check.number("count", request.count, 0, 200)) or 10
    check.enum("scope", request.scope, SCOPES)
    if check.count("categories", request.categories, 16):
        for n, name in enumerate(request.categories):
            check.text(f"categories[{n}]", name, 128, required=True)
    if check.count("excluded_product_ids", request.excluded_product_ids, 1000):
        for n, name in enumerate(request.excluded_product_ids):
            check.text(f"excluded_product_ids[{n}]", name, 128, required=True)
    share = check.number("new_product_share", request.new_product_share, 0, 1)
    check.done()
    if not release.has_users:
        raise without_users(release.version)
    if row is None and not request.history:
        raise user_not_found(release)
    return RecommendQuestion(
        row=row,
        events=list(request.history),
        count=count,
        scope=request.scope,
        categories=tuple(request.categories),
        excluded=frozenset(request.excluded_product_ids),
        new_product_share=share,
    )


def user_not_found(release: ModelRelease) -> GatewayError:
    """The user is unknown; the id itself is not repeated."""
    message = f"the user is not in model release {release.version}; send a history, or another user_id"
    return GatewayError("USER_NOT_FOUND", message, [Violation("USER_NOT_FOUND", "user_id", message)])


async def recommend_products(
    gateway: Gateway, call: Call, request: R.RecommendProductsRequest
) -> R.RecommendProductsResponse:
    """Answer RecommendProducts."""
    with call.stage("validate"):
        release = gateway.release(call, request.model_release)
        request.user_id = request.user_id.strip()
        row = await gateway.forgotten.user_row(release, request.user_id)
        question = parse(request, release, row)
        shelf = gateway.catalog.shelf(call, release)
        held_out = gateway.holdout.held(request.user_id, gateway.settings.holdout_share)
        if held_out:
            question = untargeted(call, question)
    with gateway.permits.hold(call):
        with call.stage("history"):
            history = read_history(call, release, question.row, question.events)
        if question.row is None:
            call.notice(
                types_pb2.NOTICE_CODE_USER_COLD,
                "the user has no history in the model release; the answer rests on the events of the request",
                "user_id",
            )
        user = await gateway.models.encode_user(
            call, release, history.products, history.ages, history.quantities, history.kinds, history.profile
        )
        today = gateway.today(release)
        everything, new, upserted = await _find(gateway, call, shelf, question, user, today)
        found = new if question.scope == R.RECOMMENDATION_SCOPE_NEW_PRODUCTS else everything
        with call.stage("response", len(found.indices)):
            listed = _Listed(shelf, upserted)
            kept = _filter(call, listed, question, history, found)
            drawn = held_out and question.scope == R.RECOMMENDATION_SCOPE_NEW_PRODUCTS
            chance = 1.0 / max(1, len(kept.indices)) if drawn else 1.0
            kept = in_lots(kept, gateway.holdout.place(request.user_id)) if drawn else kept
            kept = kept.take(np.arange(min(question.count, len(kept.indices))))
            response = R.RecommendProductsResponse(products=_products(listed, question, history, kept, today))
            if len(response.products) < question.count:
                call.notice(
                    types_pb2.NOTICE_CODE_CANDIDATES_LIMITED,
                    f"{len(response.products) or 'none'} of the {len(found.indices)} best products are in scope and "
                    "categories and not excluded",
                    "count",
                )
    response.info.CopyFrom(response_info(call, release))
    gateway.memory.remember(
        call,
        release,
        kind=RECOMMENDATION,
        today=today,
        request=request,
        response=response,
        offered=[{"product_id": product.product_id, "probability": chance} for product in response.products],
        user_id=request.user_id,
        policy=holdout.POLICY if held_out else BEST_FIRST,
    )
    return response


async def _find(
    gateway: Gateway, call: Call, shelf: Shelf, question: RecommendQuestion, user: EncodedUser, today: dt.date
) -> tuple[Retrieved, Retrieved, UpsertedProducts | None]:
    """All products and new products alone, best first, with the upserted ones that were scored among them."""
    models, release, share = gateway.models, shelf.release, question.new_product_share
    upserted = None
    if share > 0 or question.scope == R.RECOMMENDATION_SCOPE_NEW_PRODUCTS:  # without sales they come nowhere else
        categories = question.categories
        inside = in_categories(call, shelf, categories, shelf.delta.array("categorical_ids")) if categories else None
        upserted = shelf.candidates(user, today, inside)
    if upserted is None:
        everything, new = await models.find_products(call, release, user, share)
        return everything, shelf.without_replaced(new), None
    fitting = asyncio.create_task(
        optional(call, models.fit_products(call, release, user, upserted.inputs), "upserted products are")
    )
    try:
        everything, new = await models.find_products(call, release, user, 0.0)
        scored = await fitting
    finally:
        await side_by_side.end([fitting], call.remaining())
    if scored is None:
        return shared(everything, new, share), new, None
    scores = scored[0] + upserted.lifts
    order = np.lexsort((-upserted.changes, -scores))
    new = merged(shelf.without_replaced(new), Retrieved(upserted.rows, scores, scored[1]).take(order))
    return shared(everything, new, share), new, upserted


class _Listed:
    """What is known of the products of an answer: rows of the release's catalog; beyond its end, upserted ones."""

    def __init__(self, shelf: Shelf, upserted: UpsertedProducts | None) -> None:
        self.shelf, self.release = shelf, shelf.release
        self._end = shelf.release.products.num_rows
        self._upserted = upserted

    def offered(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which may be shown; an upserted one as long as it was not deleted meanwhile."""
        own, beyond, extra = self._split(rows)
        result = np.zeros(len(rows), dtype=bool)
        result[own] = self.shelf.offered(rows[own])
        result[beyond] = [self.shelf.product(name) is not None for name in extra]
        return result

    def new(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which are new: launched lately, or upserted and not in the release's catalog."""
        own, beyond, _ = self._split(rows)
        result = beyond.copy()
        result[own] = self.shelf.new(rows[own])
        return result

    def ids(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Category and brand ids [n, 4]."""
        own, beyond, _ = self._split(rows)
        result = np.zeros((len(rows), 4), dtype=np.int64)
        result[own] = self.shelf.ids(rows[own])
        if self._upserted is not None:
            result[beyond] = self._upserted.inputs["categorical_ids"][rows[beyond] - self._end]
        return result

    def names(self, rows: NDArray[np.int64]) -> list[str]:
        """Product ids."""
        own, beyond, extra = self._split(rows)
        result = np.empty(len(rows), dtype=object)
        result[own] = [self.release.product_names[row] for row in rows[own].tolist()]
        result[beyond] = extra
        return [str(name) for name in result]

    def among(self, rows: NDArray[np.int64], names: frozenset[str]) -> NDArray[np.bool_]:
        """Which have one of these product ids."""
        own, beyond, extra = self._split(rows)
        result = np.zeros(len(rows), dtype=bool)
        known = self.release.product_rows
        result[own] = np.isin(rows[own], [known[name] for name in names if name in known])
        result[beyond] = [name in names for name in extra]
        return result

    def _split(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.bool_], NDArray[np.bool_], list[str]]:
        """Which are the release's, which are not, and the ids of the latter."""
        beyond = rows >= self._end
        extra = [] if self._upserted is None else self._upserted.names[rows[beyond] - self._end].tolist()
        return ~beyond, beyond, extra


def _filter(
    call: Call, listed: _Listed, question: RecommendQuestion, history: UserHistory, found: Retrieved
) -> Retrieved:
    rows = found.indices
    keep = listed.offered(rows)
    bought = np.isin(rows, history.bought)
    if question.scope == R.RECOMMENDATION_SCOPE_NEW_TO_USER:
        keep &= ~bought
    elif question.scope == R.RECOMMENDATION_SCOPE_BOUGHT_BEFORE:
        keep &= bought
    elif question.scope == R.RECOMMENDATION_SCOPE_NEW_PRODUCTS:
        keep &= listed.new(rows)
    if question.categories:
        keep &= in_categories(call, listed.shelf, question.categories, listed.ids(rows))
    if question.excluded:
        keep &= ~listed.among(rows, question.excluded)
    return found.take(np.flatnonzero(keep))


def _products(
    listed: _Listed, question: RecommendQuestion, history: UserHistory, kept: Retrieved, today: dt.date
) -> list[R.RecommendedProduct]:
    release = listed.release
    names = listed.names(kept.indices)
    category, new = listed.ids(kept.indices), listed.new(kept.indices)
    shares = (
        np.zeros(len(release.vocabulary.levels[CATEGORY_LEVELS[1]].names))
        if question.row is None
        else release.shares_of(question.row)
    )
    result = []
    for n, row in enumerate(kept.indices.tolist()):
        ids = (int(category[n][0]), int(category[n][1]), int(category[n][2]))
        bought, fresh = bool(np.isin(row, history.bought)), bool(new[n])
        speaks = _speaks(history, kept, n)
        promised = promise(release, listed.shelf.launch(names[n], today)) if fresh else ""
        result.append(
            R.RecommendedProduct(
                product_id=names[n],
                title=listed.shelf.title(names[n]),
                category_path=release.vocabulary.path(ids),
                score=float(kept.scores[n]),
                bought_before=bought,
                new_product=fresh,
                reason=promised + _reason(release, history, row, ids, float(shares[ids[1]]), bought, fresh, speaks),
                reason_product_ids=[release.product_names[other] for other in speaks],
            )
        )
    return result


def _speaks(history: UserHistory, kept: Retrieved, n: int) -> list[int]:
    """Rows of the products in the history that speak for the n-th product, strongest first."""
    positions = [] if kept.reasons is None else kept.reasons[n].tolist()
    return [int(history.products[place]) - 1 for place in positions if 0 <= place < len(history.products)]


def _reason(
    release: ModelRelease,
    history: UserHistory,
    row: int,
    ids: tuple[int, int, int],
    share: float,
    bought: bool,
    fresh: bool,
    speaks: list[int],
) -> str:
    category = release.vocabulary.levels[CATEGORY_LEVELS[1]].readable[ids[1]].lower() or "this category"
    if bought:
        events = np.flatnonzero(history.products == row + 1)
        if not len(events):
            return "bought before"
        weeks = round(float(history.ages[events[0]]))
        when = "this week" if weeks < 1 else "a week ago" if weeks == 1 else f"{weeks} weeks ago"
        return f"bought {len(events)} times lately, last {when}" if len(events) > 1 else f"bought before, last {when}"
    start = "new, " if fresh else ""
    if speaks:
        return f"{start}goes with {release.products['title'][speaks[0]].as_py()}, in the history"
    if share >= INTEREST:
        return f"{start}from {category}, {share:.0%} of the user's purchases"
    return f"{start}bought by users with a similar history"
