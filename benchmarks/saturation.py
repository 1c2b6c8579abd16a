"""The gateway at saturation beside what its models allow, each driven alone on the same cores.

    python benchmarks/saturation.py        starts its own Triton and gateway; a part of `make bench`

A plan asks each model once. Were there nothing but the models, and each as fast as alone, plans a second would be
1 / sum(1 / rate), the rate being inferences a second of a model that perf_analyzer drives alone with requests of the
shapes that a plan sends: titles of at most 16 tokens, 1,000 candidates in their bucket, and only the outputs that the
gateway asks for. In turns with them, as many callers keep the gateway busy with plans, by PlanLaunch and, driven by
perf_analyzer too, by its model `launch_plan`. Everything is cold. The cores that the load generators use themselves are
in the result, as are the batches that Triton executed. The last line printed is one JSON document.
"""

import argparse
import asyncio
import json
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from itertools import chain, islice
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import perf_analyzer
import perf_analyzer_input as inputs
import serving
from gateway_tax import requests
from google.protobuf import text_format
from perf_analyzer import Bench, Load, Server
from perf_analyzer_tool import PerfAnalyzer, PerfAnalyzerError, install
from plan_latency import ROOT, machine
from rich.progress import track
from tritonclient.grpc import model_config_pb2

from onshelf.v1 import launch_pb2
from onshelf_gateway.inference.signatures import SIGNATURES

PLAN = ("product_encoder_int8", "launch_outcome", "audience_retrieval", "launch_retrieval")
METHOD = "/onshelf.v1.LaunchService/PlanLaunch"
AS_ASKED = "_as_asked"  # ending of a model that has only the outputs that the gateway asks for
TOKENS = 16
CANDIDATES = 1000
PRODUCTS = 4000  # distinct ones in an input file
SETTLE = 1.0  # seconds before answers count
SECONDS = 60.0
Row = dict[str, float]


def repository(source: Path, folder: Path) -> dict[str, str]:
    """Make a model repository like `source`; returns the model to drive for each that a plan asks.

    perf_analyzer asks for every output of a model. A model of which the gateway leaves outputs out stands here a second
    time without them.
    """
    driven = {}
    for model in sorted(source.iterdir()):
        if not (model / "config.pbtxt").is_file():
            continue
        (folder / model.name).symlink_to(model)
        if model.name not in PLAN:
            continue
        driven[model.name] = model.name
        config = text_format.Parse((model / "config.pbtxt").read_text(), model_config_pb2.ModelConfig())
        asked = [output for output in config.output if output.name in SIGNATURES[model.name][1]]
        if len(asked) == len(config.output):
            continue
        driven[model.name] = config.name = model.name + AS_ASKED
        del config.output[:]
        config.output.extend(asked)
        config.version_policy.latest.num_versions = 1
        newest = max(int(path.name) for path in model.iterdir() if path.name.isdigit())
        (folder / config.name).mkdir()
        (folder / config.name / "config.pbtxt").write_text(text_format.MessageToString(config))
        (folder / config.name / str(newest)).symlink_to(model / str(newest))
    return driven


def plans(products: Iterable[inputs.Product]) -> list[bytes]:
    """PlanLaunch of products whose category and price are known, as bytes."""
    made = []
    for product in products:
        (request,) = requests([(product.title, product.list_price)], CANDIDATES)
        request.product.category_path.extend(product.category.split(" > "))
        made.append(request.SerializeToString())
    return made


async def plan_rate(
    address: str, asked: list[bytes], callers: int, seconds: float, settle: float = SETTLE
) -> tuple[Row, list[bytes]]:
    """Plans a second of so many callers once they have settled, the cores that they use, and the answers."""
    queue, ends, answers, begin = iter(asked), [], [], time.perf_counter()
    used = time.process_time()

    async def caller(ask: Callable[..., Any]) -> None:
        while time.perf_counter() < begin + settle + seconds and (request := next(queue, None)) is not None:
            answers.append(await ask(request, timeout=SECONDS))
            ends.append(time.perf_counter() - begin)

    async with grpc.aio.insecure_channel(address) as channel:
        ask = channel.unary_unary(METHOD, None, None)  # bytes in, bytes out
        await asyncio.gather(*(caller(ask) for _ in range(callers)))
    wall = time.perf_counter() - begin
    last = min(settle + seconds, max(ends))
    counted = [end for end in ends if settle <= end <= last]
    row = {"per_second": len(counted) / (last - settle), "cores": (time.process_time() - used) / wall}
    return row | {"answers": len(answers)}, answers


