"""Exact retrieval of two towers over large catalogues, beside the memory's bandwidth.

    python benchmarks/large_retrieval.py              1,000 to 1,000,000 vectors
    python benchmarks/large_retrieval.py --triton     and the largest graph served by the local Triton

Vectors are synthetic: 64 numbers, normally distributed, of L2 norm 1; products for a user's vector and users for a
product's. Each construction of the graph is a PyTorch module that the exporter's own `export_graph` writes; it runs in
ONNX Runtime with one and two threads and must find what numpy finds by comparing all. A query of one vector reads the
whole matrix once, so that its limit is the matrix's bytes over the bandwidth of a large read, which is measured in turn
with the graphs; that also empties the cache of smaller matrices. Beyond what one machine holds, an existing distributed
vector engine is the way. Writes benchmarks/results/large_retrieval.json; the last line printed is the same document.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from plan_latency import ROOT, machine, rounded
from torch import Tensor, nn

from onshelf_exporter.release.graphs import (
    OPSET,
    check_limits,
    export_graph,
    run_graph,
    session,
)
from onshelf_exporter.signatures import Signature
from onshelf_exporter.signatures import Tensor as Described

NAME = "large_retrieval"
WIDTH = 64  # numbers of a vector
K = 100
SIZES = (1_000, 10_000, 100_000, 1_000_000)
BATCHES = (1, 8, 32)
THREADS = (1, 2)
RESCORED = 4  # candidates of the int8 product for each answer
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

    One thread answers one query faster so, and 8 or 32 at once slower: a stack of matrices is packed anew for each run,
    a constant [64, n] (`RightOperand`) once and for all. It suits requests that come one by one.

    TopK of ONNX and its CPU provider put the earlier of equal scores first; another runtime may exchange equals.

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


class Panels(ExactRetrieval):
    """The same panels, but one TopK over all scores."""

    def forward(self, query: Tensor) -> tuple[Tensor, Tensor]:
        """FP32 [batch, 64] -> indices INT64 and scores FP32 [batch, k], best first."""
        scores = torch.matmul(query, self.get_buffer("rest"))
        if self.panels:
            stacked = torch.matmul(query.unsqueeze(0), self.get_buffer("stacked"))
            scores = torch.cat([stacked.transpose(0, 1).flatten(1), scores], dim=1)
        best = torch.topk(scores, self.k, dim=1)
        return best.indices, best.values


class RightOperand(nn.Module):
    """query @ [64, n], then TopK: as the exporter's retrieval graphs for small catalogues do it."""

    def __init__(self, vectors: Tensor, k: int) -> None:
        super().__init__()
        self.register_buffer("vectors", vectors.T.contiguous())
        self.k = min(k, len(vectors))

    def forward(self, query: Tensor) -> tuple[Tensor, Tensor]:
        """FP32 [batch, 64] -> indices INT64 and scores FP32 [batch, k], best first."""
        best = torch.topk(torch.matmul(query, self.get_buffer("vectors")), self.k, dim=1)
        return best.indices, best.values


class Layer(RightOperand):
    """A linear layer, Gemm with a transposed [n, 64], then TopK."""

    def __init__(self, vectors: Tensor, k: int) -> None:
        super().__init__(vectors, k)
        self.register_buffer("vectors", vectors)

    def forward(self, query: Tensor) -> tuple[Tensor, Tensor]:
        """FP32 [batch, 64] -> indices INT64 and scores FP32 [batch, k], best first."""
        best = torch.topk(nn.functional.linear(query, self.get_buffer("vectors")), self.k, dim=1)
        return best.indices, best.values


class LeftOperand(Layer):
    """[n, 64] @ transposed query, transposed, then TopK."""

    def forward(self, query: Tensor) -> tuple[Tensor, Tensor]:
        """FP32 [batch, 64] -> indices INT64 and scores FP32 [batch, k], best first."""
        best = torch.topk(torch.matmul(self.get_buffer("vectors"), query.T).T, self.k, dim=1)
        return best.indices, best.values


RECOMMENDED = "panels of 4,096, blocks of 64"
VARIANTS: dict[str, Callable[[Tensor, int], nn.Module]] = {
    "query @ [64, n], TopK": RightOperand,
    "linear layer [n, 64], TopK": Layer,
    "[n, 64] @ query, TopK": LeftOperand,
    "panels of 4,096, TopK": Panels,
    "panels of 1,024, blocks of 64": lambda vectors, k: ExactRetrieval(vectors, k, 1024),
    RECOMMENDED: ExactRetrieval,
}
INT8 = "int8 candidates, rescored (not exact)"


