"""Throughput and latency by NVIDIA's perf_analyzer: of Triton's models, and of the gateway by the same protocol.

    make perf-analyzer        the servers of `make run`; writes benchmarks/results/perf_analyzer.{md,json}

perf_analyzer is fetched into var/perf_analyzer at the first run: its own wheel, and the two libraries that it needs.
Closed loop: a number of requests always under way. Open loop: Poisson arrivals, sent whether or not earlier ones are
answered. Against the gateway each load runs twice. Cold: every request is a product that was never sent. Warm: 100
products again and again. Triton's models have no cache. The last line printed is one JSON document.
"""

import argparse
import csv
import json
import math
import re
import shlex
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version as package_version
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import perf_analyzer_input as inputs
import tritonclient.grpc as triton_grpc
from perf_analyzer_page import Row, headline, line, markdown, rounded
from perf_analyzer_tool import PerfAnalyzer, PerfAnalyzerError, PerfAnalyzerHangsError, install
from plan_latency import PERCENTILES, ROOT, machine
from tritonclient.utils import InferenceServerException

TRITON_MODELS = (
    "product_encoder_int8",
    "launch_outcome",
    "audience_retrieval",
    "launch_retrieval",
    "user_encoder",
    "product_retrieval",
)
GATEWAY_MODELS = ("launch_plan", "audience", "product_text")
ENCODERS = ("product_encoder", "product_encoder_fp32", "product_encoder_int8")
COMPOSING = {  # of the encoders a gateway knows the one that it asks
    "launch_plan": (*ENCODERS, "launch_outcome", "audience_retrieval", "launch_retrieval"),
    "audience": (*ENCODERS, "audience_retrieval"),
    "product_text": ENCODERS,
}
WARM_PRODUCTS = 100
COLD_HITS = 0.01  # a row with a larger share of hits is not called cold
FEWEST = 100  # requests of a row
PATIENCE_SECONDS = 60  # for a call to end, beyond ten times what it should take
EXPORT_BYTES = 200_000  # of one request and its answer; perf_analyzer writes larger ones into its records at great cost
TIMES = ("queue", "compute_input", "compute_infer", "compute_output")


@dataclass(frozen=True)
class Load:
    """Requests under way at any time, or else Poisson arrivals a second."""

    concurrency: int = 0
    rate: float = 0.0

    @property
    def name(self) -> str:
        """As a row says it."""
        return f"concurrency {self.concurrency}" if self.concurrency else f"Poisson {self.rate:.3g}/s"

    @property
    def words(self) -> tuple[str, ...]:
        """As perf_analyzer takes it. Always asynchronous: with one thread for each of 64 requests it can hang."""
        if self.concurrency:
            return ("--async", "--concurrency-range", str(self.concurrency))
        return ("--async", "--request-rate-range", f"{self.sent_rate:g}", "--request-distribution", "poisson")

    @property
    def sent_rate(self) -> float:
        """The rate as perf_analyzer is told it: three digits, as a row says it."""
        return float(f"{self.rate:.3g}")

    def requests(self, expected_rate: float, seconds: float, most: int) -> int:
        """How many requests take about so long; of an open loop at least a second's, fewer perf_analyzer refuses."""
        wanted = max(FEWEST, 4 * self.concurrency, round((self.rate or expected_rate) * seconds))
        return min(max(wanted, math.ceil(self.sent_rate)), most)


RECORD = re.compile(rb'"timestamp":(\d+),(.*?)"response_timestamps":\[(\d+)(?:,\d+)*\]', re.DOTALL)


