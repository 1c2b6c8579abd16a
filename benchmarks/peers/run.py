"""The gateway beside what a user would pick instead to serve the same BERT: same weights, texts, machine and client.

    PYTHONPATH=benchmarks .venv/bin/python -m peers.run --gateway ours=127.0.0.1:50051 [--gateway ours_fp32=HOST:PORT]

Makes the environments, writes the model, starts all servers, checks that each gives the embedding that PyTorch gives,
and measures them in turns, so that other load on the machine meets all alike; figures are medians over the rounds. A
peer is stopped while others are measured: some take a tenth of a core for doing nothing. Then an open loop at one rate
for all. Writes benchmarks/results/peers.{md,json}; the last line printed is one JSON document. The gateways must run
with their cache off.
"""

import argparse
import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from plan_latency import machine
from process_memory import family
from rich.progress import track

from peers import environments, load, model
from peers.table import PEERS, SERVERS

ROOT = Path(__file__).resolve().parents[2]
MODEL = environments.ENVIRONMENTS / "model"
LOGS = environments.ENVIRONMENTS / "logs"
COMPARED = 16  # callers at which the comparison is made
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
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


@contextlib.contextmanager
def awake(server: Server) -> Iterator[None]:
    """A stopped server runs for a while."""
    tell(server, signal.SIGCONT)
    try:
        yield
    finally:
        tell(server, signal.SIGSTOP)


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(name: str, command: list[str], wire: str, wait_policy: str = "PASSIVE") -> Server:
    """Start a server in a process group of its own, output to a log.

    Threads that wait for each other sleep (PASSIVE) or spin (ACTIVE): where client, server and other load share a few
    cores, spinning takes the core from the very thread that is waited for.
    """
    port = free_port()
    LOGS.mkdir(parents=True, exist_ok=True)
    offline = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "OMP_WAIT_POLICY": wait_policy}
    with (LOGS / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--port", str(port)],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            cwd=LOGS,  # some leave a cache where they start
            env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | offline,
        )
    return Server(name, wire, f"127.0.0.1:{port}", process)


def end(server: Server) -> None:
    """End a server and what it started."""
    if server.process is None:
        return
    tell(server, signal.SIGCONT)
    started = family(server.process.pid)
    server.process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        server.process.wait(15)
    for pid in started:  # workers that outlive it
        with contextlib.suppress(ProcessLookupError):
            if os.getsid(pid) == server.process.pid:
                os.kill(pid, signal.SIGKILL)
    server.process.wait()


async def ready(server: Server, text: str) -> None:
    """Wait until the server answers; raises RuntimeError where it does not in time or ended."""
    wire = load.WIRES[server.wire]
    deadline, error = time.monotonic() + READY_SECONDS, ""
    while time.monotonic() < deadline:
        if server.process is not None and server.process.poll() is not None:
            raise RuntimeError(f"ended with {server.process.returncode}: {log_end(server.name)}")
        try:
            async with load.Client(wire, server.address) as call:
                await asyncio.wait_for(call(wire.encode(text)), 20)
                return
        except (OSError, EOFError, TimeoutError, grpc.aio.AioRpcError) as reason:
            error = str(reason)
        await asyncio.sleep(0.3)
    raise RuntimeError(f"no answer after {READY_SECONDS:.0f} s: {error[:300]}: {log_end(server.name)}")


def log_end(name: str) -> str:
    """The last lines of a server's log."""
    path = LOGS / f"{name}.log"
    return path.read_text(errors="replace")[-600:].strip() if path.exists() else ""


async def check(server: Server) -> dict[str, float | int]:
    """Width and lowest cosine to the reference; of a gateway, whose space is another, that the norm is 1."""
    wire, reference = load.WIRES[server.wire], np.load(MODEL / "reference.npz")
    async with load.Client(wire, server.address) as call:
        requests = [call(wire.encode(str(text))) for text in reference["texts"]]
        rows = np.stack([wire.decode(answer) for answer in await asyncio.gather(*requests)])
    if server.wire == "gateway":
        if not np.allclose(np.linalg.norm(rows, axis=1), 1.0, atol=1e-3):
            raise RuntimeError("embeddings are not of L2 norm 1")
        return {"dimensions": rows.shape[1]}
    cosine = (rows * reference["embeddings"]).sum(1) / np.linalg.norm(rows, axis=1)
    if cosine.min() < LOWEST_COSINE:
        raise RuntimeError(f"cosine to PyTorch {cosine.min():.4f}, below {LOWEST_COSINE}: not the same model")
    return {"dimensions": rows.shape[1], "lowest_cosine": round(float(cosine.min()), 6)}


class Numbers:
    """Where the texts of the next measurement begin, so that no server is sent a text twice, not even by two runs."""

    def __init__(self) -> None:
        self.next = int(time.time()) % 100 * 100 * TEXTS_APART

    def take(self) -> int:
        """The first number of the next texts."""
        self.next += TEXTS_APART
        return self.next


