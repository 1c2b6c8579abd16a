"""inference.GRPCInferenceService, Triton's protocol: the gateway's models, and what Triton says of those they ask."""

import time
from collections.abc import Sequence
from importlib.metadata import version as package_version
from typing import Any

from tritonclient.grpc import model_config_pb2, service_pb2, service_pb2_grpc

from onshelf_gateway.call.call import Call
from onshelf_gateway.call.errors import GatewayError, Violation, not_implemented, refuse
from onshelf_gateway.call.interceptor import current_call
from onshelf_gateway.requests.checks import shown
from onshelf_gateway.services.gateway import Gateway
from onshelf_gateway.services.health import LAUNCH, Health
from onshelf_gateway.services.kserve import tensors
from onshelf_gateway.services.kserve.counts import Counts
from onshelf_gateway.services.kserve.served import ENCODER, MODELS, ServedModel
from onshelf_gateway.services.kserve.tensors import Spec

PLATFORM = "onshelf_gateway"
EXTENSIONS = ("statistics", "model_configuration", "binary_tensor_data")
TYPES = {name: getattr(model_config_pb2, f"TYPE_{name}") for name in tensors.NUMBERS} | {
    "BYTES": model_config_pb2.TYPE_STRING
}


class InferenceService(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]
    """Health, index, metadata, configuration, statistics and inference; shared memory, repository control and the rest
    are not served."""

    def __init__(self, gateway: Gateway, health: Health) -> None:
        self._gateway = gateway
        self._health = health
        self._counts: dict[tuple[str, int], Counts] = {}

    async def ServerLive(self, request: Any, context: Any) -> service_pb2.ServerLiveResponse:  # noqa: ARG002
        """True: it answers."""
        return service_pb2.ServerLiveResponse(live=True)

    async def ServerReady(self, request: Any, context: Any) -> service_pb2.ServerReadyResponse:  # noqa: ARG002
        """Whether health says SERVING."""
        return service_pb2.ServerReadyResponse(ready=self._health.serving(""))

    async def ModelReady(self, request: Any, context: Any) -> service_pb2.ModelReadyResponse:  # noqa: ARG002
        """Whether a model of the gateway can answer."""
        self._version(current_call(), request.name, request.version)
        return service_pb2.ModelReadyResponse(ready=request.name in MODELS and self._health.serving(LAUNCH))

    async def ServerMetadata(self, request: Any, context: Any) -> service_pb2.ServerMetadataResponse:  # noqa: ARG002
        """Name, version and what is served of the protocol's extensions."""
        return service_pb2.ServerMetadataResponse(
            name="onshelf-gateway", version=package_version("onshelf-gateway"), extensions=EXTENSIONS
        )

    async def ModelMetadata(self, request: Any, context: Any) -> service_pb2.ModelMetadataResponse:  # noqa: ARG002
        """Tensors of a model; of a model that the gateway's ask: what Triton says."""
        call = current_call()
        model = MODELS.get(request.name)
        if model is None:
            return await self._of_triton(call, "ModelMetadata", request.name, request.version)
        self._version(call, request.name, request.version)
        batch = [-1] if model.batch else []
        kind = service_pb2.ModelMetadataResponse.TensorMetadata

        def described(specs: Sequence[Spec]) -> list[Any]:
            return [kind(name=spec.name, datatype=spec.datatype, shape=[*batch, *spec.dims]) for spec in specs]

        return service_pb2.ModelMetadataResponse(
            name=request.name,
            versions=[str(number) for number in sorted(self._gateway.releases.loaded)],
            platform=PLATFORM,
            inputs=described(model.inputs),
            outputs=described(model.outputs),
        )

    async def ModelConfig(self, request: Any, context: Any) -> service_pb2.ModelConfigResponse:  # noqa: ARG002
        """The same as a configuration of Triton's."""
        call = current_call()
        model = MODELS.get(request.name)
        if model is None:
            return await self._of_triton(call, "ModelConfig", request.name, request.version)
        self._version(call, request.name, request.version)
        config = model_config_pb2.ModelConfig(name=request.name, platform=PLATFORM, max_batch_size=model.batch)
        for spec in model.inputs:
            config.input.add(name=spec.name, data_type=TYPES[spec.datatype], dims=spec.dims, optional=spec.optional)
        for spec in model.outputs:
            config.output.add(name=spec.name, data_type=TYPES[spec.datatype], dims=spec.dims)
        return service_pb2.ModelConfigResponse(config=config)

    async def ModelStatistics(self, request: Any, context: Any) -> service_pb2.ModelStatisticsResponse:  # noqa: ARG002
        """Counts of a model, or of all that the gateway has and asks where no name is given."""
        call = current_call()
        if request.name and request.name not in MODELS:
            return await self._of_triton(call, "ModelStatistics", request.name, request.version)
        response = service_pb2.ModelStatisticsResponse()
        for name in [request.name] if request.name else MODELS:
            version = self._version(call, name, request.version)
            response.model_stats.append(self._counted(name, version).message(name, str(version)))
        if not request.name:
            for name in dict.fromkeys(part for model in MODELS.values() for part in self._composing(model)):
                found = await self._of_triton(call, "ModelStatistics", name, "")
                response.model_stats.extend(found.model_stats)
        return response

    async def RepositoryIndex(self, request: Any, context: Any) -> service_pb2.RepositoryIndexResponse:  # noqa: ARG002
        """The gateway's models in each version, and whether they can answer; those alone that can where `ready` is
        set."""
        ready = self._health.serving(LAUNCH)
        response = service_pb2.RepositoryIndexResponse()
        if request.repository_name or (request.ready and not ready):
            return response
        state, reason = ("READY", "") if ready else ("UNAVAILABLE", "Triton does not serve what it asks")
        for name in MODELS:
            for version in sorted(self._gateway.releases.loaded):
                response.models.add(name=name, version=str(version), state=state, reason=reason)
        return response

    async def ModelInfer(self, request: Any, context: Any) -> service_pb2.ModelInferResponse:  # noqa: ARG002
        """Answer one request of a model of the gateway."""
        call = current_call()
        model = MODELS.get(request.model_name)
        if model is None:
            raise _unknown(request.model_name)
        version = self._version(call, request.model_name, request.model_version)
        started, rows, ok = time.monotonic_ns(), 1, False
        try:
            wanted = _wanted(request, model)
            given, rows = tensors.read(request, model.inputs, model.batch)
            arrays = await model.answer(self._gateway, call, version, given, [spec.name for spec in wanted])
            ok = True
        finally:
            took = time.monotonic_ns() - started
            self._counted(request.model_name, version).add(call, rows, took, ok)
        response = service_pb2.ModelInferResponse(
            model_name=request.model_name, model_version=str(version), id=request.id
        )
        tensors.write(response, wanted, arrays, batched=model.batch > 0)
        return response

    async def ModelStreamInfer(self, request: Any, context: Any) -> Any:  # noqa: ARG002
        """Not served: one request has one answer; StreamPlans is for many."""
        raise not_implemented("GRPCInferenceService/ModelStreamInfer")

    def _counted(self, name: str, version: int) -> Counts:
        return self._counts.setdefault((name, version), Counts())

    def _version(self, call: Call, name: str, text: str) -> int:
        """The model release that a version names; the one in service where it is empty."""
        if name not in MODELS and name not in self._known():
            raise _unknown(name)
        if text and not (text.isascii() and text.isdigit() and len(text) <= 18):
            raise refuse("MODEL_NOT_FOUND", "model_version", f"{shown(text)} is no version; versions are numbers")
        return self._gateway.release(call, int(text or 0)).version

    def _known(self) -> set[str]:
        return {part for model in MODELS.values() for part in self._composing(model)}

    def _composing(self, model: ServedModel) -> list[str]:
        encoder = self._gateway.models.encoders.of(self._gateway.releases.serving)
        return [encoder if name == ENCODER else name for name in model.composing]

    async def _of_triton(self, call: Call, method: str, name: str, version: str) -> Any:
        """What Triton says of a model that the gateway's models ask, in the version of their model release."""
        if name not in self._known():
            raise _unknown(name)
        number = self._version(call, name, version)
        return await self._gateway.models.told(call, method, name, number)


def _wanted(request: service_pb2.ModelInferRequest, model: ServedModel) -> tuple[Spec, ...]:
    """The outputs that are asked for, in that order; all where none is named."""
    known = {spec.name: spec for spec in model.outputs}
    names = [output.name for output in request.outputs]
    if len(set(names)) < len(names):
        raise refuse("TENSOR_INVALID", "outputs", "name one of them twice; each is sent once")
    for place, output in enumerate(request.outputs):
        if output.name not in known:
            message = f"{shown(output.name)} is no output of {request.model_name}: {', '.join(known)}"
            raise refuse("MODEL_NOT_FOUND", f"outputs[{place}]", message)
    return tuple(known[output.name] for output in request.outputs) or model.outputs


def _unknown(name: str) -> GatewayError:
    message = f"{shown(name)} is no model of the gateway: {', '.join(MODELS)}"
    return GatewayError("MODEL_NOT_FOUND", message, [Violation("MODEL_NOT_FOUND", "model_name", message)])
