"""Create and check the local Triton's own virtual environment (numpy 1, ONNX Runtime, the tritonserver of a wheel)."""

import contextlib
import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from onshelf_local_triton.errors import InstallError
from onshelf_local_triton.layout import Layout

CONSTRAINTS = Path(__file__).parent / "constraints.txt"
LAYOUT = 1  # raise it when layout.assemble changes, so that environments in use are laid out again
RELEASE = "24.10"  # of Triton's containers; the newest that comes as a Python package
MINIMUM_GLIBC = (2, 35)
PYTHONS = ("3.11", "3.12", "3.13")  # those that Onshelf supports and the wheel has a stub for

# Run by the environment's own interpreter: what the server needs to know about it.
PROBE = """
import json, sys, sysconfig
print(json.dumps({
    "python": "%d.%d" % sys.version_info[:2],
    "site_packages": sysconfig.get_path("platlib"),
    "folders": [sysconfig.get_config_var("LIBDIR") or "", sys.base_prefix + "/lib"],
}))
"""

# Run at the end of an installation: the one combination that is known to work.
VERIFY = """
import numpy, onnxruntime
assert int(numpy.__version__.split(".")[0]) < 2, "numpy " + numpy.__version__ + " is installed, numpy<2 is needed"
providers = onnxruntime.get_available_providers()
assert "CPUExecutionProvider" in providers, "onnxruntime has no CPU provider: " + str(providers)
print("numpy", numpy.__version__, "onnxruntime", onnxruntime.__version__)
"""


@dataclass(frozen=True)
class Environment:
    """An installed environment: its root, its Python's version ('3.11'), its site-packages and its shared libpython."""

    root: Path
    python: str
    site_packages: Path
    libpython: Path

    @property
    def layout(self) -> Layout:
        """The server's folder in this environment."""
        return Layout(self.root)


def install(root: Path, *, force: bool = False) -> Environment:
    """Create the environment below `root` or bring it up to date; returns at once when nothing changed.

    `force` builds it from nothing. Raises InstallError saying what the machine lacks, before anything is downloaded.
    """
    root = root.resolve()
    check_machine()
    root.parent.mkdir(parents=True, exist_ok=True)
    with _locked(root):
        if not force and (found := _stamped(root)) is not None:
            return found
        if force or not _runs(root):
            _create(root)
        probe = _probe(root)
        libpython = find_libpython(probe["python"], probe["folders"])
        if probe["python"] not in PYTHONS:
            raise InstallError(
                f"Python {probe['python']} of {root} is not served by this Triton: it needs one of {PYTHONS}"
            )
        _pip(root)
        environment = Environment(root, probe["python"], Path(probe["site_packages"]), libpython)
        environment.layout.assemble(environment.site_packages, environment.python, libpython)
        _verify(environment)
        stamp = {key: str(value) for key, value in asdict(environment).items()}
        _stamp_file(root).write_text(json.dumps({**stamp, "hash": _wanted()}, indent=2) + "\n", encoding="utf-8")
        return environment


def require(root: Path) -> Environment:
    """Return the installed environment below `root`; raises InstallError saying how to install it."""
    found = _stamped(root.resolve())
    if found is None:
        raise InstallError(
            f"the local Triton is not installed in {root}, or not in the pinned versions: "
            f"run `onshelf-local-triton install --venv {root}`"
        )
    found.layout.refresh_backend()
    return found


def check_machine() -> None:
    """Raise InstallError unless this is Linux on x86-64 with a glibc that the wheel's binary can load."""
    system, machine = platform.system(), platform.machine()
    if system != "Linux" or machine not in ("x86_64", "AMD64"):
        raise InstallError(
            f"this is {system} on {machine}: the local Triton's binary is for Linux on x86_64; use the Triton container"
        )
    check_glibc(os.confstr("CS_GNU_LIBC_VERSION") or "")


def check_glibc(version: str) -> None:
    """Raise InstallError unless `version` (as 'glibc 2.36'; '' for another C library) is new enough."""
    found = re.fullmatch(r"glibc (\d+)\.(\d+).*", version)
    minimum = ".".join(map(str, MINIMUM_GLIBC))
    if found is None:
        raise InstallError(
            f"the C library here is not glibc: the local Triton's binary needs glibc >= {minimum} (Alpine has none)"
        )
    if (int(found[1]), int(found[2])) < MINIMUM_GLIBC:
        raise InstallError(
            f"glibc is {found[1]}.{found[2]}, the local Triton's binary needs >= {minimum} "
            "(Debian 12, Ubuntu 22.04, RHEL 10 or newer)"
        )