def degraded(answers: list[bytes]) -> int:
    """How many answers lack a part."""
    return sum(launch_pb2.PlanLaunchResponse.FromString(answer).info.degraded for answer in answers)


def alone(bench: Bench, server: Server, model: str, file: Path, callers: int) -> Row:
    """Inferences a second of one model by perf_analyzer, the batch executed, and the cores that perf_analyzer used."""
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    found = perf_analyzer.run(bench, server, model, file, Load(concurrency=callers), 0)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    cores = used / (time.perf_counter() - start)
    return {"per_second": found["per_second"], "batch": found.get("batch", 1.0), "cores": cores}


def batches(before: dict[str, dict[str, int]], after: dict[str, dict[str, int]], count: int) -> dict[str, Row]:
    """For each model: how often a plan asked it, and how many requests Triton computed together."""
    found = {}
    for model in before:
        asked, runs = (after[model][key] - before[model][key] for key in ("inferences", "executions"))
        found[model] = {"asked": asked / count, "batch": asked / max(runs, 1)}
    return found


def allowed(rates: dict[str, float]) -> float:
    """Plans a second that the models allow."""
    return 1 / sum(1 / rate for rate in rates.values())


def summary(rounds: list[dict[str, Any]], callers: int) -> dict[str, Any]:
    """Medians over the rounds, with the ratio."""

    def median(*path: str) -> float:
        found = []
        for one in rounds:
            value: Any = one
            for key in path:
                value = value[key]
            found.append(value)
        return float(statistics.median(found))

    limits = [allowed({model: one["alone"][model]["per_second"] for model in PLAN}) for one in rounds]
    models = {
        model: {
            "alone_per_second": median("alone", model, "per_second"),
            "alone_batch": median("alone", model, "batch"),
            "load_generator_cores": median("alone", model, "cores"),
            "asked_by_a_plan": median("planned", model, "asked"),
            "executed_batch": median("planned", model, "batch"),
        }
        for model in PLAN
    }
    return {
        "gateway_saturation": statistics.median(
            one["plans"]["per_second"] / limit for one, limit in zip(rounds, limits, strict=True)
        ),
        "gateway_saturation_launch_plan": statistics.median(
            one["launch_plan"]["per_second"] / limit for one, limit in zip(rounds, limits, strict=True)
        ),
        "plans_per_second": median("plans", "per_second"),
        "launch_plan_per_second": median("launch_plan", "per_second"),
        "models_allow_per_second": statistics.median(limits),
        "load_generator_cores": {key: median(key, "cores") for key in ("plans", "launch_plan")},
        "models": models,
        "never_batched": [name for name, one in models.items() if one["executed_batch"] < 1.05],
        "degraded": sum(one["plans"]["degraded"] for one in rounds),
        "callers": callers,
        "candidates": CANDIDATES,
        "tokens": TOKENS,
        "rounds": rounds,
    }


def table(result: dict[str, Any]) -> str:
    """The result as text."""
    lines = [f"{'':24} {'alone/s':>9} {'batch':>6} {'cores':>6}   {'a plan asks':>11} {'batch executed':>15}"]
    for name, one in result["models"].items():
        lines.append(
            f"{name:24} {one['alone_per_second']:9.1f} {one['alone_batch']:6.2f} {one['load_generator_cores']:6.2f}   "
            f"{one['asked_by_a_plan']:11.2f} {one['executed_batch']:15.2f}"
        )
    cores = result["load_generator_cores"]
    lines += [
        f"{'the models allow':24} {result['models_allow_per_second']:9.1f} plans a second",
        f"{'PlanLaunch':24} {result['plans_per_second']:9.1f} {'':6} {cores['plans']:6.2f}   "
        f"{result['gateway_saturation']:.2f} of it",
        f"{'launch_plan':24} {result['launch_plan_per_second']:9.1f} {'':6} {cores['launch_plan']:6.2f}   "
        f"{result['gateway_saturation_launch_plan']:.2f} of it",
        "cores: those that the load generator used itself",
    ]
    if result["never_batched"]:
        lines.append(f"not batched at {result['callers']} callers: {', '.join(result['never_batched'])}")
    if result["degraded"]:
        lines.append(f"{result['degraded']} answers lack a part: they do not count as plans")
    return "\n".join(lines)


