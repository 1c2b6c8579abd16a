"""Stage `data`: a retailer's source -> canonical tables -> weekly features.

    onshelf-exporter data --dataset complete_journey --adapter complete_journey --out var/data

Writes `<out>/<dataset>/{canonical,features}/*.parquet`, `dataset.json` and `report.json`, all or nothing. The same
inputs, code and settings are not prepared twice.
"""

import argparse
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from onshelf_exporter.process.errors import SettingError
from onshelf_exporter.process.imported import WITHOUT_EFFECT, code_hash, package_hash
from onshelf_exporter.process.progress_display import working
from onshelf_exporter.process.threads import usable

if TYPE_CHECKING:
    from onshelf_exporter.data.adapters.base import Adapter
    from onshelf_exporter.data.store.reading import StoreData

ADAPTERS = ("complete_journey", "parquet")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the stage."""
    parser.add_argument("--dataset", default="complete_journey", help="name of the dataset (default: %(default)s)")
    parser.add_argument(
        "--adapter",
        choices=ADAPTERS,
        default=None,
        help="how the source is read (default: complete_journey for the dataset of that name, else parquet)",
    )
    parser.add_argument(
        "--source",
        type=Path,
        default=None,
        help="folder of the source's tables (default: the adapter's own data, where it has some)",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("var/data"), help="folder of all datasets (default: %(default)s)"
    )
    parser.add_argument(
        "--launches",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="part of the rule of what a launch is, stronger than shop.json: dates, burn_in_weeks, least_units, "
        "first_id, last_id, skip_stray_sales (docs/data.md)",
    )
    add_store_arguments(parser)
    parser.add_argument("--threads", type=int, default=None, help="threads (default: as many as there are cores)")
    parser.add_argument(
        "--memory-gb", type=float, default=1.5, help="memory of the engine in GB (default: %(default)s)"
    )
    parser.add_argument("--force", action="store_true", help="prepare again even when nothing has changed")


def add_store_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments that name the store of decisions and events."""
    parser.add_argument(
        "--store",
        default=None,
        help="store of decisions and events, as the gateway's --store (or the path of an SQLite file): its events, "
        "launches and products join the history, and users that asked to be forgotten are left out",
    )
    parser.add_argument(
        "--without-events",
        action="store_true",
        help="read the store without its events, where they are of a part of the shop only",
    )


def store_options(args: argparse.Namespace) -> list[str]:
    """The same, as they were given."""
    named = ["--store", args.store] if args.store is not None else []
    return [*named, "--without-events"] if args.without_events else named


def run(args: argparse.Namespace) -> int:
    """Prepare the dataset; 0 on success."""
    from onshelf_exporter.data.launch_rule import launch_parts

    prepare(
        args.dataset, args.out, adapter=args.adapter, source=args.source, threads=args.threads,
        memory_gb=args.memory_gb,
        force=args.force, launches=launch_parts(args.launches), store=args.store, with_events=not args.without_events,
    )  # fmt: skip
    return 0


def prepare(
    dataset: str,
    out: Path,
    *,
    adapter: str | None = None,
    source: Path | None = None,
    threads: int | None = None,
    memory_gb: float = 1.5,
    force: bool = False,
    launches: dict[str, Any] | None = None,
    store: str | None = None,
    with_events: bool = True,
    console: Console | None = None,
) -> Path:
    """Prepare a dataset, unless the same inputs, code and settings are already prepared.

    Args:
        dataset: its name: a folder below `out`.
        out: folder of all datasets.
        adapter: one of ADAPTERS; None = "complete_journey" for the dataset of that name, else "parquet".
        source: folder of the source's tables; None = the adapter's own data.
        threads: most threads of the engine; None = as many as there are cores.
        memory_gb: gigabytes that the engine may hold.
        force: prepare again even when nothing has changed.
        launches: parts of the launch rule, stronger than the source's own.
        store: URL or path of the store of decisions and events; None = the history alone.
        with_events: whether the store's events are read.
        console: where progress goes; stderr when None.

    Returns:
        The dataset's folder.

    Raises:
        SettingError: bad name, adapter or number.
        SourceError: something is missing.
        DataError: a table breaks a rule; nothing is written then.
    """
    console = console or Console(stderr=True)
    check_name(dataset)
    if threads is not None and threads < 1:
        raise SettingError("--threads", threads, "at least 1")
    if memory_gb < 0.5:
        raise SettingError("--memory-gb", memory_gb, "at least 0.5")
    name = adapter or ("complete_journey" if dataset == "complete_journey" else "parquet")
    chosen = _adapter(name)
    target = out / dataset
    settings = {"dataset": dataset, "adapter": name}
    if launches:
        settings["launches"] = json.dumps(launches, sort_keys=True)
    paths = chosen.files(source)
    if store is None:
        _check_forgotten(target)
    with _store_data(store, out, with_events) as held:
        if held is not None:
            settings["store"] = held.digest
        data_hash = fingerprint(paths, settings, prepare_code(name))
        if not force and _hash_of(target) == data_hash:
            console.print(f"Data {dataset}: unchanged, in {target}")
            return target
        most = usable(threads or 0)
        return _build(chosen, dataset, source, target, data_hash, launches or {}, most, memory_gb, console, held)


def check_name(dataset: str) -> None:
    """Raises SettingError for a name that is no name of a folder everywhere."""
    if not dataset or not dataset.replace("_", "").replace("-", "").isalnum():
        raise SettingError("--dataset", dataset, "letters, digits, - and _ only")


