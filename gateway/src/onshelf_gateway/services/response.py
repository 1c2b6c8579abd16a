"""What every answer carries: model release, units basis, timings, notices."""

from onshelf.v1 import types_pb2
from onshelf_gateway.call.call import Call
from onshelf_gateway.releases.model_release import ModelRelease

T = types_pb2


def response_info(call: Call, release: ModelRelease, scale: float = 1.0) -> T.ResponseInfo:
    """What every answer carries; call it last, so that all stages are in it."""
    basis = release.manifest.units_basis
    return T.ResponseInfo(
        model_release=release.info,
        units_basis=T.UnitsBasis(description=basis.description, users=basis.users, scale_factor=scale),
        timings=call.timings(),
        notices=call.notices,
        degraded=call.degraded,
    )
