"""The benchmark measures the running gateway and writes what it measured."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_plan_latency_measures_and_writes(gateway, system, small_release, tmp_path):
    script = ROOT / "benchmarks" / "plan_latency.py"
    words = ["--address", gateway.address, "--releases", str(small_release.releases), "--requests", "8"]
    result = subprocess.run(
        [sys.executable, str(script), *words, "--out", str(tmp_path)], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    measured = json.loads((tmp_path / "latest.json").read_text())
    assert json.loads(result.stdout.splitlines()[-1]) == measured
    assert measured["candidates"] >= 1000
    assert [row["load"].split(",")[0] for row in measured["rows"]] == ["closed loop"] * 3 + ["open loop"]
    assert all(0 < row["p50_ms"] <= row["p95_ms"] <= row["p99_ms"] for row in measured["rows"])
    assert measured["machine"] in (tmp_path / "latest.md").read_text()
