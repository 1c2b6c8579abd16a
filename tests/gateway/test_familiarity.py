"""Titles that read strangely: flagged or refused by every call that reads a product."""

import math

import pyarrow as pa
import pytest
from gateways import Running, connected

from onshelf.v1 import catalog_pb2, launch_pb2
from onshelf.v1 import recommendation_pb2 as R
from onshelf_gateway.releases.model_release import ReleaseError, load_release
from onshelf_gateway.testing import write_fake_release

STRANGE, UNREADABLE = "zqx qxz, xq", "zqxzqxzq xqzxqzxq"  # letters that the invented shop hardly uses


def test_a_title_costs_what_its_words_and_letters_cost(tmp_path):
    release = load_release(write_fake_release(tmp_path))
    strangeness = release.familiarity.strangeness
    assert strangeness(release.tokenizer, "Lime") == (8 - 3 * 5) / math.sqrt(5)
    assert strangeness(release.tokenizer, "lame") == (4 * 3 + 3 + 1 - 3 * 5) / math.sqrt(5)
    assert strangeness(release.tokenizer, "lame чай") == ((16 + 3 * 15 + 3 + 1) - 3 * 9) / math.sqrt(9)


async def ask(gateway: Running, words, title: str) -> dict[str, list[str]]:
    """Notices by call."""
    product = words.product(title=title)
    evaluate = words.evaluate()
    evaluate.product.CopyFrom(product)
    upsert = catalog_pb2.UpsertProductsRequest(products=[words.product(product_id="N1", title=title)])
    row = launch_pb2.StreamPlansRequest(plan=words.plan(product=product, request_id="1"))
    (streamed,) = [answer.plan async for answer in gateway.launch.StreamPlans(iter([row]))]
    answers = {
        "plan": await gateway.launch.PlanLaunch(words.plan(product=product)),
        "evaluate": await gateway.launch.EvaluatePlan(evaluate),
        "audience": await gateway.recommend.FindAudience(R.FindAudienceRequest(product=product)),
        "similar": await gateway.recommend.FindSimilarLaunches(R.FindSimilarLaunchesRequest(product=product)),
        "upsert": await gateway.catalog.UpsertProducts(upsert),
        "stream": streamed,
    }
    return {call: words.notices(answer) for call, answer in answers.items()}


async def test_every_call_that_reads_a_strange_title_says_so(tmp_path, words):
    write_fake_release(tmp_path / "releases")
    async with connected(tmp_path / "releases") as gateway:
        strange = await ask(gateway, words, STRANGE)
        usual = await ask(gateway, words, words.title)
    assert [call for call, notices in strange.items() if "TITLE_STRANGE" not in notices] == []
    assert [call for call, notices in usual.items() if "TITLE_STRANGE" in notices] == []


async def test_a_title_that_reads_like_nothing_is_refused_unless_told_otherwise(tmp_path, words):
    write_fake_release(tmp_path / "releases")
    store = f"sqlite:///{tmp_path / 'store.db'}"
    product = words.product(title=UNREADABLE, product_id="N1")
    async with connected(tmp_path / "releases", store=store) as gateway:
        refused = await words.refusal(gateway.launch.PlanLaunch(words.plan(product=product)))
        assert (refused.reason, refused.fields) == ("TEXT_NOT_UNDERSTOOD", ["product.title"])
        assert "another language, a misread encoding or no words" in refused.message
        request = catalog_pb2.UpsertProductsRequest(products=[words.product(product_id="N2"), product])
        written = await gateway.catalog.UpsertProducts(request)
        assert [(one.index, one.reason) for one in written.errors] == [(1, "TEXT_NOT_UNDERSTOOD")]
    async with connected(tmp_path / "releases", store=store, strange_titles="flag") as gateway:
        flagged = await ask(gateway, words, UNREADABLE)
    assert all("TITLE_STRANGE" in notices for notices in flagged.values())


async def test_a_release_without_the_table_says_nothing_of_strange_titles(tmp_path, words):
    write_fake_release(tmp_path / "releases", familiarity=False)
    async with connected(tmp_path / "releases") as gateway:
        answers = await ask(gateway, words, UNREADABLE)
    assert all("TITLE_STRANGE" not in notices for notices in answers.values())


def test_a_table_without_limits_is_refused_by_name(tmp_path):
    folder = write_fake_release(tmp_path)
    path = folder / "familiarity.arrow"
    table = pa.ipc.open_file(str(path)).read_all().replace_schema_metadata({"order": "4", "typical": "2"})
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(ReleaseError, match=r"familiarity\.arrow: its metadata lack other_bits, notice, refuse"):
        load_release(folder)
