"""Parts that need no server: the error table, money, quantiles, the grid, settings, the release loader."""

import datetime as dt
import gc
import shutil
import subprocess
import sys
import weakref
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from google.type.money_pb2 import Money
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from onshelf.v1 import errors_pb2
from onshelf_gateway import settings
from onshelf_gateway.call import errors
from onshelf_gateway.call.idempotency import Answers
from onshelf_gateway.call.logs import UserHash
from onshelf_gateway.inference.outputs import RawOutcomes
from onshelf_gateway.planning.candidates import channel_sets, spread
from onshelf_gateway.planning.forecasts import Forecasts, nb_level, nb_quantile
from onshelf_gateway.planning.timing import launch_days
from onshelf_gateway.releases.model_release import ModelRelease, ReleaseError, load_release
from onshelf_gateway.releases.release_set import ReleaseSet
from onshelf_gateway.requests import money
from onshelf_gateway.server import heap
from onshelf_gateway.testing import write_fake_release
from onshelf_release.calendar import week_of_year
from onshelf_release.signatures import bucket

ROOT = Path(__file__).parents[2]
LEVELS = np.array([0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95])


def test_every_reason_has_the_status_of_the_contract():
    text = (ROOT / "proto/onshelf/v1/errors.proto").read_text(encoding="utf-8")
    known = {name.removeprefix("ERROR_REASON_") for name in errors_pb2.ErrorReason.keys()}  # noqa: SIM118
    assert set(errors.STATUS) == known - {"UNSPECIFIED"}
    comment = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("//"):
            comment = line if comment == "" else comment
            continue
        if line.startswith("ERROR_REASON_") and "UNSPECIFIED" not in line:
            name = line.split(" ")[0].removeprefix("ERROR_REASON_")
            assert comment.startswith(f"// {errors.STATUS[name].name}:"), name
        comment = ""
    assert len(errors.STATUS) == len(errors_pb2.ErrorReason.keys()) - 1


@given(st.integers(-(10**8), 10**8))
def test_money_survives_the_round_trip(cents):
    amount = Decimal(cents) / 100
    assert money.to_decimal(money.to_money(amount, "USD")) == amount


def test_money_is_rounded_to_the_minor_unit():
    assert money.to_money(2.675, "USD") == Money(currency_code="USD", units=2, nanos=680_000_000)
    assert money.to_money(Decimal("-0.005"), "USD") == Money(currency_code="USD", units=0, nanos=0)
    assert money.to_money(1234.5, "JPY").units == 1234
    assert money.to_money(1.2345, "KWD").nanos == 234_000_000
    with pytest.raises(ValueError, match="of the sign"):
        money.to_decimal(Money(units=1, nanos=-1))


@pytest.mark.parametrize(
    ("amount", "example", "expected"),
    [
        ("3.12", "3.49", "3.09"),
        ("3.839", "3.49", "3.79"),
        ("2.7", "3.00", "2.70"),
        ("9.03", "10.00", "9.05"),
        ("1.234", "1.37", "1.23"),
    ],
)
def test_prices_keep_the_ending_of_the_list_price(amount, example, expected):
    assert money.price_like(Decimal(amount), Decimal(example), "USD") == Decimal(expected)


@given(st.floats(0.05, 500), st.floats(0.1, 20), st.floats(0.02, 0.98))
def test_quantile_and_level_undo_each_other(mean, size, level):
    means, sizes = np.array([mean]), np.array([size])
    value = nb_quantile(level, means, sizes)
    if value[0] > 0:
        assert nb_level(value, means, sizes)[0] == pytest.approx(level, abs=1e-6)
    else:
        assert nb_level(np.zeros(1), means, sizes)[0] >= level - 1e-9


def _forecasts(scale: float, mean: float = 8.0, size: float = 1.2) -> Forecasts:
    means = np.full((1, 2), mean)
    quantiles = np.stack([nb_quantile(LEVELS, np.full(11, mean), np.full(11, size))] * 2)[None]
    raw = RawOutcomes(
        mean=means,
        dispersion=np.full((1, 2), size),
        quantiles=quantiles,
        buyers=means * 0.8,
        repeat_rate=np.full(1, 0.2),
    )
    return Forecasts(raw, LEVELS, scale)


@pytest.mark.parametrize("scale", [0.1, 3.0, 1000.0])
def test_scaled_quantiles_are_those_of_the_scaled_distribution(scale):
    scaled = _forecasts(scale).quantiles(8, 0)
    expected = nb_quantile(LEVELS, np.full(11, 8.0 * scale), np.full(11, 1.2))
    assert scaled == pytest.approx(expected, rel=1e-3, abs=1e-3)
    ends = _forecasts(1.0).quantiles(8, 0)
    relative = (scaled[-1] - scaled[0]) / (8.0 * scale) - (ends[-1] - ends[0]) / 8.0
    assert (relative > 0) == (scale < 1), "a small population is relatively less certain, a large one more"


