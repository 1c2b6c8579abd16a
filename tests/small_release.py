"""Small model releases that tests share, trained once and kept below var/test by a hash of what went into them.

    python tests/small_release.py small_release boutique ...

makes the named ones ahead, while tests that need none run (see conftest.py). Whoever asks for one that is being made
waits for it.
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from shops import write_boutique, write_marketplace

from onshelf_exporter.data.prepare import prepare
from onshelf_exporter.process.locks import exclusive
from onshelf_exporter.release.export import export, is_exported
from onshelf_exporter.release.publish import existing, publish
from onshelf_exporter.release.replay import write_replay
from onshelf_exporter.training.history import load_dataset
from onshelf_exporter.training.recipe import load_recipe
from onshelf_exporter.training.runs import ROLES, Run, open_run
from onshelf_exporter.training.workers import PARENT_DEATH

ROOT = Path(__file__).parents[1]
KEPT = ROOT / "var" / "test"
PREDICTIONS = KEPT / "predictions"  # of evaluations, by the content of all that they depend on
CONFIGS = ROOT / "model_repository"


@dataclass(frozen=True)
class SmallRelease:
    """The published folders, the newest version, the training run behind it, the replay file (if there is one)."""

    releases: Path
    repository: Path
    version: int
    run: Run
    replay: Path


def default_data() -> Path:
    """The prepared default data, shared by all runs of all tests: prepared once, and again when the code changes."""
    with exclusive(KEPT):
        return prepare("complete_journey", ROOT / "var" / "data")


def small_release(
    data: Path, root: Path = KEPT / "release", roles: tuple[str, ...] = ("replay", "production")
) -> SmallRelease:
    """Train, export and publish the recipe `test`; done at once when nothing changed.

    `data` must be prepared (`onshelf-exporter data`). Roles are published in the order replay, evaluation, production;
    those for which the data are too short are left out.
    """
    with exclusive(root):
        return _small_release(data, root, roles)


def _small_release(data: Path, root: Path, roles: tuple[str, ...]) -> SmallRelease:
    recipe = load_recipe("test")
    run = open_run(root / "runs", data, load_dataset(data), recipe)
    ordered = [role for role in ROLES if role in roles and run.has_role(role)]
    place = root / f"{run.folder.name}-{'-'.join(ordered)}"
    replay = place / "replay.json"
    if not all(is_exported(run.folder / role / "export") for role in ordered):
        # in processes of their own: the command line sets how threads wait, which must stand before torch is loaded
        arguments = ["--recipe", "test", "--data", str(data), "--runs", str(root / "runs"), "--roles", *ordered]
        places = {
            "releases": place / "releases",
            "repository": place / "repository",
            "configs": CONFIGS,
            "replay": replay,
        }
        arguments += [f"--{name}={path}" for name, path in places.items()]
        command = [sys.executable, "-m", "onshelf_exporter.cli", "publish", "--train", "--keep=2", *arguments]
        subprocess.run(command, check=True)
    exports = [export(run, role) for role in ordered]
    versions = publish(exports, place / "releases", place / "repository", CONFIGS, keep=2)
    assert set(versions) <= set(existing(place / "releases"))
    if "replay" in ordered:
        version = versions[ordered.index("replay")]
        if not replay.exists() or json.loads(replay.read_text())["model_release"] != version:
            write_replay(run, version, replay)
    return SmallRelease(place / "releases", place / "repository", versions[-1], run, replay)


def shop_release(write: Callable[[Path], Path], role: str) -> SmallRelease:
    """A release of one role of the shop that `write` writes, named after it."""
    name = write.__name__.removeprefix("write_")
    with exclusive(KEPT / "shops" / name):
        data = prepare(name, KEPT / "shops" / name, source=write(KEPT / "shops" / name / "source"))
    return small_release(data, KEPT / "shops" / name, (role,))


MADE: dict[str, Callable[[], SmallRelease]] = {  # by the name of the fixture
    "small_release": lambda: small_release(default_data()),
    "boutique": lambda: shop_release(write_boutique, "replay"),
    "marketplace": lambda: shop_release(write_marketplace, "replay"),
}


def end_with_parent() -> None:
    """End this process group as soon as the tests that began it are gone, also where they were killed."""
    signal.signal(signal.SIGTERM, lambda *_: os.killpg(0, signal.SIGKILL))
    ctypes.CDLL(None).prctl(PARENT_DEATH, signal.SIGTERM)
    if os.getppid() == 1:  # gone already
        os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    if os.getpgrp() == os.getpid():
        end_with_parent()
    first, *others = sys.argv[1:]
    MADE[first]()
    with ThreadPoolExecutor(2) as pool:  # each of the others has one role, so one thread of its own is all that it uses
        list(pool.map(lambda name: subprocess.run([sys.executable, __file__, name], check=True), others))
