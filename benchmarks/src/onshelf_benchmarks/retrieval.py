"""Exact retrieval of two towers over large catalogs, beside the memory's bandwidth.

    make bench-retrieval        1,000,000 vectors

Vectors are synthetic: 64 numbers, normally distributed, of L2 norm 1. The graph is a PyTorch module that the exporter's
own `export_graph` writes; it runs in ONNX Runtime with one and two threads and must find what numpy finds by comparing
all. A query of one vector reads the whole matrix once, so that its limit is the matrix's bytes over the bandwidth of a
large read, which is measured in turn with the graph. Beyond what one machine holds, an existing distributed vector
engine is the way.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from onshelf_benchmarks.command import command
from onshelf_benchmarks.record import Document
from onshelf_exporter.release.graphs import export_graph, run_graph, session
from onshelf_release.signatures import Signature
from onshelf_release.signatures import Tensor as Described

NAME = "large_retrieval"
WIDTH = 64  # numbers of a vector
K = 100
CHECKED = 8  # queries whose answers are compared
THREADS = (1, 2)
SIGNATURE = Signature(
    (Described("query", "FP32", (WIDTH,)),),
    (Described("indices", "INT64", ("k",)), Described("scores", "FP32", ("k",))),
)
Floats = NDArray[np.float32]


class ExactRetrieval(nn.Module):
    """The k vectors of [n, 64] with the largest dot products with a query; of equal ones the earlier.

    Exact, in standard ONNX operators. At one query the product is nearly all of the time:

    - The matrix lies in panels [panels, 64, panel], the right operand of a product that broadcasts the query over them.
      ONNX Runtime packs a constant [64, n] into strips made for large batches, which takes a copy and is slow for one
      query; a stack of matrices it leaves as it is, and reads each panel from its beginning to its end, its sums in the
      cache. Threads share the panels.
    - TopK passes over n scores with a heap, which is little at one query, and much at many. It sees the maxima of
      blocks of `block` scores. At least k scores are as large as the k-th largest maximum, one in each of the k blocks
      with the largest maxima (of equal ones the earlier); so no other block can hold one of the k best, and a second
      TopK reads only these blocks, in their own order, in which equal scores keep theirs. What is left over when n is
      no multiple of `panel` takes part in the second TopK.

    It suits requests that come one by one: a stack of matrices is packed anew for each run of 8 or 32, a constant
    [64, n] once and for all. Another runtime than the CPU provider may exchange equal scores.

    Args:
        vectors: [n, 64].
        k: answers; at most n.
        panel: vectors of one panel, a multiple of `block`.
        block: scores of one maximum. Where there are not more than k blocks, there is one TopK over all scores.
    """

    def __init__(self, vectors: Tensor, k: int, panel: int = 4096, block: int = 64) -> None:
        super().__init__()
        self.k, self.panel, self.block = min(k, len(vectors)), panel, block
        self.panels = len(vectors) // panel if len(vectors) // panel * panel // block > self.k else 0
        whole = self.panels * panel
        stacked = vectors[:whole].reshape(self.panels, panel, vectors.shape[1]).transpose(1, 2)
        self.register_buffer("stacked", stacked.contiguous())
        self.register_buffer("rest", vectors[whole:].T.contiguous())

    def forward(self, query: Tensor) -> tuple[Tensor, Tensor]:
        """FP32 [batch, 64] -> indices INT64 and scores FP32 [batch, k], best first."""
        rest = self.get_buffer("rest")
        if not self.panels:
            best = torch.topk(torch.matmul(query, rest), self.k, dim=1)
            return best.indices, best.values
        batch, each = query.shape[0], self.panel // self.block  # blocks of a panel
        scores = torch.matmul(query.unsqueeze(0), self.get_buffer("stacked"))  # [panels, batch, panel]
        rows = scores.reshape(-1, self.block)
        peaks = scores.reshape(self.panels, -1, each, self.block).amax(3).transpose(0, 1).flatten(1)
        chosen = torch.sort(torch.topk(peaks, self.k, dim=1).indices, dim=1).values
        places = (chosen // each * batch + torch.arange(batch).unsqueeze(1)) * each + chosen % each
        found = torch.index_select(rows, 0, places.flatten()).reshape(-1, self.k * self.block)
        items = (chosen.unsqueeze(2) * self.block + torch.arange(self.block)).flatten(1)
        if rest.shape[1]:
            numbers = torch.arange(rest.shape[1]) + self.panels * self.panel
            items = torch.cat([items, numbers.unsqueeze(0).expand(batch, -1)], dim=1)
            found = torch.cat([found, torch.matmul(query, rest)], dim=1)
        best = torch.topk(found, self.k, dim=1)
        return torch.gather(items, 1, best.indices), best.values


def synthetic(rows: int, seed: int) -> Floats:
    """Vectors [rows, 64] of L2 norm 1."""
    vectors = np.random.default_rng(seed).standard_normal((rows, WIDTH), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def write(module: nn.Module, path: Path) -> Path:
    """The module as ONNX, by the exporter."""
    export_graph(NAME, module.eval(), {"query": synthetic(3, 0)}, path, SIGNATURE)
    return path


def brute_force(vectors: Floats, queries: Floats, k: int) -> NDArray[np.int64]:
    """Indices [batch, k] by comparing all, best first, of equal scores the earlier."""
    scores = queries @ vectors.T
    return np.argsort(-scores, axis=1, kind="stable")[:, :k]


def recall(found: NDArray[np.int64], best: NDArray[np.int64]) -> float:
    """Share of the best that were found."""
    return float(np.mean([len(set(one) & set(other)) / len(other) for one, other in zip(found, best, strict=True)]))


def timed(work: Callable[[], object]) -> float:
    """Seconds of one run."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def bandwidth(buffer: Tensor, threads: int) -> float:
    """Bytes a second of reading a buffer far larger than the cache: the best of a sum, a maximum and a product."""
    vector, before = torch.ones(WIDTH), torch.get_num_threads()
    torch.set_num_threads(threads)
    seconds = min(timed(work) for work in (buffer.sum, buffer.max, partial(torch.mv, buffer, vector)))
    torch.set_num_threads(before)
    return buffer.numel() * 4 / seconds


