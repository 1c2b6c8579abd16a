"""NVIDIA's perf_analyzer itself: fetched at the first use, with the two libraries that it needs, and run."""

import ctypes.util
import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from onshelf_benchmarks.record import ROOT, NotMeasuredError

FOLDER = ROOT / "var/perf_analyzer"
CLIENT = "tritonclient==2.51.0"  # its binary runs on glibc 2.34; the one of PyPI's perf-analyzer needs 2.38
CUDA = "nvidia-cuda-runtime-cu12==12.9.79"
B64 = ("libb64-0d", "libb64.so.0d")  # Debian's package, its library
STAMP = f"{CLIENT} {CUDA} {B64[0]}"


class PerfAnalyzerError(NotMeasuredError):
    """perf_analyzer cannot be fetched, does not run here, or a run of it failed."""


class PerfAnalyzerHangsError(PerfAnalyzerError):
    """perf_analyzer did not end in time."""


@dataclass(frozen=True)
class PerfAnalyzer:
    """An installed perf_analyzer."""

    folder: Path

    @property
    def program(self) -> Path:
        """The executable."""
        return self.folder / "bin" / "perf_analyzer"

    def version(self) -> str:
        """As it says it."""
        found = re.search(r"Version (\S+)", self.run("--version"))
        return found[1] if found else "unknown"

    def run(self, *words: str, timeout: float = 60) -> str:
        """Run it with its libraries; returns what it printed.

        Raises:
            PerfAnalyzerHangsError: it did not end within `timeout` seconds.
            PerfAnalyzerError: it failed.
        """
        own = (self.folder / "lib", self.folder / "nvidia/cuda_runtime/lib")
        libraries = os.pathsep.join(filter(None, (*map(str, own), os.environ.get("LD_LIBRARY_PATH"))))
        try:
            done = subprocess.run(
                [str(self.program), *words],
                env=os.environ | {"LD_LIBRARY_PATH": libraries},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise PerfAnalyzerHangsError(f"perf_analyzer did not end within {timeout:.0f} s") from error
        except OSError as error:
            raise PerfAnalyzerError(f"{self.program} does not start: {error}") from error
        if done.returncode:
            raise PerfAnalyzerError(complaint(done.stderr + "\n" + done.stdout) or f"exit status {done.returncode}")
        return done.stdout + done.stderr


def complaint(printed: str) -> str:
    """What failed: the server's own words, or the first line that says so, as the whole manual follows some errors."""
    if refused := re.search(r"^Thread \[\d+\] had error: (.+)", printed, re.M):
        return refused[1]
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    said = (line for line in lines if re.search(r"\berror\b|fail|cannot|refused", line, re.I))
    return next(said, "".join(lines[-1:]))


def install(folder: Path) -> PerfAnalyzer:
    """Fetch perf_analyzer and its libraries into `folder`; done at once where it is there.

    Raises:
        PerfAnalyzerError: naming what could not be fetched and why, or why it does not run here.
    """
    folder = folder.absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    tool, stamp = PerfAnalyzer(folder), folder / "installed"
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.is_file() and stamp.read_text() == STAMP and tool.program.is_file():
            return tool
        print(f"fetching perf_analyzer into {folder} (18 MB)", file=sys.stderr)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as temporary:
            new = PerfAnalyzer(Path(temporary) / "new")
            _fetch(Path(temporary), new)
            try:
                new.version()
            except PerfAnalyzerError as error:
                raise PerfAnalyzerError(
                    f"perf_analyzer needs Linux on x86_64, glibc 2.34 and OpenSSL 3; it does not run here: {error}"
                ) from error
            (new.folder / stamp.name).write_text(STAMP)
            shutil.rmtree(folder, ignore_errors=True)
            new.folder.rename(folder)
    return tool


def _fetch(temporary: Path, tool: PerfAnalyzer) -> None:
    """The program and its libraries, each where `PerfAnalyzer` looks for it."""
    _packages(tool.folder, CLIENT, CUDA)
    if ctypes.util.find_library("b64") != B64[1]:
        (tool.folder / "lib").mkdir()
        _b64(temporary, tool.folder / "lib")


def _packages(folder: Path, *requirements: str) -> None:
    """Packages as they are, in a folder of their own."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--no-deps", "--quiet"]
    _step(" ".join(requirements), [*pip, "--only-binary=:all:", "--target", str(folder), *requirements])


def _b64(temporary: Path, folder: Path) -> None:
    """libb64 out of Debian's package, not installed; where apt has no lists of packages, with lists of its own."""
    package, library = B64
    missing = [name for name in ("apt-get", "dpkg") if shutil.which(name) is None]
    if missing:
        raise PerfAnalyzerError(
            f"perf_analyzer needs {library}; without {' and '.join(missing)} it cannot be taken from Debian's "
            f"package {package}: install it by this system's own means"
        )
    try:
        _step(package, ["apt-get", "--quiet", "download", package], temporary)
    except PerfAnalyzerError:
        own = []
        for name in ("State::Lists", "Cache"):
            place = temporary / name
            (place / "partial").mkdir(parents=True)
            own += ["-o", f"Dir::{name}={place}"]
        _step(f"the lists of packages for {package}", ["apt-get", "--quiet", *own, "update"], temporary)
        _step(package, ["apt-get", "--quiet", *own, "download", package], temporary)
    unpacked = temporary / package
    _step(package, ["dpkg", "-x", str(next(temporary.glob(f"{package}_*.deb"))), str(unpacked)])
    shutil.copy(next(unpacked.rglob(library)), folder / library)


def _step(what: str, command: list[str], folder: Path | None = None) -> None:
    done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise PerfAnalyzerError(f"{what} could not be fetched: {lines[-1] if lines else f'exit {done.returncode}'}")
