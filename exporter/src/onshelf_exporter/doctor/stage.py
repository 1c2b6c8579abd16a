"""The stage: looks at the files, judges the tables, reports, writes."""

import argparse
import shutil
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console

from onshelf_exporter.data import engine
from onshelf_exporter.data.adapters.parquet import SETTINGS, read_settings
from onshelf_exporter.data.prepare import adopt, check_name, prepare_code
from onshelf_exporter.doctor import judgement, page
from onshelf_exporter.doctor.diagnosis import Diagnosis, diagnose
from onshelf_exporter.doctor.record import write_record
from onshelf_exporter.doctor.settings import ReadingSettings, settings_of
from onshelf_exporter.process.errors import SettingError
from onshelf_exporter.process.progress_display import working

USABLE, NOT_USABLE, WITH_LOSSES = 0, 1, 3


def run(args: argparse.Namespace) -> int:
    """Look at the files and report: 0 usable, 3 usable with losses, 1 not usable."""
    console = Console()
    settings = settings_of(args)
    target: Path | None = args.write
    _check_target(target)
    dataset = _check_data(args)
    with tempfile.TemporaryDirectory(prefix="onshelf-doctor-") as work:
        con = engine.connect(spill=Path(work) / "spill")
        with working("doctor: reading", quiet=True):
            diagnosis = diagnose(con, args.path, settings)
        if target is not None and "currency" not in diagnosis.shop:
            rule = "is needed with --write: the ISO 4217 code of all amounts, such as EUR or CNY"
            raise SettingError("--currency", None, rule)
        tables, prepared = Path(work) / "tables", Path(work) / "data"
        shop = {"currency": judgement.NO_CURRENCY} | diagnosis.shop
        _check_shop(shop, Path(work))
        summary = None
        if not diagnosis.problems:
            with working("doctor: judging", quiet=True):
                judgement.write(con, diagnosis.tables, shop, tables)
                summary, problems, losses = judgement.judge(tables, prepared, dataset)
            diagnosis.problems += problems
            diagnosis.losses += losses
        if summary is not None and summary.too_little and not settings.sample:
            diagnosis.problems.append(summary.too_little)
        status = report(diagnosis, summary, settings, console)
        if status != NOT_USABLE and target is not None:
            if args.data is not None:
                adopt(prepared / dataset, args.data / dataset)
            target.mkdir(parents=True, exist_ok=True)
            for path in sorted(tables.iterdir()):
                shutil.move(path, target / path.name)
            write_record(diagnosis, summary, target)
            following = f"onshelf-exporter data --dataset {dataset} --adapter parquet --source {target}"
            following += f" --out {args.data}" if args.data is not None else ""
            console.print(f"\nWritten to {target}. Next: {following}", markup=False)
        elif status != NOT_USABLE:
            given = " ".join(str(path) for path in args.path)
            currency = "" if "currency" in diagnosis.shop else " --currency CODE"
            console.print(f"Next: onshelf-exporter doctor {given} --write FOLDER{currency}", markup=False)
    return status


def _check_data(args: argparse.Namespace) -> str:
    """The name of the data that are judged. Raises SettingError where it, or --data, has nothing to be about."""
    if args.data is not None and args.write is None:
        raise SettingError("--data", str(args.data), "needs --write: the tables that the data are made of")
    if args.dataset is not None and args.data is None:
        raise SettingError("--dataset", args.dataset, "needs --data: it is the name of what is kept there")
    name: str = args.dataset or "shop"
    check_name(name)
    if args.data is not None:
        prepare_code("parquet")  # is known from here on: what is kept is of this code, whatever happens to it meanwhile
    return name


def _check_target(target: Path | None) -> None:
    if target is not None and target.exists() and any(target.iterdir()):
        raise SettingError("--write", str(target), "the folder must be new or empty")


def _check_shop(shop: dict[str, Any], folder: Path) -> None:
    """Raises SettingError for a setting of the shop that `data` would refuse."""
    judgement.write_settings(shop, folder)
    read_settings(folder / SETTINGS)


def report(diagnosis: Diagnosis, summary: judgement.Summary | None, settings: ReadingSettings, console: Console) -> int:
    """Print all that was found, and the exit status."""
    page.show_files(diagnosis, console)
    page.show_missing(diagnosis, console)
    page.show_losses([loss for loss in diagnosis.losses if loss.meant], "Left out, as it is meant", console)
    page.show_losses(diagnosis.lost, "Lost: not understood, or not to be used", console)
    if summary is not None:
        page.show_summary(summary, str(diagnosis.shop.get("currency", "")), console)
    if diagnosis.open:
        console.print("\nTo check: the files do not decide")
        for question in diagnosis.open:
            console.print(f"  - {question}", markup=False)
        console.print("Where a reading is right: --accept with the name before the colon.")
    for question in diagnosis.accepted:
        console.print(f"\nAccepted: {question}", markup=False)
    problems = list(diagnosis.problems)
    if settings.strict:
        problems += [f"{loss.table}: {loss.what} ({loss.rows:,} rows)" for loss in diagnosis.lost]
        problems += [str(question) for question in diagnosis.open]
    if problems:
        console.print(f"\n[bold]Not usable yet[/bold]{' (--strict)' if not diagnosis.problems else ''}. To mend:")
        for problem in problems:
            console.print(f"  - {problem}", markup=False)
        console.print("A header that was misunderstood: --map HEADER=COLUMN (columns: docs/data.md).")
        return NOT_USABLE
    rows = ", ".join(f"{name} {engine.number(table.count()):,}" for name, table in diagnosis.tables.items())
    if summary is not None and summary.too_little:
        console.print(f"\nAs a sample alone: {summary.learnable} launches could be learned from.", markup=False)
    if diagnosis.lost:
        lost = sum(loss.rows for loss in diagnosis.lost)
        console.print(
            f"\n[bold]Usable with losses[/bold]: {rows} rows; {lost:,} rows lost, in {len(diagnosis.lost)} ways."
        )
        return WITH_LOSSES
    console.print(f"\n[bold]Usable[/bold]: {rows} rows.")
    return USABLE
