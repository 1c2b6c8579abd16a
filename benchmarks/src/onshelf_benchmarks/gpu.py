"""The models on a GPU, beside what the machine could do at best.

    make bench-gpu                                             the newest training run, in PyTorch on the first GPU
    python -m onshelf_benchmarks.gpu --models models.zip       a packed one, where there is no training run (`packed`)

The limit of a case is the larger of two times: its floating-point operations over the rate of a large matrix product,
and the bytes that it must read (weights, inputs, tables that are read as a whole) over the rate of a large copy, both
measured here first. Operations are counted by PyTorch (matrix products and attention). A case runs as PyTorch launches
it, as one recorded CUDA graph, as fixed buckets allow, and the encoder as such a graph of fused operations.
"""

import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from onshelf_benchmarks.command import command
from onshelf_benchmarks.packed import load_run, newest_run, unpack
from onshelf_benchmarks.record import Document, table
from onshelf_release.candidates import CANDIDATE_COLUMNS

HISTORY = 64  # events of a user
ROUNDS = 30
COMPILED = ("product_encoder",)  # measured as torch.compile fuses it, too
VECTORS = "1,000,000 vectors of 64"
WHOLE = {  # buffers that a retrieval multiplies as a whole; rows of all other tables are looked up
    "product_retrieval": ("factors", "content", "embeddings"),
    "audience_retrieval": ("vectors", "embeddings"),
    "launch_retrieval": ("embeddings",),
    VECTORS: ("vectors",),
}


@dataclass(frozen=True, kw_only=True)
class Case:
    """One model at one size: what goes in, and how many answers come out."""

    model: str
    size: str
    precision: str
    answers: int
    inputs: tuple[Tensor, ...]


class Vectors(nn.Module):
    """Exact retrieval: all scores by one matrix product, then the best k."""

    def __init__(self, rows: int, width: int = 64, k: int = 100) -> None:
        super().__init__()
        self.register_buffer("vectors", torch.randn(width, rows))
        self.k = k

    def forward(self, asked: Tensor) -> tuple[Tensor, Tensor]:
        """Scores [batch, k] and rows of the best vectors for [batch, width]."""
        values, rows = torch.topk(asked @ self.get_buffer("vectors"), self.k)
        return values, rows


def cases(quick: bool) -> list[Case]:
    """What is measured; `quick`: the smallest of each."""
    result: list[Case] = []

    def add(model: str, size: str, batch: int, inputs: tuple[Tensor, ...], *precisions: str) -> None:
        for precision in precisions or ("fp32",):
            result.append(Case(model=model, size=size, precision=precision, answers=batch, inputs=inputs))

    for batch, tokens in ((1, 16), (16, 16), (64, 16), (256, 16), (256, 32), (256, 64)):
        texts = torch.full((batch, tokens), 2000), torch.ones((batch, tokens), dtype=torch.int64)
        about = torch.zeros((batch, 4), dtype=torch.int64), torch.ones((batch, 2))
        add("product_encoder", f"batch {batch}, {tokens} tokens", batch, (*texts, *about), "fp32", "fp16")
    for batch, count in ((1, 1024), (8, 1024), (1, 10_240)):
        about = torch.zeros((batch, 4), dtype=torch.int64), torch.ones((batch, 2))
        actions = torch.rand(batch, count, len(CANDIDATE_COLUMNS))
        add("launch_outcome", f"batch {batch}, {count:,} candidates", batch, (torch.randn(batch, 128), *about, actions))
    for batch in (1, 16):
        size = f"batch {batch}"
        embedding, ids = torch.randn(batch, 128), torch.zeros((batch, 4), dtype=torch.int64)
        add("audience_retrieval", size, batch, (embedding, ids, torch.randn(batch, 64)))
        add("launch_retrieval", size, batch, (embedding,))
        events, numbers = torch.ones((batch, HISTORY), dtype=torch.int64), torch.ones(batch, HISTORY)
        profile = torch.zeros(batch, 16)
        add("user_encoder", size, batch, (events, numbers, numbers, events, profile))
        weights = torch.rand(batch, HISTORY, 4)
        asked = (torch.randn(batch, 64), profile, events, numbers, weights, torch.zeros(batch, 1))
        add("product_retrieval", size, batch, asked)
        add(VECTORS, size, batch, (torch.randn(batch, 64),), "fp32", "fp16")
    if quick:
        result = list({case.model: case for case in reversed(result)}.values())[::-1]
    return result


