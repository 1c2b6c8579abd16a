"""The Triton backend against a server of Triton's protocol: tensors, failures, deadlines, cancellation, recovery."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import numpy as np
import pytest
from tritonclient.grpc import service_pb2, service_pb2_grpc

from onshelf_gateway.__main__ import main
from onshelf_gateway.inference.backend import (
    BackendAnswerError,
    BackendTimeoutError,
    BackendUnavailableError,
    TritonBackend,
)


class Triton(service_pb2_grpc.GRPCInferenceServiceServicer):
    """Doubles its input; or fails, waits or answers nonsense, as it is told."""

    def __init__(self) -> None:
        self.failure: tuple[grpc.StatusCode, str] | None = None
        self.wait = False
        self.entered = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.spoil = ""
        self.ready = True
        self.seen: service_pb2.ModelInferRequest | None = None

    async def ModelInfer(self, request, context):
        self.seen = request
        if self.failure is not None:
            await context.abort(*self.failure)
        if self.wait:
            self.entered.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled.set()
                raise
        values = np.frombuffer(request.raw_input_contents[0], dtype=np.float32) * 2
        response = service_pb2.ModelInferResponse(model_name=request.model_name)
        if self.spoil != "missing":
            datatype = "BF16" if self.spoil == "type" else "FP32"
            response.outputs.add(name="y", datatype=datatype, shape=request.inputs[0].shape)
        if self.spoil != "empty":
            response.raw_output_contents.append(values.tobytes()[: 4 if self.spoil == "short" else None])
        if self.spoil == "missing":
            del response.raw_output_contents[:]
        return response

    async def ModelReady(self, request, context):
        if self.failure is not None:
            await context.abort(*self.failure)
        return service_pb2.ModelReadyResponse(ready=self.ready and request.version == "3")


@asynccontextmanager
async def serving(address: str = "127.0.0.1:0") -> AsyncIterator[tuple[Triton, str]]:
    server, triton = grpc.aio.server(), Triton()
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(triton, server)
    port = server.add_insecure_port(address)
    await server.start()
    try:
        yield triton, f"127.0.0.1:{port}"
    finally:
        await server.stop(grace=0)


X = {"x": np.arange(6, dtype=np.float32).reshape(1, 2, 3)}


async def test_tensors_go_there_and_back():
    async with serving() as (triton, address):
        backend = TritonBackend(address)
        out = await backend.infer("double", 3, {**X, "n": np.array([[7]], dtype=np.int64)}, ["y"], 10)
        await backend.close()
    assert out["y"] == pytest.approx(X["x"] * 2)
    assert triton.seen is not None
    assert (triton.seen.model_name, triton.seen.model_version) == ("double", "3")
    assert [tensor.datatype for tensor in triton.seen.inputs] == ["FP32", "INT64"]
    assert [tensor.name for tensor in triton.seen.outputs] == ["y"]


@pytest.mark.parametrize(
    ("code", "details", "error"),
    [
        (grpc.StatusCode.UNAVAILABLE, "Request for unknown model", BackendUnavailableError),
        (grpc.StatusCode.NOT_FOUND, "unknown model: 'double' version 3 is not found", BackendUnavailableError),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "exceeds queue", BackendUnavailableError),
        (grpc.StatusCode.INVALID_ARGUMENT, "unexpected shape for input", BackendAnswerError),
        (grpc.StatusCode.INTERNAL, "onnx runtime error", BackendAnswerError),
        (grpc.StatusCode.INTERNAL, "Stub process 'double_0_0' is not healthy.", BackendUnavailableError),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "too late", BackendTimeoutError),
    ],
)
async def test_failures_are_told_apart(code, details, error):
    async with serving() as (triton, address):
        backend = TritonBackend(address)
        triton.failure = (code, details)
        with pytest.raises(error, match="double"):
            await backend.infer("double", 3, X, ["y"], 10)
        await backend.close()


@pytest.mark.parametrize("spoil", ["short", "empty", "type", "missing"])
async def test_answers_that_make_no_sense_are_noticed(spoil):
    async with serving() as (triton, address):
        backend = TritonBackend(address)
        triton.spoil = spoil
        with pytest.raises(BackendAnswerError):
            await backend.infer("double", 3, X, ["y"], 10)
        await backend.close()


async def test_deadlines_and_cancellation_reach_the_server():
    async with serving() as (triton, address):
        backend = TritonBackend(address)
        triton.wait = True
        with pytest.raises(BackendTimeoutError):
            await backend.infer("double", 3, X, ["y"], 0.2)
        with pytest.raises(BackendTimeoutError, match="no time left"):
            await backend.infer("double", 3, X, ["y"], -1)
        await asyncio.wait_for(triton.cancelled.wait(), 10)
        triton.cancelled.clear()
        triton.entered.clear()
        task = asyncio.create_task(backend.infer("double", 3, X, ["y"], 60))
        await asyncio.wait_for(triton.entered.wait(), 10)
        task.cancel()
        await asyncio.wait_for(triton.cancelled.wait(), 10)
        with pytest.raises(asyncio.CancelledError):
            await task
        await backend.close()


async def test_ready_speaks_of_one_version():
    async with serving() as (triton, address):
        backend = TritonBackend(address)
        assert await backend.ready("double", 3, 10)
        assert not await backend.ready("double", 2, 10)
        for code in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND):
            triton.failure = (code, "no such model")
            assert not await backend.ready("double", 3, 10)
        await backend.close()


async def test_a_server_that_is_gone_is_unavailable_at_once_and_found_again():
    async with serving() as (_, address):
        backend = TritonBackend(address)
        assert await backend.ready("double", 3, 10)
    with pytest.raises(BackendUnavailableError):
        await backend.infer("double", 3, X, ["y"], 60)
    with pytest.raises(BackendUnavailableError):
        await backend.ready("double", 3, 60)
    async with serving(address), asyncio.timeout(20):
        found = False
        while not found:
            try:
                found = await backend.ready("double", 3, 1)
            except BackendUnavailableError:
                await asyncio.sleep(0.05)
    await backend.close()


async def test_triton_on_this_machine_is_reached_past_a_proxy(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    async with serving() as (_, address):
        backend = TritonBackend(address)
        assert await backend.ready("double", 3, 10)
        await backend.close()


@pytest.mark.parametrize("flag", ["--triton", "--listen"])
def test_a_url_is_refused_with_what_to_write_instead(flag, capsys):
    assert main([flag, "http://localhost:8001"]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"{flag} 'http://localhost:8001': ")
    assert "write localhost:8001" in told
