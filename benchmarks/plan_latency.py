"""Latency and throughput of PlanLaunch on a running gateway, every product a different one.

    python benchmarks/plan_latency.py        the gateway of `make run`; a part of `make bench`

Closed loop: a number of callers, each sending its next request when the last is answered. Open loop: Poisson arrivals
at a share of saturation, the best rate of closed loops, as the median of three passes before the rounds; latency counts
from the planned arrival, so a stall is not hidden by the requests it delays. Loads take turns, round by round;
percentiles are over the answers of all rounds, rates are medians. The last line printed is one JSON document.
"""

import argparse
import asyncio
import json
import os
import platform
import statistics
import subprocess
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.feather as feather
from rich.progress import track
from steady import FEWEST, Span, steady

from onshelf import AsyncClient, Money, Product

ROOT = Path(__file__).resolve().parent.parent
PERCENTILES = (50, 95, 99)
CALLERS = (1, 4, 16, 64)
SHARES = (0.25, 0.5, 0.75)  # of saturation
PASSES = 3  # over the closed loops, to find saturation
PROMISED = 0.5  # the share at which the README says what to expect


def products_of(release: Path, count: int, seed: int) -> list[Product]:
    """Distinct products: titles of the catalogue with a made-up brand word, so that no cache can know them."""
    table = feather.read_table(release / "products.arrow", columns=["title", "price"]).to_pandas()
    rows = table.drop_duplicates("title").sample(n=count, random_state=seed, replace=True)
    return [
        Product(title=f"{title} no. {number}", list_price=Money(Decimal(str(round(max(float(price), 0.5), 2))), "USD"))
        for number, (title, price) in enumerate(zip(rows["title"], rows["price"].fillna(1.0), strict=True))
    ]


async def closed_loop(
    client: AsyncClient, products: list[Product], concurrency: int, candidates: int | None = None
) -> tuple[float, np.ndarray]:
    """Answers a second and latencies [n] in milliseconds of `concurrency` callers, while all of them ask."""
    queue = iter(products)

    async def caller() -> list[Span]:
        spans = []
        for product in queue:
            start = time.perf_counter()
            await client.plan_launch(product, max_candidates=candidates)
            spans.append((start, time.perf_counter()))
        return spans

    return steady(await asyncio.gather(*(caller() for _ in range(concurrency))))


async def open_loop(
    client: AsyncClient, products: list[Product], rate: float, seed: int, candidates: int | None = None
) -> np.ndarray:
    """Latencies [n] in milliseconds from the planned arrival, arrivals Poisson at `rate` a second."""
    arrivals = np.cumsum(np.random.default_rng(seed).exponential(1 / rate, len(products)))
    start = time.perf_counter()

    async def one(product: Product, arrival: float) -> float:
        await asyncio.sleep(max(0.0, start + arrival - time.perf_counter()))
        await client.plan_launch(product, max_candidates=candidates)
        return 1000 * (time.perf_counter() - start - arrival)

    return np.array(await asyncio.gather(*map(one, products, arrivals)))


