"""The folder that tritonserver runs from, assembled below the environment: binary, backends, caches."""

import contextlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

BACKEND = Path(__file__).parent / "backends" / "onnxruntime" / "model.py"


@dataclass(frozen=True)
class Layout:
    """Where the parts of the assembled server are. `environment` is the root of the virtual environment."""

    environment: Path

    @property
    def root(self) -> Path:
        """The assembled folder."""
        return self.environment / "triton"

    @property
    def server(self) -> Path:
        """The tritonserver binary."""
        return self.root / "bin" / "tritonserver"

    @property
    def backends(self) -> Path:
        """The value of --backend-directory."""
        return self.root / "backends"

    @property
    def stub(self) -> Path:
        """The program that Triton runs for each instance of a Python model."""
        return self.backends / "python" / "triton_python_backend_stub"

    @property
    def caches(self) -> Path:
        """The value of --cache-directory."""
        return self.root / "caches"

    @property
    def libraries(self) -> Path:
        """A folder with nothing but the shared libpython, so that no other library of its folder gets in the way."""
        return self.root / "lib"

    @property
    def onnxruntime(self) -> Path:
        """Our backend's module as the server reads it."""
        return self.backends / "onnxruntime" / "model.py"

    def assemble(self, site_packages: Path, python: str, libpython: Path) -> None:
        """Lay the folder out from the installed wheel; `python` is the version as '3.11', `libpython` its library."""
        wheel = site_packages / "pytriton" / "tritonserver"
        copies = {
            wheel / "bin" / "tritonserver": self.server,
            wheel / "python_backend_stubs" / python / "triton_python_backend_stub": self.stub,
            wheel / "caches" / "local" / "libtritoncache_local.so": self.caches / "local" / "libtritoncache_local.so",
        }
        for name in ("libtriton_python.so", "triton_python_backend_utils.py"):
            copies[wheel / "backends" / "python" / name] = self.backends / "python" / name
        for source, target in copies.items():
            _copy(source, target)
        for program in (self.server, self.stub):
            program.chmod(0o755)
        self.libraries.mkdir(parents=True, exist_ok=True)
        link = self.libraries / libpython.name
        if not link.exists() or link.resolve() != libpython.resolve():
            link.unlink(missing_ok=True)
            link.symlink_to(libpython)
        self.refresh_backend()

    def refresh_backend(self) -> None:
        """Bring our backend's copy up to date; a running server reads it again when it loads a model."""
        with contextlib.suppress(FileNotFoundError):
            if self.onnxruntime.read_bytes() == BACKEND.read_bytes():
                return
        _copy(BACKEND, self.onnxruntime)

    def variables(self, site_packages: Path) -> dict[str, str]:
        """Return the server's process environment: this environment's Python and libraries, nothing else's."""
        variables = dict(os.environ)
        for name in ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONWARNINGS", "LD_PRELOAD"):
            variables.pop(name, None)
        variables["VIRTUAL_ENV"] = str(self.environment)
        variables["PATH"] = f"{self.environment / 'bin'}{os.pathsep}{variables.get('PATH', os.defpath)}"
        variables["LD_LIBRARY_PATH"] = f"{site_packages / 'nvidia_pytriton.libs'}{os.pathsep}{self.libraries}"
        variables["PYTHONNOUSERSITE"] = "1"  # a user's own site-packages may hold numpy 2
        variables["PYTHONDONTWRITEBYTECODE"] = "1"
        return variables


def _copy(source: Path, target: Path) -> None:
    """Copy by a rename, so that a server that is running from `target` keeps the old file."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.copyfile(source, part)
    part.replace(target)
