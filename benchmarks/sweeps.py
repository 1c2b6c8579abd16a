"""How latency and memory grow with candidates, catalogue, callers, length of the text, and products of a stream.

    python benchmarks/sweeps.py              starts its own Triton and gateways; a part of `make bench`
    python benchmarks/sweeps.py --only text  some sweeps

Sizes are measured in alternating rounds; `growth.py` says how a step is judged. Memory is read in one pass from the
smallest size to the largest before them, which also warms up: the highest resident set of the gateway and of Triton's
processes while a size is measured, and what they hold in proportion afterwards. Caches are off, every product is
another one. Writes benchmarks/results/sweeps.json and a plot of each sweep; the last line printed is the document.
"""

import argparse
import asyncio
import csv
import datetime as dt
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import growth
import grpc
import large_retrieval
import numpy as np
import perf_analyzer_input as inputs
import plots
import pyarrow.feather as feather
import serving
import torch
import tritonclient.grpc as triton_grpc
from gateway_tax import requests
from growth import Latencies
from plan_latency import ROOT, machine, products_of, rounded
from process_memory import family, forget_peak, memory
from rich.progress import track
from steady import FEWEST, Span, steady

from onshelf.v1 import launch_pb2, launch_pb2_grpc, types_pb2
from onshelf_exporter.release.graphs import run_graph, session
from onshelf_gateway.inference.backend import TritonBackend
from onshelf_gateway.inference.signatures import CANDIDATE_BUCKETS, LAUNCH_OUTCOME, SIGNATURES, bucket

SECONDS = 60.0
RETRY_SECONDS = 1.0  # after a refusal, as the gateway asks
CANDIDATES = 1000  # of a plan, where they are not what grows
CHUNK = CANDIDATE_BUCKETS[-1]  # candidates of one call of launch_outcome
STREAM_WARM_UP = 50
STREAM_ROUNDS = 3  # of all streams but the longest
MOST_MEMORY = 1.2  # of the longest stream over the shortest
Document = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True)
class Sizes:
    """What is measured, and how often."""

    candidates: tuple[int, ...] = (10, 100, 1_000, 10_000, 100_000)  # 10,000 is the default limit
    scored: tuple[int, ...] = (10, 100, 1_000, 10_000, 100_000)
    catalogue: tuple[int, ...] = (1_000, 10_000, 100_000, 1_000_000)
    callers: tuple[int, ...] = (1, 4, 16, 64, 256)
    characters: tuple[int, ...] = (5, 16, 64, 128, 256, 512)  # 512 is the contract's limit
    streamed: tuple[int, ...] = (100, 1_000, 10_000)
    plans: int = 20  # of a size and round, or four for each caller
    rounds: int = 5


QUICK = Sizes((10, 100), (10, 100, 1_000), (1_000, 10_000), (1, 4), (5, 64), (20, 60), plans=4, rounds=2)


@dataclass
class Servers:
    """Triton and the gateway in front of it, and what they hold."""

    triton: serving.Server
    gateway: serving.Server

    def held(self, work: Callable[[], T]) -> tuple[T, Document]:
        """What `work` returns, and the megabytes of both while it goes on and after it."""
        families = {"gateway": family(self.gateway.pid), "triton": family(self.triton.pid)}
        for pids in families.values():
            forget_peak(pids)
        result = work()
        return result, {f"{name}_{key}": mb for name, pids in families.items() for key, mb in memory(pids).items()}


async def ask(address: str, asked: Sequence[launch_pb2.PlanLaunchRequest], callers: int = 1) -> Document:
    """A closed loop: latencies while all callers ask, and how many were refused or are degraded.

    A refused caller waits as long as the gateway asks, and asks again; latencies are of calls that were answered.
    """
    queue = iter(asked)
    found: Document = {"refused": 0, "degraded": 0, "scored": 0}

    async def answered(plan: Callable[..., Any], request: launch_pb2.PlanLaunchRequest) -> bool:
        try:
            answer = await plan(request, timeout=SECONDS)
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
                raise
            found["refused"] += 1
            return False
        found["degraded"] += answer.info.degraded
        found["scored"] = max(found["scored"], answer.candidates_scored)
        return True

    async def caller(plan: Callable[..., Any]) -> list[Span]:
        spans = []
        for request in queue:
            start = time.perf_counter()
            while not await answered(plan, request):
                await asyncio.sleep(RETRY_SECONDS)
                start = time.perf_counter()
            spans.append((start, time.perf_counter()))
        return spans

    async with grpc.aio.insecure_channel(address) as channel:
        plan = launch_pb2_grpc.LaunchServiceStub(channel).PlanLaunch
        spans = await asyncio.gather(*(caller(plan) for _ in range(callers)))
    rate, latencies = steady(spans)
    return found | {"plans_per_second": rate, "latencies": latencies}