def parse_export(content: bytes) -> Row:
    """Numbers of the records of --profile-export-file.

    The rate is that of answers until the last request was sent, as after it the load falls. perf_analyzer's own is not
    used: with a number of requests it divides by whole seconds. The file is not read as JSON, as answers that are not
    UTF-8 stand in it as they are.
    """
    sent, answered, bodies = [], [], set()
    for start, body, end in RECORD.findall(content):
        sent.append(int(start))
        answered.append(int(end))
        bodies.add(hash(body))
    if not sent:
        raise PerfAnalyzerError("the export of perf_analyzer holds no answered request")
    start, end = np.array(sent, dtype=np.int64), np.array(answered, dtype=np.int64)
    last = start.max() if (end <= start.max()).any() else end.max()
    return {
        "requests": len(start),
        "distinct": len(bodies),
        "sent_per_second": 1e9 * (len(start) - 1) / max(int(start.max() - start.min()), 1),
        "per_second": 1e9 * int((end <= last).sum()) / int(last - start.min()),
        **percentiles(1e-6 * (end - start)),
    }


def percentiles(milliseconds: np.ndarray) -> dict[str, float]:
    """The percentiles of a row."""
    return {f"p{p}_ms": float(np.percentile(milliseconds, p)) for p in PERCENTILES}


def parse_csv(text: str) -> Row:
    """Numbers of the report -f, of one load measured by windows of time."""
    (line,) = csv.DictReader(text.splitlines())
    return {"per_second": float(line["Inferences/Second"])} | {
        f"p{p}_ms": float(line[f"p{p} latency"]) / 1000 for p in PERCENTILES
    }


def counts_of(client: Any, model: str) -> dict[str, int]:
    """What a server has counted of a model since it started, all versions together. Raises PerfAnalyzerError."""
    total = dict.fromkeys(("inferences", "executions", "answers", *TIMES), 0)
    try:
        statistics = client.get_inference_statistics(model).model_stats
    except InferenceServerException as error:
        raise PerfAnalyzerError(f"no statistics of {model}: {error.message()}") from error
    for entry in statistics:
        total["inferences"] += entry.inference_count
        total["executions"] += entry.execution_count
        total["answers"] += entry.inference_stats.success.count
        for part in TIMES:
            total[part] += getattr(entry.inference_stats, part).ns
    return total


def server_side(before: dict[str, int], after: dict[str, int]) -> dict[str, float]:
    """Milliseconds of a request in the queue and computing, and the batch executed; nothing without requests."""
    spent = {key: after[key] - before[key] for key in before}
    if not spent["answers"]:
        return {}
    compute = sum(spent[part] for part in TIMES[1:])
    return {
        "queue_ms": 1e-6 * spent["queue"] / spent["answers"],
        "compute_ms": 1e-6 * compute / spent["answers"],
        "batch": spent["inferences"] / max(spent["executions"], 1),
    }


def cache_counts(metrics: str) -> tuple[float, float] | None:
    """Hits and misses of the gateway's cache so far; None where it does not count them. Raises PerfAnalyzerError."""
    try:
        with urllib.request.urlopen(f"http://{metrics}/metrics", timeout=10) as answer:
            text = answer.read().decode()
    except OSError as error:
        raise PerfAnalyzerError(f"no metrics at {metrics}: {error}") from error
    found = [re.search(rf"^onshelf_encoder_cache_{kind}_total (\S+)$", text, re.M) for kind in ("hits", "misses")]
    return (float(found[0][1]), float(found[1][1])) if found[0] and found[1] else None


@dataclass
class Server:
    """A server that speaks Triton's protocol. `metrics`: address of a gateway's metrics; it has a cache."""

    name: str
    address: str
    models: tuple[str, ...]
    cached: bool = False
    metrics: str = ""

    def __post_init__(self) -> None:
        self.client: Any = triton_grpc.InferenceServerClient(self.address)

    def version(self) -> str:
        """Its name and version. Raises PerfAnalyzerError where it does not answer."""
        try:
            metadata = self.client.get_server_metadata()
        except InferenceServerException as error:
            raise PerfAnalyzerError(f"{self.name} at {self.address}: {error.message()}") from error
        return f"{metadata.name} {metadata.version}"

    def composing(self, model: str, wanted: list[str] | None) -> tuple[str, ...]:
        """Models that a model of a gateway asks, of which the gateway says what Triton counted."""
        return tuple(self.known(list(COMPOSING.get(model, ()) if wanted is None else wanted)))

    def known(self, wanted: list[str] | None) -> list[str]:
        """The models that it has, of those wanted or else of those usual for it."""
        found = []
        for model in wanted or self.models:
            try:
                self.client.get_model_metadata(model)
                found.append(model)
            except InferenceServerException:
                if not wanted:
                    print(f"{self.name} has no model {model}", file=sys.stderr)
        return found


