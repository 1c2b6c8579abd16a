"""What the gateway adds to the calls that a plan makes of Triton, one plan at a time.

    python -m onshelf_benchmarks.tax        the gateway of `make run`

Every product is a different one. The tax is the median of a plan over the network less that of its critical path: the
encoder's call and the longest of the others, which run at the same time, as timed at the gateway's stubs.
"""

import time

import numpy as np
from rich.progress import track

from onshelf.v1 import launch_pb2
from onshelf_benchmarks.command import command
from onshelf_benchmarks.plans import plan_launch, requests_of
from onshelf_benchmarks.record import Document, newest_release, running_gateway
from onshelf_release.signatures import AUDIENCE_RETRIEVAL, LAUNCH_OUTCOME, LAUNCH_RETRIEVAL

ALONGSIDE = (LAUNCH_OUTCOME, AUDIENCE_RETRIEVAL, LAUNCH_RETRIEVAL)


def stub_milliseconds(answer: launch_pb2.PlanLaunchResponse) -> float:
    """The critical path of a plan's calls as the gateway timed them."""
    spans = [(row.stage, row.duration.ToNanoseconds() / 1e6) for row in answer.info.timings]
    encoder = sum(length for stage, length in spans if stage == "product_encoder")
    return encoder + max(length for stage, length in spans if stage in ALONGSIDE)


async def measure(*, address: str = "", plans: int = 60, rounds: int = 5) -> Document:
    """All rounds; a dictionary with `gateway_tax_ms`.

    Args:
        address: host:port of the gateway; empty: that of `make run`.
        plans: of a round.
        rounds: how often.
    """
    release = newest_release()
    medians = []  # of each round: a plan over the network, its calls of Triton
    async with plan_launch(address or running_gateway()) as plan:
        for turn in track(range(-1, rounds), description="gateway tax"):
            taken = []
            for request in requests_of(release, plans, 100 + turn):
                start = time.perf_counter()
                answer = await plan(request)
                taken.append((1e3 * (time.perf_counter() - start), stub_milliseconds(answer)))
            medians.append(np.median(taken, axis=0))
    whole, stubs = np.array(medians[1:]).T  # the first answers are slower
    return {
        "gateway_tax_ms": float(np.median(whole - stubs)),
        "gateway_tax_rounds_ms": (whole - stubs).tolist(),
        "plan_p50_ms": float(np.median(whole)),
        "stubs_p50_ms": float(np.median(stubs)),
        "candidates": answer.candidates_scored,
        "plans": plans * rounds,
    }


if __name__ == "__main__":
    command("tax", measure)
