"""The gateway at saturation beside what its models allow, each driven alone on the same cores.

    python -m onshelf_benchmarks.saturation        starts its own Triton and gateway; a part of `make bench`

A plan asks each model once. Were there nothing but the models, and each as fast as alone, plans a second would be
1 / sum(1 / rate), the rate being inferences a second of a model that perf_analyzer drives alone with requests of the
shapes that a plan sends: titles of at most 16 tokens, 1,000 candidates in their bucket, and only the outputs that the
gateway asks for. In turns with them, as many callers keep the gateway busy with plans. Everything is cold. The cores
that the load generators use themselves are in the result, as are the batches that Triton executed.
"""

import asyncio
import resource
import statistics
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import grpc
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from onshelf.v1 import launch_pb2
from onshelf_benchmarks import pages, servers
from onshelf_benchmarks.command import command
from onshelf_benchmarks.load import closed_loop, medians, turns
from onshelf_benchmarks.perf_analyzer.run import Load, Rig, Server, counts_of
from onshelf_benchmarks.perf_analyzer.tool import FOLDER, install
from onshelf_benchmarks.plans import CANDIDATES, SECONDS, plan_request
from onshelf_benchmarks.products import TOKENS, Catalog, CatalogProduct
from onshelf_benchmarks.record import REPOSITORY, Document, newest_release
from onshelf_release.signatures import asked_outputs

PLAN = ("product_encoder_int8", "launch_outcome", "audience_retrieval", "launch_retrieval")
METHOD = "/onshelf.v1.LaunchService/PlanLaunch"
AS_ASKED = "_as_asked"  # ending of a model that has only the outputs that the gateway asks for
PRODUCTS = 4000  # distinct ones in an input file
MOST = 200  # plans a second that are never reached
SETTLE = 1.0  # seconds before answers count
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
        asked = [output for output in config.output if output.name in asked_outputs(model.name)]
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


def plans(products: Iterable[CatalogProduct]) -> list[bytes]:
    """PlanLaunch of products with their category, as far as it is known, and price, as bytes."""
    paths = ((one, [name for name in one.category.split(" > ") if name]) for one in products)
    return [plan_request(one.title, one.list_price, path).SerializeToString() for one, path in paths]


async def plan_rate(
    address: str, asked: list[bytes], callers: int, seconds: float, settle: float = SETTLE
) -> tuple[Row, list[bytes]]:
    """Plans a second of so many callers once they have settled, the cores that they use, and the answers."""
    answers: list[bytes] = []
    async with grpc.aio.insecure_channel(address) as channel:
        call = channel.unary_unary(METHOD, None, None)  # bytes in, bytes out

        async def ask(request: bytes) -> None:
            answers.append(await call(request, timeout=SECONDS))

        begin, used = time.perf_counter(), time.process_time()
        spans = await closed_loop(ask, asked, callers, settle + seconds)
        wall, cores = time.perf_counter() - begin, time.process_time() - used
    ends = [answered - begin for own in spans for _, answered in own]
    last = min(settle + seconds, max(ends))
    counted = sum(settle <= end <= last for end in ends)
    return {"per_second": counted / (last - settle), "cores": cores / wall, "answers": len(answers)}, answers


def batches(before: dict[str, dict[str, int]], after: dict[str, dict[str, int]], count: int) -> dict[str, Row]:
    """For each model: how often a plan asked it, and how many requests Triton computed together."""
    found = {}
    for model in before:
        asked, runs = (after[model][key] - before[model][key] for key in ("inferences", "executions"))
        found[model] = {"asked_by_a_plan": asked / count, "executed_batch": asked / max(runs, 1)}
    return found


def allowed(rates: Iterable[float]) -> float:
    """Plans a second that the models allow."""
    return 1 / sum(1 / rate for rate in rates)


