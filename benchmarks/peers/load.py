"""One client for the gateway and all peers; a process of its own for each measurement.

    PYTHONPATH=benchmarks .venv/bin/python -m peers.load NAME HOST:PORT --titles FILE --concurrency 16 --seconds 3

Requests are made ready before the clock starts and answers are not decoded while it runs: what is timed is the server
and the wire. Closed loop: a number of callers, each sending its next text when the last is answered. Open loop: Poisson
arrivals at a rate; latency counts from the planned arrival, so a stall is not hidden by the requests it delays. HTTP is
spoken over kept connections by asyncio's streams, which is cheaper than a general client; no text is sent twice.
"""

import argparse
import asyncio
import gc
import itertools
import json
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

import grpc
import numpy as np
from numpy.typing import NDArray

from peers.table import GATEWAY, PEERS, Wire

Call = Callable[[bytes], Awaitable[bytes]]
PERCENTILES = (50, 95, 99)
AHEAD = 3000  # requests made ready for each second of a closed loop; later ones are made on the way
NOOP = {  # the client's own ceiling: servers/noop.py answers at once with as many bytes as a peer
    "noop_http": PEERS["fastapi_torch"].wire,
    "noop_grpc": PEERS["onnx_grpc"].wire,
}
WIRES = {"gateway": GATEWAY} | {name: peer.wire for name, peer in PEERS.items()} | NOOP


class Http:
    """POST over kept HTTP/1.1 connections, as many as there are requests under way."""

    def __init__(self, address: str, path: str) -> None:
        self.host, self.port = address.rsplit(":", 1)
        head = f"POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: "
        self.head = head.encode()
        self.idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def __call__(self, body: bytes) -> bytes:
        """The body of the answer; raises ConnectionError where the status is not 200.

        A kept connection that the server closed meanwhile, as servers do after some idle seconds, is replaced: where no
        byte of an answer came, the request is sent again.
        """
        while True:
            kept = bool(self.idle)
            reader, writer = self.idle.pop() if kept else await asyncio.open_connection(self.host, int(self.port))
            head = b""
            try:
                writer.write(b"%b%d\r\n\r\n%b" % (self.head, len(body), body))
                head = await reader.readuntil(b"\r\n\r\n")
                answer = await self._body(reader, head.lower())
                break
            except BaseException as error:
                writer.close()
                closed = isinstance(error, ConnectionError) or (
                    isinstance(error, asyncio.IncompleteReadError) and not error.partial
                )
                if head or not kept or not closed:
                    raise
        self.idle.append((reader, writer))
        if not head.startswith(b"HTTP/1.1 200"):
            raise ConnectionError(f"{head.splitlines()[0].decode()}: {answer[:500].decode(errors='replace')}")
        return answer

    async def _body(self, reader: asyncio.StreamReader, head: bytes) -> bytes:
        at = head.find(b"\r\ncontent-length:")
        if at >= 0:
            return await reader.readexactly(int(head[at + 17 : head.index(b"\r\n", at + 2)]))
        parts = []
        while size := int(await reader.readuntil(b"\r\n"), 16):  # chunked
            parts.append((await reader.readexactly(size + 2))[:-2])
        await reader.readexactly(2)
        return b"".join(parts)

    async def close(self) -> None:
        """Close the idle connections."""
        for _, writer in self.idle:
            writer.close()


class Grpc:
    """A unary method, bytes in and bytes out."""

    def __init__(self, address: str, path: str) -> None:
        self.channel = grpc.aio.insecure_channel(address)
        self.method = self.channel.unary_unary(path)

    async def __call__(self, request: bytes) -> bytes:
        """The message of the answer; raises grpc.aio.AioRpcError where the status is not OK."""
        answer: bytes = await self.method(request, timeout=60)
        return answer

    async def close(self) -> None:
        """Close the channel."""
        await self.channel.close()


class Client:
    """`async with Client(wire, address) as call:` sends one request and awaits its answer."""

    def __init__(self, wire: Wire, address: str) -> None:
        self.wire, self.address = wire, address

    async def __aenter__(self) -> Call:
        self.call: Http | Grpc = {"http": Http, "grpc": Grpc}[self.wire.protocol](self.address, self.wire.path)
        return self.call

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.call.close()


