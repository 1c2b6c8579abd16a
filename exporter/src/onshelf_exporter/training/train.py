"""Train all models: the text encoder once, then everything behind it for each model release.

    onshelf-exporter train --data var/data/complete_journey --recipe default --roles replay production

The run's folder is named after the recipe and a hash of data, recipe and code. What is finished there is not done
again; what was interrupted goes on at its last checkpoint. A GPU is used where there is one (--device).

Under torchrun the processes fine-tune the text encoder together, then share out the roles:

    torchrun --standalone --nproc-per-node 2 -m onshelf_exporter train --recipe default
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from onshelf_exporter.models.launch_outcome import OutcomeGraph
from onshelf_exporter.models.product_encoder import ContentEncoder, ProductEncoder, TextEncoder
from onshelf_exporter.models.towers import LaunchRetrieval
from onshelf_exporter.process import memory, threads
from onshelf_exporter.process.errors import ExporterError
from onshelf_exporter.process.json_file import write_json
from onshelf_exporter.process.locks import exclusive
from onshelf_exporter.process.progress_display import working
from onshelf_exporter.training import devices, distributed
from onshelf_exporter.training.behaviour import load_events
from onshelf_exporter.training.content import hidden_size, refit_content
from onshelf_exporter.training.encoder import Encoder, train_encoder
from onshelf_exporter.training.history import History, load_dataset, load_history
from onshelf_exporter.training.loop import finish
from onshelf_exporter.training.missing import not_learned
from onshelf_exporter.training.outcome import actual_candidates, launch_attributes, train_outcome
from onshelf_exporter.training.practice_rates import practice_rates
from onshelf_exporter.training.recipe import Recipe
from onshelf_exporter.training.reviews import train_reviews
from onshelf_exporter.training.run_arguments import add_run_arguments, run_recipe
from onshelf_exporter.training.runs import MIN_LAUNCHES, OUTCOME_WEEKS, Run, open_run
from onshelf_exporter.training.tables import write_tables
from onshelf_exporter.training.towers import Limits, train_towers
from onshelf_exporter.training.vocabulary import category_completion
from onshelf_exporter.training.workers import side_by_side

STEPS = ("reading the data", "content", "outcome", "rankers", "tables")  # of the training of one role
MAX_AUDIENCE = 3840  # TensorRT's limit of TopK


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the stage's arguments."""
    add_run_arguments(parser)
    parser.add_argument(
        "--device",
        default=os.environ.get(devices.SETTING, "auto"),
        help=f"auto (a GPU where there is one), cpu, cuda or cuda:N (default: {devices.SETTING}, else auto)",
    )


def run(args: argparse.Namespace) -> int:
    """Train what is not trained yet; prints the run's folder last."""
    os.environ[devices.SETTING] = args.device
    recipe = run_recipe(args)
    with distributed.processes():
        training = train(args.data, recipe, args.runs, args.roles)
        if distributed.leads():
            print(training.folder)
    return 0


