"""A small model release from the real data, trained once and kept below var/test by a hash of what went into it."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from onshelf_exporter.export import export, is_exported
from onshelf_exporter.publish import existing, publish
from onshelf_exporter.recipe import load_recipe
from onshelf_exporter.replay import write_replay
from onshelf_exporter.training.history import load_dataset
from onshelf_exporter.training.runs import ROLES, Run, open_run

ROOT = Path(__file__).parents[1]
DATA = ROOT / "var" / "data" / "complete_journey"
CONFIGS = ROOT / "model_repository"


@dataclass(frozen=True)
class SmallRelease:
    """The published folders, the newest version, the training run behind it, the replay file (if there is one)."""

    releases: Path
    repository: Path
    version: int
    run: Run
    replay: Path


def small_release(
    data: Path = DATA, root: Path = ROOT / "var" / "test" / "release", roles: tuple[str, ...] = ("replay", "production")
) -> SmallRelease:
    """Train, export and publish the recipe `test`; done at once when nothing changed.

    `data` must be prepared (`onshelf-exporter data`). Roles are published in the order replay, evaluation, production;
    those for which the data are too short are left out.
    """
    recipe = load_recipe("test")
    run = open_run(root / "runs", data, load_dataset(data), recipe)
    ordered = [role for role in ROLES if role in roles and run.has_role(role)]
    if not all(is_exported(run.folder / role / "export") for role in ordered):
        # in processes of their own: the command line sets how threads wait, which must stand before torch is loaded
        for stage in ("train", "export"):
            arguments = ["--recipe", "test", "--data", str(data), "--runs", str(root / "runs"), "--roles", *ordered]
            subprocess.run([sys.executable, "-m", "onshelf_exporter.cli", stage, *arguments], check=True)
    place = root / f"{run.folder.name}-{'-'.join(ordered)}"
    exports = [export(run, role) for role in ordered]
    versions = publish(exports, place / "releases", place / "repository", CONFIGS, keep=2)
    assert set(versions) <= set(existing(place / "releases"))
    replay = place / "replay.json"
    if "replay" in ordered:
        version = versions[ordered.index("replay")]
        if not replay.exists() or json.loads(replay.read_text())["model_release"] != version:
            write_replay(run, version, replay)
    return SmallRelease(place / "releases", place / "repository", versions[-1], run, replay)
