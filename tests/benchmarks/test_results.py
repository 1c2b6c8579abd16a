"""latest.json out of made-up parts, its pages and plots, and the numbers of README.md."""

import importlib
import json
from pathlib import Path

import pytest

from onshelf_benchmarks import bench, figures, pages, plots, readme
from onshelf_benchmarks.command import application

SWEEP = {
    "of": "candidate actions of a plan",
    "latency": "PlanLaunch, one caller",
    "rows": [
        {"size": size, "p50_ms": ms, "p95_ms": 2 * ms, "gateway_peak_mb": 200.0, "triton_peak_mb": 900.0}
        for size, ms in ((10, 5.0), (100, 9.0))
    ],
    "steps": [{"from": 10, "to": 100, "growth_p50": 0.18, "noise_p50": 0.02}],
    "worst_step": 0.18,
    "noise": 0.02,
    "no_worse_than_linear": True,
}
STREAM = SWEEP | {"worst_step": 1.02, "noise": 0.04, "peak_memory": {"gateway": 1.1, "client": 1.0}}
SERVER = {"rps": 100.0, "p50_ms": 10.0, "p95_ms": 20.0, "p99_ms": 30.0, "title": "a server"}
MODEL = {
    "alone_per_second": 90.0,
    "alone_batch": 8.0,
    "load_generator_cores": 0.1,
    "asked_by_a_plan": 1.0,
    "executed_batch": 1.0,
}
PARTS = {
    "latency": {
        "candidates": 961,
        "rows": [
            {"load": "closed loop, concurrency 1", "callers": 1, "plans_per_second": 19.0}
            | {"p50_ms": 50.0, "p95_ms": 60.0, "p99_ms": 70.0},
            {"load": "open loop, 50% of saturation", "share": 0.5, "plans_per_second": 17.0}
            | {"p50_ms": 90.0, "p95_ms": 200.0, "p99_ms": 300.0},
        ],
    },
    "tax": {"gateway_tax_ms": 1.25},
    "seed": {"ratio": 321.0},
    "encoder": {
        "encoder_vs_inprocess": 0.9,
        "single_texts_vs_inprocess": 0.8,
        "model": "product_encoder_int8",
        "best_batch": 64,
        "in_process_by": "2 sessions of one thread",
        "texts_per_second": {"in_process": 800.0, "triton_batches": 720.0, "triton_single": 640.0},
    },
    "saturation": {
        "gateway_saturation": 0.85,
        "plans_per_second": 40.0,
        "models_allow_per_second": 47.0,
        "load_generator_cores": {"plans": 0.05, "launch_plan": 0.01},
        "models": {"launch_outcome": MODEL},
        "never_batched": ["launch_outcome"],
        "callers": 16,
    },
    "peers": {
        "peers": {"litserve": SERVER, "bentoml": SERVER | {"rps": 120.0, "p99_ms": 60.0}},
        "gateways": {"ours": SERVER | {"rps": 300.0}, "ours_fp32": SERVER | {"rps": 150.0}},
        "compared": {
            "ours": {"best_peer": "bentoml", "times_best_rps": 2.5},
            "ours_fp32": {"best_peer": "bentoml", "times_best_rps": 1.25},
        },
        "failed": {"ray_serve": "why"},
    },
    "sweeps": {"sweeps": {"candidates": SWEEP, "stream": STREAM}},
    "retrieval": {"ratios": {"retrieval_vs_bandwidth": 1.5}},
    "catalog": {"upserts_per_minute": 12_000.0, "visible_everywhere": {"from_sending": {"max_ms": 400.0}}},
    "events": {
        "events_per_second": {"sqlite": {"record_events": 8_000.0, "stream_events": 7_000.0}},
        "remembering": {"cost": 0.01, "costs": [0.0, 0.01, 0.02]},
        "reports": {"launches": 1_000, "events": 1_000_000, "list_ms": 400.0, "p50_ms": 12.0, "p99_ms": 30.0},
    },
}
MEASURED = {name: {"date": "2026-01-02", "commit": "abc", "release": "12", "minutes": 1.0} for name in PARTS}


@pytest.fixture
def result() -> dict:
    about = {"command": "make bench", "machine": "a machine, 2 cores, Linux", "versions": {"numpy": "2"}}
    return about | {"measured": MEASURED, "parts": PARTS}


def test_each_figure_stands_beside_its_goal() -> None:
    measured = [row.split(" | ")[1] for row in pages.goals(PARTS).splitlines()[2:]]
    assert measured == [
        "321",
        "2.50",
        "1.25",
        "0.50",
        "1.25",
        "0.85",
        "0.90",
        "1.50",
        "12,000",
        "400",
        "8,000",
        "0.01",
        "1.10",
        "1.02 ± 0.04",
    ]


def test_half_of_saturation_is_promised() -> None:
    found = figures.promise(PARTS)
    assert found is not None
    keys = ("candidates", "plans_per_second", "p50_ms", "p99_ms")
    assert [found[key] for key in keys] == [961, 17.0, 90.0, 300.0]


def test_what_was_not_measured_is_a_dash() -> None:
    assert figures.promise({}) is None
    empty = {"command": "make bench", "machine": "m", "measured": {}, "parts": {}}
    rows = pages.goals({}).splitlines()[2:]
    assert all(row.endswith("| – |") and "| – |" in row for row in rows)
    assert "not measured yet" in pages.markdown(empty, [])
    assert "measured not yet" in readme.section(empty)