def measure(server: Server, first: int, seconds: float, concurrency: int = COMPARED, rate: float = 0.0) -> Any:
    """One measurement by a client in a process of its own; the server is stopped before and after."""
    command = [sys.executable, "-m", "peers.load", server.wire, server.address, "--titles", str(MODEL / "titles.json")]
    options = {"--first": first, "--seconds": seconds, "--concurrency": concurrency, "--rate": rate}
    command += [str(word) for option in options.items() for word in option]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "benchmarks")}
    with awake(server):
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise RuntimeError(f"{server.name}: {done.stderr[-600:]}")
    return json.loads(done.stdout.splitlines()[-1])


def ceilings(seconds: float) -> dict[str, Any]:
    """What the client itself reaches against servers that answer at once."""
    result = {}
    for wire in load.NOOP:
        command = [sys.executable, str(SERVERS / "noop.py"), wire.removeprefix("noop_")]
        server = start(wire, command, wire)
        try:
            asyncio.run(ready(server, "warm up"))
            result[wire.removeprefix("noop_")] = measure(server, 0, seconds)
        finally:
            end(server)
    return result


def medians(rounds: list[dict[str, float]]) -> dict[str, float]:
    """The median of each figure; answers are summed."""
    result = {key: round(statistics.median(one[key] for one in rounds), 2) for key in rounds[0]}
    return result | {"answers": sum(one["answers"] for one in rounds), "rounds": len(rounds)}


def compared(figures: dict[str, dict[str, Any]], gateways: list[str]) -> dict[str, Any]:
    """Each gateway beside the best peer, the one of the most texts a second."""
    peers = {name: one for name, one in figures.items() if name not in gateways}
    if not peers:
        return {}
    best = max(peers, key=lambda name: peers[name]["rps"])
    return {
        name: {
            "best_peer": best,
            "times_best_rps": round(figures[name]["rps"] / peers[best]["rps"], 2),
            "p99_no_worse": figures[name]["p99_ms"] <= peers[best]["p99_ms"],
        }
        for name in gateways
        if name in figures
    }


def gateway(word: str) -> tuple[str, str]:
    """`name=host:port`, or `host:port` for the name `ours`."""
    name, _, address = word.rpartition("=")
    if not re.fullmatch(r"[^:=]+:\d+", address) or name in PEERS:
        raise argparse.ArgumentTypeError(f"{word!r} is not NAME=HOST:PORT")
    return name or "ours", address


@contextlib.contextmanager
def serving(
    names: list[str], gateways: dict[str, str], wait_policy: str = "PASSIVE"
) -> Iterator[tuple[list[Server], dict[str, Any], dict[str, str]]]:
    """All servers that start and give the right answers, what was checked, and why others do not."""
    servers, checks, failed = [], {}, {}
    try:
        for name in track([*gateways, *names], description="start and check"):
            if name in gateways:
                server = Server(name, "gateway", gateways[name])
            else:
                python = str(environments.python(name))
                server = start(name, [python, str(PEERS[name].script), "--model", str(MODEL)], name, wait_policy)
            try:
                asyncio.run(ready(server, "a first text"))
                checks[name] = asyncio.run(check(server))
                servers.append(server)
                tell(server, signal.SIGSTOP)
            except (RuntimeError, OSError, EOFError, grpc.aio.AioRpcError) as error:
                failed[name] = str(error)
                end(server)
        yield servers, checks, failed
    finally:
        for server in servers:
            end(server)


