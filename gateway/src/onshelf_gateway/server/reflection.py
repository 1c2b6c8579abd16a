"""gRPC reflection in both versions of its service, which differ in their package's name alone.

The library has v1alpha only; current tools ask v1 first.
"""

from collections.abc import Sequence
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_reflection.v1alpha._async import ReflectionServicer
from grpc_reflection.v1alpha.reflection import SERVICE_NAME

OLD, NEW = "grpc.reflection.v1alpha", "grpc.reflection.v1"
SERVICE_NAME_V1 = SERVICE_NAME.replace(OLD, NEW)


def add(service_names: Sequence[str], server: Any) -> None:
    """Describe these services, and reflection itself, on a server."""
    _describe_v1()
    servicer = ReflectionServicer([*service_names, SERVICE_NAME, SERVICE_NAME_V1])
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(servicer, server)
    handler = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    handlers = {"ServerReflectionInfo": handler}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE_NAME_V1, handlers),))


def _describe_v1() -> None:
    """Let the pool know v1's file, which is v1alpha's under another name."""
    pool, name = descriptor_pool.Default(), reflection_pb2.DESCRIPTOR.name.replace("v1alpha", "v1")
    try:
        pool.FindFileByName(name)
    except KeyError:
        old = descriptor_pb2.FileDescriptorProto()
        reflection_pb2.DESCRIPTOR.CopyToProto(old)
        new = descriptor_pb2.FileDescriptorProto.FromString(old.SerializeToString())
        new.name, new.package = name, NEW
        for message in new.message_type:
            for field in message.field:
                if field.type_name:
                    field.type_name = field.type_name.replace(OLD, NEW)
        for method in new.service[0].method:
            method.input_type, method.output_type = (
                kind.replace(OLD, NEW) for kind in (method.input_type, method.output_type)
            )
        pool.AddSerializedFile(new.SerializeToString())
