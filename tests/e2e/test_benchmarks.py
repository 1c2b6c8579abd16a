"""Benchmarks measure the running gateway, and write what they measured."""

import json
import subprocess
import sys


def run(module, *words, out):
    command = [sys.executable, "-m", f"onshelf_benchmarks.{module}", *words, "--out", str(out)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    measured = json.loads((out / f"{module}.json").read_text())
    assert json.loads(result.stdout.splitlines()[-1]) == measured
    return measured


def test_latency_measures_and_writes(gateway, system, small_release, tmp_path):
    words = ["--address", gateway.address, "--releases", str(small_release.releases), "--requests", "8"]
    measured = run("latency", *words, "--rounds", "2", "--callers", "1", "4", out=tmp_path)
    assert measured["candidates"] >= 1000
    assert [row["load"].split(",")[0] for row in measured["rows"]] == ["closed loop"] * 2 + ["open loop"] * 3
    assert all(0 < row["p50_ms"] <= row["p95_ms"] <= row["p99_ms"] for row in measured["rows"])
    assert "| closed loop, concurrency 4 |" in (tmp_path / "latency.md").read_text()


def test_catalog_measures_and_writes(triton, small_release, tmp_path):
    words = ["--triton", triton.grpc_url, "--releases", str(small_release.releases)]
    measured = run("catalog", *words, "--products", "40", "--at-once", "10", "--looks", "3", out=tmp_path)
    assert measured["processes"] == 2
    assert measured["upserts_per_minute"] > 0
    assert 0 <= measured["visible_everywhere"]["from_the_answer"]["p50_ms"] <= 1000
