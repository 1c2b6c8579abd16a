"""The models on a GPU, beside what the machine could do at best.

    make bench-gpu                                     the newest training run, in PyTorch on the first GPU
    python benchmarks/gpu.py --pack models.zip         the same models for a machine that has no training run
    python benchmarks/gpu.py --models models.zip

The limit of a case is the larger of two times: its floating-point operations over the rate of a large matrix product,
and the bytes that it must read (weights, inputs, tables that are read as a whole) over the rate of a large copy, both
measured here first. Operations are counted by PyTorch (matrix products and attention). A case runs as PyTorch launches
it, as one recorded CUDA graph, as fixed buckets allow, and the encoder as such a graph of fused operations. ONNX
Runtime's GPU providers are measured where they are installed. A packed model keeps its tables of whole numbers; its
weights are drawn anew, which changes answers and not times.
"""

import argparse
import io
import json
import platform
import statistics
import sys
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

ROOT = Path(__file__).resolve().parent.parent
HISTORY = 64  # events of a user
ROUNDS = 30
COMPILED = ("product_encoder",)  # measured as torch.compile fuses it, too
CANDIDATES = 37
WHOLE = {  # buffers that a retrieval multiplies as a whole; rows of all other tables are looked up
    "product_retrieval": ("factors", "content", "embeddings"),
    "audience_retrieval": ("vectors", "embeddings"),
    "launch_retrieval": ("embeddings",),
    "1,000,000 vectors of 64": ("vectors",),
}
Modules = dict[str, nn.Module]


@dataclass(frozen=True)
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
        values, rows = torch.topk(asked @ self.vectors, self.k)
        return values, rows


def load_run(folder: Path) -> Modules:
    """The modules of a role of a training run, as they are exported."""
    from onshelf_exporter.models.product_encoder import ProductEncoder
    from onshelf_exporter.training.encode import load_bert
    from onshelf_exporter.training.recipe import EncoderRecipe
    from onshelf_exporter.training.texts import model_folder

    modules: Modules = torch.load(folder / "graphs.pt", weights_only=False)
    encoder = modules["product_encoder"]
    assert isinstance(encoder, ProductEncoder)
    encoder.text = load_bert(model_folder(EncoderRecipe()))  # times do not depend on fine-tuning
    return modules


def pack(modules: Modules, path: Path) -> None:
    """Keep the modules without their weights."""
    for module in modules.values():
        for owner in module.modules():
            for name, value in [*owner._parameters.items(), *owner._buffers.items()]:
                if value is not None and value.is_floating_point() and value.numel() > 1:
                    place = owner._parameters if name in owner._parameters else owner._buffers
                    empty = torch.empty(value.shape, dtype=value.dtype, device="meta")
                    place[name] = nn.Parameter(empty, requires_grad=False) if place is owner._parameters else empty
    content = io.BytesIO()
    torch.save(modules, content)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("modules.pt", content.getvalue())


def unpack(path: Path) -> Modules:
    """Packed modules with weights drawn anew."""
    with zipfile.ZipFile(path) as archive:
        modules: Modules = torch.load(io.BytesIO(archive.read("modules.pt")), weights_only=False)
    torch.manual_seed(1)
    for module in modules.values():
        for owner in module.modules():
            for place in (owner._parameters, owner._buffers):
                for name, value in place.items():
                    if value is not None and value.device.type == "meta":
                        drawn = torch.randn(value.shape, dtype=value.dtype) * 0.02
                        place[name] = nn.Parameter(drawn, requires_grad=False) if place is owner._parameters else drawn
    return modules