def train(data: Path, recipe: Recipe, runs: Path, roles: list[str]) -> Run:
    """Train the roles of a recipe on prepared data; returns the run. Done parts are skipped.

    Several processes fine-tune the text encoder together; then each trains its own part of the roles. One process
    trains several roles side by side, in processes of its own.
    """
    count = threads.usable(recipe.threads)
    torch.set_num_threads(max(1, count // distributed.world()))
    dataset = load_dataset(data)
    training = open_run(runs, data, dataset, recipe)
    wanted = [role for role in roles if training.has_role(role)]
    if not wanted:
        raise ExporterError(f"--roles {' '.join(roles)}: {why_left_out(training, roles)}")
    if len(wanted) < len(roles) and distributed.leads():
        left = [role for role in roles if role not in wanted]
        print(f"left out: {why_left_out(training, left)}", file=sys.stderr, flush=True)
    with exclusive(runs) if distributed.leads() else nullcontext():
        todo = distributed.shared([role for role in wanted if not training.is_done(role)])
        if todo:
            if distributed.leads():
                print(threads.said(count), file=sys.stderr, flush=True)
            train_encoder(training)
            train_reviews(training)
            memory.give_back()
        distributed.barrier()  # the leader has written it
        own = distributed.mine(todo)
        with distributed.alone():
            side_by_side(partial(train_role, training), own, count)
        distributed.barrier()
    return training


def train_role(training: Run, role: str) -> None:
    """Train one role on the text encoder that is there."""
    train_release(training, role, train_encoder(training))


def why_left_out(training: Run, roles: list[str]) -> str:
    """Why these roles cannot be trained on the data."""
    parts = []
    for role in roles:
        cut = training.cut_week(role)
        count = training.complete_launches(cut)
        parts.append(f"{role} (cut at week {cut} of {training.last_week}, {count} complete launches)")
    return ", ".join(parts) + (
        f"; a cut needs {MIN_LAUNCHES} launches whose {OUTCOME_WEEKS} weeks end by it and, but for production, as many "
        "weeks after it"
    )


def train_release(training: Run, role: str, encoder: Encoder) -> None:
    """Train everything behind the text for one role; leaves graphs.pt, tables/, samples.npz and done.json in the role's
    folder."""
    with working(role, len(STEPS)) as step:
        _train_release(training, role, encoder, step)


def _train_release(training: Run, role: str, encoder: Encoder, step: Callable[[str], None]) -> None:
    recipe, cut = training.recipe, training.cut_week(role)
    folder = training.folder / role
    folder.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    step(STEPS[0])
    history = load_history(training.data, cut)
    if len(history.texts) != encoder.pooled.shape[1]:
        raise ExporterError(f"{training.data}: the data changed while training; run the same command again")
    step(STEPS[1])
    content, content_metrics = refit_content(history, encoder.pooled, recipe.content, training.seed(role), folder)
    embeddings = embed_products(history, content, encoder.pooled[0])
    launched = history.launches.frame["product_index"].to_numpy()
    events = load_events(training.data, cut)
    step(STEPS[2])
    outcome = train_outcome(history, events, embeddings, recipe.outcome, training.seed(role), torch.get_num_threads())
    step(STEPS[3])
    towers = train_towers(
        history,
        events,
        embeddings,
        recipe.towers,
        Limits(recipe.release.top_products, MAX_AUDIENCE),
        training.seed(role),
        folder,
    )
    step(STEPS[4])
    write_tables(history, events, towers, training.data, folder / "tables", recipe.encoder, embeddings)
    complete = history.launches.complete8
    graphs: dict[str, nn.Module] = {
        "product_encoder": ProductEncoder(
            text=TextEncoder(nn.Identity()),
            completion=category_completion(history.vocabulary),
            content=content,
            tower=towers.tower,
            rates=practice_rates(history),
        ),
        "launch_outcome": OutcomeGraph(outcome.model, outcome.curve),
        "user_encoder": towers.user_encoder,
        "product_retrieval": towers.product_retrieval,
        "product_neighbours": towers.product_neighbours,
        "product_fit": towers.product_fit,
        "audience_retrieval": towers.audience_retrieval,
        "launch_retrieval": LaunchRetrieval(
            torch.from_numpy(embeddings[launched[complete]]), recipe.release.similar_launches
        ),
    }
    for graph in graphs.values():
        graph.eval().requires_grad_(False)
    torch.save(graphs, folder / "graphs.pt")
    write_samples(history, embeddings, towers, folder / "samples.npz")
    record = {
        "role": role,
        "cut_week": cut,
        "metrics": {"content": content_metrics, "outcome": outcome.metrics, "towers": towers.metrics},
        "calibration": outcome.calibration,
        "not_learned": not_learned(history),
        "units_support": outcome.support.tolist(),
        "hidden_size": hidden_size(encoder.text),
        "threads": torch.get_num_threads(),
        "seconds": round(time.monotonic() - started, 1),
    }
    write_json(folder / "done.json", record)
    finish(folder, ["content", *(path.name.split(".")[0] for path in folder.glob("*.checkpoint.pt"))])


def embed_products(history: History, content: ContentEncoder, pooled: NDArray[np.float16]) -> NDArray[np.float32]:
    """Embeddings [products, 128] of all products, from their titles as they stand."""
    parts = []
    with torch.no_grad():
        for rows in np.array_split(np.arange(len(history.products)), max(1, len(history.products) // 8192)):
            text = torch.from_numpy(pooled[history.text_of[rows]].astype(np.float32))
            ids, attributes = torch.from_numpy(history.ids[rows]), torch.from_numpy(history.attributes[rows])
            parts.append(content.embed(text, ids, attributes).numpy())
    return np.concatenate(parts).astype(np.float32)


def write_samples(history: History, embeddings: NDArray[np.float32], towers: Any, path: Path, count: int = 64) -> None:
    """Real rows on which the export compares ONNX with PyTorch: launches spread over the weeks, users spread over the
    list."""
    launches = history.launches.take(np.unique(np.linspace(0, len(history.launches) - 1, count).astype(np.int64)))
    product = np.array(launches.frame["product_index"])
    users = np.unique(np.linspace(0, len(towers.profile) - 1, count).astype(np.int64))
    np.savez(
        path,
        texts=np.array([history.texts[i] for i in history.text_of[product]]),
        categorical_ids=history.ids[product],
        attributes=launch_attributes(launches, history.label),
        embedding=embeddings[product],
        candidates=actual_candidates(history, launches),
        history_products=towers.history.products[users],
        history_ages=towers.history.ages[users],
        history_quantities=towers.history.quantities[users],
        history_kinds=towers.history.kinds[users],
        profile=towers.profile[users],
        product_vector=towers.products[torch.from_numpy(product.copy())].numpy(),
        new_product_share=np.linspace(0.0, 0.5, len(users), dtype=np.float32)[:, None],
    )
