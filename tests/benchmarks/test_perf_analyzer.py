"""perf_analyzer: that it is fetched and runs, its input files, its records, and short runs on the real servers."""

import base64
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from tritonclient.grpc.model_config_pb2 import ModelConfig

from onshelf_benchmarks.perf_analyzer import page, run
from onshelf_benchmarks.perf_analyzer import requests as inputs
from onshelf_benchmarks.perf_analyzer import tool as program
from onshelf_benchmarks.perf_analyzer.run import Load, Rig
from onshelf_benchmarks.perf_analyzer.tool import PerfAnalyzerError, PerfAnalyzerHangsError
from onshelf_benchmarks.products import TOKENS, Catalog

EXPORT = (  # as it writes it, shortened; an answer's bytes need not be UTF-8
    b'{"experiments":[{"experiment":{"mode":"concurrency","value":2},"requests":['
    b'{"timestamp":1000000000,"request_inputs":{"title":"Tea","list_price":1.5},"response_timestamps":[1010000000],'
    b'"response_outputs":[{"response":"\xff\xfe"}]},'
    b'{"timestamp":1000000000,"request_inputs":{"title":"Jam","list_price":2.0},"response_timestamps":[1030000000],'
    b'"response_outputs":[{"response":"a"}]},'
    b'{"timestamp":1010000000,"request_inputs":{"title":"Tea","list_price":1.5},"response_timestamps":[1020000000],'
    b'"response_outputs":[{"response":"a"}]},'
    b'{"timestamp":1100000000,"request_inputs":{"title":"Ale","list_price":2.0},"response_timestamps":[1140000000],'
    b'"response_outputs":[{"response":"a"}]}],'
    b'"window_boundaries":[1000000000,1140000000]}],"version":"2.51.0","service_kind":"triton","endpoint":""}'
)
CSV = (
    "Concurrency,Inferences/Second,Client Send,Network+Server Send/Recv,Server Queue,Server Compute Input,"
    "Server Compute Infer,Server Compute Output,Client Recv,p50 latency,p90 latency,p95 latency,p99 latency\n"
    "4,999.756,2,409,575,31,730,292,0,1666,2761,4036,8780\n"
)


def config(model: str, *inputs: tuple, optional: tuple[str, ...] = ()) -> ModelConfig:
    """A model's configuration; an input is its name, type and dimensions."""
    result = ModelConfig(name=model, max_batch_size=8)
    for name, kind, *dims in inputs:
        result.input.add(name=name, data_type=f"TYPE_{kind}", dims=dims, optional=name in optional)
    return result


PLAN = config(
    "launch_plan",
    ("title", "STRING", 1),
    ("category", "STRING", 1),
    ("list_price", "FP64", 1),
    ("max_candidates", "INT32", 1),
    optional=("category", "list_price", "max_candidates"),
)
ENCODER = config(
    "product_encoder",
    ("input_ids", "INT64", -1),
    ("attention_mask", "INT64", -1),
    ("categorical_ids", "INT64", 4),
    ("attributes", "FP32", 2),
)


@pytest.fixture(scope="module")
def tool(tmp_path_factory):
    return program.install(tmp_path_factory.mktemp("tool") / "perf_analyzer")


@pytest.fixture
def catalog(small_release):
    return Catalog(small_release.releases / str(small_release.version))


def test_install_fetches_a_working_program_once(tool, monkeypatch):
    assert tool.version() == "2.51.0"
    before = tool.program.stat()
    monkeypatch.setenv("PATH", "")  # nothing can be fetched now
    assert program.install(tool.folder) == tool
    assert tool.program.stat() == before
    assert sorted(path.name for path in tool.folder.parent.iterdir()) == ["perf_analyzer", "perf_analyzer.lock"]


def test_what_cannot_be_fetched_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(PerfAnalyzerError, match=r"libb64\.so\.0d; without apt-get and dpkg"):
        program._b64(tmp_path, tmp_path)
    with pytest.raises(PerfAnalyzerError, match="no-such-package==1 could not be fetched"):
        program._packages(tmp_path, "./no-such-package==1")


def test_a_failed_run_says_why(tool):
    with pytest.raises(PerfAnalyzerError, match="concurrency-range"):
        tool.run("-m", "any", "--concurrency-range", "x")
    with pytest.raises(PerfAnalyzerError, match="failed to get model metadata"):
        tool.run("-m", "any", "-i", "grpc", "-u", "127.0.0.1:1")


class Hanging:
    """A perf_analyzer that does not end so many times, then reports."""

    def __init__(self, times: int, report: Path) -> None:
        self.times, self.report = times, report

    def run(self, *_: str, timeout: float) -> str:
        self.times -= 1
        if self.times >= 0:
            raise PerfAnalyzerHangsError(f"perf_analyzer did not end within {timeout:.0f} s")
        self.report.write_text(CSV)
        return ""