def cases(quick: bool) -> list[Case]:
    """What is measured; `quick`: the smallest of each."""
    result = []
    for batch, tokens in ((1, 16), (16, 16), (64, 16), (256, 16), (256, 32), (256, 64)):
        inputs = (
            torch.full((batch, tokens), 2000),
            torch.ones((batch, tokens), dtype=torch.int64),
            torch.zeros((batch, 4), dtype=torch.int64),
            torch.ones((batch, 2)),
        )
        size = f"batch {batch}, {tokens} tokens"
        result += [Case("product_encoder", size, precision, batch, inputs) for precision in ("fp32", "fp16")]
    for batch, count in ((1, 1024), (8, 1024), (1, 10_240)):
        inputs = (
            torch.randn(batch, 128),
            torch.zeros((batch, 4), dtype=torch.int64),
            torch.ones((batch, 2)),
            torch.rand(batch, count, CANDIDATES),
        )
        result.append(Case("launch_outcome", f"batch {batch}, {count:,} candidates", "fp32", batch, inputs))
    for batch in (1, 16):
        embedding, ids = torch.randn(batch, 128), torch.zeros((batch, 4), dtype=torch.int64)
        result.append(
            Case("audience_retrieval", f"batch {batch}", "fp32", batch, (embedding, ids, torch.randn(batch, 64)))
        )
        result.append(Case("launch_retrieval", f"batch {batch}", "fp32", batch, (embedding,)))
        events = torch.ones((batch, HISTORY), dtype=torch.int64)
        numbers = torch.ones(batch, HISTORY)
        profile = torch.zeros(batch, 16)
        result.append(
            Case("user_encoder", f"batch {batch}", "fp32", batch, (events, numbers, numbers, events, profile))
        )
        asked = (
            torch.randn(batch, 64),
            profile,
            events,
            numbers,
            torch.rand(batch, HISTORY, 4),
            torch.zeros(batch, 1),
        )
        result.append(Case("product_retrieval", f"batch {batch}", "fp32", batch, asked))
        for precision in ("fp32", "fp16"):
            result.append(
                Case("1,000,000 vectors of 64", f"batch {batch}", precision, batch, (torch.randn(batch, 64),))
            )
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


def timed(work: Callable[[], object], device: torch.device, rounds: int, launches: int = 1) -> float:
    """Median seconds of one of `launches` runs that are waited for together."""
    for _ in range(3):
        work()
    wait(device)
    taken = []
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(launches):
            work()
        wait(device)
        taken.append((time.perf_counter() - start) / launches)
    return statistics.median(taken)


def peaks(device: torch.device, quick: bool) -> dict[str, float]:
    """Floating-point operations a second of a large product, by precision, and bytes a second of a large copy."""
    n = 512 if quick else 8192
    result = {}
    for name, dtype in (("fp32", torch.float32), ("fp16", torch.float16)):
        left, right = (torch.randn(n, n, device=device, dtype=dtype) for _ in range(2))
        result[f"{name}_flops"] = 2 * n**3 / timed(lambda a=left, b=right: a @ b, device, 10)
    source = torch.empty((1 << 22) if quick else (1 << 30), dtype=torch.float32, device=device)
    target = torch.empty_like(source)
    result["bytes"] = 2 * source.numel() * 4 / timed(lambda: target.copy_(source), device, 10)
    return result


def recorded(module: nn.Module, inputs: tuple[Tensor, ...]) -> Callable[[], object]:
    """The module as one CUDA graph.

    Raises:
        RuntimeError: it asks the CPU for something on its way.
    """
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            module(*inputs)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        module(*inputs)
    return graph.replay


def measure(case: Case, module: nn.Module, device: torch.device, peak: dict[str, float], rounds: int) -> dict[str, Any]:
    """One row: seconds as launched and as a graph, and the share of the limit that the better one reaches."""
    half = case.precision == "fp16"
    inputs = placed(case.inputs, device, half and isinstance(module, Vectors))
    with FlopCounterMode(display=False) as counter:
        module(*inputs)
    flops = counter.get_total_flops()
    read = read_bytes(case.model, module) + sum(value.numel() * value.element_size() for value in inputs)
    launched = timed(lambda: module(*inputs), device, rounds)
    graph: float | None = None
    why = ""
    if device.type == "cuda":
        try:
            graph = timed(recorded(module, inputs), device, rounds)
        except RuntimeError as error:
            why = str(error).splitlines()[0][:120]
            torch.cuda.synchronize()
    fused: float | None = None
    if device.type == "cuda" and case.model in COMPILED:
        torch._dynamo.reset()  # it does not notice that weights changed their precision
        compiled = torch.compile(module, dynamic=False)
        compiled(*inputs)
        fused = timed(recorded(compiled, inputs), device, rounds)
    limit = max(flops / peak[f"{case.precision}_flops"], read / peak["bytes"])
    best = min(taken for taken in (launched, graph, fused) if taken is not None)
    return {
        "model": case.model,
        "size": case.size,
        "precision": case.precision,
        "launched_ms": 1e3 * launched,
        "graph_ms": None if graph is None else 1e3 * graph,
        "fused_graph_ms": None if fused is None else 1e3 * fused,
        "no_graph_because": why,
        "answers_per_second": case.answers / best,
        "gflop": flops / 1e9,
        "mbytes": read / 1e6,
        "limit_ms": 1e3 * limit,
        "bound_by": "operations" if flops / peak[f"{case.precision}_flops"] > read / peak["bytes"] else "bytes",
        "share_of_limit": limit / best,
    }


