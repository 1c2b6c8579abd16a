"""UpsertProducts and DeleteProducts over fake models: what they change in every other answer."""

import asyncio
import contextlib
import datetime as dt
import sqlite3

import grpc
import pytest
from gateways import Running, connected

from onshelf.v1 import catalog_pb2, recommendation_pb2, types_pb2
from onshelf_gateway.catalog.read_products import AT_ONCE
from onshelf_gateway.inference.backend import BackendUnavailableError
from onshelf_gateway.testing import write_fake_release

C, R, T = catalog_pb2, recommendation_pb2, types_pb2
NEW = R.RECOMMENDATION_SCOPE_NEW_PRODUCTS


class Shop:
    """A gateway of its own with short words for its calls."""

    def __init__(self, gateway: Running):
        self.server, self.backend = gateway.server, gateway.backend
        self.catalog, self.stub = gateway.catalog, gateway.recommend

    async def upsert(self, *products):
        return await self.catalog.UpsertProducts(C.UpsertProductsRequest(products=products))

    async def delete(self, *names):
        return await self.catalog.DeleteProducts(C.DeleteProductsRequest(product_ids=names))

    async def recommend(self, **fields):
        request = {"user_id": "H00003", "count": 200, **fields}
        return await self.stub.RecommendProducts(R.RecommendProductsRequest(**request))

    async def ids(self, **fields):
        return [product.product_id for product in (await self.recommend(**fields)).products]


@contextlib.asynccontextmanager
async def opened(releases, **settings):
    """Gateways on the same releases have the same store."""
    store = f"sqlite:///{releases.parent / 'store' / 'store.db'}"
    async with connected(releases, store=store, catalog_poll_ms=20, **settings) as gateway:
        yield Shop(gateway)


@pytest.fixture
def root(tmp_path):
    write_fake_release(tmp_path / "releases", 3)
    return tmp_path / "releases"


@pytest.fixture
async def shop(root):
    async with opened(root) as one:
        yield one


def chips(name="N1", title="Honey lime tortilla chips", **fields):
    return T.Product(product_id=name, title=title, category_path=["Grocery", "Bag snacks"], **fields)


async def until(true, seconds=60.0):
    async with asyncio.timeout(seconds):
        while not await true():
            await asyncio.sleep(0.02)


async def test_an_upserted_product_is_recommended_at_once(shop, words):
    before = await shop.ids(scope=NEW)
    answer = await shop.upsert(chips(), chips("N2", "Ginger shampoo"))
    assert (answer.added, answer.replaced, list(answer.errors)) == (2, 0, [])
    assert answer.info.model_release.version == 3
    found = await shop.recommend(scope=NEW)
    assert {"N1", "N2"} <= {product.product_id for product in found.products}
    assert len(found.products) == len(before) + 2
    scores = [product.score for product in found.products]
    assert scores == sorted(scores, reverse=True)
    mine = next(product for product in found.products if product.product_id == "N1")
    assert mine.title == "Honey lime tortilla chips"
    assert list(mine.category_path) == ["Grocery", "Bag snacks", "Tortilla chips"], "completed as PlanLaunch does"
    assert mine.new_product
    assert not mine.bought_before
    assert mine.reason.startswith("new, ")
    assert mine.reason_product_ids
    assert "N1" not in await shop.ids(), "without sales and without a share"
    assert "N1" not in await shop.ids(scope=R.RECOMMENDATION_SCOPE_BOUGHT_BEFORE)


async def test_a_share_of_places_is_kept_for_upserted_products(shop):
    await shop.upsert(*(chips(f"N{n}") for n in range(4)))
    found = (await shop.recommend(new_product_share=0.5, count=20)).products
    new = [product.product_id for product in found if product.new_product]
    assert len(new) >= 10
    assert new[:3] == (await shop.ids(scope=NEW))[:3]
    assert found[0].new_product
    assert not all(product.new_product for product in found)