def products(count: int, seed: int, candidates: int = CANDIDATES) -> list[launch_pb2.PlanLaunchRequest]:
    """Requests for so many products."""
    some = products_of(serving.newest_release(), count, seed)
    return requests([(one.title, float(one.list_price.amount)) for one in some if one.list_price], candidates)


def of_gateway(
    servers: Servers,
    sizes: Sequence[int],
    rounds: int,
    make: Callable[[int, int], tuple[list[launch_pb2.PlanLaunchRequest], int]],
) -> tuple[list[Document], list[list[Latencies]]]:
    """Rows and rounds of PlanLaunch; `make(size, seed)` gives the requests and the number of callers."""
    counted: dict[int, list[Document]] = {size: [] for size in sizes}

    def measure(size: int, turn: int) -> Latencies:
        asked, callers = make(size, 1000 * (turn + 1) + size % 997)
        found = asyncio.run(ask(servers.gateway.address, asked, callers))
        latencies: Latencies = found.pop("latencies")
        counted[size].append(found)
        return latencies

    held = {}
    for size in sizes:
        _, held[size] = servers.held(partial(measure, size, -1))
        counted[size].clear()
    found = growth.alternate(sizes, rounds, measure)
    rows = [
        growth.row(size, found[size])
        | {
            "plans_per_second": float(np.median([one["plans_per_second"] for one in counted[size]])),
            "candidates": max(one["scored"] for one in counted[size]),
            **{key: sum(one[key] for one in counted[size]) for key in ("refused", "degraded")},
        }
        | held[size]
        for size in sizes
    ]
    return rows, [found[size] for size in sizes]


