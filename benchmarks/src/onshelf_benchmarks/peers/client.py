"""One client for the gateway and all peers; a process of its own for each measurement.

    python -m onshelf_benchmarks.peers.client '{"name": "litserve", "address": "HOST:PORT", "titles": "FILE", ...}'

Requests are made ready before the clock starts and answers are not decoded while it runs: what is timed is the server
and the wire. HTTP is spoken over kept connections by asyncio's streams, which is cheaper than a general client; no text
is sent twice. The last line printed is one JSON document.
"""

import asyncio
import gc
import itertools
import json
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc

from onshelf_benchmarks.load import closed_loop, percentiles, whole
from onshelf_benchmarks.peers.table import WIRES, Wire

Call = Callable[[bytes], Awaitable[bytes]]
AHEAD = 3000  # requests made ready for each second of a closed loop; later ones are made on the way


class Http:
    """POST over kept HTTP/1.1 connections, as many as there are requests under way."""

    def __init__(self, address: str, path: str) -> None:
        self.host, self.port = address.rsplit(":", 1)
        head = f"POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: "
        self.head = head.encode()
        self.idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def __call__(self, body: bytes) -> bytes:
        """The body of the answer; raises ConnectionError where the status is not 200, or the server closes."""
        reader, writer = self.idle.pop() if self.idle else await asyncio.open_connection(self.host, int(self.port))
        try:
            writer.write(b"%b%d\r\n\r\n%b" % (self.head, len(body), body))
            head = await reader.readuntil(b"\r\n\r\n")
            if (length := re.search(rb"(?i)\ncontent-length: *(\d+)", head)) is None:
                raise ConnectionError(f"an answer without its length: {head!r}")
            answer = await reader.readexactly(int(length[1]))
        except BaseException:
            writer.close()
            raise
        self.idle.append((reader, writer))
        if not head.startswith(b"HTTP/1.1 200"):
            raise ConnectionError(f"{head.splitlines()[0].decode()}: {answer[:500].decode(errors='replace')}")
        return answer

    def close(self) -> None:
        """Close the idle connections."""
        for _, writer in self.idle:
            writer.close()


@asynccontextmanager
async def client(wire: Wire, address: str) -> AsyncIterator[Call]:
    """A call that sends one request and awaits its answer; it raises where the status is not 200, or not OK."""
    if wire.protocol == "http":
        http = Http(address, wire.path)
        try:
            yield http
        finally:
            http.close()
        return
    async with grpc.aio.insecure_channel(address) as channel:
        method = channel.unary_unary(wire.path, None, None)  # bytes in, bytes out

        async def call(request: bytes) -> bytes:
            answer: bytes = await method(request, timeout=60)
            return answer

        yield call


def texts(titles: list[str], first: int) -> Iterator[str]:
    """Titles with a running number, the `first` onwards: distinct, so that no cache can know them."""
    for number in itertools.count(first):
        times, place = divmod(number, len(titles))
        yield f"{titles[place]} no. {times}"


async def measure(
    *, name: str, address: str, titles: str, first: int, seconds: float, callers: int
) -> dict[str, float]:
    """One measurement of a server of WIRES, by so many callers; its texts begin with the number `first`."""
    wire, given = WIRES[name], texts(json.loads(Path(titles).read_text()), first)
    count = int(AHEAD * seconds)
    ready = [wire.encode(text) for text in itertools.islice(given, count)]
    async with client(wire, address) as call:
        await asyncio.gather(*(call(wire.encode(next(given))) for _ in range(callers)))  # connections
        gc.collect()
        gc.freeze()
        requests = itertools.chain(ready, map(wire.encode, given))
        rps, latencies = whole(await closed_loop(call, requests, callers, seconds))
    return {"rps": rps, "answers": len(latencies)} | percentiles(latencies)


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure(**json.loads(sys.argv[1])))))
