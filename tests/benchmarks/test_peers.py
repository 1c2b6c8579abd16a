"""Peers: the client's arithmetic against servers of known delay, and that each peer is complete and pinned."""

import asyncio
import importlib.util
import re
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path

import grpc
import numpy as np
import pytest
from stack import wait_until
from tritonclient.grpc import service_pb2

from onshelf_benchmarks import pages
from onshelf_benchmarks.peers import run, table
from onshelf_benchmarks.peers.client import Call, Http, client, texts
from onshelf_benchmarks.record import NotMeasuredError


def test_no_text_is_sent_twice() -> None:
    titles = ["milk", "bread"]
    sent = [text for start in (0, run.TEXTS_APART) for text in islice(texts(titles, start), 1000)]
    assert len(set(sent)) == 2000
    numbers = run.numbers()
    assert next(numbers) + run.TEXTS_APART == next(numbers)


@pytest.fixture
async def http() -> AsyncIterator[str]:
    """Answers each POST with its own body; the path /no with status 503."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n") if not reader.at_eof() else b"":
            path = head.split(b" ")[1]
            size = re.search(rb"content-length: (\d+)", head.lower())
            assert size is not None
            body = await reader.readexactly(int(size[1]))
            status = b"503 Busy" if path == b"/no" else b"200 OK"
            writer.write(b"HTTP/1.1 %b\r\nX: y\r\ncontent-length: %d\r\n\r\n%b" % (status, len(body), body))
            await writer.drain()

    async def until_closed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answer(reader, writer)
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(until_closed, "127.0.0.1", 0)
    yield "{}:{}".format(*server.sockets[0].getsockname())
    server.close()


def wire(path: str) -> table.Wire:
    return table.Wire("http", path, str.encode, lambda answer: np.frombuffer(answer, dtype=np.uint8))


async def test_http_over_kept_connections(http: str) -> None:
    async with client(wire("/embed"), http) as call:
        for _ in range(3):
            answers = await asyncio.gather(*(call(b'{"text": "%d"}' % i) for i in range(5)))
            assert answers == [b'{"text": "%d"}' % i for i in range(5)]
        assert isinstance(call, Http)
        assert len(call.idle) == 5, "as many connections as were used at once"


@asynccontextmanager
async def answered_by(handler: Callable[..., Awaitable[None]]) -> AsyncIterator[Call]:
    server = await asyncio.start_server(handler, "127.0.0.1", 0)
    address = "{}:{}".format(*server.sockets[0].getsockname())
    async with server, client(wire("/embed"), address) as call:
        yield call


async def test_an_answer_that_breaks_off_on_a_kept_connection_is_an_error() -> None:
    async def breaks_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for body in (b"{}", b""):
            await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(2)
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n" + body)
            await writer.drain()
        writer.close()

    async with answered_by(breaks_off) as call:
        assert await call(b"{}") == b"{}"
        with pytest.raises(asyncio.IncompleteReadError):
            await call(b"{}")


async def test_an_answer_that_is_not_200_is_an_error(http: str) -> None:
    async with client(wire("/no"), http) as call:
        with pytest.raises(ConnectionError, match="503 Busy"):
            await call(b"{}")


async def test_the_gateway_is_asked_by_kserves_protocol() -> None:
    """A stub of ModelInfer reads the text and answers raw, as the gateway does."""
    asked = []

    async def infer(request: service_pb2.ModelInferRequest, _: object) -> service_pb2.ModelInferResponse:
        (given,), (raw,) = request.inputs, request.raw_input_contents
        assert (request.model_name, given.name, given.datatype, list(given.shape)) == (
            "product_text",
            "text",
            "BYTES",
            [1, 1],
        )
        assert int.from_bytes(raw[:4], "little") == len(raw) - 4
        asked.append(raw[4:].decode())
        answer = service_pb2.ModelInferResponse(model_name=request.model_name)
        answer.outputs.add(name="embedding", datatype="FP32", shape=[1, 128])
        answer.raw_output_contents.append(np.full(128, 0.5, dtype=np.float32).tobytes())
        return answer

    server = grpc.aio.server()
    handler = grpc.unary_unary_rpc_method_handler(
        infer, service_pb2.ModelInferRequest.FromString, service_pb2.ModelInferResponse.SerializeToString
    )
    service, method = table.KSERVE.strip("/").split("/")
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with client(table.GATEWAY, f"127.0.0.1:{port}") as call:
            vector = table.GATEWAY.decode(await call(table.GATEWAY.encode("Crème brûlée, 4 oz")))
    finally:
        await server.stop(0)
    assert asked == ["Crème brûlée, 4 oz"]
    assert vector.tolist() == [0.5] * 128


def test_each_peer_has_a_server_and_pinned_requirements() -> None:
    assert len(table.PEERS) >= 5
    for name, peer in table.PEERS.items():
        script = table.SERVERS / peer.script
        compile(script.read_text(), str(script), "exec")
        lines = (table.REQUIREMENTS / f"{name}.txt").read_text().splitlines()
        assert lines, name
        for line in lines:
            assert re.fullmatch(r"[A-Za-z0-9_-]+(\[[a-z,]+\])?==[0-9][0-9.a-z]*( +# .+)?", line), f"{name}: {line}"
    assert {path.stem for path in table.REQUIREMENTS.iterdir()} == set(table.PEERS) | {"torch"}


def test_a_gateway_has_a_name_and_an_address() -> None:
    assert run.gateway("127.0.0.1:50051") == run.Server("ours", "gateway", "127.0.0.1:50051")
    assert run.gateway("ours_fp32=127.0.0.1:50052") == run.Server("ours_fp32", "gateway", "127.0.0.1:50052")
    for wrong in ("127.0.0.1", "litserve=127.0.0.1:1", "a=b=1"):
        with pytest.raises(NotMeasuredError):
            run.gateway(wrong)


def test_the_comparison_with_the_best() -> None:
    figures = {
        "ours": {"rps": 300.0, "p99_ms": 20.0},
        "slow": {"rps": 10.0, "p99_ms": 5.0},
        "fast": {"rps": 120.0, "p99_ms": 30.0},
    }
    assert run.compared(figures, ["ours"]) == {
        "ours": {"best_peer": "fast", "times_best_rps": 2.5, "p99_no_worse": True}
    }
    assert run.compared({"ours": figures["ours"]}, ["ours"]) == {}


async def test_a_server_is_stopped_while_others_are_measured() -> None:
    server = run.start("stopped_test", [sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        assert server.process is not None
        with run.awake(server):
            becomes("SRD", server.process.pid)
        becomes("T", server.process.pid)
        with run.awake(server):
            becomes("SRD", server.process.pid)
        assert run.family(server.process.pid) == [server.process.pid]
    finally:
        run.end(server)
    assert server.process.returncode is not None


def becomes(states: str, pid: int) -> None:
    """Wait until the kernel shows it."""
    stat = Path(f"/proc/{pid}/stat")
    wait_until(lambda: stat.read_text().rpartition(")")[2].split()[0] in states, states, 10)


async def test_a_server_that_ends_is_named_with_its_last_words() -> None:
    server = run.start("ends_test", [sys.executable, "-c", "raise SystemExit('no such model')"])
    server.wire = "fastapi_torch"
    with pytest.raises(NotMeasuredError, match="no such model"):
        await run.ready(server, "a text")


async def test_batches_hold_what_waited() -> None:
    spec = importlib.util.spec_from_file_location("batching", table.SERVERS / "batching.py")
    assert spec is not None
    assert spec.loader is not None
    batching = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(batching)
    batches = []

    def run_batch(texts: list[str]) -> list[np.ndarray]:
        batches.append(len(texts))
        time.sleep(0.02)
        if "bad" in texts:
            raise ValueError("bad text")
        return [np.array([len(text)]) for text in texts]

    batcher = batching.Batcher(run_batch, largest=4)
    rows = await asyncio.gather(*(batcher("x" * i) for i in range(1, 11)))
    assert [int(row[0]) for row in rows] == list(range(1, 11))
    assert max(batches) == 4
    assert len(batches) <= 4
    with pytest.raises(ValueError, match="bad text"):
        await batcher("bad")
    assert int((await batcher("good"))[0]) == 4
    batcher.threads.shutdown()


def test_the_page_names_what_failed() -> None:
    figures = {"rps": 100.0, "p50_ms": 1.0, "p99_ms": 2.0}
    ours, peer = {"ours": figures}, {"litserve": figures | {"rps": 90.0}}
    page = pages.peers({"gateways": ours, "peers": peer, "failed": {"bentoml": "no"}})
    assert page.index("| ours | 100 | 1.0 | 2.0 |") < page.index("| litserve | 90 | 1.0 | 2.0 |")
    assert "Not measured: bentoml." in page
