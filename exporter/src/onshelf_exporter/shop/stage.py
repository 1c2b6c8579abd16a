"""Stage `shop`: doctor, data, train, evaluate and publish for a shop's own files, and a closing page.

    onshelf-exporter shop sales/ --currency EUR --name my_shop

Everything goes below `<root>/<name>`: what the doctor wrote, the prepared data, the training runs, the model releases,
the model repository, and `page.md`, which says what was understood, what was learned and what was left out. Run again
with the same files, code and settings, it does nothing twice. Each step is a process of its own, so that none keeps the
memory of the one before.
"""

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markdown import Markdown

from onshelf_exporter.data.prepare import add_store_arguments, store_options
from onshelf_exporter.doctor import record
from onshelf_exporter.doctor.settings import add_reading_arguments, reading_options
from onshelf_exporter.doctor.stage import USABLE, WITH_LOSSES
from onshelf_exporter.evaluation.splits import add_weeks_argument
from onshelf_exporter.process import memory
from onshelf_exporter.process.errors import ExporterError, SettingError
from onshelf_exporter.process.imported import FOLLOWED, code_hash, package_hash
from onshelf_exporter.process.json_file import write_json
from onshelf_exporter.shop.example import write_example
from onshelf_exporter.shop.page import Step, read, render
from onshelf_exporter.training.recipe import load_recipe
from onshelf_exporter.training.runs import open_run

STAGES = ("doctor", "data", "train", "evaluate", "publish")
MEASURES = (*FOLLOWED, "onshelf_research")  # the packages whose code the figures are of
REFUSED = 2  # exit status of a stage that says what is wrong


@dataclass(frozen=True, kw_only=True)
class Folders:
    """Where a shop's files go: `tables` is named after the content of the files, so that other files are read anew."""

    root: Path
    tables: Path
    data: Path
    runs: Path
    releases: Path
    repository: Path
    reports: Path
    cache: Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the stage's arguments: those of the doctor, and where everything goes."""
    add_reading_arguments(parser)
    parser.add_argument("--currency", required=True, help="ISO 4217 code of all amounts, such as EUR or CNY")
    parser.add_argument("--name", default="shop", help="name of the shop: a folder below --root (default: %(default)s)")
    parser.add_argument(
        "--root", type=Path, default=Path("var/shops"), help="folder of all shops (default: %(default)s)"
    )
    parser.add_argument("--recipe", default="default", help="recipe of the models (default: %(default)s)")
    add_store_arguments(parser)
    add_weeks_argument(parser)
    parser.add_argument(
        "--configs", type=Path, default=Path("model_repository"), help="where config.pbtxt files come from"
    )


def run(args: argparse.Namespace) -> int:
    """Do all steps; prints the closing page. 0 when a model release is published."""
    if not args.name.replace("_", "").replace("-", "").isalnum():
        raise SettingError("--name", args.name, "letters, digits, - and _ only")
    root = args.root / args.name
    names = ("data", "runs", "releases", "repository", "reports", "cache")
    load_recipe(args.recipe)  # refused now, not after the data are read
    memory.stated()
    options = [*reading_options(args), "--currency", args.currency]
    tables = root / f"tables-{fingerprint(args.path, options)}"
    folders = Folders(root=root, tables=tables, **{name: root / name for name in names})
    root.mkdir(parents=True, exist_ok=True)
    steps = _steps(args, folders, options)
    data = folders.data / args.name
    write_example(data, args.currency, root / "example.args")
    page = root / "page.md"
    page.write_text(render(args.name, folders.tables, data, folders.releases, folders.reports, steps), encoding="utf-8")
    console = Console()
    console.print(Markdown(page.read_text(encoding="utf-8")))
    console.print(f"This page: {page}", markup=False)
    return 0


def _steps(args: argparse.Namespace, folders: Folders, options: list[str]) -> list[Step]:
    """Do each step that is not done yet."""
    steps = [_understand(args.path, folders, options, args.name)]
    dataset = [f"--dataset={args.name}", "--adapter=parquet"]
    dataset += ["--source", str(folders.tables), "--out", str(folders.data)]
    steps.append(_step("data", [*dataset, *store_options(args)]))
    run = ["--data", str(folders.data / args.name), "--recipe", args.recipe, "--runs", str(folders.runs)]
    steps.append(_step("train", run))
    release = ["--releases", str(folders.releases), "--repository", str(folders.repository)]
    places = ["--out", str(folders.reports), "--cache", str(folders.cache)]
    places += ["--openings", str(folders.reports / "openings.md")]
    # of the models that were just trained, not of those that are published: they may be of earlier files
    unpublished = ["--releases", str(folders.reports / "none"), "--repository", str(folders.repository)]
    weeks = ["--weeks", *map(str, args.weeks)] if args.weeks is not None else []
    steps.append(_measure([*run, *unpublished, *places, *weeks], folders, [*_identity(args, folders), *weeks]))
    others = ["--configs", str(args.configs), "--evaluation", str(folders.reports / "evaluation.json")]
    others += ["--replay", str(folders.root / "launches.json")]
    steps.append(_step("publish", [*run, *release, *others]))
    return steps


