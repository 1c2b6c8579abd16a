"""What the gateway adds to the calls that a plan makes of Triton, one plan at a time.

    python benchmarks/gateway_tax.py --triton HOST:PORT        the gateway of `make run`

In turns, every product a different one: PlanLaunch over the network; and, without a gateway, the calls that this very
plan makes of Triton, with the same tensors in the same order (the encoder, then three at the same time), by the same
stubs. The tax is the median of a plan less that of its critical path: the encoder's call and the longest of the others,
as timed at the gateway's stubs. Beside it, what a plan takes over the bare calls: that is more, as what the gateway
computes while it waits for the audience takes cores from the models and counts for nothing at its own stubs; and what a
call that asks no model takes at the same pace. The last line printed is one JSON document.
"""

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from plan_latency import ROOT, machine
from rich.progress import track
from tritonclient.grpc import service_pb2, service_pb2_grpc

from onshelf.v1 import launch_pb2, launch_pb2_grpc
from onshelf_gateway.call.call import Call
from onshelf_gateway.call.permits import Permits
from onshelf_gateway.catalogue.catalogue import Catalogue
from onshelf_gateway.inference.backend import Array, Arrays, TritonBackend
from onshelf_gateway.inference.models import Models
from onshelf_gateway.inference.signatures import AUDIENCE_RETRIEVAL, LAUNCH_OUTCOME, LAUNCH_RETRIEVAL
from onshelf_gateway.releases.release_set import ReleaseSet
from onshelf_gateway.services.gateway import Gateway
from onshelf_gateway.services.launch.plan_launch import plan_launch
from onshelf_gateway.settings import Settings

ALONGSIDE = (LAUNCH_OUTCOME, AUDIENCE_RETRIEVAL, LAUNCH_RETRIEVAL)
SECONDS = 60.0
Recorded = list[tuple[str, int, Arrays, Sequence[str]]]


class Recording(TritonBackend):
    """Triton, keeping what is asked of it."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.asked: Recorded = []

    async def infer(
        self, model: str, version: int, inputs: Arrays, outputs: Sequence[str], timeout: float
    ) -> dict[str, Array]:
        """See `InferenceBackend`."""
        self.asked.append((model, version, inputs, outputs))
        return await super().infer(model, version, inputs, outputs, timeout)


def requests(titles: list[tuple[str, float]], candidates: int) -> list[launch_pb2.PlanLaunchRequest]:
    """One request per product, with a price and nothing else: the encoder has to find the category."""
    made = []
    for title, price in titles:
        request = launch_pb2.PlanLaunchRequest(max_candidates=candidates)
        request.product.title = title
        request.product.list_price.currency_code = "USD"
        request.product.list_price.units, cents = divmod(round(price * 100), 100)
        request.product.list_price.nanos = cents * 10_000_000
        made.append(request)
    return made


async def bare(backend: TritonBackend, calls: Recorded) -> float:
    """Milliseconds of a plan's calls: those of the encoder one after the other, the rest together."""
    start = time.perf_counter()
    for model, version, inputs, outputs in calls:
        if model not in ALONGSIDE:
            await backend.infer(model, version, inputs, outputs, SECONDS)
    await asyncio.gather(*(backend.infer(*call, SECONDS) for call in calls if call[0] in ALONGSIDE))
    return 1e3 * (time.perf_counter() - start)


def stub_milliseconds(answer: launch_pb2.PlanLaunchResponse) -> float:
    """The critical path of a plan's calls as the gateway timed them."""
    spans = [
        (row.stage, row.start.ToNanoseconds() / 1e6, row.duration.ToNanoseconds() / 1e6) for row in answer.info.timings
    ]
    encoder = sum(length for stage, _, length in spans if stage == "product_encoder")
    return encoder + max(length for stage, _, length in spans if stage in ALONGSIDE)


