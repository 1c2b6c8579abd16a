"""FindRelatedProducts: what is bought with a product, and what instead of it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onshelf.v1 import recommendation_pb2, types_pb2
from onshelf_gateway.call.call import Call
from onshelf_gateway.call.errors import GatewayError
from onshelf_gateway.catalog.shelf import Shelf
from onshelf_gateway.recommendation import related as inference
from onshelf_gateway.releases.model_release import ModelRelease
from onshelf_gateway.requests.checks import Checker
from onshelf_gateway.services.gateway import Gateway
from onshelf_gateway.services.recommendation.subjects import parse_subject, read_subject
from onshelf_gateway.services.response import response_info
from onshelf_release.related import COMPLEMENT, Pairs, Related

R, T = recommendation_pb2, types_pb2
KINDS = {value: name for name, value in R.RelationKind.items()}
DEFAULT, MOST = 10, 200


@dataclass(frozen=True)
class Relations:
    """The relations of a product, and the products that they are inferred from: none where its own sales speak."""

    pairs: Pairs
    inferred_from: tuple[int, ...] = ()


async def find_related(
    gateway: Gateway, call: Call, request: R.FindRelatedProductsRequest
) -> R.FindRelatedProductsResponse:
    """Answer FindRelatedProducts."""
    with call.stage("validate"):
        release = gateway.release(call, request.model_release)
        check = Checker()
        count = int(check.number("count", request.count, 0, MOST)) or DEFAULT
        check.enum("kind", request.kind, KINDS)
        shelf = gateway.catalog.shelf(call, release)
        parsed = parse_subject(check, request, shelf)
        check.done()
        known = known_relations(release, call)
    with gateway.permits.hold(call):
        found = own_relations(shelf, known, request.product_id)
        if found is None:
            subject = await read_subject(gateway, call, release, parsed)
            found = inferred_relations(shelf, known, subject.embedding, subject.ids, request.product_id)
            _notice_inferred(call, found)
        with call.stage("response", len(found.pairs.kind)):
            best = inference.strongest(offered(shelf, found.pairs), request.kind, count)
            response = R.FindRelatedProductsResponse(
                products=[_message(shelf, best, n) for n in range(len(best.kind))],
                inferred_from_product_ids=[release.product_names[row] for row in found.inferred_from],
            )
    response.info.CopyFrom(response_info(call, release))
    return response


def known_relations(release: ModelRelease, call: Call | None = None) -> Related:
    """The relations that a release knows.

    Raises:
        GatewayError: NOT_LEARNED, where it was published before there were any.
    """
    if release.related is None:
        raise GatewayError(
            "NOT_LEARNED",
            f"model release {release.version} was published before related products were learned; train and publish a "
            "new one",
        )
    if call is not None and not len(release.related.product):
        call.notice(
            T.NOTICE_CODE_NOT_LEARNED,
            "no two products were bought together, or instead of each other, often enough to be told from chance",
        )
    return release.related


def own_relations(shelf: Shelf, known: Related, product_id: str) -> Relations | None:
    """Relations that were counted for a product of the release's own catalog; None where none were, and for a product
    that was upserted: it may be another one now."""
    row = shelf.release.product_rows.get(product_id) if product_id else None
    if row is None or shelf.product(product_id) is not None:
        return None
    pairs = known.of(row)
    return Relations(pairs) if len(pairs.kind) else None


def inferred_relations(
    shelf: Shelf, known: Related, embedding: NDArray[np.float32], ids: tuple[int, int, int, int], product_id: str
) -> Relations:
    """Relations of the products that are most similar to an embedding: of its type (`ids`), else category, else all."""
    row = shelf.release.product_rows.get(product_id, -1)
    others, categories = known.known != row, shelf.ids(known.known)
    kin = [others & (categories[:, level] == ids[level]) for level in (2, 1) if ids[level]]
    similar, similarity = inference.nearest(known, embedding, [*kin, others])
    pairs = inference.pooled(known, similar, similarity)
    return Relations(pairs.take(np.flatnonzero(pairs.related != row)), tuple(similar.tolist()))


def offered(shelf: Shelf, pairs: Pairs) -> Pairs:
    """The pairs whose related products are in the catalog and are what they were."""
    there = shelf.offered(pairs.related)
    return pairs.take(np.flatnonzero(there))


def _notice_inferred(call: Call, found: Relations) -> None:
    if found.inferred_from:
        call.notice(
            T.NOTICE_CODE_INFERRED_FROM_SIMILAR,
            f"the product has too few sales of its own: its relations are inferred from {len(found.inferred_from)} "
            "similar products, with wider intervals",
        )
    else:
        call.notice(
            T.NOTICE_CODE_INFERRED_FROM_SIMILAR,
            "the product has too few sales of its own, and no product with known relations is similar to it",
        )


def _message(shelf: Shelf, pairs: Pairs, n: int) -> R.RelatedProduct:
    release, row = shelf.release, int(pairs.related[n])
    product_id = release.product_names[row]
    ids = shelf.ids(np.array([row]))[0]
    return R.RelatedProduct(
        product_id=product_id,
        title=shelf.title(product_id),
        category_path=release.vocabulary.path((int(ids[0]), int(ids[1]), int(ids[2]))),
        kind=int(pairs.kind[n]),  # type: ignore[arg-type]
        lift=float(pairs.lift[n]),
        users=int(pairs.users[n]),
        lift_low=float(pairs.lift_low[n]),
        lift_high=float(pairs.lift_high[n]),
        baskets=int(pairs.baskets[n]),
        expected=float(pairs.expected[n]),
        similar_products=int(pairs.similar[n]),
        evidence=_evidence(pairs, n),
    )


def _evidence(pairs: Pairs, n: int) -> str:
    baskets, users, expected = int(pairs.baskets[n]), int(pairs.users[n]), float(pairs.expected[n])
    if pairs.kind[n] == COMPLEMENT:
        said = f"in {baskets:,} baskets together" + (f" of {users:,} users" if users else "")
        said += f"; chance makes {expected:,.1f}"
    else:
        said = f"{users:,} users changed between the two {baskets:,} times"
    similar = int(pairs.similar[n])
    return f"{said}; of {similar} similar products" if similar else said