async def test_exclusions_and_categories_hold_for_upserted_products(shop):
    await shop.upsert(chips(), T.Product(product_id="N2", title="Puzzle", category_path=["Drug GM", "Toys"]))
    assert "N1" not in await shop.ids(scope=NEW, excluded_product_ids=["N1"])
    snacks = await shop.ids(scope=NEW, categories=["Bag snacks"])
    assert "N1" in snacks
    assert "N2" not in snacks
    toys = await shop.ids(new_product_share=0.3, categories=["Toys"])
    assert "N2" in toys
    assert "N1" not in toys


async def test_the_same_text_gets_the_place_of_the_releases_own_new_product(shop):
    before = await shop.recommend(scope=NEW)
    mixed = await shop.recommend(new_product_share=0.4, count=50)
    one = before.products[2]
    release = shop.server.releases.serving
    assert (await shop.delete(one.product_id)).deleted == 1
    assert one.product_id not in await shop.ids(scope=NEW)
    row = release.product_rows[one.product_id]
    brand = release.vocabulary.levels["brand"].names[int(release.product_ids[row][3])]
    answer = await shop.upsert(
        T.Product(product_id=one.product_id, title=one.title, category_path=one.category_path, brand=brand)
    )
    assert (answer.added, answer.replaced) == (1, 0)
    after = await shop.recommend(scope=NEW)
    assert [p.product_id for p in after.products] == [p.product_id for p in before.products]
    assert after.products[2].score == pytest.approx(one.score, abs=1e-4)
    assert after.products[2].reason_product_ids == one.reason_product_ids
    again = await shop.recommend(new_product_share=0.4, count=50)
    assert [p.product_id for p in again.products] == [p.product_id for p in mixed.products]


async def test_a_replaced_product_keeps_what_was_bought_with_it(shop):
    everything = await shop.recommend()
    one = next(product for product in everything.products if not product.new_product)
    answer = await shop.upsert(T.Product(product_id=one.product_id, title="Puzzles", category_path=["Toys"]))
    assert (answer.added, answer.replaced) == (0, 1)
    after = await shop.recommend()
    assert [p.product_id for p in after.products] == [p.product_id for p in everything.products]
    two = next(product for product in after.products if product.product_id == one.product_id)
    assert (two.title, list(two.category_path)) == ("Puzzles", ["Drug gm", "Toys", "Puzzles"])
    assert two.score == one.score
    assert not two.new_product
    assert one.product_id in await shop.ids(categories=["Toys"])
    assert one.product_id not in await shop.ids(scope=NEW)
    assert (await shop.delete(one.product_id)).deleted == 1
    assert one.product_id not in await shop.ids()


async def test_deleted_products_are_gone_from_every_answer(shop, words):
    names = await shop.ids()
    await shop.upsert(chips())
    answer = await shop.delete(names[0], "N1", "nobody", "nobody")
    assert (answer.deleted, answer.unknown) == (2, 1)
    assert names[0] not in await shop.ids()
    assert "N1" not in await shop.ids(scope=NEW)
    for name in (names[0], "N1", "nobody"):
        for call in ("FindAudience", "FindSimilarLaunches"):
            ask = getattr(shop.stub, call)(getattr(R, f"{call}Request")(product_id=name))
            assert (await words.refusal(ask)).reason == "PRODUCT_NOT_FOUND"
    assert (await shop.delete(names[0], "N1")).unknown == 2, "they are gone already"
    assert (await shop.upsert(chips())).added == 1
    assert "N1" in await shop.ids(scope=NEW)


async def test_retrievals_use_the_stored_encoding(shop):
    await shop.upsert(chips())
    audience = await shop.stub.FindAudience(R.FindAudienceRequest(product=chips()))
    launches = await shop.stub.FindSimilarLaunches(R.FindSimilarLaunchesRequest(product=chips()))
    shop.backend.calls.clear()
    by_id = await shop.stub.FindAudience(R.FindAudienceRequest(product_id="N1"))
    alike = await shop.stub.FindSimilarLaunches(R.FindSimilarLaunchesRequest(product_id="N1"))
    assert [call[0] for call in shop.backend.calls] == ["audience_retrieval", "launch_retrieval"], "no BERT"
    assert [user.user_id for user in by_id.users] == [user.user_id for user in audience.users]
    assert by_id.category == audience.category
    assert list(alike.launches) == list(launches.launches)