@pytest.mark.parametrize("times", [0, 1, 2])
def test_a_load_that_does_not_end_is_made_once_more(tmp_path, monkeypatch, capsys, times):
    monkeypatch.setattr(run, "counts_of", lambda *_: {"answers": 0})
    monkeypatch.setattr(run, "server_side", lambda *_: {})
    rig = Rig(Hanging(times, tmp_path / "report.csv"), tmp_path, None, seconds=1.0)
    server = SimpleNamespace(address="", metrics="", client=None)

    def measured() -> dict:
        return rig.run(server, "any", tmp_path / "input.json", Load(rate=9.0), 0)

    if times == 2:
        with pytest.raises(PerfAnalyzerHangsError, match="within 70 s"):
            measured()
    else:
        assert measured()["p50_ms"] > 0
    assert capsys.readouterr().err.count("once more") == min(times, 1)


def test_a_refused_request_is_told_in_the_words_of_the_server():
    printed = (
        "Failed to retrieve results from inference request.\nThread [3] had error: 8 requests are being answered\n\n"
    )
    assert program.complaint(printed) == "8 requests are being answered"


def test_export_is_read():
    row = run.parse_export(EXPORT)
    assert (row["requests"], row["distinct"]) == (4, 3)
    assert row["per_second"] == pytest.approx(3 / 0.1)  # three answers until the last request was sent
    assert row["sent_per_second"] == pytest.approx(3 / 0.1)
    assert row["p50_ms"] == pytest.approx(20)  # of 10, 10, 30, 40
    assert row["p99_ms"] == pytest.approx(39.7)


def test_export_without_answers_is_refused():
    with pytest.raises(PerfAnalyzerError, match="no answered request"):
        run.parse_export(b"")


def test_report_is_read():
    assert run.parse_csv(CSV) == {"per_second": 999.756, "p50_ms": 1.666, "p95_ms": 4.036, "p99_ms": 8.78}


def test_loads_in_the_words_of_perf_analyzer():
    assert Load(concurrency=16).words == ("--async", "--concurrency-range", "16")
    assert Load(rate=1 / 3).words[1:] == ("--request-rate-range", "0.333", "--request-distribution", "poisson")
    assert Load(concurrency=64).requests(10, seconds=1, most=10_000) == 256
    assert Load(rate=500).requests(10, seconds=10, most=10_000) == 5_000
    assert Load(rate=500).requests(10, seconds=100, most=10_000) == 10_000


@pytest.mark.parametrize("rate", [1137.8, 1142.2, 2275.6, 999.96])
def test_an_open_loop_sends_at_least_a_second_of_requests(rate):
    load = Load(rate=rate)
    (told,) = (word for word in load.words if word[0].isdigit())
    assert load.requests(10, seconds=1, most=10_000) >= float(told)
    assert load.requests(10, seconds=0.5, most=10_000) >= float(told)


def test_server_side_is_what_was_counted_between():
    before = dict.fromkeys(("inferences", "executions", "answers", *run.TIMES), 5)
    after = before | {"inferences": 13, "executions": 7, "answers": 13, "queue": 8_000_005, "compute_infer": 16_000_005}
    side = run.server_side(before, after)
    assert side == pytest.approx({"queue_ms": 1, "compute_ms": 2, "batch": 4})
    assert run.server_side(before, before) == {}


def test_headline_is_cold():
    about = {"server": "gateway", "model": "launch_plan", "size": "", "p50_ms": 2.0, "p95_ms": 3.0, "p99_ms": 4.0}
    rows = [
        about | {"cache": "cold", "load": "concurrency 1", "per_second": 10.0},
        about | {"cache": "cold", "load": "concurrency 16", "per_second": 20.0, "p50_ms": 90.0},
        about | {"cache": "warm", "load": "concurrency 16", "per_second": 99.0},
        about | {"cache": "none", "model": "launch_outcome", "load": "concurrency 1", "per_second": 99.0},
        about | {"cache": "cold", "load": "concurrency 64", "error": "refused"},
    ]
    (top,) = page.headline(rows)
    assert (top["cache"], top["best_per_second"], top["best_load"]) == ("cold", 20.0, "concurrency 16")
    assert (top["lightest_load"], top["p50_ms"]) == ("concurrency 1", 2.0)


def test_an_open_loop_that_fell_behind_says_so():
    about = {"server": "gateway", "model": "audience", "size": "", "cache": "cold", "load": "Poisson 50/s"}
    about |= {"requests": 900, "file_products": 900, "planned_per_second": 50.0, "per_second": 40.0}
    about |= {"p50_ms": 2.0, "p95_ms": 3.0, "p99_ms": 4.0}
    kept, behind = about | {"sent_per_second": 45.0}, about | {"sent_per_second": 43.0}
    assert not page.is_behind(kept), "900 arrivals vary by a tenth"
    assert page.is_behind(behind)
    assert not page.is_behind(behind | {"requests": 100})
    found = {"rows": [kept, behind], "headline": [], "versions": {}, "products": 900, "warm_products": 100}
    found |= {"command": "c", "machine": "m", "date": "d", "commit": "c"}
    text = page.markdown(found)
    assert text.count("| Poisson 50/s |") == 1
    assert text.count("| Poisson 50/s, sent 43/s |") == 1


