"""What a started server leaves in its run folder: `state.json`, read by everyone who wants its addresses."""

import dataclasses
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from onshelf_local_triton import processes
from onshelf_local_triton.errors import LocalTritonError

FILENAME = "state.json"
PORTS = "ports.json"  # outlives the server, so that it comes back where its clients look for it
TIMEOUT = 180.0  # seconds until all models must be ready
PORT_NAMES = ("grpc_port", "http_port", "metrics_port")


@dataclass(frozen=True, kw_only=True)
class State:
    """A server that was started. `server_id` is in its command line, its shared memory's names and its metadata."""

    server_id: str
    pid: int
    repository: str
    grpc_port: int
    http_port: int
    metrics_port: int
    log: str
    models: tuple[str, ...] = ()  # empty: all in the repository
    arguments: tuple[str, ...] = ()
    timeout: float = TIMEOUT
    revival: str = ""  # where it died and its watch starts it anew: since when, and how that goes

    @property
    def alive(self) -> bool:
        """Whether that very process still runs."""
        return processes.alive(self.pid, self.server_id)

    @property
    def addresses(self) -> dict[str, str]:
        """The addresses as gRPC and HTTP clients take them."""
        return {
            "grpc_url": f"127.0.0.1:{self.grpc_port}",
            "http_url": f"http://127.0.0.1:{self.http_port}",
            "metrics_url": f"http://127.0.0.1:{self.metrics_port}/metrics",
        }

    def write(self, run_dir: Path) -> None:
        """Write the file in one step, with the addresses beside the fields."""
        _write(run_dir / FILENAME, {**asdict(self), **self.addresses})


def read(run_dir: Path) -> State | None:
    """Return the recorded server, running or not, or None; raises LocalTritonError on a file that is not one."""
    path = run_dir / FILENAME
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        known = {field.name: fields[field.name] for field in dataclasses.fields(State) if field.name in fields}
        return State(**{**known, "models": tuple(known["models"]), "arguments": tuple(known["arguments"])})
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise LocalTritonError(f"{path} is not a state file of the local Triton ({error}): remove it") from error


def remove(run_dir: Path) -> None:
    """Forget the recorded server."""
    (run_dir / FILENAME).unlink(missing_ok=True)


def kept_ports(run_dir: Path) -> dict[str, int]:
    """Return the ports by name that the last server of this run folder had, running or not; none before the first."""
    path = run_dir / PORTS
    try:
        written = json.loads(path.read_text(encoding="utf-8"))
        return {name: int(written[name]) for name in PORT_NAMES}
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError) as error:
        raise LocalTritonError(f"{path} holds no ports of the local Triton ({error!r}): remove it") from error


def keep_ports(run_dir: Path, ports: dict[str, int]) -> None:
    """Write the ports for the next start."""
    _write(run_dir / PORTS, ports)


def _write(path: Path, content: dict[str, object] | dict[str, int]) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    part.replace(path)
