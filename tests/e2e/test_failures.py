"""What happens when Triton dies and comes back, and when the gateway is asked to stop."""

import threading
import urllib.request
from pathlib import Path

import pytest
from small_release import SmallRelease
from stack import Gateway, healthy, wait_until

from onshelf import Client, ErrorReason, Money, OnshelfError, Product, Unavailable
from onshelf_local_triton import LocalTriton

PRODUCT = Product(title="Kettle cooked potato chips with sea salt", list_price=Money("3.49", "USD"))


@pytest.fixture(scope="module")
def own(small_release: SmallRelease, triton_environment: Path, tmp_path_factory):
    """A Triton and a gateway that these tests may hurt."""
    folder = tmp_path_factory.mktemp("own")
    with LocalTriton(small_release.repository, folder / "triton", venv=triton_environment) as triton:
        gateway = Gateway(small_release.releases, triton.grpc_url, folder / "gateway")
        with Client(gateway.address, timeout=20, retries=0) as client:
            wait_until(lambda: healthy(client), "the gateway to serve")
            yield triton, gateway, client
        gateway.stop()


def test_a_dead_triton_is_told_within_two_seconds_and_recovery_needs_no_hand(own):
    triton, _, client = own
    client.plan_launch(PRODUCT)
    triton.kill()
    assert wait_until(lambda: not healthy(client), "NOT_SERVING") < 2.0  # the promise of the README
    with pytest.raises(Unavailable) as caught:
        client.plan_launch(PRODUCT, timeout=10)
    assert caught.value.reason is ErrorReason.MODEL_UNAVAILABLE
    assert caught.value.retry_after
    triton.start()
    wait_until(lambda: healthy(client), "the gateway to recover")
    assert client.plan_launch(PRODUCT).plans


def test_metrics_count_plans_and_logs_hold_no_user_ids(own):
    _, gateway, client = own
    client.recommend_products("1489")
    with urllib.request.urlopen(f"http://{gateway.metrics}/metrics") as answer:
        metrics = answer.read().decode()
    assert "PlanLaunch" in metrics
    assert "launch_outcome" in metrics
    assert "1489" not in gateway.log.read_text()


def test_sigterm_lets_running_calls_finish(own):
    _, gateway, client = own
    results: list[object] = []

    def call() -> None:
        try:
            results.append(client.plan_launch(PRODUCT))
        except OnshelfError as error:
            results.append(error)

    callers = [threading.Thread(target=call) for _ in range(8)]
    for caller in callers:
        caller.start()
    status = gateway.stop()
    for caller in callers:
        caller.join()
    assert status == 0
    assert len(results) == 8
    refused = [result for result in results if isinstance(result, OnshelfError)]
    assert [error for error in refused if not isinstance(error, Unavailable)] == []
    with pytest.raises(Unavailable):
        client.plan_launch(PRODUCT, timeout=5)