@dataclass(frozen=True)
class Bench:
    """What all rows share."""

    tool: PerfAnalyzer
    folder: Path
    catalogue: inputs.Catalogue
    products: int
    seconds: float


def ask_once(server: Server, signature: inputs.Signature, request: inputs.Row) -> int:
    """One request by another client, as perf_analyzer does not look at answers; returns bytes of it and its answer.

    Raises:
        PerfAnalyzerError: the server refuses it, or an output is empty or not finite.
    """
    given = []
    for tensor in signature.inputs:
        if tensor.name in request:
            value = request[tensor.name][None] if signature.batched else request[tensor.name]
            if value.dtype == object:
                value = np.array([text.encode() for text in value.reshape(-1)], dtype=object).reshape(value.shape)
            one = triton_grpc.InferInput(tensor.name, list(value.shape), tensor.datatype)
            one.set_data_from_numpy(value)
            given.append(one)
    try:
        answer = server.client.infer(signature.model, given)
    except InferenceServerException as error:
        raise PerfAnalyzerError(f"{server.name} refuses a request to {signature.model}: {error.message()}") from error
    sizes = [len(raw) for raw in answer.get_response().raw_output_contents]
    if not sizes or not all(sizes):
        raise PerfAnalyzerError(f"{server.name}: {signature.model} answers with empty tensors")
    for output in answer.get_response().outputs:
        if output.datatype.startswith("FP") and not np.isfinite(answer.as_numpy(output.name)).all():
            raise PerfAnalyzerError(f"{server.name}: {signature.model} answers with {output.name} that is not finite")
    return sum(sizes) + sum(array.nbytes for array in request.values())


def run(
    bench: Bench,
    server: Server,
    model: str,
    file: Path,
    load: Load,
    requests: int,
    composing: tuple[str, ...] = (),
    warm: bool = False,
) -> Row:
    """One load by one call of perf_analyzer: so many requests; 0: three windows of time, which leave no records.

    What composing models did is read from the server, always. perf_analyzer is told of them unless the cache is
    warm: it fails when one of them, the encoder, is asked nothing. A call that does not end is made once more: on a
    busy machine an open loop of perf_analyzer 2.51 now and then waits for ever.

    Raises:
        PerfAnalyzerError: it failed; one failed request is enough.
    """
    report, export = bench.folder / "report.csv", bench.folder / "export.json"
    words = ["-m", model, "-i", "grpc", "-u", server.address, "--input-data", str(file), *load.words]
    if requests:
        words += ["--request-count", str(requests), "--profile-export-file", str(export)]
    else:
        window = str(max(500, round(1000 * bench.seconds / 3)))
        words += ["-p", window, "--max-trials", "3", "--stability-percentage", "999", "-f", str(report)]
    if composing and not warm:
        words += ["--bls-composing-models", ",".join(composing)]
    for last in (False, True):
        for old in (report, export):
            old.unlink(missing_ok=True)
        before = {name: counts_of(server.client, name) for name in (model, *composing)}
        cache = cache_counts(server.metrics) if server.metrics else None
        try:
            bench.tool.run(*words, timeout=PATIENCE_SECONDS + 10 * bench.seconds)
            break
        except PerfAnalyzerHangsError as error:
            if last:
                raise
            print(f"  {load.name}: {error}; once more", file=sys.stderr)
    sides = {name: server_side(counts, counts_of(server.client, name)) for name, counts in before.items()}
    row = parse_export(export.read_bytes()) if requests else parse_csv(report.read_text())
    if not requests:
        row["requests"] = counts_of(server.client, model)["answers"] - before[model]["answers"]
    row |= sides[model]
    if composing:
        row["composing"] = {name: sides[name] for name in composing if sides[name]}
    now = cache_counts(server.metrics) if cache else None
    if cache and now and sum(now) > sum(cache):
        row["hit_rate"] = (now[0] - cache[0]) / (sum(now) - sum(cache))
    planned = {"planned_per_second": load.sent_rate} if load.rate else {}
    return {"load": load.name, **planned, **row}


