"""Planning as tutorials do it: one BERT forward per candidate action, each padded to 128 tokens, in PyTorch.

    python benchmarks/seed_planner.py        against the gateway of `make run`; the same number of candidates for both

For each candidate action a text (the title and the action in words) is tokenised, padded and read by the BERT that
Onshelf starts from, and a linear head gives the units; the best candidate is the plan. No batching, as there; a second
figure has batches of 32. Both planners take turns; neither sees a product twice. The last line printed is one JSON
document.
"""

import argparse
import asyncio
import itertools
import json
import statistics
import time
from pathlib import Path
from typing import Any

import grpc
import torch
from gateway_tax import requests
from plan_latency import ROOT, machine, products_of
from rich.progress import track
from torch import nn

from onshelf.v1 import launch_pb2_grpc
from onshelf_exporter.training.encode import load_bert
from onshelf_exporter.training.recipe import EncoderRecipe
from onshelf_exporter.training.texts import load_tokenizer, pad_token

TOKENS = 128
SECONDS = 60.0
CHANNELS = ("front page", "back page", "end cap", "side aisle", "coupon mail", "rear end cap", "store front", "shelf")


def actions(count: int) -> list[str]:
    """So many candidate actions in words: weeks, channels, discounts and prices."""
    grid = itertools.product(range(12), CHANNELS, (0, 10, 20, 30), (0.9, 1.0, 1.1))
    words = [
        f"launch in week {week} with {channel}, {off} % off, at {price:.0%} of the list price"
        for week, channel, off, price in grid
    ]
    return [words[n * len(words) // count] for n in range(count)]


class SeedPlanner:
    """The tutorial's planner."""

    def __init__(self, threads: int) -> None:
        torch.set_num_threads(threads)
        torch.manual_seed(1)
        recipe = EncoderRecipe()
        self.bert = load_bert(Path(str(_folder(recipe)))).eval()
        self.head = nn.Linear(384, 1)
        self.tokenizer = load_tokenizer(recipe)
        self.tokenizer.enable_truncation(TOKENS)
        self.tokenizer.enable_padding(length=TOKENS, pad_id=pad_token(self.tokenizer))

    @torch.inference_mode()
    def plan(self, title: str, words: list[str], batch: int = 1) -> str:
        """The action with the most units."""
        units: list[float] = []
        for start in range(0, len(words), batch):
            texts = [f"{title}, {action}" for action in words[start : start + batch]]
            encoded = self.tokenizer.encode_batch(texts)
            ids = torch.tensor([one.ids for one in encoded])
            mask = torch.tensor([one.attention_mask for one in encoded])
            units += self.head(self.bert(ids, mask)).squeeze(1).tolist()
        return words[max(range(len(words)), key=units.__getitem__)]


def _folder(recipe: EncoderRecipe) -> Path:
    from onshelf_exporter.training.texts import model_folder

    return model_folder(recipe)


async def ours(
    address: str, release: Path, count: int, candidates: int, concurrency: int, seed: int
) -> tuple[float, int]:
    """Plans a second of so many callers, and the candidates of a plan."""
    some = products_of(release, count, seed)
    asked = iter(requests([(p.title, float(p.list_price.amount)) for p in some if p.list_price], candidates))
    scored = 0
    async with grpc.aio.insecure_channel(address) as channel:
        stub = launch_pb2_grpc.LaunchServiceStub(channel)

        async def caller() -> None:
            nonlocal scored
            for request in asked:
                scored = (await stub.PlanLaunch(request, timeout=SECONDS)).candidates_scored

        start = time.perf_counter()
        await asyncio.gather(*(caller() for _ in range(concurrency)))
        return count / (time.perf_counter() - start), scored


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure PlanLaunch beside a tutorial's planner.")
    parser.add_argument("--address", help="host:port of the gateway; default: that of `make run`")
    parser.add_argument("--releases", type=Path, default=ROOT / "var/releases", help="folder of model releases")
    parser.add_argument("--rounds", type=int, default=5, help="rounds")
    parser.add_argument("--plans", type=int, default=200, help="our plans of a round")
    parser.add_argument("--candidates", type=int, default=1000, help="candidate actions of a plan")
    parser.add_argument("--concurrency", type=int, default=16, help="callers of ours")
    parser.add_argument("--threads", type=int, default=2, help="threads of the tutorial's PyTorch")
    given = parser.parse_args()
    address = given.address or json.loads((ROOT / "var/run/gateway.address").read_text())["address"]
    release = max((path for path in given.releases.iterdir() if path.name.isdigit()), key=lambda path: int(path.name))
    planner = SeedPlanner(given.threads)
    planner.plan("Greek yogurt", actions(8))
    rows: list[dict[str, float]] = []
    for turn in track(range(given.rounds), description="seed planner"):
        rate, scored = asyncio.run(
            ours(address, release, given.plans, given.candidates, given.concurrency, seed=500 + turn)
        )
        words = actions(scored)
        title = products_of(release, 1, seed=900 + turn)[0].title
        row: dict[str, float] = {"ours": rate}
        for name, batch in (("seed", 1), ("seed_batched", 32)):
            start = time.perf_counter()
            planner.plan(title, words, batch)
            row[name] = 1 / (time.perf_counter() - start)
        rows.append(row)
    medians = {name: statistics.median(row[name] for row in rows) for name in rows[0]}
    result: dict[str, Any] = {
        "ratio": statistics.median(row["ours"] / row["seed"] for row in rows),
        "ratio_to_batched": statistics.median(row["ours"] / row["seed_batched"] for row in rows),
        "plans_per_second": medians,
        "candidates": scored,
        "rounds": rows,
        "machine": machine(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