async def test_bad_products_are_named_and_the_others_taken(shop):
    products = [
        chips("N1"),
        T.Product(title="no id"),
        chips("N3", title=""),
        chips("N4", title="茉莉花茶"),
        chips("N5", title="\x00"),
        T.Product(product_id="N6", title="Mint tea", brand="b" * 200),
    ]
    answer = await shop.upsert(*products)
    assert (answer.added, answer.replaced) == (1, 0)
    assert [(e.index, e.reason, e.field) for e in answer.errors] == [
        (1, "FIELD_REQUIRED", "products[1].product_id"),
        (2, "FIELD_REQUIRED", "products[2].title"),
        (3, "TEXT_NOT_UNDERSTOOD", "products[3].title"),
        (4, "TEXT_INVALID", "products[4].title"),
        (5, "TEXT_TOO_LONG", "products[5].brand"),
    ]
    assert all(error.message for error in answer.errors)


async def test_an_encoder_that_fails_ends_the_call_and_cancels_nothing(shop, words):
    """Triton before 25.04 can die where a request is cancelled at the moment of its answer."""
    infer, ended = shop.backend.infer, []

    async def fails_once(model, version, inputs, outputs, timeout):
        number = len(ended)
        ended.append("asked")
        if number == 0:
            raise BackendUnavailableError(f"{model}: UNAVAILABLE: is not ready")
        try:
            await asyncio.sleep(0.1)
            return await infer(model, version, inputs, outputs, timeout)
        except asyncio.CancelledError:
            ended[number] = "cancelled"
            raise

    shop.backend.infer = fails_once
    products = [chips(f"N{n}", title=f"Lime chips {n}") for n in range(10 * AT_ONCE)]
    refusal = await words.refusal(shop.upsert(*products))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "MODEL_UNAVAILABLE")
    assert set(ended) == {"asked"}
    asked = len(ended)
    await asyncio.sleep(0.3)
    assert len(ended) == asked, "steps that had not begun did not begin"
    shop.backend.infer = infer
    assert (await shop.upsert(*products)).added == len(products), "nothing was half taken"


async def test_remarks_are_counted_by_kind(shop, words):
    answer = await shop.upsert(*(chips(f"N{n}", brand="Unheard of") for n in range(3)))
    assert "BRAND_UNKNOWN" in words.notices(answer)
    assert any(notice.message.startswith("3 products, for example: brand") for notice in answer.info.notices)


async def test_of_two_with_the_same_id_the_later_counts(shop):
    answer = await shop.upsert(chips("N1", "Apples"), chips("N1", "Lime tortilla chips"))
    assert answer.added == 1
    found = await shop.recommend(scope=NEW)
    assert [p.title for p in found.products if p.product_id == "N1"] == ["Lime tortilla chips"]


BAD = {
    "nothing": (C.UpsertProductsRequest(), "FIELD_REQUIRED", "products"),
    "many": (C.UpsertProductsRequest(products=[chips()] * 1001), "TOO_MANY", "products"),
    "no ids": (C.DeleteProductsRequest(), "FIELD_REQUIRED", "product_ids"),
    "many ids": (C.DeleteProductsRequest(product_ids=["a"] * 1001), "TOO_MANY", "product_ids"),
    "no id": (C.DeleteProductsRequest(product_ids=["a", ""]), "FIELD_REQUIRED", "product_ids[1]"),
    "long id": (C.DeleteProductsRequest(product_ids=["a" * 129]), "TEXT_TOO_LONG", "product_ids[0]"),
}


@pytest.mark.parametrize("case", BAD)
async def test_requests_are_checked(case, shop, words):
    request, reason, path = BAD[case]
    call = shop.catalog.DeleteProducts if "Delete" in type(request).__name__ else shop.catalog.UpsertProducts
    refusal = await words.refusal(call(request))
    assert (refusal.reason, refusal.fields[0]) == (reason, path)


