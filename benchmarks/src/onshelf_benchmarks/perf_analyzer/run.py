"""Throughput and latency by NVIDIA's perf_analyzer: of Triton's models, and of the gateway by the same protocol.

    make perf-analyzer        the servers of `make run`; writes benchmarks/results/perf_analyzer.{md,json}

perf_analyzer is fetched into var/perf_analyzer at the first run: its own wheel, and the two libraries that it needs.
Closed loop: a number of requests always under way. Open loop: Poisson arrivals, sent whether or not earlier ones are
answered. Against the gateway each load runs twice. Cold: every request is a product that was never sent. Warm: 100
products again and again. Triton's models have no cache.
"""

import contextlib
import csv
import json
import math
import re
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Any

import numpy as np
import tritonclient.grpc as triton_grpc
from tritonclient.grpc.model_config_pb2 import ModelConfig
from tritonclient.utils import InferenceServerException

from onshelf_benchmarks.command import command
from onshelf_benchmarks.load import PERCENTILES, percentiles
from onshelf_benchmarks.perf_analyzer import requests as inputs
from onshelf_benchmarks.perf_analyzer.page import headline, line, markdown
from onshelf_benchmarks.perf_analyzer.tool import (
    FOLDER,
    PerfAnalyzer,
    PerfAnalyzerError,
    PerfAnalyzerHangsError,
    install,
)
from onshelf_benchmarks.products import TOKENS, Catalog
from onshelf_benchmarks.record import RELEASES, Document, newest_release
from onshelf_release.signatures import PRODUCT_ENCODERS

TRITON_MODELS = (
    "product_encoder_int8",
    "launch_outcome",
    "audience_retrieval",
    "launch_retrieval",
    "user_encoder",
    "product_retrieval",
)
GATEWAY_MODELS = ("launch_plan", "audience", "product_text")
COMPOSING = {  # of the encoders a gateway knows the one that it asks
    "launch_plan": (*PRODUCT_ENCODERS, "launch_outcome", "audience_retrieval", "launch_retrieval"),
    "audience": (*PRODUCT_ENCODERS, "audience_retrieval"),
    "product_text": PRODUCT_ENCODERS,
}
PRODUCTS, WARM_PRODUCTS = 10_000, 100  # distinct ones in an input file
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


def parse_export(content: bytes) -> Document:
    """Numbers of the records of --profile-export-file.

    The rate is that of answers until the last request was sent, as after it the load falls. perf_analyzer's own is not
    used: with a number of requests it divides by whole seconds. The file is not read as JSON, as answers that are not
    UTF-8 stand in it as they are.
    """
    records = RECORD.findall(content)
    if not records:
        raise PerfAnalyzerError("the export of perf_analyzer holds no answered request")
    start, end = (np.array([int(record[place]) for record in records], dtype=np.int64) for place in (0, 2))
    last = start.max() if (end <= start.max()).any() else end.max()
    return {
        "requests": len(start),
        "distinct": len({hash(body) for _, body, _ in records}),
        "sent_per_second": 1e9 * (len(start) - 1) / max(int(start.max() - start.min()), 1),
        "per_second": 1e9 * int((end <= last).sum()) / int(last - start.min()),
        **percentiles((end - start) / 1e6),
    }


def parse_csv(text: str) -> Document:
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
    return {
        "queue_ms": 1e-6 * spent["queue"] / spent["answers"],
        "compute_ms": 1e-6 * sum(spent[part] for part in TIMES[1:]) / spent["answers"],
        "batch": spent["inferences"] / max(spent["executions"], 1),
    }


def cache_counts(metrics: str | None) -> tuple[float, float]:
    """Hits and misses of a gateway's cache so far; none where it has no metrics. Raises PerfAnalyzerError."""
    if not metrics:
        return 0.0, 0.0
    try:
        with urllib.request.urlopen(f"http://{metrics}/metrics", timeout=10) as answer:
            text = answer.read().decode()
    except OSError as error:
        raise PerfAnalyzerError(f"no metrics at {metrics}: {error}") from error
    found = dict(re.findall(r"^onshelf_encoder_cache_(hits|misses)_total (\S+)$", text, re.M))
    return float(found.get("hits", 0)), float(found.get("misses", 0))


@dataclass
class Server:
    """A server that speaks Triton's protocol. `metrics`: address of a gateway's metrics; it has a cache."""

    name: str
    address: str
    models: tuple[str, ...]
    metrics: str | None = None

    def __post_init__(self) -> None:
        self.client: Any = triton_grpc.InferenceServerClient(self.address)

    def version(self) -> str:
        """Its name and version. Raises PerfAnalyzerError where it does not answer."""
        try:
            metadata = self.client.get_server_metadata()
        except InferenceServerException as error:
            raise PerfAnalyzerError(f"{self.name} at {self.address}: {error.message()}") from error
        return f"{metadata.name} {metadata.version}"

    def known(self, wanted: Sequence[str]) -> list[str]:
        """Those of the models that it has."""
        found = []
        for model in wanted:
            with contextlib.suppress(InferenceServerException):
                self.client.get_model_metadata(model)
                found.append(model)
        return found


