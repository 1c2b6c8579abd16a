"""ModelReleaseService over fake releases, and through the client."""

import datetime as dt

import pytest

from onshelf import AsyncClient, ServingState
from onshelf.v1 import model_release_pb2, model_release_pb2_grpc
from onshelf_gateway.testing import running_gateway

M = model_release_pb2


async def test_the_releases_are_listed_newest_first_with_the_one_in_service(running):
    stub = model_release_pb2_grpc.ModelReleaseServiceStub(running.channel)
    production, replay = (await stub.ListModelReleases(M.ListModelReleasesRequest())).releases
    assert (production.info.version, production.info.role, production.info.currency) == (3, "production", "USD")
    assert (production.state, production.traffic_share) == (M.SERVING_STATE_SERVING, 1.0)
    assert (replay.info.version, replay.info.as_of, replay.state) == (2, "2017-07-03", M.SERVING_STATE_IDLE)


async def test_the_client_reads_them(running):
    async with AsyncClient(running.server.address) as client:
        releases = (await client.list_model_releases()).releases
    assert [(one.info.version, one.state) for one in releases] == [(3, ServingState.SERVING), (2, ServingState.IDLE)]
    assert releases[1].info.as_of == dt.date(2017, 7, 3)


@pytest.mark.usefixtures("quiet_logs")
async def test_a_gateway_without_a_release_has_none(tmp_path):
    (tmp_path / "releases").mkdir()
    async with running_gateway(tmp_path / "releases") as (server, _), AsyncClient(server.address) as client:
        assert (await client.list_model_releases()).releases == ()
