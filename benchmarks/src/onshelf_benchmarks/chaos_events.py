"""Events under SIGKILL: every acknowledged event is there exactly once, however often the gateway dies.

    make chaos-events                                       100 kills, at least 1,000,000 acknowledged events
    python -m onshelf_benchmarks.chaos_events --kills 3 --events 5000 --store postgresql+psycopg://...

A gateway process with a small model release and no Triton takes events from several writers: some by RecordEvents, some
by StreamEvents. At random moments it gets SIGKILL, and is started again on the same port. A writer sends what was not
acknowledged again, so events may come twice. At the end the store is asked for every acknowledged event. Writes
reports/chaos_events.json.
"""

import asyncio
import contextlib
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import grpc
import sqlalchemy as sa

from onshelf.v1 import feedback_pb2, feedback_pb2_grpc
from onshelf_benchmarks.command import command
from onshelf_benchmarks.events import made_up
from onshelf_benchmarks.record import ROOT, Document
from onshelf_gateway.store.database import Store
from onshelf_gateway.store.event_table import EVENTS
from onshelf_gateway.testing import write_fake_release

F = feedback_pb2
WRITERS = 4  # every second one streams
A_MESSAGE = 100  # events
UP_SECONDS = (0.2, 1.5)  # between the start of a gateway and its death
MANY = 1 << 40  # numbers of events that each writer has for itself
READY_SECONDS = 30.0


class Gateway:
    """A gateway process that can be killed and started again on its port.

    Args:
        folder: of its release, address and log.
        store: URL of its database.
    """

    def __init__(self, folder: Path, store: str) -> None:
        self._folder, self._store = folder, store
        self._process: subprocess.Popen[bytes] | None = None
        self.address = ""

    async def start(self) -> None:
        """Start it; it listens when this returns.

        Raises:
            SystemExit: it does not.
        """
        state = self._folder / "gateway.json"
        state.unlink(missing_ok=True)
        words = ["--releases", str(self._folder / "releases"), "--store", self._store, "--address-file", str(state)]
        words += ["--listen", self.address or "127.0.0.1:0", "--metrics-port", "-1", "--triton", "127.0.0.1:9"]
        words += ["--log-level", "error", "--encoder-model", "product_encoder_int8"]
        with (self._folder / "gateway.log").open("ab") as log:
            self._process = subprocess.Popen([sys.executable, "-m", "onshelf_gateway", *words], stderr=log)
        deadline = time.monotonic() + READY_SECONDS
        while not state.exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"the gateway did not start: {(self._folder / 'gateway.log').read_text()[-2000:]}")
            await asyncio.sleep(0.02)
        self.address = str(json.loads(state.read_text())["address"])

    def end(self, how: signal.Signals) -> None:
        """Send a signal, and wait for the end."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait()


class Writer:
    """Sends events until it is told to stop; knows which were acknowledged.

    Args:
        number: of the writer; odd ones stream.
        gateway: where to.
    """

    def __init__(self, number: int, gateway: Gateway) -> None:
        self._first, self._streams, self._gateway = number * MANY, number % 2 == 1, gateway
        self.acknowledged = 0  # the events from the first on
        self.sent_again = 0
        self.stopping = False

    async def run(self) -> None:
        """Send until `stopping`, over as many connections as it takes."""
        while not self.stopping:
            with contextlib.suppress(grpc.aio.AioRpcError):
                async with grpc.aio.insecure_channel(self._gateway.address) as channel:
                    stub = feedback_pb2_grpc.FeedbackServiceStub(channel)
                    await (self._stream(stub) if self._streams else self._record(stub))
            self.sent_again += 1
            await asyncio.sleep(0.05)

    async def _record(self, stub: Any) -> None:
        while not self.stopping:
            batch = self._events(self.acknowledged)
            answer = await stub.RecordEvents(F.RecordEventsRequest(events=batch), timeout=20)
            self._check(answer.stored + answer.duplicates, len(batch))
            self.acknowledged += len(batch)

    async def _stream(self, stub: Any) -> None:
        call, begin = stub.StreamEvents(), self.acknowledged

        async def send() -> None:
            at = begin
            while not self.stopping:
                await call.write(F.StreamEventsRequest(events=self._events(at)))
                at += A_MESSAGE
            await call.done_writing()

        sending = asyncio.create_task(send())
        try:
            async for answer in call:
                self._check(answer.stored + answer.duplicates, answer.acknowledged)
                self.acknowledged = begin + answer.acknowledged
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    def _events(self, start: int) -> list[F.Event]:
        return made_up(self._first + start, A_MESSAGE, 500)

    def _check(self, taken: int, sent: int) -> None:
        if taken != sent:
            raise SystemExit(f"{taken} of {sent} events were taken")


async def torment(gateway: Gateway, writers: list[Writer], kills: int, events: int, seed: int) -> int:
    """Kill the gateway again and again, until there were so many kills and acknowledged events; returns the kills."""
    drawn, done = random.Random(seed), 0
    running = [asyncio.create_task(writer.run()) for writer in writers]
    while done < kills or sum(writer.acknowledged for writer in writers) < events:
        await asyncio.sleep(drawn.uniform(*UP_SECONDS))
        for task in running:
            if task.done():
                task.result()
        await asyncio.to_thread(gateway.end, signal.SIGKILL)
        done += 1
        await gateway.start()
    await asyncio.sleep(1.0)
    for writer in writers:
        writer.stopping = True
    await asyncio.gather(*running)
    return done


def compare(store: str, writers: list[Writer]) -> Document:
    """What the store has of what was acknowledged."""
    database = Store(store)
    database.open()
    with database.reading() as connection:
        ids = connection.execute(sa.select(EVENTS.c.event_id)).scalars().all()
    database.close()
    there = set(ids)
    lost = sum(
        f"e-{number}" not in there
        for place, writer in enumerate(writers)
        for number in range(place * MANY, place * MANY + writer.acknowledged)
    )
    acknowledged = sum(writer.acknowledged for writer in writers)
    return {"acknowledged": acknowledged, "stored": len(ids), "lost": lost, "doubled": len(ids) - len(there)}


def measure(*, kills: int = 100, events: int = 1_000_000, seed: int = 1, store: str = "") -> Document:
    """All of it.

    Args:
        kills: at least so many.
        events: acknowledged, at least so many.
        seed: of the moments.
        store: URL of the database; a new SQLite where empty.
    """
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        write_fake_release(folder / "releases")
        url = store or f"sqlite:///{folder / 'store.db'}"
        gateway = Gateway(folder, url)
        writers = [Writer(number, gateway) for number in range(WRITERS)]
        begin = time.monotonic()

        async def run() -> int:
            await gateway.start()
            return await torment(gateway, writers, kills, events, seed)

        try:
            done = asyncio.run(run())
        finally:
            gateway.end(signal.SIGTERM)
        found = compare(url, writers)
    about = {"store": url.partition(":")[0], "kills": done, "connections": sum(w.sent_again for w in writers)}
    return about | found | {"seconds": time.monotonic() - begin}


def complaint(found: Document) -> str:
    """Why it failed."""
    if found["lost"] or found["doubled"]:
        return f"{found['lost']} acknowledged events are lost, {found['doubled']} are there twice"
    return ""


if __name__ == "__main__":
    sys.argv[1:1] = ["--out", str(ROOT / "reports")]
    command("chaos_events", measure, complaint=complaint)