def summary(rounds: list[Document], callers: int) -> Document:
    """Medians over the rounds, with the ratio."""
    limits = [allowed(one["alone"][model]["alone_per_second"] for model in PLAN) for one in rounds]
    models = {model: medians([one["alone"][model] | one["planned"][model] for one in rounds]) for model in PLAN}
    plans = medians([one["plans"] for one in rounds])
    reached = (one["plans"]["per_second"] / limit for one, limit in zip(rounds, limits, strict=True))
    return {
        "gateway_saturation": statistics.median(reached),
        "plans_per_second": plans["per_second"],
        "models_allow_per_second": statistics.median(limits),
        "load_generator_cores": {"plans": plans["cores"]},
        "models": models,
        "never_batched": [name for name, one in models.items() if one["executed_batch"] < 1.05],
        "degraded": sum(one["plans"]["degraded"] for one in rounds),
        "callers": callers,
        "candidates": CANDIDATES,
        "tokens": TOKENS,
        "rounds": rounds,
    }


class Driver:
    """Triton and a gateway under test, what drives them, and an input file for each model."""

    def __init__(self, rig: Rig, *, triton: str, gateway: str, driven: dict[str, str], callers: int) -> None:
        self.rig, self.gateway, self.driven, self.callers = rig, gateway, driven, callers
        self.triton = Server("triton", triton, PLAN)
        self.files = {
            model: rig.write_input(self.triton.client.get_model_config(model).config, PRODUCTS, TOKENS)[0]
            for model in driven.values()
        }

    def alone(self, name: str) -> Row:
        """One model by perf_analyzer: inferences a second, the batch executed, and the cores that it used itself."""
        model = self.driven[name]
        start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        found = self.rig.run(self.triton, model, self.files[model], Load(concurrency=self.callers), 0)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        cores = used / (time.perf_counter() - start)
        batch = found.get("batch", 1.0)
        return {"alone_per_second": found["per_second"], "alone_batch": batch, "load_generator_cores": cores}

    def plans(self, most: int) -> Document:
        """The gateway, by PlanLaunch, and what it asked of Triton; a plan that lacks a part does not count."""
        asked = plans(self.rig.catalog.take(most, TOKENS))
        before = {name: counts_of(self.triton.client, name) for name in PLAN}
        row, answers = asyncio.run(plan_rate(self.gateway, asked, self.callers, self.rig.seconds))
        after = {name: counts_of(self.triton.client, name) for name in PLAN}
        row["degraded"] = sum(launch_pb2.PlanLaunchResponse.FromString(answer).info.degraded for answer in answers)
        row["per_second"] *= 1 - row["degraded"] / len(answers)
        return {"plans": row, "planned": batches(before, after, len(answers))}


def measure(*, rounds: int = 5, seconds: float = 6.0, callers: int = 16) -> Document:
    """All rounds.

    Args:
        rounds: turns of all parts.
        seconds: length of one measurement.
        callers: requests under way.
    """
    program, release = install(FOLDER), newest_release()
    found: dict[int, Document] = {}
    with tempfile.TemporaryDirectory(prefix="saturation") as made:
        folder = Path(made)
        (folder / "models").mkdir()
        driven = repository(REPOSITORY, folder / "models")
        rig = Rig(program, folder, Catalog(release), seconds)
        with servers.triton(folder / "models") as triton, servers.gateway("ours", triton.address) as gateway:
            driver = Driver(rig, triton=triton.address, gateway=gateway.address, driven=driven, callers=callers)
            for turn, part in turns(("plans", *PLAN), rounds, "saturation", warm_up=1):
                one = found.setdefault(turn, {"alone": {}})
                if part == "plans":
                    one |= driver.plans(round(MOST * (seconds + SETTLE)))
                else:
                    one["alone"][part] = driver.alone(part)
    taken = [one for turn, one in found.items() if turn >= 0]  # the first answers are slower
    return summary(taken, callers) | {"release": int(release.name), "perf_analyzer": program.version()}


if __name__ == "__main__":
    command("saturation", measure, pages.saturation)
