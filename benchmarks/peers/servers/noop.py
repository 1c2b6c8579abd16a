"""Answers at once, by HTTP or gRPC, with as many bytes as a peer would: the client's own ceiling."""

import argparse
import asyncio
import json

import grpc
from google.protobuf.wrappers_pb2 import BytesValue

BODY = json.dumps({"embedding": [0.0123456789 + i / 1e6 for i in range(384)]}).encode()
HTTP = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
MESSAGE = BytesValue(value=bytes(4 * 384)).SerializeToString()


class Answers(asyncio.Protocol):
    """Each piece of data is taken for a whole request: true for the small ones of this benchmark."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer."""
        assert data.endswith(b"}"), "half a request"
        self.transport.write(HTTP)


async def serve(protocol: str, port: int) -> None:
    """Serve until ended."""
    if protocol == "http":
        await (await asyncio.get_running_loop().create_server(Answers, "127.0.0.1", port)).serve_forever()

    async def embed(_: bytes, __: grpc.aio.ServicerContext) -> bytes:
        return MESSAGE

    server = grpc.aio.server()
    handlers = {"Embed": grpc.unary_unary_rpc_method_handler(embed)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("peers.Embedder", handlers),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("protocol", choices=("http", "grpc"))
    parser.add_argument("--port", type=int, required=True)
    asked = parser.parse_args()
    asyncio.run(serve(asked.protocol, asked.port))
