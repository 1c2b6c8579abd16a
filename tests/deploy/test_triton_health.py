"""Triton's health check, run against a server that says ready, one that does not, and none."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from dockerfile import effective, read, words

STAGES = read("triton")[1]


@contextmanager
def answering(status: int) -> Iterator[tuple[int, list[str]]]:
    """A server that answers every GET with one status; its port, and the paths that were asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port, asked
        finally:
            server.shutdown()
            thread.join()


def check(port: int) -> int:
    program, *arguments = words(effective(STAGES, STAGES[-1], "HEALTHCHECK"))
    assert program == "python3"
    assert ":8000/" in arguments[-1]
    command = [sys.executable, *arguments[:-1], arguments[-1].replace(":8000/", f":{port}/")]
    return subprocess.run(command, stderr=subprocess.DEVNULL).returncode


@pytest.mark.parametrize(("status", "exit_status"), [(200, 0), (400, 1), (503, 1)])
def test_it_says_what_triton_says(status: int, exit_status: int) -> None:
    with answering(status) as (port, asked):
        assert check(port) == exit_status
    assert asked == ["/v2/health/ready"]


def test_no_triton_is_unhealthy() -> None:
    assert check(9) == 1