def machine() -> str:
    """The machine in words."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next((line.split(":")[1].strip() for line in lines if "model name" in line), "")
    return f"{model or platform.processor()}, {os.cpu_count()} cores, {platform.system()}"


def rounded(value: Any) -> Any:
    """Floats of a document to 4 digits."""
    if isinstance(value, dict):
        return {key: rounded(one) for key, one in value.items()}
    if isinstance(value, list):
        return [rounded(one) for one in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


def row(load: dict[str, Any], rates: list[float], rounds: list[np.ndarray]) -> dict[str, Any]:
    """One line of the result."""
    every = np.concatenate(rounds)
    return load | {
        "plans_per_second": round(statistics.median(rates), 1),
        "answers": len(every),
        **{f"p{p}_ms": round(float(np.percentile(every, p)), 1) for p in PERCENTILES},
        "p50_ms_of_rounds": [round(float(np.median(one)), 1) for one in rounds],
    }


async def measure(arguments: argparse.Namespace) -> dict[str, object]:
    """All loads in one run."""
    release = max((p for p in arguments.releases.iterdir() if p.name.isdigit()), key=lambda p: int(p.name))
    limit, count = arguments.candidates, arguments.requests
    async with AsyncClient(arguments.address, timeout=60) as client:
        probe = await client.plan_launch(products_of(release, 1, 0)[0], max_candidates=limit)
        passes = []
        for turn in range(1 + PASSES):  # the first warms up
            found = []
            for number, callers in enumerate(arguments.callers):
                some = products_of(release, max(count, FEWEST * callers), 10 * turn + number)
                found.append((await closed_loop(client, some, callers, limit))[0])
            passes.append(max(found))
        saturation = statistics.median(passes[1:])
        loads: list[dict[str, Any]] = [
            *({"load": f"closed loop, concurrency {callers}", "callers": callers} for callers in arguments.callers),
            *({"load": f"open loop, {share:.0%} of saturation", "share": share} for share in SHARES),
        ]
        rates: list[list[float]] = [[] for _ in loads]
        taken: list[list[np.ndarray]] = [[] for _ in loads]
        for turn in track(range(arguments.rounds), description="rounds"):
            for number in range(len(loads)) if turn % 2 == 0 else reversed(range(len(loads))):
                load, seed = loads[number], 100 * (turn + 1) + number
                some = products_of(release, max(count, FEWEST * load.get("callers", 0)), seed)
                if "callers" in load:
                    rate, latencies = await closed_loop(client, some, load["callers"], limit)
                else:
                    rate = load["share"] * saturation
                    latencies = await open_loop(client, some, rate, seed, limit)
                rates[number].append(rate)
                taken[number].append(latencies)
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True)
    return {
        "command": "python benchmarks/plan_latency.py",
        "machine": machine(),
        "commit": commit.stdout.strip(),
        "date": time.strftime("%Y-%m-%d"),
        "model_release": probe.info.model_release.version,
        "candidates": probe.candidates_scored,
        "requests": count,
        "rounds": arguments.rounds,
        "saturation_plans_per_second": round(saturation, 1),
        "saturation_of_passes": [round(one, 1) for one in passes[1:]],
        "rows": [row(load, rate, of) for load, rate, of in zip(loads, rates, taken, strict=True)],
    }


def markdown(result: dict[str, object]) -> str:
    """The result as a page."""
    rows: list[dict[str, object]] = result["rows"]  # type: ignore[assignment]
    lines = [
        "# Latency of PlanLaunch\n",
        f"{result['command']} on {result['machine']}, {result['date']}, commit {result['commit']}. Every product is "
        f"different, {result['candidates']} candidate actions a plan; {result['rounds']} x {result['requests']} "
        "plans; client, gateway and Triton share the machine.\n",
        "| Load | Plans a second | p50 ms | p95 ms | p99 ms |\n|---|---|---|---|---|",
        *(f"| {r['load']} | {r['plans_per_second']} | {r['p50_ms']} | {r['p95_ms']} | {r['p99_ms']} |" for r in rows),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, write, print."""
    parser = argparse.ArgumentParser(description="Measure PlanLaunch on a running gateway.")
    parser.add_argument("--address", default=None, help="host:port; default: the gateway of `make run`")
    parser.add_argument("--releases", type=Path, default=ROOT / "var/releases", help="folder of model releases")
    parser.add_argument("--requests", type=int, default=200, help="plans of a load and round")
    parser.add_argument("--callers", type=int, nargs="+", default=list(CALLERS), help="of the closed loops")
    parser.add_argument("--rounds", type=int, default=5, help="turns of all loads")
    parser.add_argument("--candidates", type=int, default=None, help="candidate actions of a plan; default: all")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results", help="folder of the result")
    arguments = parser.parse_args()
    arguments.address = arguments.address or json.loads((ROOT / "var/run/gateway.address").read_text())["address"]
    result = asyncio.run(measure(arguments))
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "plan_latency.md").write_text(markdown(result))
    (arguments.out / "plan_latency.json").write_text(json.dumps(result, indent=2) + "\n")
    print(markdown(result))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