def test_each_goal_says_whether_it_was_reached() -> None:
    assert all(row.endswith("| yes |") for row in pages.goals(PARTS).splitlines()[2:])
    grown = SWEEP | {"worst_step": 1.3, "no_worse_than_linear": False}
    parts = PARTS | {"seed": {"ratio": 99.0}, "retrieval": {"ratios": {"retrieval_vs_bandwidth": 2.01}}}
    parts |= {"sweeps": {"sweeps": {"candidates": grown, "stream": STREAM}}}
    missed = [row for row in pages.goals(parts).splitlines()[2:] if row.endswith("| no |")]
    assert [row.split(" | ")[1] for row in missed] == ["99.00", "2.01", "1.30 ± 0.02"]


def test_the_page_has_every_part(result: dict) -> None:
    page = pages.markdown(result, [Path("plots/latency.png")])
    for words in (
        "takes 90 ms (median) and 300 ms (99 %) at half of saturation",
        "| open loop, 50% of saturation | 17.0 |",
        "| ours | 300 |",
        "Not measured: ray_serve.",
        "0.85 of the 47.0 that the models allow",
        "800 texts a second in one process (batches of 64, 2 sessions of one thread); through Triton 720",
        "Not batched: launch_outcome.",
        "10 to 100: 0.18 ± 0.02",
        "![latency](plots/latency.png)",
        "| catalog | 2026-01-02 | abc | 12 | 1.0 |",
    ):
        assert words in page, words


def test_default_limits_stand_beside_what_they_rest_on() -> None:
    rows = [{"callers": 64, "load": "closed loop, concurrency 64", "p99_ms": 1400.0}]
    grown = {"rows": [{"asked_for": 10_000, "size": 9_721, "p50_ms": 123.0}]}
    parts = {"latency": {"candidates": 961, "rows": rows}, "sweeps": {"sweeps": {"candidates": grown}}}
    kept = pages.limits(parts)
    assert "`--max-candidates`: 10,000" in kept
    assert "all 64 permits" in kept
    assert [row.split(" | ")[-2:] for row in kept.splitlines()[2:]] == [["1,400 ms", "yes |"], ["123 ms", "yes |"]]
    rows[0]["p99_ms"], grown["rows"][0]["p50_ms"] = 3334.0, 501.0
    missed = pages.limits(parts)
    assert [row.split(" | ")[-1] for row in missed.splitlines()[2:]] == ["no |", "no |"]
    unknown = pages.limits(PARTS)
    assert all(row.endswith("| – | – |") for row in unknown.splitlines()[2:])


def test_a_quick_check_is_marked_and_never_copied(result: dict) -> None:
    result["quick"] = True
    assert "no measurements" in pages.markdown(result, [])
    with pytest.raises(ValueError, match="quick check"):
        readme.section(result)


def test_plots_are_drawn(result: dict, tmp_path: Path) -> None:
    drawn = plots.draw(result, tmp_path)
    assert [path.name for path in drawn] == ["latency.png", "peers.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in drawn)


def test_every_part_can_be_run() -> None:
    addresses = dict.fromkeys(("triton", "ours", "ours_fp32"), "127.0.0.1:1")
    for name, part in bench.PARTS.items():
        module, *words = f"{part.command} {part.quick}".format(**addresses).split()
        measure = importlib.import_module(f"onshelf_benchmarks.{module}").measure
        _, bound, unused = application(measure).parse_args(words)
        assert not unused, name
        assert bound.kwargs, f"{name} has no quick check"


def test_servers_are_those_that_the_command_names() -> None:
    with bench.served("retrieval --rounds 2") as found:
        assert found == {}


def test_parts_of_another_machine_are_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "latest.json"
    nothing = {"parts": {}, "measured": {}, "versions": {}}
    assert bench.earlier(path, "here") == nothing
    path.write_text(json.dumps({"machine": "there", "parts": {"tax": {}}, "measured": {}}))
    assert bench.earlier(path, "here") == nothing
    assert bench.earlier(path, "there") == nothing | {"parts": {"tax": {}}}


def test_a_page_of_one_part_is_written(tmp_path: Path) -> None:
    measured = {"tax": MEASURED["tax"]}
    result = bench.write(tmp_path, {"parts": {"tax": PARTS["tax"]}, "measured": measured, "versions": {}}, quick=False)
    assert json.loads((tmp_path / "latest.json").read_text()) == result
    assert "| 1.25 | at most 1.5 | yes |" in (tmp_path / "latest.md").read_text()


def test_readme_has_the_numbers_of_latest_json() -> None:
    """Stale? `python -m onshelf_benchmarks.readme` copies them."""
    text = readme.README.read_text()
    between = text.split(readme.BEGIN)[1].split(readme.END)[0]
    assert between == f"\n{readme.section(json.loads(readme.LATEST.read_text()))}\n"


def test_only_what_is_between_the_marks_is_replaced() -> None:
    text = f"before\n{readme.BEGIN}\nold\n{readme.END}\nafter"
    assert readme.replaced(text, "new") == f"before\n{readme.BEGIN}\nnew\n{readme.END}\nafter"
    with pytest.raises(ValueError, match="once each"):
        readme.replaced("no marks", "new")