async def test_changes_outlive_a_restart(root):
    async with opened(root) as shop:
        names = await shop.ids()
        await shop.upsert(chips(), chips("N2"))
        await shop.delete("N2", names[0])
        new = await shop.recommend(scope=NEW)
    async with opened(root) as shop:
        found = await shop.recommend(scope=NEW)
        assert [(p.product_id, p.score) for p in found.products] == [(p.product_id, p.score) for p in new.products]
        assert names[0] not in await shop.ids()
        assert shop.backend.count("product_encoder_int8") == 0, "encodings are kept"


async def test_other_processes_see_changes_without_encoding_again(root):
    async with opened(root) as one, opened(root) as two:

        async def two_has_the_last():
            return "N49" in await two.ids(scope=NEW)

        async def two_lacks_the_deleted():
            return "N8" not in await two.ids(scope=NEW)

        async def one_has_the_replaced():
            return "Mint puzzles" in [product.title for product in (await one.recommend(scope=NEW)).products]

        await one.upsert(*(chips(f"N{n}") for n in range(50)))
        await until(two_has_the_last)
        assert two.backend.count("product_encoder_int8") == 0
        await two.upsert(chips("N7", "Mint puzzles"))
        await one.delete("N8")
        await until(two_lacks_the_deleted, 1.0)
        await until(one_has_the_replaced, 1.0)


async def test_the_last_of_simultaneous_changes_wins_everywhere(root):
    async with opened(root) as one, opened(root) as two:
        titles = [f"{flavour} potato chips" for flavour in ("Classic", "Honey", "Lime", "Ginger", "Mint", "Cherry")]
        await asyncio.gather(*((one, two)[n % 2].upsert(chips("N1", title)) for n, title in enumerate(titles)))

        async def seen():
            found = [await shop.recommend(scope=NEW) for shop in (one, two)]
            return [[p.title for p in answer.products if p.product_id == "N1"] for answer in found]

        async def agreed():
            first, second = await seen()
            return first == second != []

        await until(agreed)
        (first,), (second,) = await seen()
        assert first == second
        assert first in titles


async def test_there_is_a_limit(root, words):
    async with opened(root, catalog_entries=3) as shop:
        await shop.upsert(chips("N1"), chips("N2"))
        shop.backend.calls.clear()
        refusal = await words.refusal(shop.upsert(chips("N3"), chips("N4")))
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "CATALOG_FULL")
        assert "--catalog-entries (3)" in refusal.message
        assert not shop.backend.calls, "refused before any work"
        await shop.upsert(chips("N1"), chips("N2"), chips("N3"))
        await shop.delete("N1")
        await shop.upsert(chips("N4"))


async def test_a_new_model_release_reads_the_products_in_the_background(root, words):
    async with opened(root, reload_seconds=0.05) as shop:
        await shop.upsert(*(chips(f"N{n}") for n in range(40)))
        shop.backend.failing["product_neighbours"] = BackendUnavailableError("not loaded yet")
        write_fake_release(root, 4, as_of=dt.date(2018, 2, 5))

        async def promoted():
            return (await shop.recommend(scope=NEW)).info.model_release.version == 4

        await until(promoted)
        early = await shop.recommend(scope=NEW)
        assert "CATALOG_INCOMPLETE" in words.notices(early)
        assert not any(product.product_id.startswith("N") for product in early.products)
        shop.backend.failing.clear()

        async def complete():  # they are read in several batches, in any order
            return "CATALOG_INCOMPLETE" not in words.notices(await shop.recommend(scope=NEW))

        await until(complete)
        assert {f"N{n}" for n in range(40)} <= set(await shop.ids(scope=NEW))
    async with opened(root) as shop:
        assert "N39" in await shop.ids(scope=NEW)
        assert shop.backend.count("product_encoder_int8") == 0


