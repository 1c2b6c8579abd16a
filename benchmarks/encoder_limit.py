"""product_encoder through Triton beside the same graph in this process, and that beside the machine's matrix products.

    python benchmarks/encoder_limit.py --triton HOST:PORT --release var/releases/10

The same titles of products, padded to the same length, in turns: through the local Triton by callers that keep it busy,
and by ONNX Runtime in this process at its best batch, by one session with all threads or as many sessions of one
thread. In-process operations a second (counted from the graph's matrix products, padding where the graph computes it)
are compared with those of a large matrix product in ONNX Runtime, in the precision of the graph. The last line printed
is one JSON document.
"""

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper
from plan_latency import ROOT, machine, products_of
from rich.progress import track
from tokenizers import Tokenizer

from onshelf_gateway.inference.backend import TritonBackend

BATCHES = (1, 4, 8, 16, 32, 64)
OUTPUTS = ("embedding", "product_vector", "completed_ids")
LAYERS, HIDDEN, WIDE = 6, 384, 1536
Feeds = dict[str, np.ndarray]


def texts(release: Path, count: int, tokens: int, seed: int) -> Feeds:
    """Inputs of so many products whose titles fit the bucket."""
    manifest = json.loads((release / "manifest.json").read_text())["tokenizer"]
    tokenizer = Tokenizer.from_file(str(release / manifest["file"]))
    tokenizer.no_padding()
    encoded = [tokenizer.encode(product.title).ids for product in products_of(release, 3 * count, seed)]
    fitting = [ids for ids in encoded if len(ids) <= tokens][:count]
    ids = np.full((len(fitting), tokens), int(manifest["pad_id"]), dtype=np.int64)
    for row, known in enumerate(fitting):
        ids[row, : len(known)] = known
    lengths = np.array([len(known) for known in fitting])
    return {
        "input_ids": ids,
        "attention_mask": (np.arange(tokens) < lengths[:, None]).astype(np.int64),
        "categorical_ids": np.zeros((len(ids), 4), dtype=np.int64),
        "attributes": np.tile(np.array([[0.0, -1.0]], dtype=np.float32), (len(ids), 1)),
    }


def part(feeds: Feeds, start: int, size: int) -> Feeds:
    """Some of the rows."""
    return {name: values[start : start + size] for name, values in feeds.items()}


