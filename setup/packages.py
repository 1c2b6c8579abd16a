"""Check that all that is installed is pinned and comes as a wheel: `.venv/bin/python setup/packages.py --part run`.

It asks pip what it would install on a machine that has nothing yet, and installs nothing. Runs on the standard library.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
TRITON = "local_triton/src/onshelf_local_triton/constraints.txt"
# Names of a part -> how pip is asked for it. `data` and `triton` are installed without what their packages ask for.
PARTS: dict[str, tuple[str, ...]] = {
    "run": ("setuptools", "torch", "-r", "requirements.txt"),
    "data": ("--no-deps", "-r", "requirements-data.txt"),
    "triton": ("--no-deps", "-r", TRITON),
    "evaluate": ("-r", "requirements-evaluate.txt"),
    "test": ("-r", "requirements-test.txt"),
    "bench": ("-r", "requirements-bench.txt"),
}


class Package(NamedTuple):
    """One package that pip would install."""

    name: str
    version: str
    url: str

    @property
    def own(self) -> bool:
        """Whether it is one of ours, linked from a folder of this repository."""
        return self.url.startswith("file:") and not self.url.endswith((".whl", ".tar.gz", ".zip"))


class ResolutionError(Exception):
    """pip cannot install it; the message is pip's last words."""


def normal(name: str) -> str:
    """A package's name as PyPI compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(text: str) -> dict[str, str]:
    """Name -> version of the lines name==version."""
    found = re.findall(r"^([A-Za-z0-9][\w.-]*)==([^\s;#]+)", text, re.MULTILINE)
    return {normal(name): version for name, version in found}


def resolve(requirements: Sequence[str], *, python: str = sys.executable, root: Path = ROOT) -> list[Package]:
    """What pip would install for these arguments where nothing is there, from wheels alone.

    Raises ResolutionError where there is no wheel, or where versions do not fit.
    """
    command = [
        python,
        "-m",
        "pip",
        "--disable-pip-version-check",
        "install",
        "--dry-run",
        "--quiet",
        "--ignore-installed",
    ]
    command += ["--only-binary", ":all:", "--no-build-isolation", "--report", "-", *requirements]
    result = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        errors = [
            line for line in result.stderr.splitlines() if line.startswith("ERROR: ") and "Exception:" not in line
        ]
        raise ResolutionError(errors[-1].removeprefix("ERROR: ") if errors else result.stderr.strip()[-2000:])
    return [
        Package(item["metadata"]["name"], item["metadata"]["version"], item["download_info"]["url"])
        for item in json.loads(result.stdout)["install"]
    ]


def complaints(packages: Sequence[Package], pinned: Mapping[str, str]) -> list[str]:
    """A line for each package of others that is no wheel, not pinned, or pinned to another version."""
    found = []
    for package in packages:
        if package.own:
            continue
        pin = pinned.get(normal(package.name))
        if not package.url.endswith(".whl"):
            found.append(f"{package.name} {package.version} is no wheel: {package.url}")
        if pin is None:
            found.append(f"{package.name} {package.version} is not pinned")
        elif pin != package.version.partition("+")[0]:
            found.append(f"{package.name} {package.version} is installed, {pin} is pinned")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Check some parts; returns the exit status."""
    parser = argparse.ArgumentParser(description="Check that what is installed is pinned and comes as wheels.")
    parser.add_argument("--part", action="append", choices=PARTS, help="may be repeated (default: all)")
    failed = False
    for part in parser.parse_args(arguments).part or PARTS:
        constraints = TRITON if part == "triton" else "constraints.txt"
        extra = () if part == "triton" else ("--constraint", constraints)
        try:
            packages = resolve([*PARTS[part], *extra])
        except ResolutionError as error:
            print(f"{part}: {error}", file=sys.stderr)
            failed = True
            continue
        wrong = complaints(packages, pins((ROOT / constraints).read_text(encoding="utf-8")))
        print("\n".join(f"{part}: {line}" for line in wrong) or f"{part}: {len(packages)} packages, all pinned wheels")
        failed = failed or bool(wrong)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
