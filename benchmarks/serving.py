"""The servers that benchmarks start for themselves: a local Triton, and gateways in front of it.

They run from var/bench, on free ports, beside whatever `make run` has started; each ends with its `with` block.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from plan_latency import ROOT

from onshelf import Client, HealthStatus, OnshelfError
from onshelf_local_triton import LocalTriton

RUN = ROOT / "var/bench"
RELEASES = ROOT / "var/releases"
REPOSITORY = ROOT / "model_repository"
READY_SECONDS = 60.0
COLD = ("--encoder-cache-entries", "0")  # nothing is known from before
MANY = ("--max-in-flight", "1024")  # nothing is refused
GATEWAYS: dict[str, tuple[str, ...]] = {  # name -> its flags
    "ours": (*COLD, *MANY, "--encoder-model", "product_encoder_int8"),
    "ours_fp32": (*COLD, *MANY, "--encoder-model", "product_encoder_fp32"),
    "shipped": COLD,
}


@dataclass(frozen=True)
class Server:
    """A server that runs: host:port of its gRPC, and its process."""

    address: str
    pid: int


@contextmanager
def triton(repository: Path = REPOSITORY) -> Iterator[Server]:
    """A local Triton on a model repository.

    Raises:
        SystemExit: one runs already, so that another benchmark is under way, or was killed.
    """
    place = RUN / "triton"
    server = LocalTriton(repository, place, venv=ROOT / ".venv-triton")
    if server.running:
        raise SystemExit(
            "another benchmark is under way, or its Triton was left: "
            f"`onshelf-local-triton stop --run-dir {place.relative_to(ROOT)}` ends it"
        )
    with server:
        state = server.state
        assert state is not None, "Triton ended right after it was ready"
        yield Server(server.grpc_url, state.pid)


@contextmanager
def gateway(name: str, triton_address: str, *flags: str) -> Iterator[Server]:
    """A gateway that serves: one of GATEWAYS, with further flags.

    Raises:
        SystemExit: it does not serve within a minute; its log says why.
    """
    state, log_file = RUN / f"{name}.json", RUN / f"{name}.log"
    RUN.mkdir(parents=True, exist_ok=True)
    state.unlink(missing_ok=True)
    words = ["--releases", str(RELEASES), "--triton", triton_address, "--listen", "127.0.0.1:0"]
    words += ["--metrics-port", "-1", "--address-file", str(state), "--store", f"sqlite:///{RUN / name}.db"]
    words += [*GATEWAYS[name], *flags]
    with log_file.open("w") as log:
        process = subprocess.Popen([sys.executable, "-m", "onshelf_gateway", *words], stderr=log)
        try:
            deadline = time.monotonic() + READY_SECONDS
            while not (state.exists() and _serves(address := str(json.loads(state.read_text())["address"]))):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"the gateway {name} did not start; see {log_file.relative_to(ROOT)}")
                time.sleep(0.1)
            yield Server(address, process.pid)
        finally:
            process.terminate()
            process.wait()


def newest_release() -> Path:
    """The model release that the servers serve.

    Raises:
        SystemExit: none was published.
    """
    found = [path for path in RELEASES.glob("[0-9]*") if path.name.isdigit()]
    if not found:
        raise SystemExit("var/releases: no model release; run `make publish` first")
    return max(found, key=lambda path: int(path.name))


def _serves(address: str) -> bool:
    try:
        with Client(address, timeout=5) as client:
            return client.health().status is HealthStatus.SERVING
    except OnshelfError:
        return False
