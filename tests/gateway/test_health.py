"""Health that tells the truth: Check, Watch, recovery, new model releases, reflection and metrics."""

import asyncio
import shutil
import urllib.request
from pathlib import Path

import grpc
import pytest
from gateways import connected
from google.protobuf import descriptor_pb2
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from onshelf_gateway.inference.backend import BackendTimeoutError, BackendUnavailableError
from onshelf_gateway.services.health import LAUNCH, RECOMMENDATION
from onshelf_gateway.testing import running_gateway, write_fake_release

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


async def _next(stream):
    return (await asyncio.wait_for(stream.read(), 10)).status


async def test_watch_follows_the_models(releases):
    async with connected(releases) as gateway:
        backend, health = gateway.backend, gateway.health
        streams = [
            health.Watch(health_pb2.HealthCheckRequest(service=name)) for name in ("", LAUNCH, LAUNCH, RECOMMENDATION)
        ]
        assert [await _next(stream) for stream in streams] == [SERVING] * 4
        streams[1].cancel()  # the end of one watch leaves the others alone
        backend.down = True
        assert [await _next(stream) for stream in (streams[0], streams[2], streams[3])] == [NOT_SERVING] * 3
        backend.down = False
        assert [await _next(stream) for stream in (streams[0], streams[2], streams[3])] == [SERVING] * 3
        backend.failing["user_encoder"] = BackendUnavailableError("not loaded")
        assert await _next(streams[3]) == NOT_SERVING
        assert (await health.Check(health_pb2.HealthCheckRequest(service=LAUNCH))).status == SERVING
        backend.failing["audience_retrieval"] = BackendUnavailableError("not loaded")
        await gateway.server.monitor.probe()
        assert (await health.Check(health_pb2.HealthCheckRequest(service=LAUNCH))).status == SERVING


async def test_watches_are_bounded(releases):
    async with connected(releases, max_watches=2) as gateway:
        health = gateway.health
        streams = [health.Watch(health_pb2.HealthCheckRequest()) for _ in range(2)]
        assert [await _next(stream) for stream in streams] == [SERVING] * 2
        more = health.Watch(health_pb2.HealthCheckRequest())
        assert await more.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert (await health.Check(health_pb2.HealthCheckRequest())).status == SERVING
        streams[0].cancel()
        async with asyncio.timeout(10):  # the server learns of it a moment later
            while await (again := health.Watch(health_pb2.HealthCheckRequest())).read() is grpc.aio.EOF:
                pass
        again.cancel()


async def test_calls_on_one_connection_are_bounded(releases):
    async with connected(releases, max_streams=1) as gateway:
        health = gateway.health
        watching = health.Watch(health_pb2.HealthCheckRequest())
        assert await _next(watching) == SERVING
        waiting = health.Check(health_pb2.HealthCheckRequest(), timeout=0.5)
        assert await waiting.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        watching.cancel()
        assert (await health.Check(health_pb2.HealthCheckRequest(), timeout=10)).status == SERVING


async def test_unknown_services(running):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await running.health.Check(health_pb2.HealthCheckRequest(service="nonsense"))
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND
    stream = running.health.Watch(health_pb2.HealthCheckRequest(service="nonsense"))
    assert await _next(stream) == UNKNOWN
    stream.cancel()


async def test_one_slow_probe_is_no_outage_two_are(releases):
    async with running_gateway(releases, probe_interval_ms=60_000) as (server, backend):

        async def slow(*_):
            raise BackendTimeoutError("late")

        backend.ready = slow
        await server.monitor.probe()
        assert server.health.serving("")
        await server.monitor.probe()
        assert not server.health.serving("")
        del backend.ready
        await server.monitor.probe()
        assert server.health.serving("")


async def test_probing_goes_on_after_an_unexpected_failure(releases):
    async with connected(releases) as gateway:
        stream = gateway.health.Watch(health_pb2.HealthCheckRequest())
        assert await _next(stream) == SERVING

        async def broken(*_):
            raise ZeroDivisionError("nobody expected this")

        gateway.backend.ready = broken
        assert await _next(stream) == NOT_SERVING
        del gateway.backend.ready
        assert await _next(stream) == SERVING