def read_bytes(model: str, module: nn.Module) -> int:
    """Bytes that one run must read: weights but for rows that are looked up, and tables that are read as a whole."""
    looked_up = {id(table.weight) for table in module.modules() if isinstance(table, nn.Embedding)}
    read = [value for value in module.parameters() if id(value) not in looked_up]
    read += [value for name, value in module.named_buffers() if name.endswith(WHOLE.get(model, ("-",)))]
    return sum(value.numel() * value.element_size() for value in read)


def providers(folder: Path, rounds: int) -> tuple[list[dict[str, Any]], str]:
    """Rows of ONNX Runtime's GPU providers on the model repository, or why there are none."""
    try:
        import onnxruntime
    except ImportError:
        return [], "onnxruntime is not installed"
    known = [name for name in onnxruntime.get_available_providers() if name != "CPUExecutionProvider"]
    gpu = [name for name in ("TensorrtExecutionProvider", "CUDAExecutionProvider") if name in known]
    files = sorted(folder.glob("product_encoder/[0-9]*/model.onnx"), key=lambda path: int(path.parent.name))
    if not gpu or not files:
        return [], f"onnxruntime {onnxruntime.__version__} has {known or 'no GPU provider'}; graphs found: {len(files)}"
    rows = []
    for name in gpu:
        session = onnxruntime.InferenceSession(str(files[-1]), providers=[name, "CPUExecutionProvider"])
        if session.get_providers()[0] != name:
            raise SystemExit(f"{name} was asked for, ONNX Runtime took {session.get_providers()}")
        for case in (case for case in cases(False) if case.model == "product_encoder" and case.precision == "fp32"):
            names = [entry.name for entry in session.get_inputs()]
            feeds = {key: value.numpy() for key, value in zip(names, case.inputs, strict=True)}
            taken = timed(lambda f=feeds, s=session: s.run(None, f), torch.device("cpu"), rounds)
            rows.append({"provider": name, "size": case.size, "ms": 1e3 * taken})
    return rows, ""


def markdown(result: dict[str, Any]) -> str:
    """The result as a page."""
    peak = result["peaks"]
    heads = (
        *(
            "Model",
            "Size",
            "Precision",
            "Launched, ms",
            "CUDA graph, ms",
            "fused, ms",
            "Answers a second",
            "Limit, ms",
            "Bound by",
        ),
        "Share of the limit",
    )
    lines = [
        "# The models on a GPU\n",
        f"`{result['command']}` on {result['machine']}, {result['date']}, PyTorch {result['torch']}. Measured limits: "
        f"{peak['fp32_flops'] / 1e12:.0f} TFLOP/s in fp32 (as TF32), {peak['fp16_flops'] / 1e12:.0f} in fp16, "
        f"{peak['bytes'] / 1e12:.2f} TB/s. Weights {result['weights']}. Times are medians of {result['rounds']} runs, "
        "each waited for.\n",
        "| " + " | ".join(heads) + " |",
        "|---" * len(heads) + "|",
    ]
    for row in result["rows"]:
        cells = (
            *(row["model"], row["size"], row["precision"], f"{row['launched_ms']:.3f}"),
            *("–" if row[key] is None else f"{row[key]:.3f}" for key in ("graph_ms", "fused_graph_ms")),
            f"{row['answers_per_second']:,.0f}",
            *(f"{row['limit_ms']:.4f}", row["bound_by"], f"{row['share_of_limit']:.0%}"),
        )
        lines.append("| " + " | ".join(cells) + " |")
    failed = {row["model"]: row["no_graph_because"] for row in result["rows"] if row["no_graph_because"]}
    lines += [f"\nNo CUDA graph of {name}: {why}." for name, why in failed.items()]
    if result["provider_rows"]:
        lines += ["\n| ONNX Runtime provider | Size | ms |", "|---|---|---|"]
        lines += [f"| {row['provider']} | {row['size']} | {row['ms']:.3f} |" for row in result["provider_rows"]]
    else:
        lines.append(f"\nONNX Runtime's GPU providers were not measured: {result['no_providers_because']}.")
    return "\n".join(lines) + "\n"


