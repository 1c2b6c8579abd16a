"""Growth of latency over growth of the size, and memory of processes: the arithmetic, on made-up numbers."""

import os
import subprocess
import sys

import numpy as np
import pytest

from onshelf_benchmarks import memory, servers, sweeps


def constant(milliseconds: float) -> np.ndarray:
    return np.full(5, milliseconds)


def test_a_step_is_the_ratio_of_latencies_over_that_of_sizes() -> None:
    first, second = sweeps.steps([10, 100, 1000], [[constant(2)], [constant(10)], [constant(200)]])
    assert (first["from"], first["to"], second["from"], second["to"]) == (10, 100, 100, 1000)
    assert first["growth_p50"] == pytest.approx(0.5)
    assert second["growth_p50"] == pytest.approx(2.0)


def test_a_step_is_the_median_over_rounds_and_its_noise_half_their_span() -> None:
    small = [constant(1), constant(1), constant(1)]
    large = [constant(9), constant(10), constant(13)]
    (step,) = sweeps.steps([1, 10], [small, large])
    assert step["growth_p50"] == pytest.approx(1.0)
    assert step["noise_p50"] == pytest.approx(0.2)


def test_a_sweep_tells_its_worst_step() -> None:
    def of(*latencies: float) -> dict:
        return sweeps.verdict(sweeps.steps([1, 10, 100], [[constant(one)] for one in latencies]))

    good, bad = of(1, 2, 20), of(1, 2, 30)
    assert (good["worst_step"], good["no_worse_than_linear"]) == (pytest.approx(1.0), True)
    assert (bad["worst_step"], bad["no_worse_than_linear"]) == (pytest.approx(1.5), False)


def stream(between: float, gateway: float, client: float) -> dict:
    row = {"answers": 30, "failed": 0, "p50_ms": 5.0, "p95_ms": 6.0, "plans_per_second": 1000 / between}
    return row | {"ms_between_answers": [between] * 3, "gateway_peak_mb": gateway, "client_peak_mb": client}


def test_a_stream_stands_beside_the_shortest() -> None:
    short = [stream(20.0, 200.0, 90.0), stream(24.0, 180.0, 100.0), stream(20.0, 190.0, 95.0)]
    good = sweeps.streamed({100: short, 10_000: [stream(22.0, 238.0, 100.0)]})
    assert good["peak_memory"] == pytest.approx({"gateway": 1.19, "client": 1.0})
    assert (good["worst_step"], good["noise"]) == (pytest.approx(1.1), pytest.approx(0.1))
    bad = sweeps.streamed({100: short, 10_000: [stream(25.0, 200.0, 130.0)]})
    assert bad["peak_memory"]["client"] == pytest.approx(1.3)
    assert bad["worst_step"] == pytest.approx(1.25)
    assert not bad["no_worse_than_linear"]
    assert [row["answers"] for row in bad["rows"]] == [90, 30]


def test_the_peak_is_that_since_it_was_set_back() -> None:
    script = "import sys\nx = bytearray(200_000_000)\ndel x\nprint('ready', flush=True)\nsys.stdin.read()"
    child = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None
        child.stdout.readline()
        assert child.pid in memory.family(os.getpid())
        before = memory.peak([child.pid])
        memory.forget_peak([child.pid])
        after = memory.peak([child.pid])
    finally:
        child.communicate()
    assert before > 190 > 100 > after > 1
    assert memory.peak([child.pid]) == 0, "it ended"
    assert memory.peak(["self"]) > 1


def test_the_gateways_differ_in_what_they_are_for() -> None:
    assert set(servers.GATEWAYS) == {"ours", "ours_fp32", "shipped"}
    assert all(flags[:2] == servers.COLD for flags in servers.GATEWAYS.values())