def placed(values: tuple[Tensor, ...], device: torch.device, half: bool) -> tuple[Tensor, ...]:
    """Inputs on the device, floats in half precision where asked for."""
    return tuple(
        value.to(device, torch.float16 if half and value.is_floating_point() else value.dtype) for value in values
    )


def in_precision(module: nn.Module, half: bool) -> None:
    """Weights of the text encoder, or vectors, in half precision; what follows the pooled text stays in fp32."""
    part = getattr(module, "text", module)
    part.to(torch.float16 if half else torch.float32)


def wait(device: torch.device) -> None:
    """Until all that was launched is done."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def timed(work: Callable[[], object], device: torch.device, rounds: int) -> float:
    """Median seconds of runs that are waited for."""
    for _ in range(3):
        work()
    wait(device)
    taken = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        wait(device)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def peaks(device: torch.device, quick: bool) -> dict[str, float]:
    """Floating-point operations a second of a large product, by precision, and bytes a second of a large copy."""
    n = 512 if quick else 8192
    result = {}
    for name, dtype in (("fp32", torch.float32), ("fp16", torch.float16)):
        left, right = (torch.randn(n, n, device=device, dtype=dtype) for _ in range(2))
        result[f"{name}_flops"] = 2 * n**3 / timed(partial(torch.matmul, left, right), device, 10)
    source = torch.empty((1 << 22) if quick else (1 << 30), dtype=torch.float32, device=device)
    target = torch.empty_like(source)
    result["bytes"] = 2 * source.numel() * 4 / timed(lambda: target.copy_(source), device, 10)
    return result


def recorded(module: Callable[..., object], inputs: tuple[Tensor, ...]) -> Callable[[], object]:
    """The module as one CUDA graph.

    Raises:
        RuntimeError: it asks the CPU for something on its way.
    """
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            module(*inputs)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        module(*inputs)
    return graph.replay


def measure_case(case: Case, module: nn.Module, device: torch.device, peak: dict[str, float], rounds: int) -> Document:
    """One row: seconds as launched and as a graph, and the share of the limit that the better one reaches."""
    inputs = placed(case.inputs, device, case.precision == "fp16" and isinstance(module, Vectors))
    with FlopCounterMode(display=False) as counter:
        module(*inputs)
    flops = counter.get_total_flops()
    read = read_bytes(case.model, module) + sum(value.numel() * value.element_size() for value in inputs)
    taken, why = {"launched": timed(lambda: module(*inputs), device, rounds)}, ""
    if device.type == "cuda":
        try:
            taken["graph"] = timed(recorded(module, inputs), device, rounds)
        except RuntimeError as error:
            why = str(error).splitlines()[0][:120]
            torch.cuda.synchronize()
    if device.type == "cuda" and case.model in COMPILED:
        torch._dynamo.reset()  # it does not notice that weights changed their precision
        compiled = torch.compile(module, dynamic=False)
        compiled(*inputs)
        taken["fused_graph"] = timed(recorded(compiled, inputs), device, rounds)
    limits = {"operations": flops / peak[f"{case.precision}_flops"], "bytes": read / peak["bytes"]}
    bound, best = max(limits, key=limits.__getitem__), min(taken.values())
    return {
        "model": case.model,
        "size": case.size,
        "precision": case.precision,
        **{f"{way}_ms": 1e3 * taken[way] if way in taken else None for way in ("launched", "graph", "fused_graph")},
        "no_graph_because": why,
        "answers_per_second": case.answers / best,
        "gflop": flops / 1e9,
        "mbytes": read / 1e6,
        "limit_ms": 1e3 * limits[bound],
        "bound_by": bound,
        "share_of_limit": limits[bound] / best,
    }


def read_bytes(model: str, module: nn.Module) -> int:
    """Bytes that one run must read: weights but for rows that are looked up, and tables that are read as a whole."""
    looked_up = {id(one.weight) for one in module.modules() if isinstance(one, nn.Embedding)}
    read: list[Tensor] = [value for value in module.parameters() if id(value) not in looked_up]
    read += [value for name, value in module.named_buffers() if name.endswith(WHOLE.get(model, ("-",)))]
    return sum(value.numel() * value.element_size() for value in read)


def markdown(result: Document) -> str:
    """The result as a page."""
    peak = result["peaks"]
    heads = ["Model", "Size", "Precision", "Launched, ms", "CUDA graph, ms", "fused, ms"]
    heads += ["Answers a second", "Limit, ms", "Bound by", "Share of the limit"]
    rows = [
        [row["model"], row["size"], row["precision"], f"{row['launched_ms']:.3f}"]
        + ["–" if row[key] is None else f"{row[key]:.3f}" for key in ("graph_ms", "fused_graph_ms")]
        + [f"{row['answers_per_second']:,.0f}", f"{row['limit_ms']:.4f}", row["bound_by"]]
        + [f"{row['share_of_limit']:.0%}"]
        for row in result["rows"]
    ]
    failed = {row["model"]: row["no_graph_because"] for row in result["rows"] if row["no_graph_because"]}
    blocks = [
        "# The models on a GPU",
        f"`{result['command']}` on {result['machine']}, {result['date']}, PyTorch {result['torch']}. Measured limits: "
        f"{peak['fp32_flops'] / 1e12:.0f} TFLOP/s in fp32 (as TF32), {peak['fp16_flops'] / 1e12:.0f} in fp16, "
        f"{peak['bytes'] / 1e12:.2f} TB/s. Weights {result['weights']}. Times are medians of {result['rounds']} runs, "
        "each waited for.",
        table(heads, rows),
        *(f"No CUDA graph of {name}: {why}." for name, why in failed.items()),
    ]
    return "\n\n".join(blocks) + "\n"


def measure(*, models: Path | None = None, device: Literal["cuda", "cpu"] = "cuda", quick: bool = False) -> Document:
    """All cases.

    Args:
        models: packed models instead of a training run.
        device: a CPU proves the path.
        quick: small sizes only.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("no GPU here: PyTorch sees none; run this on a machine with one, or --device cpu --quick")
    torch.backends.cuda.matmul.allow_tf32 = True
    place = torch.device(device)
    modules = unpack(models) if models else load_run(newest_run())
    rounds = 3 if quick else ROUNDS
    rows: list[Document] = []
    failed: list[str] = []
    with torch.inference_mode(), place:  # some models make small constants on their way
        peak = peaks(place, quick)
        modules[VECTORS] = Vectors(10_000 if quick else 1_000_000)
        for case in cases(quick):
            module = modules[case.model].to(place).eval()
            in_precision(module, case.precision == "fp16")
            name = f"{case.model}, {case.size}, {case.precision}"
            try:
                rows.append(measure_case(case, module, place, peak, rounds))
            except RuntimeError as error:  # the others are still worth their time; the exit status tells
                failed.append(f"{name}: {error}")
                continue
            print(f"{name}: {rows[-1]['launched_ms']:.3f} ms", file=sys.stderr)
    return {
        "machine": torch.cuda.get_device_name(place) if device == "cuda" else platform.processor() or "a CPU",
        "torch": torch.__version__,
        "weights": "drawn anew" if models else "as trained",
        "rounds": rounds,
        "peaks": peak,
        "rows": rows,
        "failed": failed,
    }


def complaint(result: Document) -> str:
    """The cases that failed; empty where none did."""
    return "\n".join(["not measured:", *result["failed"]]) if result["failed"] else ""


if __name__ == "__main__":
    command("gpu", measure, markdown, complaint)
