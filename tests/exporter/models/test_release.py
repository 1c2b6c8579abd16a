import hashlib
import json
import math
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pyarrow.feather as feather
import pytest
from small_release import CONFIGS, SmallRelease
from tokenizers import Tokenizer

from onshelf_exporter.cli import main
from onshelf_exporter.process.errors import ExporterError
from onshelf_exporter.release.export import export, is_exported
from onshelf_exporter.release.graphs import (
    INT8_COSINE,
    MAX_IR,
    MAX_OPSET,
    STRAYS,
    default_opset,
    run_graph,
    session,
)
from onshelf_exporter.training.train import train
from onshelf_release.candidates import CANDIDATE_COLUMNS
from onshelf_release.signatures import CPU_ENCODERS, QUANTILE_LEVELS, SIGNATURES
from onshelf_release.tables import COLUMNS


@pytest.fixture(scope="module")
def manifest(small_release: SmallRelease) -> dict[str, Any]:
    path = small_release.releases / str(small_release.version) / "manifest.json"
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def test_manifest_says_what_a_release_is(manifest: dict[str, Any]) -> None:
    assert manifest["role"] == "production"
    assert manifest["as_of"] == "2018-01-01"
    assert manifest["cut_week"] == 53
    assert manifest["encoder_cut_week"] == 27
    assert (manifest["currency"], manifest["timezone"], manifest["week_start"]) == ("USD", "America/New_York", "monday")
    assert manifest["units_basis"]["users"] == 2469
    assert manifest["quantile_levels"] == list(QUANTILE_LEVELS)
    assert manifest["candidate_columns"] == list(CANDIDATE_COLUMNS)
    assert len(manifest["candidate_columns"]) == 37
    assert manifest["decided_lift_weight"] == 1.0
    assert manifest["calibration"]["launches"] > 500
    assert set(manifest["models"]) == set(SIGNATURES)


@pytest.mark.parametrize("name", sorted(SIGNATURES))
def test_graphs_stay_within_what_is_served(small_release: SmallRelease, manifest: dict[str, Any], name: str) -> None:
    path = small_release.repository / manifest["models"][name]["file"]
    model = onnx.load(str(path))
    assert model.ir_version <= MAX_IR
    assert default_opset(model) <= MAX_OPSET
    assert hashlib.sha256(path.read_bytes()).hexdigest() == manifest["models"][name]["sha256"]
    assert not any(t.data_location == onnx.TensorProto.EXTERNAL for t in model.graph.initializer)


@pytest.mark.parametrize("name", sorted(set(SIGNATURES) - {"product_encoder_int8"}))
def test_onnx_equals_pytorch_on_real_rows(manifest: dict[str, Any], name: str) -> None:
    parity = manifest["models"][name]["parity"]
    assert parity["rows"] >= 32
    assert parity["tolerance"] <= 2e-3
    share, most = STRAYS.get(name, (0.0, parity["tolerance"]))
    assert parity["max_abs_error"] <= most <= 5e-2
    assert parity["rows_above_tolerance"] <= math.ceil(share * parity["rows"])
    assert share <= 0.05


def test_encoders_for_cpus_compute_no_padding(manifest: dict[str, Any]) -> None:
    assert all(manifest["models"][name]["unpadded"] is True for name in CPU_ENCODERS)
    assert "unpadded" not in manifest["models"]["product_encoder"]


@pytest.mark.parametrize("change", ["export_code", "tool_versions"])
def test_what_other_code_exported_is_exported_again(small_release: SmallRelease, tmp_path: Path, change: str) -> None:
    path = small_release.run.folder / "production" / "export" / "manifest.json"
    manifest = json.loads(path.read_text())
    assert not is_exported(tmp_path)
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    assert is_exported(tmp_path)
    manifest[change] = {"torch": "1.0"} if change == "tool_versions" else "0"
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    assert not is_exported(tmp_path)