async def empty(channel: grpc.aio.Channel, pause: float) -> float:
    """Milliseconds of a call that asks no model, after a pause as long as a plan: a core that slept wakes up slowly."""
    await asyncio.sleep(pause)
    start = time.perf_counter()
    await service_pb2_grpc.GRPCInferenceServiceStub(channel).ServerLive(service_pb2.ServerLiveRequest())
    return 1e3 * (time.perf_counter() - start)


async def measure(
    triton: str, address: str, releases: Path, count: int, rounds: int, candidates: int
) -> dict[str, Any]:
    """All rounds; a dictionary with `gateway_tax_ms`."""
    from plan_latency import products_of

    release = max((path for path in releases.iterdir() if path.name.isdigit()), key=lambda path: int(path.name))
    backend = Recording(triton)
    settings = Settings(releases=releases, encoder_cache_entries=0)
    known = ReleaseSet(settings.releases)
    await asyncio.to_thread(known.refresh)
    models = Models(backend, settings.encoder_model, settings.retry_after_ms)
    inside = Gateway(
        settings,
        known,
        models,
        Permits(settings.max_in_flight, settings.retry_after_ms),
        Catalogue(settings, models, known),
    )
    taken: dict[str, list[float]] = {"plan": [], "bare": [], "stubs": [], "empty": []}
    scored = 0
    async with grpc.aio.insecure_channel(address) as channel:
        stub = launch_pb2_grpc.LaunchServiceStub(channel)
        for turn in track(range(-1, rounds), description="gateway tax"):
            some = products_of(release, count, seed=100 + turn)
            asked = requests([(p.title, float(p.list_price.amount)) for p in some if p.list_price], candidates)
            plans: dict[str, list[float]] = {"plan": [], "bare": [], "stubs": []}
            for request in asked:
                start = time.perf_counter()
                answer = await stub.PlanLaunch(request, timeout=SECONDS)
                plans["plan"].append(1e3 * (time.perf_counter() - start))
                plans["stubs"].append(stub_milliseconds(answer))
                scored = answer.candidates_scored
            for request in asked:
                backend.asked = []
                call = Call("tax", time.monotonic() + SECONDS, caller_deadline=False)
                await plan_launch(inside, call, request)
                recorded, backend.asked = backend.asked, []
                plans["bare"].append(await bare(backend, recorded))
            pause = statistics.median(plans["plan"]) / 1e3
            plans["empty"] = [await empty(channel, pause) for _ in asked]
            if turn >= 0:  # the first answers are slower
                for name, values in plans.items():
                    taken[name].append(statistics.median(values))
    await backend.close()
    medians = {name: statistics.median(values) for name, values in taken.items()}
    tax = np.array(taken["plan"]) - np.array(taken["stubs"])
    over_bare = np.array(taken["plan"]) - np.array(taken["bare"])
    return {
        "gateway_tax_ms": float(np.median(tax)),
        "gateway_tax_rounds_ms": tax.tolist(),
        "over_bare_calls_ms": float(np.median(over_bare)),
        "over_bare_calls_rounds_ms": over_bare.tolist(),
        "plan_p50_ms": medians["plan"],
        "bare_calls_p50_ms": medians["bare"],
        "stubs_p50_ms": medians["stubs"],
        "empty_call_p50_ms": medians["empty"],
        "candidates": scored,
        "plans": count * rounds,
        "machine": machine(),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure what the gateway adds to its calls of Triton.")
    parser.add_argument("--triton", required=True, help="host:port of Triton")
    parser.add_argument("--address", help="host:port of the gateway; default: that of `make run`")
    parser.add_argument("--releases", type=Path, default=ROOT / "var/releases", help="folder of model releases")
    parser.add_argument("--plans", type=int, default=60, help="plans of a round")
    parser.add_argument("--rounds", type=int, default=5, help="rounds")
    parser.add_argument("--candidates", type=int, default=1000, help="candidate actions of a plan, at most")
    given = parser.parse_args()
    address = given.address or json.loads((ROOT / "var/run/gateway.address").read_text())["address"]
    result = asyncio.run(measure(given.triton, address, given.releases, given.plans, given.rounds, given.candidates))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
