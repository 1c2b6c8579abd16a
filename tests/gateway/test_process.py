"""The command: starts on a free port, tells where, answers without Triton, drains on SIGTERM."""

import asyncio
import json
import signal
import socket
import sys
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from onshelf.v1 import launch_pb2_grpc


def _closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_the_command_from_start_to_sigterm(releases: Path, tmp_path: Path, words):
    state = tmp_path / "gateway.json"
    arguments = ["--releases", str(releases), "--triton", f"127.0.0.1:{_closed_port()}", "--listen", "127.0.0.1:0"]
    arguments += ["--metrics-port", "0", "--address-file", str(state), "--drain-seconds", "5"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", "-m", "onshelf_gateway", *arguments, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(60):
            while not state.exists():
                assert process.returncode is None, (await process.stderr.read()).decode()
                await asyncio.sleep(0.05)
        address = json.loads(state.read_text())["address"]
        async with grpc.aio.insecure_channel(address) as channel:
            health = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
            assert health.status == health_pb2.HealthCheckResponse.NOT_SERVING
            refusal = await words.refusal(
                launch_pb2_grpc.LaunchServiceStub(channel).PlanLaunch(words.plan(), timeout=30)
            )
            assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "MODEL_UNAVAILABLE")
        process.send_signal(signal.SIGTERM)
        _, stderr = await asyncio.wait_for(process.communicate(), 30)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, stderr.decode()
    events = [json.loads(line)["event"] for line in stderr.decode().splitlines()]
    assert events[-2:] == ["draining", "stopped"]
    assert "listening" in events


async def test_a_taken_port_is_one_clear_message(releases: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        arguments = ["--releases", str(releases), "--listen", listen, "--metrics-port", "-1"]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "onshelf_gateway", *arguments, stderr=asyncio.subprocess.PIPE
        )
        _, stderr = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 2
    assert f"--listen {listen}: cannot listen there" in stderr.decode()
    assert "Traceback" not in stderr.decode()
