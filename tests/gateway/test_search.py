"""SearchProducts: by words, by the category that the encoder reads from a query, upserted products among them."""

import pytest

from onshelf.v1 import catalog_pb2

C = catalog_pb2


@pytest.fixture
def running(on_sqlite):
    """A gateway whose catalog may be changed."""
    return on_sqlite


async def search(running, query: str, **fields) -> list[C.FoundProduct]:
    answer = await running.catalog.SearchProducts(C.SearchProductsRequest(query=query, **fields))
    return list(answer.products)


async def test_products_that_share_words_come_first(running):
    found = await search(running, "honey tortilla chips")
    assert "honey" in found[0].product.title.casefold()
    assert "tortilla chips" in found[0].product.title.casefold()
    assert found[0].product.product_id
    assert found[0].product.list_price.currency_code == "USD"
    scores = [one.score for one in found]
    assert scores == sorted(scores, reverse=True)
    assert len(found) == 20


async def test_the_category_of_a_query_brings_products_without_its_words(running):
    found = await search(running, "tortilla chips", count=200)
    kinds = {tuple(one.product.category_path) for one in found if "tortilla" not in one.product.title.casefold()}
    assert ("Grocery", "Bag snacks", "Potato chips") in kinds


async def test_only_products_of_the_categories_asked_for(running, words):
    found = await search(running, "honey", categories=["Yogurt"], count=200)
    assert found
    assert all("Yogurt" in one.product.category_path for one in found)
    answer = await running.catalog.SearchProducts(C.SearchProductsRequest(query="honey", categories=["Moon rocks"]))
    assert not answer.products
    assert "CATEGORY_UNKNOWN" in words.notices(answer)


async def test_upserted_products_are_found_and_deleted_ones_are_not(running, words):
    product = words.product(product_id="yuzu-1", title="Yuzu tortilla chips with honey")
    await running.catalog.UpsertProducts(C.UpsertProductsRequest(products=[product]))
    found = await search(running, "yuzu tortilla chips honey")
    assert found[0].product == product
    own = (await search(running, "honey tortilla chips"))[1].product.product_id
    await running.catalog.DeleteProducts(C.DeleteProductsRequest(product_ids=["yuzu-1", own]))
    left = {one.product.product_id for one in await search(running, "yuzu tortilla chips honey", count=200)}
    assert not {"yuzu-1", own} & left
    await running.catalog.UpsertProducts(
        C.UpsertProductsRequest(products=[words.product(product_id=own, title="Honey tortilla chips again")])
    )
    again = [one.product for one in await search(running, "honey tortilla chips again", count=200)]
    assert again[0].title == "Honey tortilla chips again"
    assert [one.product_id for one in again].count(own) == 1


@pytest.mark.parametrize(
    ("fields", "reason", "path"),
    [
        ({"query": ""}, "FIELD_REQUIRED", "query"),
        ({"query": "a" * 513}, "TEXT_TOO_LONG", "query"),
        ({"query": "chips", "count": 201}, "VALUE_OUT_OF_RANGE", "count"),
        ({"query": "chips", "categories": ["a"] * 17}, "TOO_MANY", "categories"),
    ],
)
async def test_a_bad_search_names_its_field(running, words, fields, reason, path):
    refusal = await words.refusal(running.catalog.SearchProducts(C.SearchProductsRequest(**fields)))
    assert (refusal.reason, refusal.fields) == (reason, [path])


async def test_a_query_that_the_encoder_does_not_read_is_searched_by_words_alone(running, words):
    answer = await running.catalog.SearchProducts(C.SearchProductsRequest(query="зимняя куртка"))
    assert list(answer.products) == []
    assert "TITLE_STRANGE" in words.notices(answer)
