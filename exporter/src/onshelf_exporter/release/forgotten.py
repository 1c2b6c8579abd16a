"""Stage `forgotten`: prepared data, training runs and model releases on disk that still hold a forgotten user.

    onshelf-exporter forgotten --store sqlite:///var/store/onshelf.db [--remove]

What was made before somebody was forgotten keeps that user until it is removed. The exit status is 1 while anything
does. The newest production release is kept by `--remove`, as it may be served: publish one without the user first.
"""

import argparse
import datetime as dt
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from onshelf_exporter.data.store.connection import opened
from onshelf_exporter.data.store.reading import last_forgotten, read_forgotten
from onshelf_exporter.process.locks import exclusive
from onshelf_exporter.release.publish import existing, read_manifest, remove
from onshelf_release.forgotten_users import ForgottenUsers

UNFINISHED = -1  # instead of a number of users: begun before somebody was forgotten, and not far enough to tell


@dataclass(frozen=True)
class Holder:
    """A folder that holds forgotten users: of data, of a run, or of a release; `version` is the latter's."""

    folder: Path
    users: int
    version: int = 0

    def __str__(self) -> str:
        what = "begun before the last forgetting, not finished" if self.users == UNFINISHED else f"{self.users} users"
        return f"{self.folder}: {what}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the stage's arguments."""
    parser.add_argument("--store", required=True, help="store of decisions and events, as the gateway's --store")
    parser.add_argument("--data", type=Path, default=Path("var/data"), help="folder of all datasets")
    parser.add_argument("--runs", type=Path, default=Path("var/runs"), help="folder of training runs")
    parser.add_argument("--releases", type=Path, default=Path("var/releases"), help="folder of model releases")
    parser.add_argument("--repository", type=Path, default=Path("model_repository"), help="Triton's model repository")
    parser.add_argument("--remove", action="store_true", help="remove what holds them, but for the release in service")


def run(args: argparse.Namespace) -> int:
    """Print what holds forgotten users, a line each; 0 where nothing does."""
    with opened(args.store) as con:
        forgotten, last = read_forgotten(con), last_forgotten(con)
    found = list(holders(args.data, args.runs, args.releases, forgotten, last))
    served = _newest_production(args.releases)
    left = 0
    for holder in found:
        kept = not args.remove or (holder.version > 0 and holder.version == served)
        left += kept
        if not kept:
            _remove(holder, args.runs, args.releases, args.repository)
        said = "" if not args.remove else ": kept, it may be served" if kept else ": removed"
        print(f"{holder}{said}")
    print(f"{len(forgotten.hashes)} forgotten users; {left} folders hold any of them")
    return int(left > 0)


def holders(
    data: Path, runs: Path, releases: Path, forgotten: ForgottenUsers, last: dt.datetime | None
) -> Iterator[Holder]:
    """The folders that hold forgotten users.

    Args:
        data: folder of all datasets.
        runs: folder of training runs; those of text encoders know no users.
        releases: folder of model releases.
        forgotten: whom to look for.
        last: when somebody was forgotten last, UTC; None = nobody was.
    """
    for path in sorted(data.glob("*/features/users.parquet")):
        if users := _count(pq.read_table(path, columns=["user_id"]), forgotten):
            yield Holder(path.parents[1], users)
    for folder in sorted(path for path in runs.glob("[!.]*") if path.is_dir() and not path.name.startswith("encoder-")):
        if users := _of_run(folder, forgotten, last):
            yield Holder(folder, users)
    for version in existing(releases):
        if users := _count(_arrow(releases / str(version) / "users.arrow"), forgotten):
            yield Holder(releases / str(version), users, version)


def _of_run(folder: Path, forgotten: ForgottenUsers, last: dt.datetime | None) -> int:
    """Forgotten users in a run: the most that one of its roles has."""
    counts = [_count(_arrow(path), forgotten) for path in folder.rglob("users.arrow")]
    if counts:
        return max(counts)
    touched = dt.datetime.fromtimestamp(folder.stat().st_mtime, dt.UTC).replace(tzinfo=None)
    return UNFINISHED if last is not None and touched < last else 0


def _count(users: pa.Table, forgotten: ForgottenUsers) -> int:
    return len(forgotten.among(users["user_id"].to_pylist()))


def _arrow(path: Path) -> pa.Table:
    with pa.memory_map(str(path)) as source:
        return pa.ipc.open_file(source).read_all()


def _newest_production(releases: Path) -> int:
    found = [one for one in existing(releases) if read_manifest(releases / str(one))["role"] == "production"]
    return max(found, default=0)


def _remove(holder: Holder, runs: Path, releases: Path, repository: Path) -> None:
    if holder.version:
        with exclusive(releases):
            remove(holder.version, releases, repository)
    elif holder.folder.parent == runs:
        with exclusive(runs):
            shutil.rmtree(holder.folder)
    else:
        shutil.rmtree(holder.folder)