def write_input(bench: Bench, signature: inputs.Signature, count: int, bucket: int | None) -> tuple[Path, int]:
    """An input file of the next `count` products, fewer where requests are large; returns it and its rows."""
    made = inputs.rows(signature, bench.catalogue, bench.catalogue.take(count, bucket), bucket)
    first = next(made)
    path = bench.folder / "input.json"
    return path, inputs.write(islice(chain((first,), made), inputs.most_rows(first)), path)


def measure_model(
    bench: Bench, server: Server, model: str, bucket: int | None, arguments: argparse.Namespace
) -> Iterator[Row]:
    """Rows of one model: each cache, closed loops, then open loops. A load that fails has an error and no numbers."""
    about: Row = {"server": server.name, "model": model, "size": f"{bucket} tokens" if bucket else ""}
    signature = inputs.Signature.of(server.client, model)
    composing = server.composing(model, arguments.composing) if server.cached else ()
    try:
        first = next(inputs.rows(signature, bench.catalogue, bench.catalogue.take(1, bucket), bucket))
        counted = ask_once(server, signature, first) <= EXPORT_BYTES
    except (PerfAnalyzerError, ValueError) as error:
        yield about | {"cache": "any", "error": str(error)}
        return
    for cache in ("cold", "warm") if server.cached else ("none",):
        entry = about | {"cache": cache}
        path, known = write_input(bench, signature, WARM_PRODUCTS if cache == "warm" else bench.products, bucket)
        try:  # discarded: it makes connections, makes warm products known, and tells how many requests a row takes
            speed = run(bench, server, model, path, Load(concurrency=4), FEWEST if counted else 0)["per_second"]
        except PerfAnalyzerError as error:
            yield entry | {"error": str(error)}
            continue
        print(f"{server.name} {model} {entry['size']} {cache}", file=sys.stderr)
        best = 0.0
        for planned in (*map(Load, arguments.concurrency), *(arguments.rates or arguments.shares)):
            load = planned if isinstance(planned, Load) else Load(rate=planned if arguments.rates else planned * best)
            if not load.concurrency and not load.rate:  # no closed loop succeeded
                continue
            if cache == "cold":
                path, known = write_input(bench, signature, bench.products, bucket)
            try:
                count = load.requests(speed, bench.seconds, known if cache == "cold" else bench.products)
                row = run(bench, server, model, path, load, count if counted else 0, composing, cache == "warm")
            except PerfAnalyzerError as error:
                yield entry | {"load": load.name, "error": str(error)}
                continue
            if load.concurrency:
                speed, best = row["per_second"], max(best, row["per_second"])
            known_before = cache == "cold" and row.get("hit_rate", 0.0) > COLD_HITS
            if known_before:
                print("  products were known before: start the gateway anew, or give --start", file=sys.stderr)
            yield entry | {"cache": "mixed" if known_before else cache, "file_products": known} | row