def _understand(paths: Sequence[Path], folders: Folders, options: list[str], name: str) -> Step:
    """Let the doctor write the canonical tables, unless it has read the same files with the same options before."""
    if (folders.tables / record.FILE).is_file():
        Console(stderr=True).print(f"doctor: the same files as before, in {folders.tables}", markup=False)
        return Step("doctor", 0.0, "")
    for old in folders.root.glob("tables-*"):
        shutil.rmtree(old)
    arguments = [*map(str, paths), *options, "--write", str(folders.tables)]
    arguments += ["--data", str(folders.data), "--dataset", name]  # what it judges by is what the next step would make
    return _step("doctor", arguments, (USABLE, WITH_LOSSES))


def _identity(args: argparse.Namespace, folders: Folders) -> list[str]:
    """What the figures are of: the training run, and the code that measures."""
    data = folders.data / args.name
    run = open_run(folders.runs, data, read(data / "dataset.json"), load_recipe(args.recipe))
    return [run.folder.name, code_hash("onshelf_research.evaluate", within=MEASURES)]


def _measure(arguments: list[str], folders: Folders, measured: list[str]) -> Step:
    """Measure the models, unless the same ones were measured before. Short histories cannot be: the step says why."""
    stamp = folders.reports / "evaluated.json"
    known = json.loads(stamp.read_text(encoding="utf-8")) if stamp.is_file() else {}
    if known.get("measured") == measured:
        Console(stderr=True).print(f"evaluate: the same models as before, in {folders.reports}", markup=False)
        return Step("evaluate", 0.0, known["refused"])
    shutil.rmtree(folders.reports, ignore_errors=True)  # figures of earlier files would not be of these
    step = _step("evaluate", arguments, may_refuse=True)
    folders.reports.mkdir(parents=True, exist_ok=True)
    write_json(stamp, {"measured": measured, "refused": step.refused})
    return step


def fingerprint(paths: Sequence[Path], options: Sequence[str]) -> str:
    """Hash of the content of all files, of the options and of the code that reads; another one means: read anew."""
    code = [code_hash("onshelf_exporter.doctor.stage"), package_hash("onshelf.files")]
    digest = hashlib.sha256(json.dumps([list(options), code]).encode())
    for path in paths:
        files = sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
        for file in files:
            digest.update(file.name.encode() + b"\0")
            try:
                with file.open("rb") as content:
                    digest.update(hashlib.file_digest(content, "sha256").digest())
            except OSError as error:
                raise SettingError("path", str(file), f"cannot be read: {error.strerror}") from error
    return digest.hexdigest()[:12]


def _step(stage: str, arguments: list[str], good: Sequence[int] = (0,), *, may_refuse: bool = False) -> Step:
    """Run one stage in a process of its own, its output shown as it comes.

    Args:
        stage: one of STAGES.
        arguments: of the stage.
        good: exit statuses that mean that it did its work.
        may_refuse: whether the steps go on where the stage says why it cannot do its work.

    Raises:
        ExporterError: it failed; its own message stands above.
    """
    console = Console(stderr=True)
    console.rule(f"{STAGES.index(stage) + 1} of {len(STAGES)}: {stage}", align="left")
    started = time.monotonic()
    command = [sys.executable, "-m", "onshelf_exporter.cli", stage, *arguments]
    refusal = ""
    with subprocess.Popen(command, stderr=subprocess.PIPE if may_refuse else None, text=True) as process:
        for line in process.stderr or ():
            sys.stderr.write(line)
            refusal = (
                line.removeprefix(f"onshelf-exporter {stage}: ").strip() if "onshelf-exporter" in line else refusal
            )
    if process.returncode not in (*good, *([REFUSED] if may_refuse else [])):
        raise ExporterError(
            f"step {stage} ended with status {process.returncode}, see above; the same command goes on from here"
        )
    return Step(stage, time.monotonic() - started, refusal if process.returncode == REFUSED else "")