def synthetic(rows: int, seed: int) -> Floats:
    """Vectors [rows, 64] of L2 norm 1."""
    vectors = np.random.default_rng(seed).standard_normal((rows, WIDTH), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def write(module: nn.Module, path: Path) -> Path:
    """The module as ONNX, by the exporter."""
    export_graph(NAME, module.eval(), {"query": synthetic(3, 0)}, path, SIGNATURE)
    return path


def write_int8(vectors: Floats, k: int, path: Path) -> Path:
    """Candidates by an int8 product, rescored in fp32: reads a quarter of the bytes, and may miss some of the best."""
    scale = np.abs(vectors).max(1, keepdims=True) / 127
    whole = np.rint(vectors / scale).astype(np.int8)
    n, few = len(vectors), min(RESCORED * k, len(vectors))
    constants = {
        "whole": np.ascontiguousarray(whole.T),
        "scale": scale.T.astype(np.float32),
        "vectors": vectors,
        "few": np.array([few], np.int64),
        "k": np.array([min(k, n)], np.int64),
        "two": np.array([2], np.int64),
    }
    node = helper.make_node
    nodes = [
        node("DynamicQuantizeLinear", ["query"], ["query8", "query_scale", "query_zero"]),
        node("MatMulInteger", ["query8", "whole", "query_zero"], ["products"]),
        node("Cast", ["products"], ["counted"], to=TensorProto.FLOAT),
        node("Mul", ["counted", "scale"], ["rough"]),
        node("TopK", ["rough", "few"], ["rough_scores", "near"], axis=1),
        node("Gather", ["vectors", "near"], ["candidates"], axis=0),
        node("Unsqueeze", ["query", "two"], ["column"]),
        node("MatMul", ["candidates", "column"], ["exact_column"]),
        node("Squeeze", ["exact_column", "two"], ["exact"]),
        node("TopK", ["exact", "k"], ["scores", "places"], axis=1),
        node("GatherElements", ["near", "places"], ["indices"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        NAME,
        [helper.make_tensor_value_info("query", TensorProto.FLOAT, ["batch", WIDTH])],
        [
            helper.make_tensor_value_info("indices", TensorProto.INT64, ["batch", "k"]),
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", "k"]),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
    check_limits(NAME, model)
    onnx.save_model(model, str(path))
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


class Reading:
    """Bandwidth of reading a buffer far larger than the cache: the best of three ways."""

    def __init__(self, megabytes: int) -> None:
        self.buffer = torch.ones(megabytes * 2**20 // 4).reshape(-1, WIDTH)
        self.vector = torch.ones(WIDTH)
        self.best = dict.fromkeys(THREADS, 0.0)

    def measure(self, threads: int) -> None:
        """Read it once in each way: a sum, a maximum, a product with a vector."""
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        size = self.buffer.numel() * 4
        for work in (self.buffer.sum, self.buffer.max, lambda: torch.mv(self.buffer, self.vector)):
            self.best[threads] = max(self.best[threads], size / timed(work))
        torch.set_num_threads(before)


def measure(path: Path, vectors: Floats, reading: Reading, rounds: int, label: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows of one graph: each number of threads and each batch."""
    rows = []
    size = path.stat().st_size
    for threads in THREADS:
        running = session(path, threads)
        taken: dict[int, list[float]] = {batch: [] for batch in BATCHES}
        for turn in range(-2, rounds):
            reading.measure(threads)
            for batch in BATCHES:
                query = {"query": synthetic(batch, 1000 + turn)}
                seconds = timed(partial(run_graph, running, query))
                if turn >= 0:  # the first answers are slower
                    taken[batch].append(seconds)
        for batch in BATCHES:
            queries = synthetic(batch, 77)
            found = run_graph(running, {"query": queries})["indices"]
            share = recall(found, brute_force(vectors, queries, found.shape[1]))
            rows.append(
                label
                | {
                    "threads": threads,
                    "batch": batch,
                    "best_ms": 1e3 * min(taken[batch]),
                    "median_ms": 1e3 * statistics.median(taken[batch]),
                    "recall": share,
                    "file_megabytes": size / 1e6,
                }
            )
        del running
    return rows


def memory_of(path: Path) -> dict[str, float]:
    """Megabytes that loading a graph and answering one query take in a fresh process: at the peak, and afterwards."""
    command = [sys.executable, str(Path(__file__).resolve()), "--memory-of", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def own_memory(path: Path) -> dict[str, float]:
    """The same in this process."""

    def now(field: str) -> float:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(float(line.split()[1]) / 1024 for line in lines if line.startswith(field))

    before = now("VmRSS")
    running = session(path, 1)
    run_graph(running, {"query": synthetic(1, 0)})
    return {"peak_megabytes": now("VmHWM") - before, "megabytes": now("VmRSS") - before}


def external(path: Path, folder: Path) -> Path:
    """The same graph with its vectors in a file beside it, which the runtime maps: needed above 2 GB."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / "model.onnx"
    model = onnx.load(str(path))
    onnx.save_model(model, str(target), save_as_external_data=True, location="vectors.bin", size_threshold=1 << 20)
    return target


CONFIG = f"""# Query -> the nearest of a large catalogue.
name: "{NAME}"
backend: "onnxruntime"
max_batch_size: 64
input [ {{ name: "query" data_type: TYPE_FP32 dims: [ {WIDTH} ] }} ]
output [
  {{ name: "indices" data_type: TYPE_INT64 dims: [ -1 ] }},
  {{ name: "scores" data_type: TYPE_FP32 dims: [ -1 ] }}
]
dynamic_batching {{ max_queue_delay_microseconds: 500 }}
instance_group [ {{ count: 1 }} ]
parameters {{ key: "intra_op_thread_count" value {{ string_value: "1" }} }}
"""


def serve(path: Path, vectors: Floats, folder: Path, venv: Path, rounds: int) -> dict[str, Any]:
    """Serve a graph by the local Triton and ask it: recall and milliseconds of a query of one vector."""
    import tritonclient.grpc as triton

    from onshelf_local_triton import LocalTriton

    version = folder / "repository" / NAME / "1"
    version.mkdir(parents=True)
    (version.parent / "config.pbtxt").write_text(CONFIG)
    for file in path.parent.iterdir():  # the graph and, where it has one, its data
        os.link(file, version / file.name)
    with LocalTriton(folder / "repository", folder / "triton", venv=venv) as server:
        client = triton.InferenceServerClient(server.grpc_url)

        def ask(queries: Floats) -> NDArray[np.int64]:
            value = triton.InferInput("query", list(queries.shape), "FP32")
            value.set_data_from_numpy(queries)
            found: NDArray[np.int64] = client.infer(NAME, [value]).as_numpy("indices")
            return found

        queries = synthetic(8, 78)
        share = recall(ask(queries), brute_force(vectors, queries, K))
        one = synthetic(1, 79)
        taken = [timed(lambda: ask(one)) for _ in range(rounds + 2)][2:]
        client.close()
    return {
        "vectors": len(vectors),
        "recall": share,
        "best_ms": 1e3 * min(taken),
        "median_ms": 1e3 * statistics.median(taken),
    }


def worst_of_best_threads(rows: list[dict[str, Any]]) -> float:
    """Medians over the limit: of products and users the worse, at the number of threads that is best for it."""
    best: dict[str, float] = {}
    for row in rows:
        best[row["of"]] = min(row["times_limit"], best.get(row["of"], row["times_limit"]))
    return max(best.values())


def table(rows: Iterable[dict[str, Any]]) -> str:
    """Rows as text."""
    lines = [f"{'vectors':>9} {'of':8}  {'graph':38} threads batch  best ms  median ms  limit ms  x limit  recall"]
    lines += [
        f"{row['vectors']:>9,} {row['of']:8}  {row['graph']:38} {row['threads']:>7} {row['batch']:>5} "
        f"{row['best_ms']:>8.2f}  {row['median_ms']:>9.2f}  {row['limit_ms']:>8.3f}  {row['times_limit']:>7.2f}  "
        f"{row['recall']:.4f}"
        for row in rows
    ]
    return "\n".join(lines)


def run(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """All measurements."""
    reading = Reading(arguments.read_megabytes)
    rows: list[dict[str, Any]] = []
    memory: list[dict[str, Any]] = []
    served: dict[str, Any] | None = None
    for size in arguments.sizes:
        vectors = synthetic(size, 1)
        for name, make in VARIANTS.items():
            path = write(make(torch.from_numpy(vectors), K), folder / f"{size}.onnx")
            rows += measure(
                path, vectors, reading, arguments.rounds, {"vectors": size, "of": "products", "graph": name}
            )
            if size == max(arguments.sizes) and name in (RECOMMENDED, next(iter(VARIANTS))):
                memory.append({"vectors": size, "graph": name} | memory_of(path))
            if size == max(arguments.sizes) and name == RECOMMENDED:
                apart = external(path, folder / "external")
                memory.append({"vectors": size, "graph": f"{name}, vectors in a file apart"} | memory_of(apart))
                if arguments.triton:
                    served = serve(apart, vectors, folder / "served", arguments.triton_venv, arguments.rounds)
            path.unlink()
            print(f"{size:,} {name}: {rows[-len(BATCHES) * len(THREADS)]['best_ms']:.2f} ms", file=sys.stderr)
        path = write_int8(vectors, K, folder / f"{size}.onnx")
        rows += measure(path, vectors, reading, arguments.rounds, {"vectors": size, "of": "products", "graph": INT8})
        path.unlink()
    size = max(arguments.sizes)
    users = synthetic(size, 2)
    path = write(ExactRetrieval(torch.from_numpy(users), K), folder / f"{size}.onnx")
    rows += measure(path, users, reading, arguments.rounds, {"vectors": size, "of": "users", "graph": RECOMMENDED})
    path.unlink()

    best = max(reading.best.values())
    for row in rows:
        row["limit_ms"] = 1e3 * 4 * WIDTH * row["vectors"] / best
        row["times_limit"] = row["median_ms"] / row["limit_ms"]
    ones = [row for row in rows if (row["vectors"], row["batch"], row["graph"]) == (size, 1, RECOMMENDED)]
    exact = [row for row in rows if row["graph"] != INT8]
    return {
        "command": "make bench-retrieval",
        "machine": f"{machine()}, load {os.getloadavg()[0]:.1f}",
        "date": time.strftime("%Y-%m-%d"),
        "k": K,
        "rounds": arguments.rounds,
        "gigabytes_per_second": {str(threads): value / 1e9 for threads, value in reading.best.items()},
        "recommended": RECOMMENDED,
        "ratios": {
            "retrieval_vs_bandwidth": worst_of_best_threads(ones),
            "retrieval_vs_bandwidth_one_thread": worst_of_best_threads([row for row in ones if row["threads"] == 1]),
        },
        "exact": min(row["recall"] for row in exact) == 1.0,
        "sweep": [
            {"vectors": n}
            | {
                f"batch_{batch}_ms": min(
                    row["best_ms"]
                    for row in rows
                    if (row["vectors"], row["batch"], row["graph"]) == (n, batch, RECOMMENDED)
                )
                for batch in BATCHES
            }
            for n in arguments.sizes
        ],
        "memory": memory,
        "triton": served,
        "rows": rows,
    }


def main() -> None:
    """Measure, write, print; the exit status is 1 where a graph that claims to be exact is not."""
    parser = argparse.ArgumentParser(description="Measure exact retrieval over large catalogues.")
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), help="numbers of vectors")
    parser.add_argument("--rounds", type=int, default=10, help="answers timed per graph, threads and batch")
    parser.add_argument("--read-megabytes", type=int, default=512, help="size of the buffer read for the bandwidth")
    parser.add_argument("--triton", action="store_true", help="serve the largest graph by the local Triton, too")
    parser.add_argument("--triton-venv", type=Path, default=ROOT / ".venv-triton", help="its environment")
    parser.add_argument("--scratch", type=Path, help="folder for graphs (default: a temporary one)")
    parser.add_argument("--memory-of", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results", help="folder of the result")
    arguments = parser.parse_args()
    if arguments.memory_of:
        print(json.dumps(own_memory(arguments.memory_of)))
        return
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as folder, torch.inference_mode():
        result = rounded(run(arguments, Path(folder)))
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / f"{NAME}.json").write_text(json.dumps(result, indent=2) + "\n")
    print(table(result["rows"]))
    print(json.dumps(result))
    sys.exit(not result["exact"])


if __name__ == "__main__":
    main()