def prepare_code(adapter: str) -> str:
    """Hash of the code that prepares data by an adapter: what this stage imports, without the other adapters; with the
    reader of files, where the adapter reads a retailer's own."""
    others = [f"onshelf_exporter.data.adapters.{name}" for name in ADAPTERS if name != adapter]
    code = code_hash("onshelf_exporter.data.prepare", without=(*WITHOUT_EFFECT, *others))
    return f"{code}-{package_hash('onshelf.files')}" if adapter == "parquet" else code


def fingerprint(paths: list[Path], settings: dict[str, str], code: str) -> str:
    """SHA-256 over settings, the hash of this stage's code and the content of the input files."""
    digest = hashlib.sha256(json.dumps([settings, code], sort_keys=True).encode())
    for path in paths:
        digest.update(path.name.encode() + b"\0")
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _hash_of(target: Path) -> str | None:
    """The hash that a prepared dataset states; None where there is none or it cannot be read."""
    value = _stated(target).get("data_hash")
    return value if isinstance(value, str) else None


def _stated(target: Path) -> dict[str, Any]:
    """What a prepared dataset states; nothing where there is none or it cannot be read."""
    path = target / "dataset.json"
    if not path.is_file():
        return {}
    try:
        stated: Any = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return {}
    return stated if isinstance(stated, dict) else {}


def _check_forgotten(target: Path) -> None:
    """Raises SettingError where users who asked to be forgotten would come back into prepared data."""
    forgotten = (_stated(target).get("store") or {}).get("forgotten_users", 0)
    if forgotten:
        rule = f"{target} was prepared without {forgotten} users who asked to be forgotten: name the same store again"
        raise SettingError("--store", None, f"{rule}, or another --dataset")


@contextmanager
def _store_data(store: str | None, beside: Path, with_events: bool) -> "Iterator[StoreData | None]":
    """What a store holds; None without one."""
    if store is None:
        if not with_events:
            raise SettingError("--without-events", True, "belongs to --store")
        yield None
        return
    from onshelf_exporter.data.store.reading import store_data

    with store_data(store, beside, with_events) as held:
        yield held


def _adapter(name: str) -> "Adapter":
    # Imported here: the engine takes a second to load, and an unchanged dataset does not need it.
    if name == "complete_journey":
        from onshelf_exporter.data.adapters import complete_journey

        return complete_journey.ADAPTER
    if name == "parquet":
        from onshelf_exporter.data.adapters import parquet

        return parquet.ADAPTER
    raise SettingError("--adapter", name, f"one of {', '.join(ADAPTERS)}")


def _build(
    adapter: "Adapter",
    dataset: str,
    source: Path | None,
    target: Path,
    data_hash: str,
    launches: dict[str, Any],
    threads: int,
    memory_gb: float,
    console: Console,
    store: "StoreData | None",
) -> Path:
    from onshelf_exporter.data import build, engine

    started = time.monotonic()
    target.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{dataset}-", dir=target.parent))
    steps: list[dict[str, object]] = []
    try:
        with working(f"data {dataset}") as name_step, ThreadPoolExecutor(1) as pool:

            def tell(step: str) -> None:
                steps.append({"step": step, "at_seconds": round(time.monotonic() - started, 2)})
                name_step(step)

            con = engine.connect(threads, memory_gb, spill=staging / "spill")
            for folder in ("canonical", "features", "spill"):
                (staging / folder).mkdir()
            tell("Reading the source")
            read = adapter.read(con, source)
            read = replace(read, launch_rule=read.launch_rule.changed(launches, "--launches"))
            prepared = build.canonical(con, read, staging / "canonical", tell, pool, store)
            build.features(con, read, prepared, staging, tell)
            if prepared.promotions and prepared.promotions.written:
                prepared.promotions.written.result()
            con.disconnect()
        shutil.rmtree(staging / "spill", ignore_errors=True)
        described = {
            "dataset": dataset,
            "adapter": adapter.name,
            "currency": read.currency,
            "prices_include_tax": read.prices_include_tax,
            "timezone": read.timezone,
            "week_start": read.week_start,
            "week_one": prepared.calendar.start.isoformat(),
            "first_week": prepared.first_week,
            "last_week": prepared.last_week,
            "first_whole_week": prepared.first_whole_week,
            "first_day": prepared.first_day.isoformat(),
            "last_day": prepared.last_day.isoformat(),
            "as_of": prepared.as_of.isoformat(),
            "users": prepared.rows["features/users"],
            "units_basis": read.units_basis,
            "guests": prepared.guests,
            "launch_rule": prepared.launch_rule,
            "launch_burn_in_weeks": prepared.burn_in,
            "food_departments": list(read.food_departments),
            "data_hash": data_hash,
            "n_rows": prepared.rows,
        }
        if store is not None:
            described["store"] = store.described()
        report = {
            "cleaning": prepared.cleaning,
            "launches": prepared.launches,
            "warnings": prepared.warnings,
            "steps": steps,
            "seconds": round(time.monotonic() - started, 2),
        }
        _write_json(staging / "report.json", report)
        _write_json(staging / "dataset.json", described)
        _swap(staging, target)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    for warning in prepared.warnings:
        console.print(f"warning: {warning}", markup=False)
    console.print(f"Data {dataset}: prepared in {time.monotonic() - started:.1f} s, in {target}")
    return target


def adopt(prepared: Path, target: Path) -> None:
    """Put a dataset that `prepare` made elsewhere in the place of `target`; it is what `prepare` would make there."""
    target.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        shutil.move(prepared, staging / target.name)  # from another disk, perhaps
        _swap(staging / target.name, target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _swap(staging: Path, target: Path) -> None:
    """Put the staging folder in the place of the target; a reader sees the old one or the new one."""
    staging.chmod(0o755)
    if not target.exists():
        os.replace(staging, target)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{target.name}-old-", dir=target.parent))
    os.replace(target, old / target.name)
    os.replace(staging, target)
    shutil.rmtree(old)