def candidates(servers: Servers, sizes: Sizes) -> Document:
    """PlanLaunch with more candidate actions, one caller; for a window of a year, which has so many."""
    window = a_year()

    def make(size: int, seed: int) -> tuple[list[launch_pb2.PlanLaunchRequest], int]:
        asked = products(max(2, min(sizes.plans, 200_000 // size)), seed, size)
        for request in asked:
            request.window.CopyFrom(window)
            request.constraints.max_discount = 0.9
            request.constraints.allow_coupon = True
        return asked, 1

    rows, rounds = of_gateway(servers, sizes.candidates, sizes.rounds, make)
    for one in rows:
        one |= {"asked_for": one["size"], "size": one.pop("candidates")}
    return growth.sweep("candidate actions of a plan", "PlanLaunch, one caller", rows, rounds)


def a_year() -> types_pb2.DateWindow:
    """From the first day that may be launched on."""
    manifest = json.loads((serving.newest_release() / "manifest.json").read_text())
    first = dt.date.fromisoformat(manifest["as_of"])
    last = first + dt.timedelta(days=364)
    return types_pb2.DateWindow(start_date=first.isoformat(), end_date=last.isoformat())


def scored(servers: Servers, sizes: Sizes) -> Document:
    """launch_outcome alone, in calls of at most 10,240 candidates one after the other, as a plan asks it."""
    release = serving.newest_release()
    signature = inputs.Signature.of(triton_grpc.InferenceServerClient(servers.triton.address), LAUNCH_OUTCOME)
    catalogue = inputs.Catalogue(release)
    row = next(inputs.rows(signature, catalogue, catalogue.take(1), None))
    width = row["candidates"].shape[1]

    async def score(count: int, times: int) -> Latencies:
        backend, taken = TritonBackend(servers.triton.address), []
        for _ in range(times):
            start = time.perf_counter()
            for first in range(0, count, CHUNK):
                size = bucket(min(CHUNK, count - first), CANDIDATE_BUCKETS)
                given = {name: value[None] for name, value in row.items()}
                given["candidates"] = np.resize(row["candidates"], (1, size, width))
                await backend.infer(LAUNCH_OUTCOME, int(release.name), given, SIGNATURES[LAUNCH_OUTCOME][1], SECONDS)
            taken.append(1000 * (time.perf_counter() - start))
        await backend.close()
        return np.array(taken)

    def measure(size: int, _: int) -> Latencies:
        return asyncio.run(score(size, max(2, min(sizes.plans, 200_000 // size))))

    held = {size: servers.held(partial(measure, size, -1))[1] for size in sizes.scored}
    found = growth.alternate(sizes.scored, sizes.rounds, measure)
    rows = [growth.row(size, found[size]) | held[size] for size in sizes.scored]
    of, unit = "candidate actions scored", f"launch_outcome in calls of at most {CHUNK:,}"
    return growth.sweep(of, unit, rows, [found[size] for size in sizes.scored])


def callers(servers: Servers, sizes: Sizes) -> Document:
    """More callers at once, each asking again when it is answered, with the limits as shipped.

    Beside it the largest numbers of callers where nothing is refused: what the limit spares them.
    """

    def make(size: int, seed: int) -> tuple[list[launch_pb2.PlanLaunchRequest], int]:
        return products(max(sizes.plans, FEWEST * size), seed), size

    rows, rounds = of_gateway(servers, sizes.callers, sizes.rounds, make)
    result = growth.sweep("callers at once", "PlanLaunch, closed loop, calls that are answered", rows, rounds)
    with serving.gateway("ours", servers.triton.address) as patient:
        waiting, _ = of_gateway(Servers(servers.triton, patient), sizes.callers[-2:], 1, make)
    return result | {"nothing_refused": waiting}


def text(servers: Servers, sizes: Sizes) -> Document:
    """Longer titles, one caller."""
    release = serving.newest_release()

    def make(size: int, seed: int) -> tuple[list[launch_pb2.PlanLaunchRequest], int]:
        return requests([(title, 3.5) for title in titles(release, size, sizes.plans, seed)], CANDIDATES), 1

    rows, rounds = of_gateway(servers, sizes.characters, sizes.rounds, make)
    return growth.sweep("characters of the title", "PlanLaunch, one caller", rows, rounds)


def titles(release: Path, length: int, count: int, seed: int) -> list[str]:
    """Texts of exactly so many characters, cut from the catalogue's titles put end to end."""
    table = feather.read_table(release / "products.arrow", columns=["title"])
    known = [title for title in dict.fromkeys(table["title"].to_pylist()) if title]
    draw = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        title = ""
        while len(title) < length:
            title = f"{title} {known[draw.integers(len(known))]}".strip()
        found.append(title[:length].rstrip().ljust(length, "s"))
    return found


def catalogue(sizes: Sizes) -> Document:
    """Exact retrieval for one query over more vectors, in this process, one thread.

    Sizes take turns query by query, so that a small matrix has left the cache of the processor when its turn comes.
    """
    running, held = {}, {}
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        for size in sizes.catalogue:
            vectors = torch.from_numpy(large_retrieval.synthetic(size, 1))
            graph = large_retrieval.ExactRetrieval(vectors, large_retrieval.K)
            path = large_retrieval.write(graph, Path(folder) / f"{size}.onnx")
            held[size] = {f"process_{key}": mb for key, mb in large_retrieval.memory_of(path).items()}
            running[size] = session(path, 1)

    def measure(turn: int) -> dict[int, float]:
        query = {"query": large_retrieval.synthetic(1, turn + 2)}
        return {size: 1000 * large_retrieval.timed(partial(run_graph, g, query)) for size, g in running.items()}

    queries = [measure(turn) for turn in range(-2, sizes.rounds * sizes.plans)][2:]
    rounds = [
        [np.array([one[size] for one in queries[turn :: sizes.rounds]]) for turn in range(sizes.rounds)]
        for size in sizes.catalogue
    ]
    rows = [growth.row(size, each) | held[size] for size, each in zip(sizes.catalogue, rounds, strict=True)]
    return growth.sweep("vectors of the catalogue", "one query, exact, one thread", rows, rounds)


def stream(triton: serving.Server, sizes: Sizes) -> Document:
    """More products on one stream, each on a fresh gateway as shipped and from a fresh client.

    All but the longest are streamed again after it, so that a change of the machine is not taken for growth.
    """
    runs: dict[int, list[Document]] = {size: [] for size in sizes.streamed}
    turns = [*sizes.streamed, *(STREAM_ROUNDS - 1) * sizes.streamed[:-1]]
    with tempfile.TemporaryDirectory() as folder:
        path, warm = Path(folder) / "products.csv", Path(folder) / "warm.csv"
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["title", "price"])
            for one in products_of(serving.newest_release(), max(sizes.streamed), 31):
                writer.writerow([one.title, one.list_price.amount if one.list_price else "1"])
        warm.write_text(path.read_text())
        for size in track(turns, description="stream"):
            with serving.gateway("shipped", triton.address) as gateway:
                _stream(gateway.address, warm, STREAM_WARM_UP)
                found, held = Servers(triton, gateway).held(partial(_stream, gateway.address, path, size))
            runs[size].append(found | held)
    return streamed(runs)


def streamed(runs: dict[int, list[Document]]) -> Document:
    """The sweep of streams: time between two answers, and peaks of memory beside those of the shortest stream."""
    rows = [
        {"size": size, "answers": sum(one["answers"] for one in some), "failed": sum(one["failed"] for one in some)}
        | {name: float(np.median([one[name] for one in some])) for name in ("p50_ms", "p95_ms", "plans_per_second")}
        | {name: max(one[name] for one in some) for name in some[0] if name.endswith("_mb")}
        | {"ms_between_answers": [float(np.median(one["ms_between_answers"])) for one in some]}
        for size, some in runs.items()
    ]
    steps = []
    for small, large in pairwise(rows):
        before, after = small["ms_between_answers"], large["ms_between_answers"]
        middle = float(np.median(before))
        spans = (max(each) - min(each) for each in (before, after))
        steps.append(
            {
                "from": small["size"],
                "to": large["size"],
                "growth_p50": float(np.median(after)) / middle,
                "noise_p50": max(spans) / 2 / middle,
            }
        )
    worst = max(steps, key=lambda step: step["growth_p50"])
    peaks = {name: rows[-1][f"{name}_peak_mb"] / rows[0][f"{name}_peak_mb"] for name in ("gateway", "client")}
    return {
        "of": "products of one stream",
        "latency": "StreamPlans, 8 on the way",
        "growth_of": "the time of the whole stream",
        "rows": rows,
        "steps": steps,
        "worst_step": worst["growth_p50"],
        "noise": worst["noise_p50"],
        "no_worse_than_linear": all(step["growth_p50"] <= 1 + step["noise_p50"] for step in steps),
        "peak_memory": peaks,
        "memory_does_not_grow": max(peaks.values()) <= MOST_MEMORY,
    }


def _stream(address: str, path: Path, count: int) -> Document:
    command = [sys.executable, str(Path(__file__).with_name("stream_client.py")), address, str(path)]
    done = subprocess.run([*command, "--products", str(count)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"the stream of {count} products failed: {done.stderr[-1000:]}")
    found: Document = json.loads(done.stdout.splitlines()[-1])
    return found


SERVED: dict[str, Callable[[Servers, Sizes], Document]] = {
    "candidates": candidates,
    "scored": scored,
    "callers": callers,
    "text": text,
}
SWEEPS = ("catalogue", *SERVED, "stream")
GATEWAY = {  # of a sweep: the gateway's name and further flags
    "candidates": ("ours", "--max-candidates", "100000"),
    "callers": ("shipped",),
}


def measured(names: Sequence[str], sizes: Sizes) -> Iterator[tuple[str, Document]]:
    """One sweep after the other, beside no more servers than it needs."""
    if "catalogue" in names:
        yield "catalogue", catalogue(sizes)
    if set(names) == {"catalogue"}:
        return
    with serving.triton() as triton:
        for name in (one for one in SERVED if one in names):
            which, *flags = GATEWAY.get(name, ("ours",))
            with serving.gateway(which, triton.address, *flags) as gateway:
                sweep = SERVED[name](Servers(triton, gateway), sizes)
            yield name, sweep
        if "stream" in names:
            yield "stream", stream(triton, sizes)


def table(name: str, sweep: Document) -> str:
    """A sweep as text."""
    lines = [f"{name}: {sweep['latency']}"]
    for one in sweep["rows"]:
        held = ", ".join(f"{key.removesuffix('_mb')} {one[key]:,.0f} MB" for key in one if key.endswith("peak_mb"))
        refused = f", {one['refused']} refused" if one.get("refused") else ""
        lines.append(f"  {one['size']:>9,} {one['p50_ms']:9.2f} ms p50 {one['p95_ms']:9.2f} ms p95   {held}{refused}")
    verdict = "no worse than linear" if sweep["no_worse_than_linear"] else "WORSE THAN LINEAR"
    lines.append(f"  worst step {sweep['worst_step']:.2f} (noise {sweep['noise']:.2f}): {verdict}")
    return "\n".join(lines)


def main() -> None:
    """Measure, write, print."""
    parser = argparse.ArgumentParser(description="Measure how latency and memory grow.")
    parser.add_argument("--only", nargs="+", choices=SWEEPS, default=list(SWEEPS), metavar="SWEEP", help="some of them")
    parser.add_argument("--quick", action="store_true", help="few sizes and rounds, to see that it works")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results", help="folder of the result")
    given = parser.parse_args()
    sizes = QUICK if given.quick else Sizes()
    found: dict[str, Document] = {}
    for name, sweep in measured(given.only, sizes):
        print(table(name, sweep), file=sys.stderr)
        found[name] = sweep
    result = rounded({"machine": machine(), "date": time.strftime("%Y-%m-%d"), "rounds": sizes.rounds, "sweeps": found})
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "sweeps.json").write_text(json.dumps(result, indent=2) + "\n")
    plots.sweeps(result["sweeps"], given.out / "plots")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
