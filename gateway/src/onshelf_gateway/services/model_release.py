"""ModelReleaseService."""

from typing import Any

from onshelf.v1 import model_release_pb2, model_release_pb2_grpc
from onshelf_gateway.releases.model_release import ModelRelease
from onshelf_gateway.services.gateway import Gateway

M = model_release_pb2


class ModelReleaseService(model_release_pb2_grpc.ModelReleaseServiceServicer):
    """ListModelReleases; comparing and choosing them is not served yet."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def ListModelReleases(
        self,
        request: M.ListModelReleasesRequest,  # noqa: ARG002
        context: Any,  # noqa: ARG002
    ) -> M.ListModelReleasesResponse:
        """The loaded model releases; no permit, since nothing is computed."""
        releases = self._gateway.releases
        newest = sorted(releases.loaded.values(), key=lambda release: -release.version)
        return M.ListModelReleasesResponse(
            releases=[_release(release, release is releases.serving) for release in newest]
        )


def _release(release: ModelRelease, serving: bool) -> M.ModelRelease:
    return M.ModelRelease(
        info=release.info,
        state=M.SERVING_STATE_SERVING if serving else M.SERVING_STATE_IDLE,
        traffic_share=float(serving),
        data_hash=release.manifest.data_hash,
        git_commit=release.manifest.git_commit or "",
    )
