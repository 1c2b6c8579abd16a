"""The gateway beside what a user would pick instead to serve the same BERT: same weights, texts, machine and client.

    make bench-peers        the gateway of `make run`, which must run with its cache off
    python -m onshelf_benchmarks.peers.run --gateways ours=127.0.0.1:50051 ours_fp32=HOST:PORT

Makes the environments, writes the model, starts all servers, checks that each gives the embedding that PyTorch gives,
and measures them in turns, so that other load on the machine meets all alike; figures are medians over the rounds. A
peer is stopped while others are measured: some take a tenth of a core for doing nothing.
"""

import asyncio
import itertools
import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import grpc
import numpy as np
from rich.progress import track

from onshelf_benchmarks import pages
from onshelf_benchmarks.command import command
from onshelf_benchmarks.load import medians
from onshelf_benchmarks.memory import family
from onshelf_benchmarks.peers import environments, model
from onshelf_benchmarks.peers.client import client
from onshelf_benchmarks.peers.table import PEERS, SERVERS, WIRES
from onshelf_benchmarks.record import RUNS, Document, NotMeasuredError, child, newest_release

MODEL = environments.ENVIRONMENTS / "model"
LOGS = environments.ENVIRONMENTS / "logs"
CALLERS = 16  # of a closed loop
LOWEST_COSINE = 0.999  # of an embedding to what PyTorch answers; all peers run fp32
READY_SECONDS = 180.0
TEXTS_APART = 20_000  # numbers between the texts of two measurements
NOTE = (
    "the peers answer the pooled text, FP32 [384], and the gateway the product embedding computed from it, FP32 [128]; "
    "the client does not decode answers while the clock runs, which favours those that answer in JSON"
)


@dataclass
class Server:
    """A server that runs: who it is on the wire, where, and its process if it is ours to end."""

    name: str
    wire: str
    address: str
    process: subprocess.Popen[bytes] | None = None


def tell(server: Server, number: signal.Signals) -> None:
    """Send a signal to a server and what it started, where it is ours."""
    for pid in family(server.process.pid) if server.process else []:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


@contextmanager
def awake(server: Server) -> Iterator[None]:
    """A stopped server runs for a while."""
    tell(server, signal.SIGCONT)
    try:
        yield
    finally:
        tell(server, signal.SIGSTOP)


def start(name: str, words: list[str]) -> Server:
    """Start a peer in a process group of its own, output to a log.

    Threads that wait for each other sleep (PASSIVE): where client, server and other load share a few cores, spinning
    takes the core from the very thread that is waited for.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    LOGS.mkdir(parents=True, exist_ok=True)
    offline = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "OMP_WAIT_POLICY": "PASSIVE"}
    with (LOGS / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            [*words, "--port", str(port)],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            cwd=LOGS,  # some leave a cache where they start
            env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | offline,
        )
    return Server(name, name, f"127.0.0.1:{port}", process)


def end(server: Server) -> None:
    """End a server and what it started."""
    if server.process is None:
        return
    tell(server, signal.SIGCONT)
    started = family(server.process.pid)
    server.process.terminate()
    with suppress(subprocess.TimeoutExpired):
        server.process.wait(15)
    for pid in started:  # workers that outlive it
        with suppress(ProcessLookupError):
            if os.getsid(pid) == server.process.pid:
                os.kill(pid, signal.SIGKILL)
    server.process.wait()


async def ready(server: Server, text: str) -> None:
    """Wait until the server answers; raises NotMeasuredError where it does not in time or ended."""
    wire = WIRES[server.wire]
    deadline, error = time.monotonic() + READY_SECONDS, ""
    while time.monotonic() < deadline:
        if server.process is not None and server.process.poll() is not None:
            raise NotMeasuredError(f"ended with {server.process.returncode}: {log_end(server.name)}")
        try:
            async with client(wire, server.address) as call:
                await asyncio.wait_for(call(wire.encode(text)), 20)
                return
        except (OSError, EOFError, TimeoutError, grpc.aio.AioRpcError) as reason:
            error = str(reason)
        await asyncio.sleep(0.3)
    raise NotMeasuredError(f"no answer after {READY_SECONDS:.0f} s: {error[:300]}: {log_end(server.name)}")


def log_end(name: str) -> str:
    """The last lines of a server's log."""
    path = LOGS / f"{name}.log"
    return path.read_text(errors="replace")[-600:].strip() if path.exists() else ""


async def check(server: Server) -> Document:
    """Width and lowest cosine to the reference; of a gateway, whose space is another, that the norm is 1."""
    wire, reference = WIRES[server.wire], np.load(MODEL / "reference.npz")
    async with client(wire, server.address) as call:
        requests = [call(wire.encode(str(text))) for text in reference["texts"]]
        rows = np.stack([wire.decode(answer) for answer in await asyncio.gather(*requests)])
    if server.wire == "gateway":
        if not np.allclose(np.linalg.norm(rows, axis=1), 1.0, atol=1e-3):
            raise NotMeasuredError("embeddings are not of L2 norm 1")
        return {"dimensions": rows.shape[1]}
    cosine = (rows * reference["embeddings"]).sum(1) / np.linalg.norm(rows, axis=1)
    if cosine.min() < LOWEST_COSINE:
        raise NotMeasuredError(f"cosine to PyTorch {cosine.min():.4f}, below {LOWEST_COSINE}: not the same model")
    return {"dimensions": rows.shape[1], "lowest_cosine": float(cosine.min())}


