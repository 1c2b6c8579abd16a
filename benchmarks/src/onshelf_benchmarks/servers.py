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

from onshelf import Client, HealthStatus, OnshelfError
from onshelf_benchmarks.record import RELEASES, REPOSITORY, ROOT
from onshelf_local_triton import LocalTriton

RUN = ROOT / "var/bench"
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
    """A gateway that serves: one of GATEWAYS, with further flags."""
    with started(name, ["--triton", triton_address, *GATEWAYS[name], *flags], RUN, RUN / f"{name}.db") as server:
        yield server


@contextmanager
def started(
    name: str, flags: list[str], folder: Path, store: Path | str, releases: Path = RELEASES
) -> Iterator[Server]:
    """A gateway that serves, with its address and log in `folder`; its store is a file of SQLite, or a URL.

    Raises:
        SystemExit: it does not serve within a minute; its log says why.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state, log_file = folder / f"{name}.json", folder / f"{name}.log"
    state.unlink(missing_ok=True)
    words = ["--releases", str(releases), "--listen", "127.0.0.1:0", "--metrics-port", "-1"]
    url = store if isinstance(store, str) else f"sqlite:///{store}"
    words += ["--address-file", str(state), "--store", url, *flags]
    with log_file.open("w") as log:
        process = subprocess.Popen([sys.executable, "-m", "onshelf_gateway", *words], stderr=log)
        try:
            deadline = time.monotonic() + READY_SECONDS
            while not (state.exists() and _serves(address := str(json.loads(state.read_text())["address"]))):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"the gateway {name} did not start: {log_file.read_text()[-2000:]}")
                time.sleep(0.1)
            yield Server(address, process.pid)
        finally:
            process.terminate()
            process.wait()


def _serves(address: str) -> bool:
    try:
        with Client(address, timeout=5) as client:
            return client.health().status is HealthStatus.SERVING
    except OnshelfError:
        return False