def measure(*, size: int = 1_000_000, rounds: int = 10, read_megabytes: int = 512) -> Document:
    """All measurements.

    Args:
        size: number of vectors.
        rounds: answers timed per number of threads.
        read_megabytes: size of the buffer read for the bandwidth.
    """
    buffer = torch.ones(read_megabytes * 2**20 // 4).reshape(-1, WIDTH)
    vectors, queries = synthetic(size, 1), synthetic(CHECKED, 77)
    best = brute_force(vectors, queries, K)
    rows: list[Document] = []
    read = dict.fromkeys(THREADS, 0.0)
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        path = write(ExactRetrieval(torch.from_numpy(vectors), K), Path(folder) / "graph.onnx")
        for threads in THREADS:
            running, taken = session(path, threads), []
            for turn in range(-2, rounds):
                read[threads] = max(read[threads], bandwidth(buffer, threads))
                taken.append(1e3 * timed(partial(run_graph, running, {"query": synthetic(1, 1000 + turn)})))
            share = recall(run_graph(running, {"query": queries})["indices"], best)
            median = statistics.median(taken[2:])  # the first answers are slower
            rows.append({"threads": threads, "median_ms": median, "best_ms": min(taken[2:]), "recall": share})
            print(f"{threads} threads: {median:.2f} ms", file=sys.stderr)
    limit = 1e3 * 4 * WIDTH * size / max(read.values())
    return {
        "vectors": size,
        "k": K,
        "rounds": rounds,
        "gigabytes_per_second": {str(threads): value / 1e9 for threads, value in read.items()},
        "limit_ms": limit,
        "ratios": {"retrieval_vs_bandwidth": min(row["median_ms"] for row in rows) / limit},
        "exact": min(row["recall"] for row in rows) == 1.0,
        "rows": [row | {"times_limit": row["median_ms"] / limit} for row in rows],
    }


def complaint(result: Document) -> str:
    """What is wrong where the graph, which claims to be exact, is not."""
    return "" if result["exact"] else "not exact: see the recall of the rows"


if __name__ == "__main__":
    command(NAME, measure, complaint=complaint)