def test_calibration_is_kept_by_scaling():
    base = _forecasts(1.0)
    wide = RawOutcomes(
        mean=base.raw.mean,
        dispersion=base.raw.dispersion,
        quantiles=base.raw.quantiles * 1.5,
        buyers=base.raw.buyers,
        repeat_rate=base.raw.repeat_rate,
    )
    scaled = Forecasts(wide, LEVELS, 10.0).quantiles(8, 0)
    narrow = Forecasts(base.raw, LEVELS, 10.0).quantiles(8, 0)
    assert (scaled[1:] > narrow[1:]).all()
    assert (np.diff(scaled) >= 0).all()


def test_quantiles_between_and_beyond_the_levels():
    forecasts = _forecasts(1.0)
    values = [forecasts.units_at(level, 8)[0] for level in (0.01, 0.05, 0.07, 0.5, 0.55, 0.95, 0.99)]
    assert values == sorted(values)
    assert values[-1] > values[-2]
    per_row = forecasts.units_at(np.array([0.5]), 8)
    assert per_row[0] == pytest.approx(values[3])


def test_weeks():
    assert week_of_year(dt.date(2018, 1, 1), "monday") == 1
    assert week_of_year(dt.date(2016, 12, 26), "monday") == 52
    assert week_of_year(dt.date(2020, 12, 28), "monday") == 53
    assert {week_of_year(dt.date(2018, 2, day), "monday") for day in range(5, 12)} == {6}
    assert {week_of_year(dt.date(2018, 2, day), "sunday") for day in range(4, 11)} == {5}, "4 February is in ISO week 5"
    assert launch_days(dt.date(2018, 1, 3), dt.date(2018, 1, 16), "monday") == [
        dt.date(2018, 1, 8),
        dt.date(2018, 1, 15),
    ]
    assert launch_days(dt.date(2018, 1, 3), dt.date(2018, 1, 16), "sunday") == [
        dt.date(2018, 1, 7),
        dt.date(2018, 1, 14),
    ]
    assert launch_days(dt.date(2018, 1, 3), dt.date(2018, 1, 4), "monday") == [dt.date(2018, 1, 3)]


def test_spread_and_buckets():
    assert spread(12, 12) == list(range(12))
    assert spread(52, 12)[0] == 0
    assert spread(52, 12)[-1] == 51
    assert len(spread(52, 12)) == 12
    assert bucket(65, (64, 256)) == 256
    assert bucket(999, (64, 256)) == 256


def test_channel_sets_keep_their_rules(tmp_path):
    release = load_release(write_fake_release(tmp_path))
    propensity = np.linspace(0.5, 0.1, 32)
    sets = channel_sets(release.plannable, propensity, frozenset({2}), 3, everything=True)
    assert (sets[:, 2] > 0).all()
    assert ((sets > 0).sum(axis=1) <= 3).all()
    assert len(np.unique(sets, axis=0)) == len(sets)
    none = channel_sets([], propensity, frozenset(), None, everything=False)
    assert none.shape == (1, 32)


def test_documents_are_generated_from_the_settings():
    assert (ROOT / "docs/configuration.md").read_text(encoding="utf-8") == settings.markdown(), (
        "run `python -m onshelf_gateway.settings > docs/configuration.md`"
    )


def test_flags_win_over_the_environment(monkeypatch):
    monkeypatch.setenv("ONSHELF_MAX_IN_FLIGHT", "5")
    monkeypatch.setenv("ONSHELF_TRITON", "triton:1")
    chosen = settings.parse(["--max-in-flight", "7"])
    assert (chosen.max_in_flight, chosen.triton) == (7, "triton:1")
    with pytest.raises(ValidationError):
        settings.parse(["--max-in-flight", "0"])