def session(path: Path | bytes, threads: int) -> onnxruntime.InferenceSession:
    """A graph in this process."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    content = path if isinstance(path, bytes) else str(path)
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def in_process(sessions: Sequence[onnxruntime.InferenceSession], feeds: Feeds, batch: int) -> float:
    """Texts a second, each session in a thread of its own, one batch after the other."""
    count = len(feeds["input_ids"]) // batch * batch
    starts = iter(range(0, count, batch))

    def work(running: onnxruntime.InferenceSession) -> None:
        for first in starts:  # an iterator over a range gives each number to one thread
            running.run(list(OUTPUTS), part(feeds, first, batch))

    with ThreadPoolExecutor(len(sessions)) as pool:
        start = time.perf_counter()
        list(pool.map(work, sessions))
        return count / (time.perf_counter() - start)


async def through_triton(address: str, model: str, version: int, feeds: Feeds, batch: int, callers: int) -> float:
    """Texts a second of so many callers, each with requests of `batch` texts."""
    backend = TritonBackend(address)
    count = len(feeds["input_ids"]) // batch * batch
    starts = iter(range(0, count, batch))

    async def caller() -> None:
        for first in starts:
            await backend.infer(model, version, part(feeds, first, batch), OUTPUTS, 60.0)

    start = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(callers)))
    taken = time.perf_counter() - start
    await backend.close()
    return count / taken


def product_rate(int8: bool, threads: int, rounds: int = 5) -> float:
    """Operations a second of a matrix product of 1,024 x 1,536 x 1,536 in ONNX Runtime."""
    rows, width = 1024, 1536
    draw = np.random.default_rng(1)
    if int8:
        left = draw.integers(0, 255, (rows, width)).astype(np.uint8)
        right = draw.integers(-127, 127, (width, width)).astype(np.int8)
        node, kinds, out = "MatMulInteger", (TensorProto.UINT8, TensorProto.INT8), TensorProto.INT32
    else:
        left, right = (draw.normal(size=shape).astype(np.float32) for shape in ((rows, width), (width, width)))
        node, kinds, out = "MatMul", (TensorProto.FLOAT, TensorProto.FLOAT), TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node(node, ["left", "right"], ["product"])],
        "product",
        [helper.make_tensor_value_info("left", kinds[0], [rows, width])],
        [helper.make_tensor_value_info("product", out, [rows, width])],
        [onnx.numpy_helper.from_array(right, "right")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    running = session(model.SerializeToString(), threads)
    running.run(None, {"left": left})
    taken = []
    for _ in range(rounds):
        start = time.perf_counter()
        running.run(None, {"left": left})
        taken.append(time.perf_counter() - start)
    return 2 * rows * width * width / min(taken)


def operations(tokens: float, padded: int) -> float:
    """Operations of one text: projections and feed-forward of all layers over its tokens, and attention's two products,
    which see it padded."""
    layer = 2 * tokens * (4 * HIDDEN * HIDDEN + 2 * HIDDEN * WIDE) + 2 * 2 * padded * padded * HIDDEN
    return float(LAYERS * layer)


def measure(given: argparse.Namespace) -> dict[str, Any]:
    """All rounds; a dictionary with `encoder_vs_inprocess`."""
    version = int(given.release.name)
    feeds = texts(given.release, given.texts, given.tokens, seed=3)
    path = given.repository / given.model / str(version) / "model.onnx"
    ways = {
        f"one session of {given.threads} threads": [session(path, given.threads)],
        f"{given.threads} sessions of one thread": [session(path, 1) for _ in range(given.threads)],
    }
    speeds = {
        (way, batch): in_process(sessions, part(feeds, 0, 8 * batch), batch)
        for way, sessions in ways.items()
        for batch in BATCHES
    }
    way, best = max(speeds, key=lambda key: speeds[key])
    running = ways[way]
    rows: list[dict[str, float]] = []
    for turn in track(range(-1, given.rounds), description="encoder"):
        row = {"in_process": in_process(running, feeds, best)}
        for name, batch, callers in (("triton_single", 1, 32), ("triton_batches", best, 4)):
            row[name] = asyncio.run(through_triton(given.triton, given.model, version, feeds, batch, callers))
        row["product"] = product_rate("int8" in given.model, given.threads)
        if turn >= 0:
            rows.append(row)
    known = json.loads((given.release / "manifest.json").read_text())["models"][given.model]
    tokens = float(feeds["attention_mask"].sum(1).mean()) if known.get("unpadded") else float(given.tokens)
    work = operations(tokens, given.tokens)
    medians = {name: statistics.median(row[name] for row in rows) for name in rows[0]}
    triton = [max(row["triton_single"], row["triton_batches"]) for row in rows]
    return {
        "encoder_vs_inprocess": statistics.median(
            through / row["in_process"] for through, row in zip(triton, rows, strict=True)
        ),
        "single_texts_vs_inprocess": statistics.median(row["triton_single"] / row["in_process"] for row in rows),
        "share_of_matrix_products": statistics.median(row["in_process"] * work / row["product"] for row in rows),
        "model": given.model,
        "tokens": round(tokens, 2),
        "padded_to": given.tokens,
        "best_batch": best,
        "in_process_by": way,
        "texts_per_second": medians,
        "machine": machine(),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure the encoder through Triton and in this process.")
    parser.add_argument("--triton", required=True, help="host:port of Triton")
    parser.add_argument("--release", type=Path, required=True, help="folder of a model release")
    parser.add_argument("--repository", type=Path, default=ROOT / "model_repository", help="model repository")
    parser.add_argument("--model", default="product_encoder_int8", help="encoder")
    parser.add_argument("--tokens", type=int, default=16, help="titles of at most so many, padded to it")
    parser.add_argument("--texts", type=int, default=1024, help="texts of a round")
    parser.add_argument("--rounds", type=int, default=5, help="rounds")
    parser.add_argument("--threads", type=int, default=2, help="threads in this process")
    print(json.dumps(measure(parser.parse_args())))


if __name__ == "__main__":
    main()
