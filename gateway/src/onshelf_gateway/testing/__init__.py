"""Public fakes: a model release of an invented shop, models without Triton, and a gateway on a free port.

folder = write_fake_release(tmp_path / "releases", version=1)
async with running_gateway(tmp_path / "releases") as (server, backend):
    channel = grpc.aio.insecure_channel(server.address)
"""

from onshelf_gateway.testing.fake_backend import FakeBackend
from onshelf_gateway.testing.fake_release import write_fake_release
from onshelf_gateway.testing.running import running_gateway

__all__ = ["FakeBackend", "running_gateway", "write_fake_release"]
