import socket
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from onshelf import Client
from onshelf._cli import main
from onshelf.testing import FakeServer


@pytest.fixture
def server():
    with FakeServer() as running:
        yield running


@pytest.fixture
def client(server):
    with Client(server.address, timeout=20) as connected:
        yield connected


@pytest.fixture
def run(server, capsys, monkeypatch, tmp_path):
    """Runs a command line in an empty folder against the fake service: exit status, standard output and error."""
    monkeypatch.setenv("ONSHELF_ADDRESS", server.address)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.chdir(tmp_path)

    def call(*argv):
        status = main([str(arg) for arg in argv])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call


@pytest.fixture
def free_address():
    """An address where nothing listens: bound and held, never listening."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{held.getsockname()[1]}"


@pytest.fixture
def other_grpc_server():
    """A gRPC server without any service."""
    other = grpc.server(ThreadPoolExecutor(max_workers=1))
    port = other.add_insecure_port("127.0.0.1:0")
    other.start()
    yield f"127.0.0.1:{port}"
    other.stop(None).wait()