def test_a_bad_setting_is_one_clear_message():
    command = [sys.executable, "-m", "onshelf_gateway", "--max-in-flight", "many"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert result.stderr.startswith("--max-in-flight 'many':")
    assert "Traceback" not in result.stderr


def test_answers_forget_the_oldest():
    answers: Answers[Money] = Answers(2, 1_000)
    for n in range(3):
        answers.put(f"r{n}", "c", Money(units=n))
    assert answers.get("r0", "c") is None
    assert answers.get("r2", "c") == Money(units=2)
    with pytest.raises(errors.GatewayError) as caught:
        answers.get("r2", "other")
    assert caught.value.reason == "REQUEST_ID_REUSED"


def test_answers_are_bounded_by_their_bytes():
    small = Money(currency_code="USD", units=1)
    answers: Answers[Money] = Answers(100, 3 * small.ByteSize())
    for name in ("r0", "r1", "r2", "r2"):
        answers.put(name, "c", small)
    assert [answers.get(name, "c") for name in ("r0", "r1", "r2")] == [small] * 3
    answers.put("r3", "c", Money(currency_code="X" * (2 * small.ByteSize() - 2)))
    assert [answers.get(name, "c") is not None for name in ("r0", "r1", "r2", "r3")] == [False, False, True, True]
    answers.put("r4", "c", Money(currency_code="X" * (4 * small.ByteSize())))
    assert answers.get("r4", "c") is None, "larger than everything that may be kept"
    assert answers.get("r3", "c") is not None, "and nothing went for it"
    none: Answers[Money] = Answers(0, 1_000)
    none.put("r0", "c", small)
    assert none.get("r0", "c") is None


def test_hashes_need_the_key():
    assert UserHash("a")("H1") == UserHash("a")("H1")
    assert UserHash("a")("H1") != UserHash("b")("H1")
    assert UserHash("")("H1") != UserHash("")("H1")


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("manifest.json", "{}", "manifest.json"),
        ("users.arrow", "not arrow", "users.arrow"),
        ("tokenizer.json", "{}", "tokenizer"),
    ],
)
def test_a_broken_release_is_refused_by_name(file, content, message, tmp_path):
    folder = write_fake_release(tmp_path)
    (folder / file).write_text(content, encoding="utf-8")
    with pytest.raises(ReleaseError, match=message):
        load_release(folder)


def rewrite(folder: Path, name: str, column: str, values: Callable[[list[Any]], list[Any]]) -> None:
    """Put other values into one column of a table."""
    path = folder / f"{name}.arrow"
    with pa.memory_map(str(path)) as source:
        table = pa.ipc.open_file(source).read_all()
    changed = pa.array(values(table[column].to_pylist()))
    table = table.set_column(table.column_names.index(column), column, changed)
    with pa.OSFile(str(folder / "new"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    (folder / "new").replace(path)


@pytest.mark.parametrize(("name", "column"), [("products", "product_id"), ("users", "user_id")])
def test_a_release_that_names_two_rows_alike_is_refused(name, column, tmp_path):
    folder = write_fake_release(tmp_path)
    rewrite(folder, name, column, lambda ids: [ids[1], *ids[1:]])
    with pytest.raises(ReleaseError, match=rf"{name}\.arrow: {column} must be unique; rows that repeat one: 1"):
        load_release(folder)


def test_a_version_belongs_to_one_folder(tmp_path, logged):
    """A copy of a release under another name is refused and said so once; the release itself serves."""
    shutil.copytree(write_fake_release(tmp_path, 3), tmp_path / "5")
    shutil.copytree(tmp_path / "3", tmp_path / "007")
    releases = ReleaseSet(tmp_path)
    assert [release.version for release in releases.refresh()] == [3]
    assert releases.refresh() == []
    refused = [line for line in logged() if line["event"] == "model_release_refused"]
    assert sorted(line["folder"] for line in refused) == ["007", "5"], "each once"
    why = "manifest.json: version 3 must be the name of its folder, which is 5, and another folder has it"
    reasons = {line["folder"]: line["reason"] for line in refused}
    assert reasons["5"].endswith(why)
    assert "which is 007" in reasons["007"]
    assert releases.get(0).folder == tmp_path / "3"
    assert list(releases.loaded) == [3]


def test_a_release_with_tables_of_another_shape_leaves_the_others_in_service(tmp_path):
    write_fake_release(tmp_path, 3)
    folder = write_fake_release(tmp_path, 4)
    rewrite(folder, "launches", "coverage", lambda rows: ["none"] * len(rows))
    releases = ReleaseSet(tmp_path)
    assert [release.version for release in releases.refresh()] == [3]
    assert releases.refresh() == [], "refused once, not tried again"
    assert releases.get(0).version == 3


def test_a_release_in_use_is_out_of_the_collectors_sight_and_one_that_is_gone_is_freed(tmp_path):
    for version in (3, 4):
        write_fake_release(tmp_path, version)
    releases, seen = ReleaseSet(tmp_path), []

    def changed() -> None:
        heap.settle()
        seen.append(any(type(one) is ModelRelease for one in gc.get_objects()))

    releases.changed = changed
    try:
        releases.refresh()
        gone = weakref.ref(releases.loaded[3])
        loop = [releases.loaded[3]]
        loop.append(loop)  # only the collector frees it
        heap.settle()
        del loop
        shutil.rmtree(tmp_path / "3")
        releases.refresh()
        releases.refresh()
        assert gone() is None
        assert releases.get(0).version == 4
    finally:
        gc.unfreeze()
    assert seen == [False, False], "once for what was loaded, once for what is gone"
    assert any(type(one) is ModelRelease for one in gc.get_objects()), "it would be seen"


def test_releases_are_the_same_every_time(tmp_path):
    first, second = write_fake_release(tmp_path / "a"), write_fake_release(tmp_path / "b")
    for path in sorted(first.iterdir()):
        assert path.read_bytes() == (second / path.name).read_bytes(), path.name