async def test_an_older_model_release_says_what_it_lacks(root, words):
    async with opened(root) as shop:
        await shop.upsert(chips())
    write_fake_release(root, 4, models=["product_encoder", "product_encoder_int8", "product_retrieval"])
    async with opened(root) as shop:
        refusal = await words.refusal(shop.upsert(chips()))
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "MODEL_RELEASE_TOO_OLD")
        assert "product_neighbours" in refusal.message
        found = await shop.recommend(scope=NEW)
        assert found.products
        assert "CATALOG_INCOMPLETE" in words.notices(found)
        early = await shop.recommend(scope=NEW, model_release=3)
        assert "N1" in {p.product_id for p in early.products} or "CATALOG_INCOMPLETE" in words.notices(early)

        async def read():
            return "N1" in await shop.ids(scope=NEW, model_release=3)

        await until(read)
        audience = await shop.stub.FindAudience(R.FindAudienceRequest(product_id="N1"))
        assert audience.users, "read anew from its title"
        assert (await shop.delete("N1")).deleted == 1


async def test_without_product_fit_the_answer_is_degraded(shop, words):
    await shop.upsert(chips())
    shop.backend.failing["product_fit"] = BackendUnavailableError("gone")
    found = await shop.recommend(scope=NEW)
    assert found.info.degraded
    assert "DEGRADED" in words.notices(found)
    assert found.products
    assert "N1" not in {product.product_id for product in found.products}


async def test_without_the_encoder_nothing_is_taken(shop, words):
    shop.backend.failing["product_encoder_int8"] = BackendUnavailableError("gone")
    refusal = await words.refusal(shop.upsert(chips()))
    assert refusal.reason == "MODEL_UNAVAILABLE"
    shop.backend.failing.clear()
    assert "N1" not in await shop.ids(scope=NEW)


async def test_of_more_than_are_scored_the_likeliest_are_and_those_in_the_categories(shop):
    kinds = ("Classic puzzles", *["Honey lime tortilla chips", "Ginger shampoo", "Cherry kids yogurt"] * 3)
    products = [T.Product(product_id=f"N{n}", title=f"{kinds[n % 10]} {n}") for n in range(1100)]
    await shop.upsert(*products[:700])
    await shop.upsert(*products[700:])
    shop.backend.calls.clear()
    found = await shop.recommend(scope=NEW)
    assert len(found.products) == 200
    await shop.ids(scope=NEW, categories=["Toys"])
    shapes = [shape["closest"] for model, _, shape in shop.backend.calls if model == "product_fit"]
    assert shapes[0] == (1, 1024)
    assert shapes[1] == (1, 256), "110 toys, and no more"


async def test_a_store_that_fails_is_told_and_nothing_is_changed(root, words):
    async with opened(root) as shop:
        await shop.upsert(chips())
        path = shop.server.settings.store.removeprefix("sqlite:///")
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute("ALTER TABLE catalog_state RENAME TO elsewhere")
        for call in (shop.upsert(chips("N2")), shop.delete("N1")):
            refusal = await words.refusal(call)
            assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")
            assert refusal.retry is not None
            assert "catalog_state" not in refusal.message, "what the database says is for the log"

        async def incomplete():
            return "CATALOG_INCOMPLETE" in words.notices(await shop.recommend(scope=NEW))

        async def complete():
            return not await incomplete()

        await until(incomplete)
        assert "N1" in await shop.ids(scope=NEW), "what is known goes on being served"
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute("ALTER TABLE elsewhere RENAME TO catalog_state")
        await until(complete)
        await shop.upsert(chips("N2"))
        assert {"N1", "N2"} <= set(await shop.ids(scope=NEW))


async def test_product_fit_is_asked_only_where_it_can_matter(shop):
    await shop.recommend(scope=NEW)
    await shop.upsert(chips())
    await shop.recommend()
    assert shop.backend.count("product_fit") == 0
    await shop.recommend(scope=NEW)
    assert shop.backend.count("product_fit") == 1
    await shop.delete("N1")
    await shop.recommend(scope=NEW)
    assert shop.backend.count("product_fit") == 1