async def test_a_new_release_takes_over_when_its_models_are_ready(tmp_path: Path, words):
    root = tmp_path / "releases"
    write_fake_release(root, 1)
    async with connected(root, probe_interval_ms=60_000) as gateway:
        server, backend, stub = gateway.server, gateway.backend, gateway.launch
        ready = backend.ready

        async def only_the_first(model, version, timeout):
            return version == 1 and await ready(model, version, timeout)

        backend.ready = only_the_first
        write_fake_release(root, 2)
        write_fake_release(root, 3, role="replay")
        (root / "11").mkdir()
        (root / "11" / "manifest.json").write_text("{}")
        assert [release.version for release in server.releases.refresh()] == [2, 3]
        await server.monitor.probe()
        assert (await stub.PlanLaunch(words.plan())).info.model_release.version == 1
        backend.ready = ready
        await server.monitor.probe()
        assert (await stub.PlanLaunch(words.plan())).info.model_release.version == 2
        backend.ready = only_the_first
        await server.monitor.probe()
        assert (await stub.PlanLaunch(words.plan())).info.model_release.version == 1, "back, when Triton drops it"
        assert server.health.serving("")
        backend.ready = ready
        await server.monitor.probe()
        assert (await stub.PlanLaunch(words.plan(model_release=1))).info.model_release.version == 1
        assert sorted(server.releases.loaded) == [1, 2, 3]
        assert server.releases.refresh() == []
        shutil.rmtree(root / "1")
        write_fake_release(root, 1, role="evaluation")
        assert [release.manifest.role for release in server.releases.refresh()] == ["evaluation"], "published anew"
        for version in (4, 5, 6, 7):
            write_fake_release(root, version, role="evaluation")
        server.releases.refresh()
        assert sorted(server.releases.loaded) == [2, 4, 5, 6, 7], "the newest four, and the one in service"


@pytest.mark.parametrize("version", ["v1alpha", "v1"])
async def test_reflection_describes_every_service(running, version):
    service = f"grpc.reflection.{version}.ServerReflection"
    ask = running.channel.stream_stream(
        f"/{service}/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )

    async def answer(**asked):
        return await anext(aiter(ask(iter([reflection_pb2.ServerReflectionRequest(**asked)]))))

    listed = await answer(list_services="")
    names = {found.name for found in listed.list_services_response.service}
    wanted = {"LaunchService", "RecommendationService", "CatalogService", "FeedbackService", "ModelReleaseService"}
    assert {f"onshelf.v1.{name}" for name in wanted} <= names
    assert "grpc.health.v1.Health" in names
    assert service in names
    for name in names:  # as grpcurl's describe
        described = await answer(file_containing_symbol=name)
        files = [
            descriptor_pb2.FileDescriptorProto.FromString(data)
            for data in described.file_descriptor_response.file_descriptor_proto
        ]
        assert name in {f"{file.package}.{one.name}" for file in files for one in file.service}


PINGING = (
    ("grpc.keepalive_time_ms", 200),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
)


async def test_a_silent_watch_outlives_many_pings(releases):
    async with connected(releases, PINGING, probe_interval_ms=60_000) as gateway:
        stream = gateway.health.Watch(health_pb2.HealthCheckRequest())
        assert await _next(stream) == SERVING
        await asyncio.sleep(3)  # some 15 pings; gRPC's default cuts the connection after the third
        gateway.backend.down = True
        await gateway.server.monitor.probe()
        assert await _next(stream) == NOT_SERVING


async def test_metrics_are_served_and_documented(releases, words):
    async with connected(releases, metrics_port=0) as gateway:
        await gateway.launch.PlanLaunch(words.plan())
        url = f"http://{gateway.server.metrics_address}/metrics"
        with await asyncio.to_thread(urllib.request.urlopen, url) as answer:
            text = answer.read().decode()
    assert 'onshelf_requests_total{code="OK",method="LaunchService/PlanLaunch"}' in text
    assert 'stage="launch_outcome"' in text
    documented = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
    for line in text.splitlines():
        if line.startswith("# TYPE onshelf_") and not line.split()[2].endswith("_created"):
            assert f"`{line.split()[2]}`" in documented, line