class Texts:
    """Titles with a running number, the `first` onwards: distinct, so that no cache can know them."""

    def __init__(self, titles: list[str], first: int) -> None:
        self.titles, self.numbers = titles, itertools.count(first)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        number = next(self.numbers)
        times, place = divmod(number, len(self.titles))
        return f"{self.titles[place]} no. {times}"


async def closed_loop(
    call: Call, requests: Iterable[bytes], concurrency: int, seconds: float
) -> tuple[float, NDArray[np.float64]]:
    """Answers a second and latencies [n] in milliseconds of `concurrency` callers who stop asking after `seconds`."""
    queue, latencies = iter(requests), []
    begin = time.perf_counter()

    async def caller() -> None:
        start = time.perf_counter()
        while start < begin + seconds and (request := next(queue, None)) is not None:
            await call(request)
            end = time.perf_counter()
            latencies.append(1000 * (end - start))
            start = end

    await asyncio.gather(*(caller() for _ in range(concurrency)))
    return len(latencies) / (time.perf_counter() - begin), np.array(latencies)


async def open_loop(
    call: Call, requests: Iterable[bytes], rate: float, seconds: float, seed: int
) -> NDArray[np.float64]:
    """Latencies [n] in milliseconds from the planned arrival, arrivals Poisson at `rate` a second for `seconds`."""
    count = max(1, round(rate * seconds))
    arrivals = np.cumsum(np.random.default_rng(seed).exponential(1 / rate, count)).tolist()
    start = time.perf_counter()

    async def one(request: bytes, arrival: float) -> float:
        await asyncio.sleep(max(0.0, start + arrival - time.perf_counter()))
        await call(request)
        return 1000 * (time.perf_counter() - start - arrival)

    return np.array(await asyncio.gather(*map(one, itertools.islice(requests, count), arrivals)))


def figures(latencies: NDArray[np.float64]) -> dict[str, float]:
    """Percentiles of latencies in milliseconds."""
    return {f"p{p}_ms": round(float(np.percentile(latencies, p)), 2) for p in PERCENTILES}


async def measure(wire: Wire, address: str, asked: argparse.Namespace) -> dict[str, float]:
    """One measurement."""
    texts = Texts(json.loads(asked.titles.read_text()), asked.first)
    expected = asked.rate * asked.seconds + 1 if asked.rate else AHEAD * asked.seconds
    ready = [wire.encode(text) for text in itertools.islice(texts, int(expected))]
    requests = itertools.chain(ready, map(wire.encode, texts))
    async with Client(wire, address) as call:
        await asyncio.gather(*(call(wire.encode(next(texts))) for _ in range(asked.concurrency)))  # connections
        gc.collect()
        gc.freeze()
        if asked.rate:
            latencies = await open_loop(call, requests, asked.rate, asked.seconds, asked.first)
            return {"rate": asked.rate, "answers": len(latencies)} | figures(latencies)
        rate, latencies = await closed_loop(call, requests, asked.concurrency, asked.seconds)
    return {"rps": round(rate, 1), "answers": len(latencies)} | figures(latencies)


def main() -> None:
    """Measure and print one JSON document."""
    parser = argparse.ArgumentParser(description="Measure one server.")
    parser.add_argument("name", choices=WIRES, help="whom to ask")
    parser.add_argument("address", help="host:port")
    parser.add_argument("--titles", type=Path, required=True, help="JSON file with a list of titles")
    parser.add_argument("--first", type=int, default=0, help="number of the first text")
    parser.add_argument("--concurrency", type=int, default=16, help="callers of a closed loop")
    parser.add_argument("--seconds", type=float, default=3.0, help="how long")
    parser.add_argument("--rate", type=float, default=0.0, help="arrivals a second of an open loop; 0: a closed loop")
    asked = parser.parse_args()
    print(json.dumps(asyncio.run(measure(WIRES[asked.name], asked.address, asked))))


if __name__ == "__main__":
    main()
