"""Planning as tutorials do it: one BERT forward per candidate action, each padded to 128 tokens, in PyTorch.

    python -m onshelf_benchmarks.seed        against the gateway of `make run`; the same number of candidates for both

For each candidate action a text (the title and the action in words) is tokenised, padded and read by the BERT that
Onshelf starts from, and a linear head gives the units; the best candidate is the plan. Nothing is batched, as
there. Both planners take turns; neither sees a product twice.
"""

import asyncio
import itertools
import statistics
import time

import torch
from rich.progress import track
from torch import nn

from onshelf.v1 import launch_pb2
from onshelf_benchmarks.command import command
from onshelf_benchmarks.load import closed_loop, medians, whole
from onshelf_benchmarks.plans import CANDIDATES, plan_launch, requests_of
from onshelf_benchmarks.products import products_of
from onshelf_benchmarks.record import Document, newest_release, running_gateway
from onshelf_exporter.training.encode import load_bert
from onshelf_exporter.training.recipe import EncoderRecipe
from onshelf_exporter.training.texts import load_tokenizer, model_folder, pad_token

TOKENS = 128
THREADS = 2  # of the tutorial's PyTorch
CALLERS = 16  # of ours
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

    def __init__(self) -> None:
        torch.set_num_threads(THREADS)
        torch.manual_seed(1)
        recipe = EncoderRecipe()
        self.bert = load_bert(model_folder(recipe)).eval()
        self.head = nn.Linear(384, 1)
        self.tokenizer = load_tokenizer(recipe)
        self.tokenizer.enable_truncation(TOKENS)
        self.tokenizer.enable_padding(length=TOKENS, pad_id=pad_token(self.tokenizer))

    @torch.inference_mode()
    def plan(self, title: str, words: list[str]) -> str:
        """The action with the most units."""
        units: list[float] = []
        for action in words:
            encoded = self.tokenizer.encode(f"{title}, {action}")
            ids, mask = torch.tensor([encoded.ids]), torch.tensor([encoded.attention_mask])
            units.append(self.head(self.bert(ids, mask)).item())
        return words[max(range(len(words)), key=units.__getitem__)]


async def ours(address: str, requests: list[launch_pb2.PlanLaunchRequest]) -> tuple[float, int]:
    """Plans a second of our callers, and the candidates of a plan."""
    scored = 0
    async with plan_launch(address) as plan:

        async def ask(request: launch_pb2.PlanLaunchRequest) -> None:
            nonlocal scored
            scored = (await plan(request)).candidates_scored

        rate, _ = whole(await closed_loop(ask, requests, CALLERS))
    return rate, scored


def measure(*, address: str = "", rounds: int = 5, plans: int = 200, candidates: int = CANDIDATES) -> Document:
    """All rounds.

    Args:
        address: host:port of the gateway; empty: that of `make run`.
        rounds: how often.
        plans: our plans of a round.
        candidates: candidate actions of a plan.
    """
    release = newest_release()
    planner = SeedPlanner()
    planner.plan("Greek yogurt", actions(8))
    rows: list[dict[str, float]] = []
    scored = candidates
    for turn in track(range(rounds), description="seed planner"):
        asked = requests_of(release, plans, 500 + turn, candidates)
        rate, scored = asyncio.run(ours(address or running_gateway(), asked))
        words = actions(scored)
        title = products_of(release, 1, seed=900 + turn)[0].title
        start = time.perf_counter()
        planner.plan(title, words)
        rows.append({"ours": rate, "seed": 1 / (time.perf_counter() - start)})
    return {
        "ratio": statistics.median(row["ours"] / row["seed"] for row in rows),
        "plans_per_second": medians(rows),
        "candidates": scored,
        "rounds": rows,
    }


if __name__ == "__main__":
    command("seed", measure)
