"""SearchProducts: products by title, category or meaning.

Words are compared with titles (BM25). The meaning of a query is the category that the encoder reads from it, as it
reads one from a product's title: products of that category follow those that share words, the surer the higher.
"""

import asyncio
from decimal import Decimal

import numpy as np

from onshelf.v1 import catalog_pb2, types_pb2
from onshelf_gateway.call.call import Call
from onshelf_gateway.call.errors import GatewayError
from onshelf_gateway.catalog.in_categories import in_categories
from onshelf_gateway.catalog.search_index import SearchIndex
from onshelf_gateway.catalog.shelf import Shelf
from onshelf_gateway.product.understanding import understand
from onshelf_gateway.releases.model_release import ModelRelease
from onshelf_gateway.requests import money
from onshelf_gateway.requests.checks import Checker
from onshelf_gateway.requests.questions import ProductQuestion, parse_product
from onshelf_gateway.services.gateway import Gateway
from onshelf_gateway.services.response import response_info

C, T = catalog_pb2, types_pb2
DEFAULT, MOST = 20, 200
LEAST_SURE = 0.4  # of a category that is read from a query
LEVELS = (0.05, 0.1, 0.2)  # what department, category and type of the query's meaning add to a score of words, if sure


async def search_products(gateway: Gateway, call: Call, request: C.SearchProductsRequest) -> C.SearchProductsResponse:
    """Answer SearchProducts."""
    with call.stage("validate"):
        release = gateway.release(call, request.model_release)
        check = Checker()
        query = check.text("query", request.query, 512, required=True)
        count = int(check.number("count", request.count or DEFAULT, 1, MOST))
        if check.count("categories", request.categories, 16):
            for n, name in enumerate(request.categories):
                check.text(f"categories[{n}]", name, 128, required=True)
        check.done()
        question = parse_product(check, T.Product(title=query), release)
        check.done()
        shelf = gateway.catalog.shelf(call, release)
    with gateway.permits.hold(call):
        meaning = await _meaning(gateway, call, release, question)
        own = await _index(gateway, release)
        names = [str(name) for name in shelf.delta.array("names")]
        rows, ids = shelf.delta.array("rows").copy(), shelf.delta.array("categorical_ids").copy()
        upserted = await _upserted_index(gateway, release, shelf, names)
        with call.stage("search", release.products.num_rows + len(names)):
            scores = np.concatenate([own.scores(query), upserted.scores(query)])
            categories = np.concatenate([shelf.ids(np.arange(release.products.num_rows)), ids.reshape(-1, 4)])
            keep = np.concatenate(
                [shelf.offered(np.arange(release.products.num_rows)), np.ones(len(names), dtype=bool)]
            )
            keep[rows[rows >= 0]] = False  # their upserted form is searched
            if meaning is not None:
                for level, (number, weight) in enumerate(zip(meaning[0], LEVELS, strict=True)):
                    if number:
                        scores = scores + weight * meaning[1] * (categories[:, level] == number)
            if request.categories:
                keep &= in_categories(call, shelf, tuple(request.categories), categories)
            at = np.flatnonzero(keep & (scores > 0))
            best = at[np.argsort(-scores[at], kind="stable")[:count]]
            response = C.SearchProductsResponse(
                products=[
                    C.FoundProduct(product=_product(shelf, names, int(row)), score=float(scores[row])) for row in best
                ]
            )
    response.info.CopyFrom(response_info(call, release))
    return response


async def _meaning(
    gateway: Gateway, call: Call, release: ModelRelease, question: ProductQuestion
) -> tuple[tuple[int, int, int], float] | None:
    """The category that the encoder reads from a query, and how sure it is; None where it reads none.

    Raises:
        GatewayError: the encoder does not answer.
    """
    reading = call.part()  # most of its notices are about a product's title
    try:
        product = await understand(reading, release, gateway.models, gateway.settings, question)
    except GatewayError as error:
        if error.reason != "TEXT_NOT_UNDERSTOOD":
            raise
        call.notice(
            T.NOTICE_CODE_TITLE_STRANGE, "the encoder does not understand the query; words alone count", "query"
        )
        return None
    finally:
        call.stages += reading.stages
    sure = product.category.confidence
    return (product.category.ids, sure) if sure >= LEAST_SURE else None


async def _index(gateway: Gateway, release: ModelRelease) -> SearchIndex:
    """The index of a release's titles, made once, at the first search."""
    indexes = gateway.search_indexes
    if release.fingerprint not in indexes or _failed(indexes[release.fingerprint]):
        loaded = {one.fingerprint for one in gateway.releases.loaded.values()}
        for gone in [name for name in indexes if name not in loaded]:
            del indexes[gone]
        titles = release.products["title"].to_pylist()
        making = asyncio.create_task(asyncio.to_thread(SearchIndex, release.tokenizer, titles))
        indexes[release.fingerprint] = making
    return await asyncio.shield(indexes[release.fingerprint])


async def _upserted_index(gateway: Gateway, release: ModelRelease, shelf: Shelf, names: list[str]) -> SearchIndex:
    """The index of the upserted products that the models have read, made once for each state of the catalog."""
    key = release.fingerprint, int(shelf.delta.array("changes").max(initial=0)), len(names)
    if gateway.upserted_index is None or gateway.upserted_index[0] != key or _failed(gateway.upserted_index[1]):
        titles = [shelf.title(name) for name in names]
        gateway.upserted_index = key, asyncio.create_task(asyncio.to_thread(SearchIndex, release.tokenizer, titles))
    return await asyncio.shield(gateway.upserted_index[1])


def _failed(task: "asyncio.Task[SearchIndex]") -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)


def _product(shelf: Shelf, names: list[str], row: int) -> T.Product:
    """A product of the release's own rows or, beyond their end, an upserted one."""
    own = shelf.release.products.num_rows
    if row < own:
        return _known(shelf.release, row)
    found = shelf.product(names[row - own])
    return found if found is not None else T.Product(product_id=names[row - own])  # deleted at this moment


def _known(release: ModelRelease, row: int) -> T.Product:
    """A product of the release's own catalog, as far as its table says."""
    table = release.products
    ids = release.product_ids[row]
    product = T.Product(
        product_id=release.product_names[row],
        title=table["title"][row].as_py(),
        category_path=release.vocabulary.path((int(ids[0]), int(ids[1]), int(ids[2]))),
    )
    price = table["price"][row].as_py()
    if price is not None and price > 0:
        product.list_price.CopyFrom(money.to_money(Decimal(repr(float(price))), release.manifest.currency))
    return product
