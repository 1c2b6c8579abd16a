"""FindRelatedProducts over the invented shop: products that were sold, new, upserted and deleted ones."""

import grpc
import pytest
from gateways import connected

from onshelf.v1 import catalog_pb2, recommendation_pb2, types_pb2
from onshelf_gateway.testing import write_fake_release
from onshelf_gateway.testing.fake_release import FLAVOURED

C, R, T = catalog_pb2, recommendation_pb2, types_pb2
YOGURT, NEW_YOGURT, SHAMPOO = "P0013", "P0012", "P0037"
COMPLEMENT, SUBSTITUTE = R.RELATION_KIND_COMPLEMENT, R.RELATION_KIND_SUBSTITUTE


async def ask(running, **fields):
    return await running.recommend.FindRelatedProducts(R.FindRelatedProductsRequest(**fields))


def types_of(answer, kind):
    return {product.category_path[-1] for product in answer.products if product.kind == kind}


async def test_a_product_that_was_sold_has_relations_of_its_own(running, words):
    answer = await ask(running, product_id=YOGURT)
    assert types_of(answer, COMPLEMENT) == {"Berries"}
    assert types_of(answer, SUBSTITUTE) == {"Kids yogurt"}
    assert len(answer.products) == 10
    lows = [product.lift_low for product in answer.products]
    assert lows == sorted(lows, reverse=True)
    first = answer.products[0]
    assert first.lift_low < first.lift < first.lift_high
    assert (first.baskets, first.users, first.similar_products) == (40, 30, 0)
    assert first.title
    assert "30 users" in first.evidence
    assert not answer.inferred_from_product_ids
    assert "INFERRED_FROM_SIMILAR" not in words.notices(answer)
    assert not [call for call in running.backend.calls if call[0].startswith("product_encoder")]


async def test_kind_and_count_choose(running):
    only = await ask(running, product_id=YOGURT, kind=SUBSTITUTE, count=3)
    assert [product.kind for product in only.products] == [SUBSTITUTE] * 3
    everything = await ask(running, product_id=YOGURT, count=200)
    assert len(everything.products) == 2 * (FLAVOURED - 1)


async def test_a_new_product_has_the_relations_of_similar_ones_less_certain(running, words):
    known = await ask(running, product_id=YOGURT, kind=COMPLEMENT, count=1)
    running.backend.calls.clear()
    answer = await ask(running, product=T.Product(title="Greek yogurt, yogurt, honey"), kind=COMPLEMENT, count=1)
    assert types_of(answer, COMPLEMENT) == {"Berries"}
    assert len(answer.inferred_from_product_ids) >= 2
    assert YOGURT in answer.inferred_from_product_ids
    assert "INFERRED_FROM_SIMILAR" in words.notices(answer)
    (product,) = answer.products
    assert product.similar_products >= 2
    assert "similar products" in product.evidence
    spread = product.lift_high / product.lift_low
    assert spread >= known.products[0].lift_high / known.products[0].lift_low
    assert len(running.backend.calls) == 1, "one call of the encoder, and none for candidates"


async def test_a_product_of_the_catalog_without_sales_is_inferred_and_is_not_its_own_relation(running, words):
    answer = await ask(running, product_id=NEW_YOGURT, count=200)
    assert types_of(answer, COMPLEMENT) == {"Berries"}
    assert "INFERRED_FROM_SIMILAR" in words.notices(answer)
    assert NEW_YOGURT not in {product.product_id for product in answer.products}


async def test_an_upserted_product_is_inferred_from_what_the_models_said_of_it(on_sqlite, words):
    products = [
        T.Product(product_id="new-1", title="Shampoo, hair care, honey", category_path=["DRUG GM", "HAIR CARE"])
    ]
    await on_sqlite.catalog.UpsertProducts(C.UpsertProductsRequest(products=products))
    on_sqlite.backend.calls.clear()
    answer = await ask(on_sqlite, product_id="new-1")
    assert types_of(answer, COMPLEMENT) == {"Hair color"}
    assert "INFERRED_FROM_SIMILAR" in words.notices(answer)
    assert not on_sqlite.backend.calls


async def test_deleted_products_are_left_out(on_sqlite):
    before = await ask(on_sqlite, product_id=SHAMPOO, kind=COMPLEMENT)
    gone = before.products[0].product_id
    await on_sqlite.catalog.DeleteProducts(C.DeleteProductsRequest(product_ids=[gone]))
    after = await ask(on_sqlite, product_id=SHAMPOO, kind=COMPLEMENT)
    assert {product.product_id for product in after.products} == {p.product_id for p in before.products} - {gone}


async def test_a_product_that_resembles_nothing_has_none_and_is_told_so(running, words):
    answer = await ask(running, product=T.Product(title="jjjj kkkk vvvv", category_path=["DRUG GM", "TOYS", "PUZZLES"]))
    assert not answer.products
    assert any("no product with known relations" in notice.message for notice in answer.info.notices)


@pytest.mark.parametrize(
    ("fields", "reason", "field"),
    [
        ({}, "FIELD_REQUIRED", "product"),
        ({"product_id": "nobody"}, "PRODUCT_NOT_FOUND", "product_id"),
        ({"product_id": YOGURT, "count": 201}, "VALUE_OUT_OF_RANGE", "count"),
        ({"product_id": YOGURT, "kind": 9}, "VALUE_OUT_OF_RANGE", "kind"),
    ],
)
async def test_a_wrong_request_names_field_value_and_rule(running, words, fields, reason, field):
    refusal = await words.refusal(running.recommend.FindRelatedProducts(R.FindRelatedProductsRequest(**fields)))
    assert (refusal.reason, refusal.fields[0]) == (reason, field)


async def test_a_release_from_before_there_were_relations_serves_the_rest(tmp_path, words):
    write_fake_release(tmp_path, related=False)
    async with connected(tmp_path) as running:
        refusal = await words.refusal(
            running.recommend.FindRelatedProducts(R.FindRelatedProductsRequest(product_id=YOGURT))
        )
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "NOT_LEARNED")
        assert "published before" in refusal.message
        assert (await running.recommend.FindSimilarLaunches(R.FindSimilarLaunchesRequest(product_id=YOGURT))).launches