class Rig:
    """Triton and a gateway under test, what drives them, and an input file for each model."""

    def __init__(self, bench: Bench, triton: str, gateway: str, driven: dict[str, str], callers: int) -> None:
        self.bench, self.gateway, self.driven, self.callers = bench, gateway, driven, callers
        self.triton = Server("triton", triton, PLAN)
        self.planner = Server("gateway", gateway, ("launch_plan",))
        self.files = {model: self._input(self.triton, model) for model in driven.values()}
        self.files["launch_plan"] = self._input(self.planner, "launch_plan")

    def model(self, name: str) -> Row:
        """One model alone."""
        model = self.driven[name]
        return alone(self.bench, self.triton, model, self.files[model], self.callers)

    def launch_plan(self) -> Row:
        """The gateway, by perf_analyzer."""
        return alone(self.bench, self.planner, "launch_plan", self.files["launch_plan"], self.callers)

    def plans(self, most: int) -> dict[str, Any]:
        """The gateway, by PlanLaunch, and what it asked of Triton; a plan that lacks a part does not count."""
        asked = plans(self.bench.catalogue.take(most, TOKENS))
        before = {name: perf_analyzer.counts_of(self.triton.client, name) for name in PLAN}
        row, answers = asyncio.run(plan_rate(self.gateway, asked, self.callers, self.bench.seconds))
        after = {name: perf_analyzer.counts_of(self.triton.client, name) for name in PLAN}
        row["degraded"] = degraded(answers)
        row["per_second"] *= 1 - row["degraded"] / len(answers)
        return {"plans": row, "planned": batches(before, after, len(answers))}

    def _input(self, server: Server, model: str) -> Path:
        signature = inputs.Signature.of(server.client, model)
        products = self.bench.catalogue.take(PRODUCTS, TOKENS)
        made = inputs.rows(signature, self.bench.catalogue, products, TOKENS)
        if model == "launch_plan":
            made = (row | {"max_candidates": np.array([CANDIDATES], np.int32)} for row in made)
        first = next(made)
        path = self.bench.folder / f"{model}.input.json"
        inputs.write(islice(chain((first,), made), inputs.most_rows(first)), path)
        return path


def measure(given: argparse.Namespace, tool: PerfAnalyzer, folder: Path) -> dict[str, Any]:
    """All rounds."""
    release = serving.newest_release()
    models = folder / "models"
    models.mkdir()
    driven = repository(serving.REPOSITORY, models)
    bench = Bench(tool, folder, inputs.Catalogue(release), PRODUCTS, given.seconds)
    most = round(given.most * (given.seconds + SETTLE))
    rounds: list[dict[str, Any]] = []
    with serving.triton(models) as triton, serving.gateway("ours", triton.address) as gateway:
        rig = Rig(bench, triton.address, gateway.address, driven, given.callers)
        for turn in track(range(-1, given.rounds), description="saturation"):
            one: dict[str, Any] = {"alone": {}}
            for part in (*PLAN, "plans", "launch_plan") if turn % 2 else ("launch_plan", "plans", *reversed(PLAN)):
                if part == "plans":
                    one |= rig.plans(most)
                elif part == "launch_plan":
                    one["launch_plan"] = rig.launch_plan()
                else:
                    one["alone"][part] = rig.model(part)
            if turn >= 0:  # the first answers are slower
                rounds.append(one)
    return summary(rounds, given.callers) | {
        "release": int(release.name),
        "perf_analyzer": tool.version(),
        "cores": os.cpu_count(),
        "machine": machine(),
    }


def main() -> None:
    """Fetch perf_analyzer, measure, print."""
    parser = argparse.ArgumentParser(description="Measure the gateway at saturation beside its models alone.")
    parser.add_argument("--rounds", type=int, default=5, help="turns of all parts")
    parser.add_argument("--seconds", type=float, default=6.0, help="length of one measurement")
    parser.add_argument("--callers", type=int, default=16, help="requests under way")
    parser.add_argument("--most", type=int, default=200, help="plans a second that are never reached")
    parser.add_argument("--tool", type=Path, default=ROOT / "var/perf_analyzer", help="folder of perf_analyzer")
    given = parser.parse_args()
    try:
        tool = install(given.tool)
        with tempfile.TemporaryDirectory(prefix="saturation") as folder:
            result = measure(given, tool, Path(folder))
    except PerfAnalyzerError as error:
        raise SystemExit(str(error)) from error
    print(table(result), file=sys.stderr)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
