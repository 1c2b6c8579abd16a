"""One stream of products by StreamPlans, and the memory that its sender needs; a process of its own for `sweeps`.

    python -m onshelf_benchmarks.stream HOST:PORT products.csv 10000

The file has the columns title and price. Products are read from it while the stream goes on, and answers are dropped
once they are counted, so that what grows is the library's. The last line printed is one JSON document.
"""

import asyncio
import csv
import json
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from onshelf import AsyncClient, Money, PlanRequest, Product
from onshelf_benchmarks.load import percentiles
from onshelf_benchmarks.memory import peak

CANDIDATES = 1000  # of a plan
PARTS = 10  # of a stream, timed apart
PATIENCE = 60.0  # seconds without an answer


def requests(path: Path, count: int, sent: dict[str, float]) -> Iterator[PlanRequest]:
    """The first products of the file, noting when each is taken."""
    with path.open(newline="") as file:
        for number, line in enumerate(islice(csv.DictReader(file), count)):
            name = f"{path.stem}-{number}"
            sent[name] = time.perf_counter()
            product = Product(title=line["title"], list_price=Money(line["price"], "USD"))
            yield PlanRequest(request_id=name, product=product, max_candidates=CANDIDATES)


async def stream(address: str, path: Path, count: int) -> dict[str, Any]:
    """All of them: answers, failures, milliseconds of a plan from end to end and between two answers, memory."""
    sent: dict[str, float] = {}
    latencies, marks, failed = np.zeros(count), [time.perf_counter()], 0
    each = max(1, count // PARTS)
    async with AsyncClient(address) as client:
        answered = 0
        async for answer in client.stream_plans(requests(path, count, sent), patience=PATIENCE):
            latencies[answered] = 1000 * (time.perf_counter() - sent.pop(answer.request_id))
            failed += answer.plan is None
            answered += 1
            if answered % each == 0:
                marks.append(time.perf_counter())
    return {
        "answers": answered,
        "failed": failed,
        **percentiles(latencies[:answered], (50, 95)),
        "plans_per_second": answered / (time.perf_counter() - marks[0]),
        "ms_between_answers": [1000 * float(part) / each for part in np.diff(marks)],
        "client_peak_mb": peak(["self"]),
    }


if __name__ == "__main__":
    address, file, products = sys.argv[1:]
    print(json.dumps(asyncio.run(stream(address, Path(file), int(products)))))
