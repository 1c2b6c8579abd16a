"""A gateway process and waiting, for tests that need the whole system."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from onshelf import Client, HealthStatus, Unavailable

GATEWAY = Path(sys.executable).parent / "onshelf-gateway"


def encoder_model() -> str:
    """What gateways of tests read products by: no choice that depends on how busy this machine is."""
    return os.environ.get("ONSHELF_ENCODER_MODEL", "product_encoder_int8")


class Gateway:
    """A gateway process on a port of its own."""

    def __init__(self, releases: Path, triton: str, folder: Path, store: str = "") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.log = folder / "gateway.log"
        address_file = folder / "gateway.address"
        environ = os.environ | {
            "ONSHELF_METRICS_PORT": "0",
            "ONSHELF_ADDRESS_FILE": str(address_file),
            "ONSHELF_LOG_KEY": "a key of the tests",
            "ONSHELF_ENCODER_MODEL": encoder_model(),
            "ONSHELF_STORE": store or f"sqlite:///{folder / 'store.db'}",
        }
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [str(GATEWAY), f"--releases={releases}", f"--triton={triton}", "--listen=127.0.0.1:0"],
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environ,
            )
        wait_until(lambda: self.process.poll() is not None or address_file.exists(), "the gateway to listen")
        assert self.process.poll() is None, self.log.read_text()
        written = json.loads(address_file.read_text())
        self.address, self.metrics = written["address"], written["metrics"]

    def stop(self) -> int:
        """Drain and wait; returns the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)


def wait_until(true: Callable[[], bool], what: str, timeout: float = 30.0) -> float:
    """Wait until `true()`; returns the seconds it took."""
    start = time.monotonic()
    while not true():
        assert time.monotonic() - start < timeout, f"waited {timeout} s for {what}"
        time.sleep(0.02)
    return time.monotonic() - start


def healthy(client: Client, service: str = "") -> bool:
    """Whether the gateway says that it serves; a gateway that does not answer yet does not."""
    try:
        return client.health(service).status is HealthStatus.SERVING
    except Unavailable:
        return False
