"""Makes an environment for each peer below var/peers.

PyTorch is large, and all peers run the same version of it: it lies once, with what it needs, in var/peers/torch, and
the environment of a peer that runs on it names that folder in a .pth file. Everything else, numpy too, is the peer's
own: its packages come before the shared ones. An environment whose requirements have not changed is left alone.
"""

import subprocess
import sys
import venv
from pathlib import Path

from onshelf_benchmarks.peers.table import REQUIREMENTS
from onshelf_benchmarks.record import ROOT, NotMeasuredError

ENVIRONMENTS = ROOT / "var/peers"
SHARED = REQUIREMENTS / "torch.txt"  # also keeps pip from replacing the shared version


def python(name: str) -> Path:
    """The interpreter of an environment."""
    return ENVIRONMENTS / name / "bin/python"


def packages(name: str) -> Path:
    """The folder of its packages."""
    return ENVIRONMENTS / name / f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"


def make(name: str) -> None:
    """Create or renew the environment `name`; nothing happens where it is up to date.

    Raises:
        NotMeasuredError: pip failed.
    """
    requirements = REQUIREMENTS / f"{name}.txt"
    wanted = requirements.read_text() + SHARED.read_text()
    done = ENVIRONMENTS / name / ".installed"
    if done.exists() and done.read_text() == wanted:
        return
    venv.create(ENVIRONMENTS / name, clear=True)
    pip = [sys.executable, "-m", "pip", "--python", str(python(name)), "install", "--disable-pip-version-check"]
    if "\ntorch==" in "\n" + requirements.read_text() and name != SHARED.stem:
        make(SHARED.stem)
        (packages(name) / "shared_torch.pth").write_text(f"{packages(SHARED.stem)}\n")
    command = [*pip, "--quiet", "--constraint", str(SHARED), "--requirement", str(requirements)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode:
        raise NotMeasuredError(f"environment {name}: pip failed:\n{finished.stderr[-2000:]}")
    done.write_text(wanted)
