"""A real Triton on a CPU machine, without a container: installed apart, started from an unmodified model repository.

with LocalTriton("model_repository", "var/run/triton") as triton:
    print(triton.grpc_url)
"""

from onshelf_local_triton.errors import InstallError, LocalTritonError, ServerError, StartError
from onshelf_local_triton.server import LocalTriton

__all__ = ["InstallError", "LocalTriton", "LocalTritonError", "ServerError", "StartError"]
