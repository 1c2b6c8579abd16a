"""The seam to the models: a protocol, and Triton behind it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import grpc
import numpy as np
from google.protobuf.message import Message
from numpy.typing import NDArray
from tritonclient.grpc import service_pb2, service_pb2_grpc

from onshelf import addresses

Array = NDArray[Any]
Arrays = Mapping[str, Array]

DATATYPES: dict[str, Any] = {"FP32": np.float32, "INT64": np.int64}
TOLD: dict[str, type[Message]] = {
    "ModelMetadata": service_pb2.ModelMetadataRequest,
    "ModelConfig": service_pb2.ModelConfigRequest,
    "ModelStatistics": service_pb2.ModelStatisticsRequest,
}
_NAMES = {np.dtype(dtype): name for name, dtype in DATATYPES.items()}


class BackendUnavailableError(Exception):
    """The model cannot be reached or is not served; trying again later may help."""


class ModelMissingError(BackendUnavailableError):
    """The server answers, and does not have this version of the model."""


class BackendTimeoutError(Exception):
    """The model did not answer before the deadline."""


class BackendAnswerError(Exception):
    """The model refused the input or answered with something else than its contract."""


@dataclass(frozen=True)
class ModelTimes:
    """What a model server has counted of one version of a model since it was loaded.

    Attributes:
        requests: requests that were answered; executions: batches that they were run in.
        queue_ns, compute_ns: nanoseconds that all requests together waited, and were computed.
    """

    requests: int
    executions: int
    queue_ns: int
    compute_ns: int


class InferenceBackend(Protocol):
    """What the gateway needs of a model server. All arrays carry a batch dimension of 1 first."""

    async def infer(
        self, model: str, version: int, inputs: Arrays, outputs: Sequence[str], timeout: float
    ) -> dict[str, Array]:
        """Run one model.

        Args:
            model: name in the model repository.
            version: version of the model release.
            inputs: float32 or int64 arrays by name.
            outputs: names to return.
            timeout: seconds; the work is abandoned after them. Cancelling the task cancels the work downstream.

        Raises:
            BackendUnavailableError, BackendTimeoutError, BackendAnswerError: see there.
        """
        ...

    async def ready(self, model: str, version: int, timeout: float) -> bool:
        """Whether this version of a model is served right now.

        Raises:
            BackendUnavailableError, BackendTimeoutError: the server as such does not answer.
        """
        ...

    async def times(self, model: str, version: int, timeout: float) -> ModelTimes:
        """What the server has counted of this version of a model; for traces.

        Raises:
            BackendUnavailableError, BackendTimeoutError, BackendAnswerError: see there.
        """
        ...

    async def told(self, method: str, model: str, version: int, timeout: float) -> Message:
        """What the server says of this version of a model, as its protocol's message.

        Args:
            method: one of `TOLD`.

        Raises:
            BackendUnavailableError, BackendTimeoutError, BackendAnswerError: see there.
        """
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


# CANCELLED comes from below only (a channel or server that closes): a cancelled task never gets to see it.
_UNAVAILABLE = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.CANCELLED,
}
# What Triton says, as INTERNAL, of a model that is being loaded, and of one of its Python backend whose process died.
_AWAY = ("not ready", "Stub process")


class TritonBackend:
    """Triton over its own gRPC protocol, on one channel that reconnects within half a second."""

    def __init__(self, address: str, max_message_bytes: int = 64 << 20) -> None:
        self._channel = grpc.aio.insecure_channel(
            address,
            options=[
                *addresses.channel_options(address),
                ("grpc.initial_reconnect_backoff_ms", 100),
                ("grpc.min_reconnect_backoff_ms", 2_000),  # what one attempt may take on a busy machine
                ("grpc.max_reconnect_backoff_ms", 500),
                ("grpc.max_receive_message_length", max_message_bytes),
                ("grpc.max_send_message_length", max_message_bytes),
            ],
        )
        self._stub = service_pb2_grpc.GRPCInferenceServiceStub(self._channel)

    async def infer(
        self, model: str, version: int, inputs: Arrays, outputs: Sequence[str], timeout: float
    ) -> dict[str, Array]:
        """See `InferenceBackend`."""
        request = service_pb2.ModelInferRequest(model_name=model, model_version=str(version))
        for name, value in inputs.items():
            request.inputs.add(name=name, datatype=_NAMES[value.dtype], shape=value.shape)
            request.raw_input_contents.append(np.ascontiguousarray(value).tobytes())
        for name in outputs:
            request.outputs.add(name=name)
        response = await self._call(self._stub.ModelInfer, request, model, timeout)
        if len(response.raw_output_contents) != len(response.outputs):
            raise BackendAnswerError(
                f"{model}: {len(response.outputs)} outputs with {len(response.raw_output_contents)} buffers"
            )
        result: dict[str, Array] = {}
        for output, raw in zip(response.outputs, response.raw_output_contents, strict=True):
            dtype = DATATYPES.get(output.datatype)
            if dtype is None or len(raw) != np.dtype(dtype).itemsize * math.prod(output.shape):
                raise BackendAnswerError(
                    f"{model}: output {output.name} has {output.datatype}, {list(output.shape)}, {len(raw)} bytes"
                )
            result[output.name] = np.frombuffer(raw, dtype=dtype).reshape(tuple(output.shape))
        missing = [name for name in outputs if name not in result]
        if missing:
            raise BackendAnswerError(f"{model}: outputs missing: {', '.join(missing)}")
        return result

    async def ready(self, model: str, version: int, timeout: float) -> bool:
        """See `InferenceBackend`."""
        request = service_pb2.ModelReadyRequest(name=model, version=str(version))
        try:
            response = await self._call(self._stub.ModelReady, request, model, timeout)
        except (BackendAnswerError, ModelMissingError):
            return False
        return bool(response.ready)

    async def times(self, model: str, version: int, timeout: float) -> ModelTimes:
        """See `InferenceBackend`."""
        response: Any = await self.told("ModelStatistics", model, version, timeout)
        if len(response.model_stats) != 1:
            raise BackendAnswerError(f"{model}: statistics of {len(response.model_stats)} models, expected 1")
        counted = response.model_stats[0]
        spent = counted.inference_stats
        compute = spent.compute_input.ns + spent.compute_infer.ns + spent.compute_output.ns
        return ModelTimes(spent.success.count, counted.execution_count, spent.queue.ns, compute)

    async def told(self, method: str, model: str, version: int, timeout: float) -> Message:
        """See `InferenceBackend`."""
        request = TOLD[method](name=model, version=str(version))
        answer: Message = await self._call(getattr(self._stub, method), request, model, timeout)
        return answer

    async def close(self) -> None:
        """See `InferenceBackend`."""
        await self._channel.close(None)

    async def _call(self, method: Any, request: Any, model: str, timeout: float) -> Any:
        if timeout <= 0:
            raise BackendTimeoutError(f"{model}: no time left")
        try:
            return await method(request, timeout=timeout)
        except grpc.aio.AioRpcError as error:
            text = f"{model}: {error.code().name}: {error.details()}"
            if error.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
                raise BackendTimeoutError(text) from error
            if error.code() == grpc.StatusCode.NOT_FOUND or "unknown model" in text:
                raise ModelMissingError(text) from error
            if error.code() in _UNAVAILABLE or any(sign in text for sign in _AWAY):
                raise BackendUnavailableError(text) from error
            raise BackendAnswerError(text) from error