def measure(arguments: argparse.Namespace, tool: PerfAnalyzer) -> Row:
    """All rows, and what they were measured on."""
    servers = []
    if arguments.triton:
        servers.append(Server("triton", arguments.triton, TRITON_MODELS))
    if arguments.gateway:
        servers.append(Server("gateway", arguments.gateway, GATEWAY_MODELS, True, arguments.metrics or ""))
    versions = {server.name: server.version() for server in servers}
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="perf_analyzer") as folder:
        catalogue = inputs.Catalogue(arguments.release, arguments.start)
        bench = Bench(tool, Path(folder), catalogue, arguments.products, arguments.seconds)
        for server in servers:
            for model in server.known(arguments.models):
                for bucket in arguments.buckets if model in ENCODERS else (None,):
                    for row in measure_model(bench, server, model, bucket, arguments):
                        rows.append(row)
                        print("  " + (row.get("error") or line(row)), file=sys.stderr)
    if not rows:
        raise PerfAnalyzerError(
            f"none of the servers has the models {', '.join(arguments.models or ['that are usual'])}"
        )
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True)
    return {
        "command": arguments.command or shlex.join(["python", "benchmarks/perf_analyzer.py", *sys.argv[1:]]),
        "machine": machine(),
        "commit": commit.stdout.strip(),
        "date": time.strftime("%Y-%m-%d"),
        "versions": versions
        | {"perf_analyzer": tool.version()}
        | {"tritonclient": package_version("tritonclient"), "model_release": arguments.release.resolve().name},
        "products": arguments.products,
        "first_product": arguments.start,
        "warm_products": WARM_PRODUCTS,
        "headline": headline(rows),
        "rows": [rounded(row) for row in rows],
    }


def newest(releases: Path) -> Path:
    """The newest model release. Raises PerfAnalyzerError where there is none."""
    found = [path for path in releases.glob("*") if path.name.isdigit()]
    if not found:
        raise PerfAnalyzerError(f"{releases}: no model release; run `make publish` first, or give --release")
    return max(found, key=lambda path: int(path.name))


def main() -> None:
    """Fetch, measure, write, print."""
    parser = argparse.ArgumentParser(description="Measure Triton's models and the gateway by perf_analyzer.")
    parser.add_argument("--triton", help="host:port of Triton's gRPC")
    parser.add_argument("--gateway", help="host:port of the gateway")
    parser.add_argument("--metrics", help="host:port of the gateway's metrics, for the hit rate")
    parser.add_argument("--address-file", type=Path, help="of the gateway: for --gateway and --metrics")
    parser.add_argument("--release", type=Path, help="model release; default: the newest in var/releases")
    parser.add_argument("--models", nargs="+", help="default: all that a server has of the usual ones")
    parser.add_argument(
        "--buckets", type=int, nargs="+", default=[16], choices=inputs.TOKEN_BUCKETS, help="of encoders"
    )
    parser.add_argument("--concurrency", type=int, nargs="+", default=[1, 4, 16, 64], help="closed loops")
    parser.add_argument("--rates", type=float, nargs="+", help="open loops, requests a second")
    parser.add_argument("--shares", type=float, nargs="*", default=[0.5, 0.8], help="instead: of the best closed loop")
    parser.add_argument("--composing", nargs="*", help="models that the gateway's ask; default: the usual ones")
    parser.add_argument("--products", type=int, default=10_000, help="distinct products in each input file")
    parser.add_argument("--start", type=int, default=0, help="number of the first product, to send others than before")
    parser.add_argument("--seconds", type=float, default=20, help="about how long a row takes")
    parser.add_argument("--tool", type=Path, default=ROOT / "var/perf_analyzer", help="folder of perf_analyzer")
    parser.add_argument("--install", action="store_true", help="only fetch perf_analyzer")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results", help="folder of the result")
    parser.add_argument("--command", help="how the result says it was made")
    given = parser.parse_args()
    try:
        tool = install(given.tool)
        if given.install:
            print(tool.program)
            return
        if given.address_file:
            written = json.loads(given.address_file.read_text())
            given.gateway, given.metrics = written["address"], written["metrics"]
        if not given.triton and not given.gateway:
            parser.error("give --triton, --gateway or both")
        given.release = given.release or newest(ROOT / "var/releases")
        result = measure(given, tool)
    except PerfAnalyzerError as error:
        raise SystemExit(str(error)) from error
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "perf_analyzer.json").write_text(json.dumps(result, indent=2) + "\n")
    (given.out / "perf_analyzer.md").write_text(markdown(result))
    print(markdown(result))
    print(json.dumps(result))
    failed = [row for row in result["rows"] if "error" in row]
    if failed:
        raise SystemExit(f"{len(failed)} of {len(result['rows'])} rows failed; see the end of the page")


if __name__ == "__main__":
    main()
