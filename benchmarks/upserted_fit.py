"""How upserted products are scored: as the release's own new ones? which does the first order keep? how fast?

    python benchmarks/upserted_fit.py RUN/production

The folder is a role of a training run (graphs.pt, samples.npz, export/). The release's new products are described as
upserted ones and scored by `product_fit`; then products of its catalogue are taken as upserted, all are scored, and the
best compared with those that the gateway's first order chooses. Graphs are timed on one core. Writes
benchmarks/results/upserted_fit.json; the last line printed is the same document.
"""

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from plan_latency import ROOT, machine
from rich.progress import track

from onshelf_exporter.release.graphs import run_graph, session
from onshelf_gateway.catalogue.shelf import MOST, first_order

UPSERTED = 10_000
BEST = (10, 50)
EVENTS, PRODUCTS, BATCHES = (16, 64, 256), (64, 256, 1024), (1, 8, 16, 32)
ROUNDS = 10


def milliseconds(running: Any, inputs: dict[str, Any]) -> float:
    """Median time of a graph."""
    taken = []
    for turn in range(-1, ROUNDS):
        start = time.perf_counter()
        run_graph(running, inputs)
        if turn >= 0:
            taken.append(1000 * (time.perf_counter() - start))
    return round(float(np.median(taken)), 2)


class Users:
    """What user_encoder says of the samples' users."""

    def __init__(self, modules: dict[str, Any], samples: Any) -> None:
        names = ("history_products", "history_ages", "history_quantities", "history_kinds", "profile")
        past = [torch.from_numpy(samples[name]) for name in names]
        vector, repeat, weights = modules["user_encoder"](*past)
        self.parts = (vector, past[4], past[0], repeat, weights)

    def __len__(self) -> int:
        return len(self.parts[0])

    def inputs(self, row: int, products: tuple[torch.Tensor, ...]) -> list[torch.Tensor]:
        """What product_fit reads of one user and of products."""
        return [part[row : row + 1] for part in self.parts] + [part.unsqueeze(0) for part in products]


def same_scores(modules: dict[str, Any], users: Users) -> dict[str, Any]:
    """Scores of the release's new products by both graphs."""
    retrieval, worst = modules["product_retrieval"], 0.0
    new = retrieval.new
    own = tuple(new.get_buffer(name) for name in ("own", "own_ids", "vectors"))
    limits, closest = (torch.cat(p) for p in zip(*map(modules["product_neighbours"], own[0].split(32)), strict=True))
    ids, embeddings = retrieval.get_buffer("ids"), retrieval.get_buffer("embeddings")
    for row in track(range(len(users)), description="as new products"):
        vector, profile, products, repeat, weights = (part[row : row + 1] for part in users.parts)
        inside = (products > 0) & (repeat > -5000)
        number = torch.where(inside, products, 0)
        wanted = new(vector, profile, embeddings[number], ids[number], weights * inside.unsqueeze(2))
        wanted = wanted + 1e-5 * torch.arange(
            len(own[0])
        )  # the order of equal ones, which upserts have by their change
        found, _ = modules["product_fit"](*users.inputs(row, (*own, limits, closest[:, 0])))
        worst = max(worst, float((found - wanted).abs().max()))
    return {"products": len(own[0]), "users": len(users), "largest_difference": worst}


def kept(modules: dict[str, Any], users: Users) -> dict[str, Any]:
    """Share of each user's best products among those that the first order chooses."""
    ids, content = (modules["product_retrieval"].get_buffer(name) for name in ("ids", "content"))
    count = min(UPSERTED, len(ids) - 1)
    number = torch.from_numpy(np.random.default_rng(0).choice(np.arange(1, len(ids)), count, replace=False))
    embeddings, mine = content[number], ids[number]
    vectors = modules["product_encoder"].tower(embeddings)
    said = zip(*map(modules["product_neighbours"], embeddings.split(32)), strict=True)
    limits, closest = (torch.cat(part) for part in said)
    shares: dict[int, list[float]] = {best: [] for best in BEST}
    rows = range(0, len(users), 2)
    for row in track(rows, description="first order"):
        blocks = zip(*(part.split(1000) for part in (embeddings, mine, vectors, limits, closest[:, 0])), strict=True)
        scores = torch.cat([modules["product_fit"](*users.inputs(row, block))[0][0] for block in blocks]).numpy()
        history = users.parts[2][row]
        bought, weights = ids[history[history > 0]].numpy(), users.parts[4][row][history > 0].numpy()
        order = first_order(users.parts[0][row].numpy(), bought, weights, vectors.numpy(), mine.numpy())
        chosen = set(np.argsort(-order)[:MOST].tolist())
        for best in BEST:
            shares[best].append(len(chosen & set(np.argsort(-scores)[:best].tolist())) / best)
    return {"upserted": count, "scored": MOST, "users": len(rows)} | {
        f"of_the_best_{best}": round(float(np.mean(share)), 3) for best, share in shares.items()
    }


def times(role: Path, users: Users, embeddings: np.ndarray) -> dict[str, Any]:
    """Milliseconds of both graphs on one core."""
    neighbours, fit = (session(role / "export" / f"{name}.onnx", 1) for name in ("product_neighbours", "product_fit"))
    result: dict[str, Any] = {
        "product_neighbours_ms_each": {
            batch: round(milliseconds(neighbours, {"embedding": np.resize(embeddings, (batch, 128))}) / batch, 2)
            for batch in BATCHES
        }
    }
    names = ("user_vector", "profile", "history_products", "repeat_weights", "event_weights")
    for events in EVENTS:
        user = [part[:1, :events] if part.ndim > 1 and n > 1 else part[:1] for n, part in enumerate(users.parts)]
        for count in PRODUCTS:
            inputs = {name: part.numpy() for name, part in zip(names, user, strict=True)} | {
                "embeddings": np.resize(embeddings, (1, count, 128)),
                "categorical_ids": np.ones((1, count, 4), np.int64),
                "product_vectors": np.zeros((1, count, 64), np.float32),
                "neighbour_limits": np.full((1, count, 3), 0.5, np.float32),
                "closest": np.ones((1, count), np.float32),
            }
            result.setdefault("product_fit_ms", {})[f"{events} events, {count} products"] = milliseconds(fit, inputs)
    return result


def main() -> None:
    """Measure, write, print."""
    parser = argparse.ArgumentParser(description="Measure how upserted products are scored.")
    parser.add_argument("role", type=Path, help="folder of a role, var/runs/<run>/<role>")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results", help="folder of the result")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    modules = torch.load(arguments.role / "graphs.pt", weights_only=False)
    samples = np.load(arguments.role / "samples.npz")
    with torch.no_grad():
        users = Users(modules, samples)
        result = {
            "command": "python benchmarks/upserted_fit.py RUN/production",
            "machine": f"{machine()}, load {os.getloadavg()[0]:.1f}",
            "date": time.strftime("%Y-%m-%d"),
            "as_new_products": same_scores(modules, users),
            "first_order": kept(modules, users),
            **times(arguments.role, users, samples["embedding"]),
        }
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "upserted_fit.json").write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
