"""Stage `shop`: doctor, data, train, evaluate and publish for a shop's own files, and a closing page.

    onshelf-exporter shop sales/ --currency EUR --name my_shop

Everything goes below `<root>/<name>`: what the doctor wrote, the prepared data, the training runs, the model releases, the
model repository, and `page.md`, which says what was understood, what was learned and what was left out. Run again with the
same files, code and settings, it does nothing twice. Each step is a process of its own, so that none keeps the memory of
the one before.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markdown import Markdown

from onshelf_exporter import doctor
from onshelf_exporter.errors import ExporterError, SettingError
from onshelf_exporter.shop.example import write_example
from onshelf_exporter.shop.page import Step, render

REFUSED = 2  # exit status of a stage that says what is wrong


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the stage's arguments: those of the doctor, and where everything goes."""
    doctor.add_reading_arguments(parser)
    parser.add_argument("--currency", required=True, help="ISO 4217 code of all amounts, such as EUR or CNY")
    parser.add_argument("--name", default="shop", help="name of the shop: a folder below --root (default: %(default)s)")
    parser.add_argument("--root", type=Path, default=Path("var/shops"), help="folder of all shops (default: %(default)s)")
    parser.add_argument("--recipe", default="default", help="recipe of the models (default: %(default)s)")
    parser.add_argument(
        "--configs", type=Path, default=Path("model_repository"), help="where config.pbtxt files come from"
    )


def run(args: argparse.Namespace) -> int:
    """Do all steps; prints the closing page. 0 when a model release is published."""
    if not args.name or not args.name.replace("_", "").replace("-", "").isalnum():
        raise SettingError("--name", args.name, "letters, digits, - and _ only")
    folder = args.root / args.name
    folder.mkdir(parents=True, exist_ok=True)
    steps: list[Step] = []
    tables = _understand(args, folder, steps)
    data, runs = folder / "data", folder / "runs"
    dataset, prepared = f"--dataset={args.name}", ["--data", str(data / args.name)]
    trained = [*prepared, "--recipe", args.recipe, "--runs", str(runs)]
    published = ["--releases", str(folder / "releases"), "--repository", str(folder / "repository")]
    reports = folder / "reports"
    _step(steps, "data", [dataset, "--adapter=parquet", "--source", str(tables), "--out", str(data)])
    _step(steps, "train", trained)
    measured = [*trained, *published, "--out", str(reports), "--cache", str(folder / "cache")]
    measured += ["--decisions", str(reports / "openings.md")]
    _step(steps, "evaluate", measured, may_refuse=True)
    if steps[-1].refused:  # figures of earlier files are not of these
        shutil.rmtree(reports, ignore_errors=True)
    evaluation = ["--evaluation", str(reports / "evaluation.json"), "--configs", str(args.configs)]
    replay = folder / "launches.json"
    replay.unlink(missing_ok=True)
    _step(steps, "publish", [*trained, *published, *evaluation, "--replay", str(replay)])
    write_example(data / args.name, args.currency, folder / "example.args")
    page = folder / "page.md"
    page.write_text(render(folder, args.name, tables, steps), encoding="utf-8")
    console = Console()
    console.print(Markdown(page.read_text(encoding="utf-8")))
    console.print(f"This page: {page}", markup=False)
    return 0


def _understand(args: argparse.Namespace, folder: Path, steps: list[Step]) -> Path:
    """Let the doctor write the canonical tables, unless it has read the same files with the same options before."""
    options = doctor.reading_options(args)
    tables = folder / f"tables-{_fingerprint(args.paths, [*options, args.currency])}"
    if (tables / doctor.REPORT).is_file():
        Console(stderr=True).print(f"doctor: the same files as before, in {tables}", markup=False)
        steps.append(Step("doctor", 0.0, ""))
        return tables
    for old in folder.glob("tables-*"):
        shutil.rmtree(old)
    paths = [str(path) for path in args.paths]
    _step(steps, "doctor", [*paths, *options, "--write", str(tables), "--currency", args.currency], doctor.USABLE)
    return tables


def _fingerprint(paths: Sequence[Path], options: Sequence[str]) -> str:
    """Hash of the content of all files, of the options and of the code that reads them."""
    digest = hashlib.sha256(json.dumps([*options, doctor.code_hash()]).encode())
    for path in paths:
        files = sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
        for file in files:
            digest.update(str(file.relative_to(path)).encode() + b"\0")
            with file.open("rb") as content:
                digest.update(hashlib.file_digest(content, "sha256").digest())
    return digest.hexdigest()[:12]


def _step(
    steps: list[Step], stage: str, arguments: list[str], good: Sequence[int] = (0,), *, may_refuse: bool = False
) -> None:
    """Run one stage in a process of its own, its output shown as it comes.

    Raises:
        ExporterError: it failed; its own message stands above.
    """
    console = Console(stderr=True)
    console.rule(f"{len(steps) + 1} of {page_steps()}: {stage}", align="left")
    started = time.monotonic()
    command = [sys.executable, "-m", "onshelf_exporter.cli", stage, *arguments]
    refused = ""
    with subprocess.Popen(command, stderr=subprocess.PIPE if may_refuse else None, text=True) as process:
        for line in process.stderr or ():
            sys.stderr.write(line)
            refused += line if line.startswith(f"onshelf-exporter {stage}: ") else ""
        status = process.wait()
    if status not in good and not (may_refuse and status == REFUSED):
        raise ExporterError(f"step {stage} ended with status {status}; see above. The same command goes on from here")
    steps.append(Step(stage, time.monotonic() - started, refused.removeprefix(f"onshelf-exporter {stage}: ").strip()))
