"""product_encoder through Triton beside the same graph in this process.

    python -m onshelf_benchmarks.encoder --triton HOST:PORT

The same titles of products, padded to the same length, in turns: through the local Triton by callers that keep it busy,
and by ONNX Runtime in this process at its best batch, by one session with all threads or as many sessions of one
thread.
"""

import asyncio
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from rich.progress import track

from onshelf_benchmarks import pages
from onshelf_benchmarks.command import command
from onshelf_benchmarks.load import closed_loop, medians, whole
from onshelf_benchmarks.products import TOKENS, Catalog, products_of
from onshelf_benchmarks.record import REPOSITORY, Document, newest_release
from onshelf_exporter.release.graphs import session
from onshelf_gateway.inference.backend import TritonBackend

BATCHES = (1, 4, 8, 16, 32, 64)
OUTPUTS = ("embedding", "product_vector", "completed_ids")
THREADS = 2  # in this process
Feeds = dict[str, NDArray[Any]]


def inputs(release: Path, count: int, seed: int) -> Feeds:
    """Inputs of so many products whose titles have at most TOKENS tokens, padded to them."""
    catalog = Catalog(release)
    titles = [product.title for product in products_of(release, 3 * count, seed)]
    fitting = [catalog.tokens(title) for title in titles if catalog.length(title) <= TOKENS][:count]
    ids, mask = (np.stack(rows) for rows in zip(*fitting, strict=True))
    return {
        "input_ids": ids,
        "attention_mask": mask,
        "categorical_ids": np.zeros((len(ids), 4), dtype=np.int64),
        "attributes": np.tile(np.array([[0.0, -1.0]], dtype=np.float32), (len(ids), 1)),
    }


def parts(feeds: Feeds, batch: int) -> list[Feeds]:
    """The rows in whole batches."""
    starts = range(0, len(feeds["input_ids"]) // batch * batch, batch)
    return [{name: values[first : first + batch] for name, values in feeds.items()} for first in starts]


def in_process(sessions: Sequence[onnxruntime.InferenceSession], given: list[Feeds]) -> float:
    """Batches a second, each session in a thread of its own, one batch after the other."""
    waiting = iter(given)

    def work(running: onnxruntime.InferenceSession) -> None:
        for one in waiting:  # an iterator over a list gives each batch to one thread
            running.run(list(OUTPUTS), one)

    with ThreadPoolExecutor(len(sessions)) as pool:
        start = time.perf_counter()
        list(pool.map(work, sessions))
        return len(given) / (time.perf_counter() - start)


async def through_triton(address: str, model: str, version: int, given: list[Feeds], callers: int) -> float:
    """Batches a second of so many callers."""
    backend = TritonBackend(address)

    async def ask(feeds: Feeds) -> None:
        await backend.infer(model, version, feeds, OUTPUTS, 60.0)

    rate, _ = whole(await closed_loop(ask, given, callers))
    await backend.close()
    return rate


def measure(*, triton: str, model: str = "product_encoder_int8", texts: int = 1024, rounds: int = 5) -> Document:
    """All rounds; a dictionary with `encoder_vs_inprocess`.

    Args:
        triton: host:port of Triton.
        model: encoder.
        texts: of a round.
        rounds: how often.
    """
    release = newest_release()
    feeds = inputs(release, texts, seed=3)
    path = REPOSITORY / model / release.name / "model.onnx"
    ways = {
        f"one session of {THREADS} threads": [session(path, THREADS)],
        f"{THREADS} sessions of one thread": [session(path, 1) for _ in range(THREADS)],
    }
    speeds = {
        (way, batch): batch * in_process(sessions, parts(feeds, batch)[:8])
        for way, sessions in ways.items()
        for batch in BATCHES
    }
    way, best = max(speeds, key=lambda key: speeds[key])
    rows: list[dict[str, float]] = []
    for turn in track(range(-1, rounds), description="encoder"):
        row = {"in_process": best * in_process(ways[way], parts(feeds, best))}
        for name, batch, callers in (("triton_single", 1, 32), ("triton_batches", best, 4)):
            rate = asyncio.run(through_triton(triton, model, int(release.name), parts(feeds, batch), callers))
            row[name] = batch * rate
        if turn >= 0:
            rows.append(row)

    def over_process(*names: str) -> float:
        return statistics.median(max(row[name] for name in names) / row["in_process"] for row in rows)

    return {
        "encoder_vs_inprocess": over_process("triton_single", "triton_batches"),
        "single_texts_vs_inprocess": over_process("triton_single"),
        "model": model,
        "padded_to": TOKENS,
        "best_batch": best,
        "in_process_by": way,
        "texts_per_second": medians(rows),
    }


if __name__ == "__main__":
    command("encoder", measure, pages.encoder)