def test_publish_trains_and_exports_nothing_that_is_there(
    small_release: SmallRelease, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def starts(command: list[str], **_: Any) -> Any:
        raise AssertionError(command)

    monkeypatch.setattr("onshelf_exporter.release.publish.subprocess.run", starts)
    run = ["--recipe", "test", "--data", str(small_release.run.data), "--runs", str(small_release.run.folder.parent)]
    places = {name: tmp_path / name for name in ("releases", "repository", "replay")} | {"configs": CONFIGS}
    assert main(["publish", "--train", *run, *(f"--{name}={path}" for name, path in places.items())]) == 0
    assert "model release 2: production, new" in capsys.readouterr().out


def test_publish_ends_where_training_does(
    small_release: SmallRelease, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ONSHELF_PRECISION", "float32")  # so that what the stage sets is taken back
    asked: list[list[str]] = []

    def fails(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        asked.append(command[3:])
        return subprocess.CompletedProcess(command, 2)

    monkeypatch.setattr("onshelf_exporter.release.publish.subprocess.run", fails)
    run = ["--recipe", "test", "--data", str(small_release.run.data), "--runs", str(tmp_path), "--roles", "production"]
    assert main(["publish", "--train", *run, "--precision", "float32", "--releases", str(tmp_path / "releases")]) == 2
    assert asked == [["train", *run, "--precision", "float32"]]
    assert "step train of" in capsys.readouterr().err
    assert not (tmp_path / "releases").exists()


def test_int8_points_the_same_way(manifest: dict[str, Any]) -> None:
    cosine = manifest["models"]["product_encoder_int8"]["int8"]
    assert INT8_COSINE <= cosine["cosine_min"] <= cosine["cosine_mean"] <= 1.00001


def test_tables_carry_the_columns_that_the_gateway_reads(small_release: SmallRelease) -> None:
    folder = small_release.releases / str(small_release.version)
    wanted = {
        "vocabulary": "level id name readable_name parent_id n_products",
        "categories": "level id median_price price_p05 price_p25 price_p75 price_p95 seasonality n_launches "
        "launch_units_8w_median launch_units_8w_mean discount_median",
        "channels": "channel_slot channel_id name kind typical_coverage broad_coverage n_launches",
        "products": "product_index product_id title brand department_id category_id type_id brand_id price first_week "
        "launch_date popularity popularity_trend price_band",
        "users": "user_index user_id history_products history_ages history_quantities history_kinds profile "
        "purchases_per_week recency_weeks price_tier promotion_sensitivity new_product_share interests bought",
        "launches": "launch_index product_id title department_id category_id type_id launch_date week_of_year channels "
        "coverage discount coupon price price_ratio units_4w units_8w buyers_8w is_promotion_first",
        "life_cycle": "level id promoted launches share_w1 share_w8 evidence_w1 evidence_w7 size_w1 size_w7",
        "familiarity": "kind text bits unseen_bits",
        "related": "product_index related_index kind lift lift_low lift_high baskets users expected",
        "related_products": "product_index embedding",
    }
    assert set(wanted) == set(COLUMNS)
    for name, columns in wanted.items():
        table = feather.read_table(str(folder / f"{name}.arrow"), memory_map=True)
        assert set(columns.split()) <= set(table.column_names), name
    users = feather.read_table(str(folder / "users.arrow"))
    assert users.num_rows == 2469
    lengths = {
        c: users.column(c).combine_chunks().value_lengths().to_pylist() for c in users.column_names if "history" in c
    }
    assert len({tuple(v) for v in lengths.values()}) == 1
    assert max(lengths["history_products"]) == 256
    seasonality = feather.read_table(str(folder / "categories.arrow")).column("seasonality").to_pylist()
    assert {len(row) for row in seasonality} == {53}
    launches = feather.read_table(str(folder / "launches.arrow"))
    assert launches.num_rows == 5994


def test_a_title_of_one_s_own_gets_a_sensible_plan(small_release: SmallRelease, manifest: dict[str, Any]) -> None:
    """The path of a request through the published graphs: encode, score, find."""
    folder = small_release.releases / str(small_release.version)
    tokenizer = Tokenizer.from_file(str(folder / manifest["tokenizer"]["file"]))
    models = {name: session(small_release.repository / m["file"]) for name, m in manifest["models"].items()}
    encoded = tokenizer.encode("Crunchy peanut butter, family jar")
    product = {
        "input_ids": np.array([encoded.ids]),
        "attention_mask": np.array([encoded.attention_mask]),
        "categorical_ids": np.zeros((1, 4), np.int64),
        "attributes": np.array([[3.49, 0.0]], np.float32),
    }
    for name in ("product_encoder", *CPU_ENCODERS):
        out = run_graph(models[name], product)
        assert np.isclose(np.linalg.norm(out["embedding"]), 1, atol=1e-4)
    out = run_graph(models["product_encoder"], product)
    actions = np.zeros((1, 2, 37), np.float32)
    actions[0, :, 0], actions[0, :, 1] = 20, (3.49, 9.99)
    forecast = run_graph(models["launch_outcome"], product | {"embedding": out["embedding"], "candidates": actions})
    assert forecast["units_mean"][0, 0, 1] > forecast["units_mean"][0, 1, 1] > 0
    assert bool((np.diff(forecast["units_quantiles"], axis=-1) >= 0).all())
    audience = run_graph(
        models["audience_retrieval"],
        {**product, "embedding": out["embedding"], "product_vector": out["product_vector"]},
    )
    assert sorted(audience["user_indices"][0].tolist()) == list(range(2469))
    similar = run_graph(models["launch_retrieval"], {"embedding": out["embedding"]})
    assert similar["launch_indices"].shape == (1, 50)
    assert bool((np.diff(similar["similarities"][0]) <= 1e-6).all())


def test_nothing_is_trained_or_exported_twice(small_release: SmallRelease) -> None:
    run = small_release.run
    stamp = (run.folder / "production" / "export" / "manifest.json").stat().st_mtime_ns
    again = train(run.data, run.recipe, run.folder.parent, ["production"])
    assert again.folder == run.folder
    assert export(again, "production").joinpath("manifest.json").stat().st_mtime_ns == stamp


def test_an_untrained_role_is_named(small_release: SmallRelease) -> None:
    with pytest.raises(ExporterError, match=r"evaluation.*not trained"):
        export(small_release.run, "evaluation")