def test_input_file_of_products_is_distinct(catalog, tmp_path):
    count = 10_000
    path = tmp_path / "input.json"
    assert inputs.write(inputs.rows(PLAN, catalog, catalog.take(count)), path) == count
    data = json.loads(path.read_text())["data"]
    assert len({row["title"]["content"][0] for row in data}) == count
    assert all(
        set(row) == {"title", "category", "list_price"} for row in data
    )  # what is not known and optional: left out
    assert all(tensor["shape"] == [1] for row in data for tensor in row.values())
    prices = np.array([_numbers(row["list_price"], np.float64)[0] for row in data])
    assert (prices > 0).all()
    assert " > " in data[0]["category"]["content"][0]


def test_no_product_comes_twice(catalog):
    titles = [product.title for _ in range(5) for product in catalog.take(10_000)]
    assert len(set(titles)) == len(titles)
    assert catalog.number >= len(titles)


def test_input_file_of_the_encoder_fits(catalog, tmp_path):
    count = 300
    path = tmp_path / "input.json"
    inputs.write(inputs.rows(ENCODER, catalog, catalog.take(count, TOKENS)), path)
    data = json.loads(path.read_text())["data"]
    ids = np.stack([_numbers(row["input_ids"], np.int64) for row in data])
    lengths = np.stack([_numbers(row["attention_mask"], np.int64) for row in data]).sum(axis=1)
    assert ids.shape == (count, TOKENS)
    assert len(np.unique(ids, axis=0)) == count
    assert 0 < lengths.min() <= lengths.max() <= TOKENS
    assert {tuple(row["categorical_ids"]["shape"]) for row in data} == {(4,)}


def test_an_unknown_required_input_is_named(catalog):
    unknown = config("new_model", ("mystery", "FP32", 3))
    with pytest.raises(ValueError, match="new_model requires the input 'mystery'"):
        next(inputs.rows(unknown, catalog, catalog.take(1)))


def test_another_shape_is_named(catalog):
    wider = config("launch_retrieval", ("embedding", "FP32", 256))
    with pytest.raises(ValueError, match=r"'embedding' is \[256\], made was \[128\]"):
        next(inputs.rows(wider, catalog, catalog.take(1)))


def test_it_measures_a_model_of_triton_and_writes(tool, triton, small_release, tmp_path):
    measured = _run(
        tool, small_release, tmp_path, "--triton", triton.grpc_url, "--models", "launch_retrieval", "--shares", "0.1"
    )
    assert [row["load"].split()[0] for row in measured["rows"]] == ["concurrency", "concurrency", "Poisson"]
    for row in measured["rows"]:
        assert row["cache"] == "none"
        assert row["file_products"] == 10_000
        assert row["distinct"] == row["requests"] >= 100
        assert 0 < row["p50_ms"] <= row["p95_ms"] <= row["p99_ms"]
        assert row["compute_ms"] > 0
        assert row["batch"] >= 1


def test_cold_and_warm_are_rows_of_their_own_on_the_gateway(tool, gateway, system, small_release, tmp_path):
    file = tmp_path / "gateway.address"
    file.write_text(json.dumps({"address": gateway.address, "metrics": gateway.metrics}))
    closed = ("--models", "product_text", "--empty-shares")  # open loops may meet the limit of calls in flight
    measured = _run(tool, small_release, tmp_path, "--address-file", str(file), *closed)
    rows = {cache: [row for row in measured["rows"] if row["cache"] == cache] for cache in ("cold", "warm")}
    assert [len(found) for found in rows.values()] == [2, 2]
    assert all(row["hit_rate"] == 0 and row["distinct"] == row["requests"] for row in rows["cold"])
    assert all(row["hit_rate"] == 1 and row["distinct"] <= 100 for row in rows["warm"])
    assert all(row["composing"]["product_encoder_int8"]["compute_ms"] > 0 for row in rows["cold"])
    assert [row["cache"] for row in measured["headline"]] == ["cold"]


def _run(tool, small_release, tmp_path: Path, *words: str) -> dict:
    command = [sys.executable, "-m", "onshelf_benchmarks.perf_analyzer.run", *words, "--tool", str(tool.folder)]
    command += ["--releases", str(small_release.releases)]
    command += ["--concurrency", "1", "4", "--seconds", "1", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    measured = json.loads((tmp_path / "perf_analyzer.json").read_text())
    assert json.loads(done.stdout.splitlines()[-1]) == measured
    page = (tmp_path / "perf_analyzer.md").read_text()
    assert measured["machine"] in page
    assert "| Headline |" in page
    return measured


def _numbers(tensor: dict, dtype: type) -> np.ndarray:
    return np.frombuffer(base64.b64decode(tensor["content"]["b64"]), dtype=dtype)
