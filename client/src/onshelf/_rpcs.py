"""The calls that the client makes, read by both clients and by the fake server: every unary call of the contract for
which a module of results has one (`PlanLaunchResult` for PlanLaunch).
"""

import dataclasses
import re
from collections.abc import Iterator
from types import ModuleType

from google.protobuf.message import Message

from onshelf import _feedback_results, _related_results, _results
from onshelf.v1 import catalog_pb2, feedback_pb2, launch_pb2, model_release_pb2, recommendation_pb2


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rpc:
    """One unary call. retry_safe: asking twice is the same as asking once."""

    method: str
    path: str
    request: type[Message]
    response: type[Message]
    result: type
    retry_safe: bool


_RESULTS = (_results, _feedback_results, _related_results)


def _served(module: ModuleType) -> Iterator[Rpc]:
    for service in module.DESCRIPTOR.services_by_name.values():
        for call in service.methods:
            result = next((kind for one in _RESULTS if (kind := getattr(one, f"{call.name}Result", None))), None)
            if result is not None:
                yield Rpc(
                    method=re.sub(r"(?<=[a-z])(?=[A-Z])", "_", call.name).lower(),
                    path=f"/{service.full_name}/{call.name}",
                    request=getattr(module, call.input_type.name),
                    response=getattr(module, call.output_type.name),
                    result=result,
                    # PlanLaunch is safe because the client always sends a request id; changes of the catalog,
                    # decisions and events leave the same when they are made twice; a second ForgetUser has an empty
                    # receipt; the others only read.
                    retry_safe=call.name != "ForgetUser",
                )


_MODULES = (launch_pb2, recommendation_pb2, catalog_pb2, model_release_pb2, feedback_pb2)
RPCS: tuple[Rpc, ...] = tuple(rpc for module in _MODULES for rpc in _served(module))
BY_METHOD = {rpc.method: rpc for rpc in RPCS}
PLAN_LAUNCH = BY_METHOD["plan_launch"]
STREAM_PLANS = "/onshelf.v1.LaunchService/StreamPlans"
