"""Benchmarks measure the running gateway, or graphs beside each other, and write what they measured."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_plan_latency_measures_and_writes(gateway, system, small_release, tmp_path):
    script = ROOT / "benchmarks" / "plan_latency.py"
    words = ["--address", gateway.address, "--releases", str(small_release.releases), "--requests", "8"]
    words += ["--rounds", "2", "--callers", "1", "4"]
    result = subprocess.run(
        [sys.executable, str(script), *words, "--out", str(tmp_path)], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    measured = json.loads((tmp_path / "plan_latency.json").read_text())
    assert json.loads(result.stdout.splitlines()[-1]) == measured
    assert measured["candidates"] >= 1000
    assert [row["load"].split(",")[0] for row in measured["rows"]] == ["closed loop"] * 2 + ["open loop"] * 3
    assert all(0 < row["p50_ms"] <= row["p95_ms"] <= row["p99_ms"] for row in measured["rows"])
    assert measured["machine"] in (tmp_path / "plan_latency.md").read_text()


def test_graph_latency_compares_graphs_and_writes(small_release, tmp_path):
    script = ROOT / "benchmarks" / "graph_latency.py"
    roles = [str(small_release.run.folder / role) for role in ("replay", "replay")]
    result = subprocess.run(
        [sys.executable, str(script), "audience_retrieval", *roles, "--rounds", "3", "--out", str(tmp_path)],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    measured = json.loads((tmp_path / "audience_retrieval.json").read_text())
    assert json.loads(result.stdout.splitlines()[-1]) == measured
    assert [(row["graph"], row["batch"]) for row in measured["rows"]] == [(0, 1), (1, 1), (0, 4), (1, 4)]
    assert all(0 < row["p50_ms"] <= row["p95_ms"] for row in measured["rows"])
    assert measured["largest_difference_to_graph_0"] == [0.0, 0.0]


def test_catalog_measures_and_writes(triton, small_release, tmp_path):
    script = ROOT / "benchmarks" / "catalog.py"
    words = ["--triton", triton.grpc_url, "--releases", str(small_release.releases), "--out", str(tmp_path)]
    words += ["--products", "40", "--at-once", "10", "--looks", "3"]
    result = subprocess.run([sys.executable, str(script), *words], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    measured = json.loads((tmp_path / "catalog.json").read_text())
    assert json.loads(result.stdout.splitlines()[-1]) == measured
    assert measured["processes"] == 2
    assert measured["upserts_per_minute"] > 0
    assert 0 <= measured["visible_everywhere"]["from_the_answer"]["p50_ms"] <= 1000
    assert set(measured["recommend_products_by_entries"]) == {"32", "50"}