def numbers() -> Iterator[int]:
    """Where the texts of each measurement begin, so that no server is sent a text twice, not even by two runs."""
    return itertools.count(int(time.time()) % 100 * 100 * TEXTS_APART, TEXTS_APART)


def measured(server: Server, first: int, seconds: float) -> Document:
    """One measurement by a client in a process of its own; the server is stopped before and after."""
    asked = {"name": server.wire, "address": server.address, "titles": str(MODEL / "titles.json"), "first": first}
    with awake(server):
        return child("peers.client", json.dumps(asked | {"seconds": seconds, "callers": CALLERS}))


def compared(figures: dict[str, Document], gateways: Sequence[str]) -> Document:
    """Each gateway beside the best peer, the one of the most texts a second."""
    peers = {name: one for name, one in figures.items() if name not in gateways}
    if not peers:
        return {}
    best = max(peers, key=lambda name: float(peers[name]["rps"]))
    return {
        name: {
            "best_peer": best,
            "times_best_rps": figures[name]["rps"] / peers[best]["rps"],
            "p99_no_worse": figures[name]["p99_ms"] <= peers[best]["p99_ms"],
        }
        for name in gateways
        if name in figures
    }


def gateway(word: str) -> Server:
    """Of `name=host:port`, or of `host:port` for the name `ours`."""
    name, _, address = word.rpartition("=")
    if not re.fullmatch(r"[^:=]+:\d+", address) or name in PEERS:
        raise NotMeasuredError(f"{word!r} is not NAME=HOST:PORT")
    return Server(name or "ours", "gateway", address)


def start_peer(name: str) -> Server:
    """Start a peer in its environment."""
    return start(name, [str(environments.python(name)), str(SERVERS / PEERS[name].script), "--model", str(MODEL)])


@contextmanager
def serving(
    names: Sequence[str], gateways: Sequence[Server]
) -> Iterator[tuple[list[Server], Document, dict[str, str]]]:
    """All servers that start and give the right answers, what was checked, and why others do not."""
    servers: list[Server] = []
    checks: Document = {}
    failed: dict[str, str] = {}
    try:
        starting = itertools.chain(gateways, map(start_peer, names))  # one after the other
        for server in track(starting, description="start and check", total=len(gateways) + len(names)):
            try:
                asyncio.run(ready(server, "a first text"))
                checks[server.name] = asyncio.run(check(server))
                servers.append(server)
                tell(server, signal.SIGSTOP)
            except (NotMeasuredError, OSError, EOFError, grpc.aio.AioRpcError) as error:
                failed[server.name] = str(error)
                end(server)
        yield servers, checks, failed
    finally:
        for server in servers:
            end(server)


def measure(
    *,
    gateways: tuple[str, ...] = (),
    peers: tuple[str, ...] = tuple(PEERS),
    rounds: int = 5,
    seconds: float = 3.0,
) -> Document:
    """Everything measured, as one document.

    Args:
        gateways: NAME=HOST:PORT of gateways that run.
        peers: names of peers.
        rounds: turns of all servers.
        seconds: length of one measurement.
    """
    ours = [gateway(word) for word in gateways]
    release, weights = newest_release(), model.newest_weights(RUNS)
    model.write(MODEL, weights, release)
    failed: dict[str, str] = {}
    for name in track(peers, description="environments"):
        try:
            environments.make(name)
        except NotMeasuredError as error:
            failed[name] = str(error)
    first = numbers()
    taken: dict[str, list[Document]] = {}
    with serving([name for name in peers if name not in failed], ours) as (servers, checks, unready):
        failed |= unready
        if not servers:
            raise NotMeasuredError(f"no server is ready: {failed}")
        for server in track(servers, description="warm up"):
            measured(server, next(first), 2.0)
        for _ in track(range(rounds), description="rounds"):
            number = next(first)
            for server in servers:
                taken.setdefault(server.name, []).append(measured(server, number, seconds))
    figures: dict[str, Document] = {
        name: medians(found)
        | {"answers": sum(one["answers"] for one in found), "rounds": rounds}
        | {"rps_of_rounds": [one["rps"] for one in found], **checks[name]}
        for name, found in taken.items()
    }
    names = [server.name for server in ours]
    return {
        "model": f"{weights.parent.name}, model release {release.name}",
        "load": (
            f"closed loop, {CALLERS} callers, one text a request, {rounds} rounds of {seconds} s in turns, medians, "
            "threads of the peers wait PASSIVE"
        ),
        "note": NOTE,
        "peers": {name: one for name, one in figures.items() if name in PEERS},
        "gateways": {name: one for name, one in figures.items() if name in names},
        "compared": compared(figures, names),
        "failed": failed,
    }


if __name__ == "__main__":
    command("peers", measure, pages.peers)
