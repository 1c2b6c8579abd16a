"""Threads and instances of the models on this machine: plans, one at a time and 16 at a time, for each choice.

    python benchmarks/thread_sweep.py            a quarter of an hour on two cores

Each choice is a copy of model_repository/ (links to the newest version, edited configurations) served by a local Triton
of its own with a gateway whose cache is off. The choices take turns, so that a change of the machine meets all of them;
the ratios are those of one round to the first choice in it. The last line printed is one JSON document.
"""

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import serving
from google.protobuf import text_format
from plan_latency import ROOT, closed_loop, machine, products_of, rounded
from tritonclient.grpc import model_config_pb2

from onshelf import AsyncClient
from onshelf_local_triton import LocalTriton

THREADS, SPINNING = "intra_op_thread_count", "session.intra_op.allow_spinning"
HEAVY = ("product_encoder_int8", "launch_outcome", "audience_retrieval")


class Choice(NamedTuple):
    """Settings of the models that a plan uses; others stay as they are."""

    name: str
    threads: dict[str, int]
    instances: dict[str, int]
    spinning: bool = False


def same(count: int, *models: str) -> dict[str, int]:
    """One number for several models."""
    return dict.fromkeys(models or HEAVY, count)


CHOICES = (
    Choice("1 thread", same(1), {}),
    Choice("2 threads", same(2), {}),
    Choice("2 threads that spin", same(2), {}, spinning=True),
    Choice("2 threads for the encoder", same(1) | same(2, HEAVY[0]), {}),
    Choice("2 threads for the outcome", same(1) | same(2, HEAVY[1]), {}),
    Choice("2 threads for the audience", same(1) | same(2, HEAVY[2]), {}),
    Choice("2 instances", same(1), same(2)),
    Choice("2 instances of the encoder", same(1), same(2, HEAVY[0])),
    Choice("2 instances of the audience", same(1), same(2, HEAVY[2])),
)


def repository(source: Path, version: str, choice: Choice, target: Path) -> Path:
    """A model repository with one version and the choice's settings."""
    for config in sorted(source.glob("*/config.pbtxt")):
        parsed = text_format.Parse(config.read_text(), model_config_pb2.ModelConfig())
        name = parsed.name
        if name in choice.threads:
            parsed.parameters[THREADS].string_value = str(choice.threads[name])
            parsed.parameters[SPINNING].string_value = str(int(choice.spinning))
        if name in choice.instances:
            parsed.instance_group[0].count = choice.instances[name]
        folder = target / name
        folder.mkdir(parents=True)
        (folder / "config.pbtxt").write_text(text_format.MessageToString(parsed))
        os.symlink(config.parent.resolve() / version, folder / version)
    return target


@contextmanager
def served(choice: Choice, version: str, source: Path) -> Iterator[str]:
    """host:port of a gateway on a Triton with these settings."""
    with tempfile.TemporaryDirectory(prefix="onshelf-bench-") as place:
        folder = Path(place)
        models = repository(source, version, choice, folder / "repository")
        with (
            LocalTriton(models, folder / "triton", venv=ROOT / ".venv-triton") as server,
            serving.gateway("ours", server.grpc_url) as gateway,
        ):
            yield gateway.address


async def measure(address: str, release: Path, seed: int, one: int, many: int, candidates: int) -> dict[str, float]:
    """Median milliseconds of one plan at a time, plans a second of 16 at a time."""
    async with AsyncClient(address, timeout=60) as client:
        await closed_loop(client, products_of(release, 30, seed), 8, candidates)
        _, latencies = await closed_loop(client, products_of(release, one, seed + 1), 1, candidates)
        rate, _ = await closed_loop(client, products_of(release, many, seed + 2), 16, candidates)
    return {"p50_ms": float(np.median(latencies)), "plans_per_second": rate}


def main() -> None:
    """Measure all choices in turns and print them."""
    parser = argparse.ArgumentParser(description="Sweep threads and instances of the models.")
    parser.add_argument("--releases", type=Path, default=ROOT / "var/releases", help="folder of model releases")
    parser.add_argument("--models", type=Path, default=ROOT / "model_repository", help="the model repository")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--one", type=int, default=60, help="plans one at a time, each round")
    parser.add_argument("--many", type=int, default=160, help="plans 16 at a time, each round")
    parser.add_argument("--candidates", type=int, default=1000)
    parser.add_argument("--only", nargs="*", help="names of choices; default: all")
    arguments = parser.parse_args()
    release = max((p for p in arguments.releases.iterdir() if p.name.isdigit()), key=lambda p: int(p.name))
    choices = [choice for choice in CHOICES if not arguments.only or choice.name in arguments.only]
    taken: dict[str, list[dict[str, float]]] = {choice.name: [] for choice in choices}
    start = time.monotonic()
    for turn in range(arguments.rounds):
        for choice in choices:
            with served(choice, release.name, arguments.models) as address:
                taken[choice.name].append(
                    asyncio.run(
                        measure(address, release, 10 * turn, arguments.one, arguments.many, arguments.candidates)
                    )
                )
            print(f"{time.monotonic() - start:6.0f} s  round {turn + 1}  {choice.name}: {taken[choice.name][-1]}")
    first = taken[choices[0].name]
    rows: list[dict[str, Any]] = []
    for name, values in taken.items():
        row: dict[str, Any] = {"choice": name}
        for key in ("p50_ms", "plans_per_second"):
            row[key] = statistics.median(value[key] for value in values)
            row[f"{key}_ratio"] = statistics.median(a[key] / b[key] for a, b in zip(values, first, strict=True))
        rows.append(row)
    print("| Choice | p50 ms, one at a time | ratio | Plans a second, 16 at a time | ratio |\n|---|---|---|---|---|")
    for row in rows:
        print(
            f"| {row['choice']} | {row['p50_ms']:.1f} | {row['p50_ms_ratio']:.2f} | {row['plans_per_second']:.1f} | "
            f"{row['plans_per_second_ratio']:.2f} |"
        )
    result = {"machine": machine(), "rounds": arguments.rounds, "candidates": arguments.candidates, "rows": rows}
    print(json.dumps(rounded(result)))


if __name__ == "__main__":
    main()
