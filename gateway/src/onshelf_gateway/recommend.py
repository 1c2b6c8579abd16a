"""RecommendProducts: history -> user vector -> products, filtered by scope, categories and exclusions."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onshelf.v1 import recommendation_pb2, types_pb2
from onshelf_gateway import messages
from onshelf_gateway.calls import Call
from onshelf_gateway.checks import Checker
from onshelf_gateway.errors import GatewayError, Violation
from onshelf_gateway.gateway import Gateway
from onshelf_gateway.history import History, read_history
from onshelf_gateway.models import Retrieved
from onshelf_gateway.release import ModelRelease
from onshelf_gateway.vocabulary import LEVELS

R = recommendation_pb2
SCOPES = {number: name for name, number in R.RecommendationScope.items()}
KINDS = {number: name for name, number in R.EventKind.items()}
INTEREST = 0.03  # share of purchases from which a category is named as the reason


@dataclass(frozen=True)
class Question:
    """A checked RecommendProductsRequest; `row` is the user's, None for an unknown one."""

    row: int | None
    events: list[R.HistoryEvent]
    count: int
    scope: int
    categories: tuple[str, ...]
    excluded: frozenset[str]
    new_product_share: float


def parse(request: R.RecommendProductsRequest, release: ModelRelease) -> Question:
    """Check a request.

    Raises:
        GatewayError: USER_NOT_FOUND, or the reason of the first violation.
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
    row = release.user_rows.get(request.user_id)
    if row is None and not request.history:
        raise user_not_found(release)
    return Question(
        row,
        list(request.history),
        count,
        request.scope,
        tuple(request.categories),
        frozenset(request.excluded_product_ids),
        share,
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
        question = parse(request, release)
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
        everything, new = await gateway.models.find_products(call, release, user, question.new_product_share)
        found = new if question.scope == R.RECOMMENDATION_SCOPE_NEW_PRODUCTS else everything
        with call.stage("response", len(found.indices)):
            kept = _filter(call, release, question, history, found)
            response = R.RecommendProductsResponse(products=_products(release, question, history, kept))
            if len(response.products) < question.count:
                call.notice(
                    types_pb2.NOTICE_CODE_CANDIDATES_LIMITED,
                    f"{len(response.products) or 'none'} of the {len(found.indices)} best products are in scope and "
                    "categories and not excluded",
                    "count",
                )
    response.info.CopyFrom(messages.response_info(call, release))
    return response


def _filter(call: Call, release: ModelRelease, question: Question, history: History, found: Retrieved) -> Retrieved:
    rows = found.indices
    keep = release.known_products[rows]
    bought = np.isin(rows, history.bought)
    if question.scope == R.RECOMMENDATION_SCOPE_NEW_TO_USER:
        keep &= ~bought
    elif question.scope == R.RECOMMENDATION_SCOPE_BOUGHT_BEFORE:
        keep &= bought
    elif question.scope == R.RECOMMENDATION_SCOPE_NEW_PRODUCTS:
        keep &= release.new_products[rows]
    if question.categories:
        keep &= _in_categories(call, release, question.categories, rows)
    excluded = [release.product_rows[name] for name in question.excluded if name in release.product_rows]
    keep &= ~np.isin(rows, excluded)
    return found.take(np.flatnonzero(keep)[: question.count])


def _in_categories(
    call: Call, release: ModelRelease, names: tuple[str, ...], rows: NDArray[np.int64]
) -> NDArray[np.bool_]:
    ids = release.product_ids[rows]
    inside = np.zeros(len(rows), dtype=bool)
    for n, name in enumerate(names):
        places = release.vocabulary.find(name)
        if not places:
            nearest = ", ".join(release.vocabulary.nearest(name)) or "none"
            call.notice(
                types_pb2.NOTICE_CODE_CATEGORY_UNKNOWN,
                f"category {name!r} is not in the history and holds no product; nearest names: {nearest}",
                f"categories[{n}]",
            )
        for level, number in places:
            inside |= ids[:, level] == number
    return inside


def _products(
    release: ModelRelease, question: Question, history: History, kept: Retrieved
) -> list[R.RecommendedProduct]:
    titles = release.products["title"].take(kept.indices).to_pylist()
    names = release.products["product_id"].take(kept.indices).to_pylist()
    category = release.product_ids[kept.indices]
    shares = (
        np.zeros(len(release.vocabulary.levels[LEVELS[1]].names))
        if question.row is None
        else release.shares_of(question.row)
    )
    result = []
    for n, row in enumerate(kept.indices.tolist()):
        ids = (int(category[n][0]), int(category[n][1]), int(category[n][2]))
        bought, fresh = bool(np.isin(row, history.bought)), bool(release.new_products[row])
        speaks = _speaks(history, kept, n)
        result.append(
            R.RecommendedProduct(
                product_id=names[n],
                title=titles[n],
                category_path=release.vocabulary.path(ids),
                score=float(kept.scores[n]),
                bought_before=bought,
                new_product=fresh,
                reason=_reason(release, history, row, ids, float(shares[ids[1]]), bought, fresh, speaks),
                reason_product_ids=[release.products["product_id"][other].as_py() for other in speaks],
            )
        )
    return result


def _speaks(history: History, kept: Retrieved, n: int) -> list[int]:
    """Rows of the products in the history that speak for the n-th product, strongest first."""
    positions = [] if kept.reasons is None else kept.reasons[n].tolist()
    return [int(history.products[place]) - 1 for place in positions if 0 <= place < len(history.products)]


def _reason(
    release: ModelRelease,
    history: History,
    row: int,
    ids: tuple[int, int, int],
    share: float,
    bought: bool,
    fresh: bool,
    speaks: list[int],
) -> str:
    category = release.vocabulary.levels[LEVELS[1]].readable[ids[1]].lower() or "this category"
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