@dataclass(frozen=True)
class Rig:
    """perf_analyzer, and what all rows share."""

    tool: PerfAnalyzer
    folder: Path
    catalog: Catalog
    seconds: float

    def run(
        self,
        server: Server,
        model: str,
        file: Path,
        load: Load,
        requests: int,
        composing: Sequence[str] = (),
    ) -> Document:
        """One load by one call of perf_analyzer: so many requests; 0: three windows of time, which leave no records.

        What composing models did is read from the server. A call that does not end is made once more: on a busy machine
        an open loop of perf_analyzer 2.51 now and then waits for ever.

        Raises:
            PerfAnalyzerError: it failed; one failed request is enough.
        """
        report, export = self.folder / "report.csv", self.folder / "export.json"
        words = ["-m", model, "-i", "grpc", "-u", server.address, "--input-data", str(file), *load.words]
        if requests:
            words += ["--request-count", str(requests), "--profile-export-file", str(export)]
        else:
            window = str(max(500, round(1000 * self.seconds / 3)))
            words += ["-p", window, "--max-trials", "3", "--stability-percentage", "999", "-f", str(report)]
        for last in (False, True):
            for old in (report, export):
                old.unlink(missing_ok=True)
            before = {name: counts_of(server.client, name) for name in (model, *composing)}
            cache = cache_counts(server.metrics)
            try:
                self.tool.run(*words, timeout=PATIENCE_SECONDS + 10 * self.seconds)
                break
            except PerfAnalyzerHangsError as error:
                if last:
                    raise
                print(f"  {load.name}: {error}; once more", file=sys.stderr)
        after = {name: counts_of(server.client, name) for name in before}
        sides = {name: server_side(counts, after[name]) for name, counts in before.items()}
        row = parse_export(export.read_bytes()) if requests else parse_csv(report.read_text())
        if not requests:
            row["requests"] = after[model]["answers"] - before[model]["answers"]
        row |= sides[model]
        if composing:
            row["composing"] = {name: sides[name] for name in composing if sides[name]}
        hits, misses = (now - then for now, then in zip(cache_counts(server.metrics), cache, strict=True))
        if hits + misses:
            row["hit_rate"] = hits / (hits + misses)
        planned = {"planned_per_second": load.sent_rate} if load.rate else {}
        return {"load": load.name, **planned, **row}

    def write_input(self, config: ModelConfig, count: int, tokens: int | None) -> tuple[Path, int]:
        """An input file of the next `count` products, fewer where requests are large; returns it and its rows."""
        path = self.folder / f"{config.name}.input.json"
        made = inputs.rows(config, self.catalog, self.catalog.take(count, tokens))
        return path, inputs.write(made, path)


def ask_once(server: Server, config: ModelConfig, request: inputs.Row) -> int:
    """One request by another client, as perf_analyzer does not look at answers; returns bytes of it and its answer.

    Raises:
        PerfAnalyzerError: the server refuses it, or an output is empty or not finite.
    """
    given = []
    for tensor in config.input:
        if tensor.name in request:
            value = request[tensor.name][None] if config.max_batch_size else request[tensor.name]
            if value.dtype == object:
                value = np.array([text.encode() for text in value.reshape(-1)], dtype=object).reshape(value.shape)
            one = triton_grpc.InferInput(tensor.name, list(value.shape), inputs.datatype(tensor))
            one.set_data_from_numpy(value)
            given.append(one)
    try:
        answer = server.client.infer(config.name, given)
    except InferenceServerException as error:
        raise PerfAnalyzerError(f"{server.name} refuses a request to {config.name}: {error.message()}") from error
    sizes = [len(raw) for raw in answer.get_response().raw_output_contents]
    if not sizes or not all(sizes):
        raise PerfAnalyzerError(f"{server.name}: {config.name} answers with empty tensors")
    for output in answer.get_response().outputs:
        if output.datatype.startswith("FP") and not np.isfinite(answer.as_numpy(output.name)).all():
            raise PerfAnalyzerError(f"{server.name}: {config.name} answers with {output.name} that is not finite")
    return sum(sizes) + sum(array.nbytes for array in request.values())