def newest_run(runs: Path) -> Path:
    """The newest role that is trained. Raises SystemExit where there is none."""
    found = sorted(runs.glob("default-*/production/graphs.pt"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise SystemExit(f"{runs}: no training run; run `make train` first, or give --models")
    return found[-1].parent


def main() -> None:
    """Measure, write, print; or pack."""
    parser = argparse.ArgumentParser(description="Measure the models on a GPU.")
    parser.add_argument("--runs", type=Path, default=ROOT / "var/runs", help="folder of training runs")
    parser.add_argument("--models", type=Path, help="packed models instead of a training run")
    parser.add_argument("--pack", type=Path, help="only write packed models there")
    parser.add_argument(
        "--repository", type=Path, default=ROOT / "model_repository", help="for ONNX Runtime's providers"
    )
    parser.add_argument("--device", default="cuda", help="cuda, or cpu to prove the path")
    parser.add_argument("--quick", action="store_true", help="small sizes only")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results", help="folder of the result")
    parser.add_argument("--command", default="make bench-gpu", help="how the result says it was made")
    given = parser.parse_args()
    if given.pack:
        pack(load_run(newest_run(given.runs)), given.pack)
        print(given.pack)
        return
    if given.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("no GPU here: PyTorch sees none; run this on a machine with one, or --device cpu --quick")
    torch.backends.cuda.matmul.allow_tf32 = True
    device = torch.device(given.device)
    modules = unpack(given.models) if given.models else load_run(newest_run(given.runs))
    rounds = 3 if given.quick else ROUNDS
    rows, failed = [], []
    with torch.inference_mode(), device:  # some models make small constants on their way
        peak = peaks(device, given.quick)
        modules["1,000,000 vectors of 64"] = Vectors(10_000 if given.quick else 1_000_000)
        for case in cases(given.quick):
            module = modules[case.model].to(device).eval()
            in_precision(module, case.precision == "fp16")
            name = f"{case.model}, {case.size}, {case.precision}"
            try:
                rows.append(measure(case, module, device, peak, rounds))
            except RuntimeError as error:  # the others are still worth their time; the exit status tells
                failed.append(f"{name}: {error}")
                continue
            print(f"{name}: {rows[-1]['launched_ms']:.3f} ms", file=sys.stderr)
        provider_rows, why = (
            providers(given.repository, rounds) if device.type == "cuda" else ([], "no GPU was asked for")
        )
    machine = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or "a CPU"
    result = {
        "command": given.command,
        "machine": machine,
        "torch": torch.__version__,
        "date": time.strftime("%Y-%m-%d"),
        "weights": "drawn anew" if given.models else "as trained",
        "rounds": rounds,
        "peaks": peak,
        "rows": rows,
        "provider_rows": provider_rows,
        "no_providers_because": why,
    }
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "gpu.json").write_text(json.dumps(result, indent=2) + "\n")
    (given.out / "gpu.md").write_text(markdown(result))
    print(markdown(result))
    if failed:
        raise SystemExit("not measured:\n" + "\n".join(failed))


if __name__ == "__main__":
    main()
