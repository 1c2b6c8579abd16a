"""Training that is killed in any of its stages goes on where it was, and ends with the same models."""

import io
import json
import multiprocessing
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

CONTEXT = multiprocessing.get_context("forkserver")  # each process starts with PyTorch loaded and no thread running


class Stderr(io.TextIOBase):
    """Keeps what is written; kills its process once a text is written."""

    def __init__(self, path: Path, deadly: str | None) -> None:
        self.file, self.deadly = path.open("w", encoding="utf-8"), deadly

    def write(self, text: str) -> int:
        self.file.write(text)
        self.file.flush()
        if self.deadly is not None and self.deadly in text:
            os.kill(os.getpid(), signal.SIGKILL)
        return len(text)


def train_in(data: Path, runs: Path, said: Path, deadly: str | None) -> None:
    import contextlib

    from onshelf_exporter.training import train
    from onshelf_exporter.training.recipe import load_recipe

    recipe = load_recipe("test")
    # one thread: sums in the same order every time; one precision: a measurement may find another one
    recipe = replace(recipe, threads=1, encoder=replace(recipe.encoder, precision="float32"))
    with contextlib.redirect_stderr(Stderr(said, deadly)):
        train.train(data, recipe, runs, ["production"])


def process(*arguments: Any) -> int | None:
    """Run `train_in` in a process of its own; returns its exit code."""
    child = CONTEXT.Process(target=train_in, args=arguments)
    child.start()
    child.join(timeout=300)
    assert not child.is_alive()
    return child.exitcode


def records(runs: Path) -> dict[str, Any]:
    """What was written about the encoder and the release, without the times."""
    found = {}
    for path in sorted(runs.glob("*/**/done.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        content.pop("seconds")
        found[path.parent.name] = content
    return found


def weights(runs: Path) -> dict[str, torch.Tensor]:
    graphs = torch.load(next(runs.glob("*/production/graphs.pt")), weights_only=False)
    return {f"{name}.{key}": value for name, graph in graphs.items() for key, value in graph.state_dict().items()}


def test_training_killed_in_each_stage_ends_with_the_same_models(
    shop_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.syspath_prepend(Path(__file__).parents[3])  # the processes find this module by its name
    CONTEXT.set_forkserver_preload(["onshelf_exporter.training.train"])
    said = tmp_path / "said.txt"
    assert process(shop_data, tmp_path / "whole", said, None) == 0
    lines = [
        line.split(" ", 1)[1] for line in said.read_text().splitlines() if line.endswith(" steps")
    ]  # after the time
    stages = [line.split(":")[0].split(" / ")[-1] for line in lines if not line.startswith("production: ")]
    assert {"product_encoder", "encode texts", "content", "repeat"} <= set(stages)
    for stage in stages:
        # at its end, when its last checkpoint is written and its result is not
        assert process(shop_data, tmp_path / "killed", said, f" {stage}: done") == -signal.SIGKILL, stage
        assert not list((tmp_path / "killed").glob("*/production/done.json"))
    assert process(shop_data, tmp_path / "killed", said, None) == 0
    assert list(records(tmp_path / "killed").values()) == list(records(tmp_path / "whole").values())
    one, two = weights(tmp_path / "whole"), weights(tmp_path / "killed")
    assert one.keys() == two.keys()
    for name, value in one.items():
        assert torch.equal(value, two[name]), name
    assert not list((tmp_path / "killed").glob("**/*.checkpoint.pt"))