def compare(
    gateways: dict[str, str],
    names: list[str],
    rounds: int = 5,
    seconds: float = 3.0,
    concurrencies: tuple[int, ...] = (1, 4, 16, 64),
    rate: float = 0.0,
    wait_policy: str = "PASSIVE",
    runs: Path = ROOT / "var/runs",
    releases: Path = ROOT / "var/releases",
) -> dict[str, Any]:
    """Everything measured, as one document. A `rate` of 0 is half of what the slowest server reaches."""
    release = max((p for p in releases.iterdir() if p.name.isdigit()), key=lambda p: int(p.name))
    weights = model.newest_weights(runs)
    model.write(MODEL, weights, release)
    failed, made = {}, []
    for name in track(names, description="environments"):
        try:
            environments.make(name)
            made.append(name)
        except RuntimeError as error:
            failed[name] = str(error)
    limits = ceilings(seconds)
    for protocol, figures in limits.items():
        print(f"the client's own ceiling over {protocol}: {figures['rps']:.0f} answers a second", file=sys.stderr)
    numbers = Numbers()
    with serving(made, gateways, wait_policy) as (servers, checks, unready):
        failed |= unready
        if not servers:
            raise RuntimeError(f"no server is ready: {failed}")
        for server in track(servers, description="warm up"):
            measure(server, numbers.take(), 2.0)
        closed: dict[tuple[str, int], list[dict[str, float]]] = {}
        for _ in track(range(rounds), description="rounds"):
            for concurrency in sorted({*concurrencies, COMPARED}):
                first = numbers.take()
                for server in servers:
                    closed.setdefault((server.name, concurrency), []).append(
                        measure(server, first, seconds, concurrency)
                    )
        by_callers = {
            server.name: {str(c): medians(closed[server.name, c]) for c in sorted({*concurrencies, COMPARED})}
            for server in servers
        }
        rate = rate or 0.5 * min(one[str(COMPARED)]["rps"] for one in by_callers.values())
        arriving: dict[str, list[dict[str, float]]] = {}
        for _ in track(range(rounds), description="open loop"):
            first = numbers.take()
            for server in servers:
                arriving.setdefault(server.name, []).append(measure(server, first, 2 * seconds, rate=rate))
    figures = {
        name: {key: by_callers[name][str(COMPARED)][key] for key in ("rps", "p50_ms", "p95_ms", "p99_ms")}
        | {"rps_of_rounds": [one["rps"] for one in closed[name, COMPARED]]}
        | {"by_concurrency": by_callers[name], "open_loop": medians(arriving[name])}
        | checks[name]
        | ({"title": PEERS[name].title, "versions": versions(name)} if name in PEERS else {})
        for name in by_callers
    }
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True)
    return {
        "command": "make bench-peers",
        "machine": f"{machine()}, load {os.getloadavg()[0]:.1f}",
        "commit": commit.stdout.strip(),
        "date": time.strftime("%Y-%m-%d"),
        "model": f"{weights.parent.name}, model release {release.name}",
        "load": (
            f"closed loop, {COMPARED} callers, one text a request, {rounds} rounds of {seconds} s in turns, medians, "
            f"threads of the peers wait {wait_policy}"
        ),
        "note": NOTE,
        "peers": {name: one for name, one in figures.items() if name in PEERS},
        "gateways": {name: one for name, one in figures.items() if name in gateways},
        "compared": compared(figures, list(gateways)),
        "client_ceiling": limits,
        "failed": failed,
    }


def versions(name: str) -> dict[str, str]:
    """What a peer's environment holds."""
    return environments.versions(name, PEERS[name].packages)


def markdown(result: dict[str, Any]) -> str:
    """The result as a page."""
    rows = []
    for name, one in (result["gateways"] | result["peers"]).items():
        title = (
            f"{one['title']} {next(v for k, v in one['versions'].items() if k != 'python')}" if "title" in one else name
        )
        busy, open_loop = one["by_concurrency"], one["open_loop"]
        alone = busy.get("1", {}).get("p50_ms", "")
        rows.append(
            f"| {title} | {one['rps']} | {one['p50_ms']} | {one['p99_ms']} | {alone} | {open_loop['p50_ms']} | "
            f"{open_loop['p99_ms']} |"
        )
    rate = next(iter((result["gateways"] | result["peers"]).values()))["open_loop"]["rate"]
    lines = [
        "# The same BERT served by others\n",
        f"{result['command']} on {result['machine']}, {result['date']}, commit {result['commit']}. {result['load']}. "
        f"Client and server share the machine. Bear in mind: {result['note']}.\n",
        f"| Server | Texts a second | p50 ms | p99 ms | p50 ms, one caller | p50 ms at {rate}/s | p99 ms at {rate}/s |",
        "|---|---|---|---|---|---|---|",
        *rows,
        *(f"\n{name} is {one['times_best_rps']} times {one['best_peer']}." for name, one in result["compared"].items()),
        *(f"\n{name} could not be measured; see `failed` in the JSON document." for name in result["failed"]),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, write, print."""
    parser = argparse.ArgumentParser(description="Measure the gateway beside other servers of the same model.")
    parser.add_argument("--gateway", type=gateway, action="append", default=[], metavar="NAME=HOST:PORT")
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=list(PEERS), metavar="NAME", help="default: all")
    parser.add_argument("--rounds", type=int, default=5, help="turns of all servers")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of one measurement")
    parser.add_argument(
        "--concurrency", type=int, nargs="+", default=[1, 4, 16, 64], help="callers of the closed loops"
    )
    parser.add_argument(
        "--rate", type=float, default=0.0, help="arrivals a second of the open loop; 0: half the slowest"
    )
    parser.add_argument("--wait-policy", choices=("PASSIVE", "ACTIVE"), default="PASSIVE", help="of the peers' threads")
    parser.add_argument("--runs", type=Path, default=ROOT / "var/runs", help="folder of training runs")
    parser.add_argument("--releases", type=Path, default=ROOT / "var/releases", help="folder of model releases")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results", help="folder of the result")
    asked = parser.parse_args()
    result = compare(
        dict(asked.gateway),
        asked.peers,
        asked.rounds,
        asked.seconds,
        tuple(asked.concurrency),
        asked.rate,
        asked.wait_policy,
        asked.runs,
        asked.releases,
    )
    asked.out.mkdir(parents=True, exist_ok=True)
    (asked.out / "peers.md").write_text(markdown(result))
    (asked.out / "peers.json").write_text(json.dumps(result, indent=2) + "\n")
    print(markdown(result))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
