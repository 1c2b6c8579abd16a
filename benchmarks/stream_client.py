"""One stream of products by StreamPlans, and the memory that its sender needs; a process of its own for `sweeps.py`.

    python benchmarks/stream_client.py HOST:PORT products.csv --products 10000

Products are read from the file while the stream goes on, and answers are dropped once they are counted, so that what
grows is the library's. The last line printed is one JSON document.
"""

import argparse
import asyncio
import csv
import json
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from process_memory import own_peak

from onshelf import AsyncClient, Money, PlanRequest, Product

PARTS = 10  # of a stream, timed apart
PATIENCE = 60.0  # seconds without an answer


def requests(path: Path, count: int, candidates: int, sent: dict[str, float]) -> Iterator[PlanRequest]:
    """The first products of the file, noting when each is taken."""
    with path.open(newline="") as file:
        for number, line in enumerate(islice(csv.DictReader(file), count)):
            name = f"{path.stem}-{number}"
            sent[name] = time.perf_counter()
            product = Product(title=line["title"], list_price=Money(line["price"], "USD"))
            yield PlanRequest(request_id=name, product=product, max_candidates=candidates)


async def stream(address: str, path: Path, count: int, candidates: int) -> dict[str, Any]:
    """All of them: answers, failures, milliseconds of a plan from end to end and between two answers, memory."""
    sent: dict[str, float] = {}
    latencies, marks, failed = np.zeros(count), [time.perf_counter()], 0
    each = max(1, count // PARTS)
    async with AsyncClient(address) as client:
        answered = 0
        async for answer in client.stream_plans(requests(path, count, candidates, sent), patience=PATIENCE):
            latencies[answered] = 1000 * (time.perf_counter() - sent.pop(answer.request_id))
            failed += answer.plan is None
            answered += 1
            if answered % each == 0:
                marks.append(time.perf_counter())
    return {
        "answers": answered,
        "failed": failed,
        "p50_ms": float(np.percentile(latencies[:answered], 50)),
        "p95_ms": float(np.percentile(latencies[:answered], 95)),
        "plans_per_second": answered / (time.perf_counter() - marks[0]),
        "ms_between_answers": [1000 * float(part) / each for part in np.diff(marks)],
        "client_peak_mb": round(own_peak(), 1),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Plan the products of a file on one stream.")
    parser.add_argument("address", help="host:port of the gateway")
    parser.add_argument("file", type=Path, help="CSV with the columns title and price")
    parser.add_argument("--products", type=int, required=True, help="how many of them")
    parser.add_argument("--candidates", type=int, default=1000, help="candidate actions of a plan, at most")
    given = parser.parse_args()
    print(json.dumps(asyncio.run(stream(given.address, given.file, given.products, given.candidates))))


if __name__ == "__main__":
    main()