def measure_model(
    rig: Rig, server: Server, model: str, concurrency: Sequence[int], shares: Sequence[float]
) -> Iterator[Document]:
    """Rows of one model: each cache, closed loops, then open loops. A load that fails has an error and no numbers."""
    tokens = TOKENS if model in PRODUCT_ENCODERS else None
    about: Document = {"server": server.name, "model": model, "size": f"{tokens} tokens" if tokens else ""}
    config = server.client.get_model_config(model).config
    composing = server.known(COMPOSING.get(model, ())) if server.metrics is not None else ()
    try:
        first = next(inputs.rows(config, rig.catalog, rig.catalog.take(1, tokens)))
        counted = ask_once(server, config, first) <= EXPORT_BYTES
    except (PerfAnalyzerError, ValueError) as error:
        yield about | {"cache": "any", "error": str(error)}
        return
    for cache in ("cold", "warm") if server.metrics is not None else ("none",):
        entry = about | {"cache": cache}
        path, known = rig.write_input(config, WARM_PRODUCTS if cache == "warm" else PRODUCTS, tokens)
        try:  # discarded: it makes connections, makes warm products known, and tells how many requests a row takes
            speed = rig.run(server, model, path, Load(concurrency=4), FEWEST if counted else 0)["per_second"]
        except PerfAnalyzerError as error:
            yield entry | {"error": str(error)}
            continue
        print(f"{server.name} {model} {entry['size']} {cache}", file=sys.stderr)
        best = 0.0
        for callers, share in [*((n, 0.0) for n in concurrency), *((0, part) for part in shares)]:
            load = Load(callers, share * best)
            if not load.concurrency and not load.rate:  # no closed loop succeeded
                continue
            if cache == "cold":
                path, known = rig.write_input(config, PRODUCTS, tokens)
            count = load.requests(speed, rig.seconds, known if cache == "cold" else PRODUCTS)
            try:
                row = rig.run(server, model, path, load, count if counted else 0, composing)
            except PerfAnalyzerError as error:
                yield entry | {"load": load.name, "error": str(error)}
                continue
            if load.concurrency:
                speed, best = row["per_second"], max(best, row["per_second"])
            known_before = cache == "cold" and row.get("hit_rate", 0.0) > COLD_HITS
            if known_before:
                print("  products were known before: start the gateway anew, or give --start", file=sys.stderr)
            yield entry | {"cache": "mixed" if known_before else cache, "file_products": known} | row


def measure(
    *,
    triton: str = "",
    address_file: Path | None = None,
    releases: Path = RELEASES,
    models: tuple[str, ...] = (*TRITON_MODELS, *GATEWAY_MODELS),
    concurrency: tuple[int, ...] = (1, 4, 16, 64),
    shares: tuple[float, ...] = (0.5, 0.8),
    start: int = 0,
    seconds: float = 20.0,
    tool: Path = FOLDER,
) -> Document:
    """All rows, and what they were measured on.

    Args:
        triton: host:port of Triton's gRPC.
        address_file: of the gateway, with its addresses.
        releases: folder of model releases; the products are those of the newest.
        models: of those that a server has.
        concurrency: requests under way in the closed loops.
        shares: of the best closed loop: the rates of the open loops.
        start: number of the first product, to send others than before.
        seconds: about how long a row takes.
        tool: folder of perf_analyzer.
    """
    program, release = install(tool), newest_release(releases)
    servers = [Server("triton", triton, TRITON_MODELS)] if triton else []
    if address_file is not None:
        told = json.loads(address_file.read_text())
        servers.append(Server("gateway", told["address"], GATEWAY_MODELS, told["metrics"]))
    versions = {server.name: server.version() for server in servers}
    rows: list[Document] = []
    with tempfile.TemporaryDirectory(prefix="perf_analyzer") as folder:
        rig = Rig(program, Path(folder), Catalog(release, start), seconds)
        for server in servers:
            for model in server.known([name for name in server.models if name in models]):
                for row in measure_model(rig, server, model, concurrency, shares):
                    rows.append(row)
                    print("  " + (row.get("error") or line(row)), file=sys.stderr)
    if not rows:
        raise PerfAnalyzerError(f"no server was given (--triton, --address-file) that has one of {', '.join(models)}")
    return {
        "versions": versions
        | {"perf_analyzer": program.version()}
        | {"tritonclient": package_version("tritonclient"), "model_release": release.name},
        "products": PRODUCTS,
        "first_product": start,
        "warm_products": WARM_PRODUCTS,
        "headline": headline(rows),
        "rows": rows,
    }


def complaint(result: Document) -> str:
    """How many rows failed; empty where none did."""
    failed = sum("error" in row for row in result["rows"])
    return f"{failed} of {len(result['rows'])} rows failed; see the end of the page" if failed else ""


if __name__ == "__main__":
    command("perf_analyzer", measure, markdown, complaint)