def find_libpython(python: str, folders: list[str]) -> Path:
    """Return the shared library of Python `python` ('3.11') from `folders` or the system's loader cache.

    Triton's Python backend embeds Python; raises InstallError, saying how to get one, where the interpreter has none.
    """
    name = f"libpython{python}.so.1.0"
    for folder in folders:
        if folder and (Path(folder) / name).is_file():
            return Path(folder) / name
    with contextlib.suppress(FileNotFoundError):
        cache = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=False).stdout
        for line in cache.splitlines():
            if line.strip().startswith(f"{name} ") and " => " in line:
                return Path(line.rpartition(" => ")[2].strip())
    looked = ", ".join(folder for folder in folders if folder)
    raise InstallError(
        f"there is no {name} in {looked} nor in the loader's cache: Triton's Python backend needs Python as a shared "
        f"library. Debian and Ubuntu: install the package libpython{python}; pyenv: build with "
        "PYTHON_CONFIGURE_OPTS=--enable-shared; the Pythons of uv and conda have it"
    )


def _wanted() -> str:
    """Hash of everything that an installation depends on."""
    return hashlib.sha256(CONSTRAINTS.read_bytes() + f"layout {LAYOUT}".encode()).hexdigest()


def _stamp_file(root: Path) -> Path:
    return root / "onshelf-local-triton.json"


def _stamped(root: Path) -> Environment | None:
    """Return what the last installation recorded; None when it is absent, of other versions, moved or damaged."""
    try:
        stamp = json.loads(_stamp_file(root).read_text(encoding="utf-8"))
        environment = Environment(root, stamp["python"], Path(stamp["site_packages"]), Path(stamp["libpython"]))
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError):
        return None
    layout = environment.layout
    parts = (
        layout.server,
        layout.stub,
        environment.libpython,
        environment.site_packages / "nvidia_pytriton.libs",
        root / "bin/python",
    )
    intact = stamp.get("hash") == _wanted() and stamp.get("root") == str(root) and all(part.exists() for part in parts)
    return environment if intact else None


@contextlib.contextmanager
def _locked(root: Path) -> Iterator[None]:
    """Let one installation at a time work on `root`."""
    with root.with_name(f"{root.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _runs(root: Path) -> bool:
    python = root / "bin" / "python"
    return python.exists() and subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0


def _create(root: Path) -> None:
    if root.exists() and any(root.iterdir()) and not (root / "pyvenv.cfg").exists():
        raise InstallError(f"{root} exists and is not a virtual environment: choose another folder with --venv")
    shutil.rmtree(root, ignore_errors=True)
    _step(f"creating the local Triton's environment {root}", [sys.executable, "-m", "venv", str(root)])


def _probe(root: Path) -> dict[str, Any]:
    result = subprocess.run([root / "bin" / "python", "-c", PROBE], capture_output=True, text=True, check=True)
    return dict(json.loads(result.stdout))


def _pip(root: Path) -> None:
    pip = [str(root / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
    # --no-deps: the file names everything; what nvidia-pytriton's unused Python package requires stays out.
    _step(
        "installing its pinned packages (about 100 MB when new)",
        [*pip, "install", "--no-compile", "--only-binary", ":all:", "--no-deps", "-r", str(CONSTRAINTS)],
    )


def _verify(environment: Environment) -> None:
    """Prove that the environment imports and that the binaries find their libraries; raises InstallError if not."""
    python = environment.root / "bin" / "python"
    result = subprocess.run([python, "-c", VERIFY], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise InstallError(f"the local Triton's environment does not work: {result.stderr.strip().splitlines()[-1]}")
    variables = environment.layout.variables(environment.site_packages)
    for program in (environment.layout.server, environment.layout.stub):
        listed = subprocess.run(["ldd", program], env=variables, capture_output=True, text=True, check=False).stdout
        missing = [line.split()[0] for line in listed.splitlines() if "not found" in line]
        if missing:
            raise InstallError(f"{program.name} needs shared libraries that this machine lacks: {', '.join(missing)}")


def _step(title: str, command: list[str]) -> None:
    """Run `command` with its own output (pip's progress bar) on stderr, so that stdout holds only results."""
    begin = time.monotonic()
    print(f"{title} ...", file=sys.stderr, flush=True)
    if subprocess.run(command, stdout=sys.stderr, check=False).returncode != 0:
        raise InstallError(f"`{' '.join(command)}` failed; its output is above")
    print(f"  done in {time.monotonic() - begin:.0f} s", file=sys.stderr, flush=True)
