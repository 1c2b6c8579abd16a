"""What happens when Triton dies and comes back, and when the gateway is asked to stop."""

import dataclasses
import os
import signal
import threading
import time
import urllib.request
from pathlib import Path

import pytest
from small_release import SmallRelease
from stack import Gateway, healthy, wait_until

from onshelf import Client, ErrorReason, Money, OnshelfError, Product, Unavailable
from onshelf_local_triton import LocalTriton, processes

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


def test_a_triton_that_was_killed_is_found_where_it_was(own, triton_environment: Path):
    triton, _, client = own
    state = triton.state
    os.kill(state.pid, signal.SIGKILL)
    wait_until(lambda: not healthy(client), "NOT_SERVING")
    again = LocalTriton(triton.repository, triton.run_dir, venv=triton_environment)  # as `make triton` starts it
    assert again.start()
    assert again.grpc_url == triton.grpc_url
    wait_until(lambda: healthy(client), "the gateway to recover")
    assert client.plan_launch(PRODUCT).plans


class Load:
    """Plans, recommendations and health, asked without a pause; what came of each, by the monotonic clock.

    Attributes:
        plans: (when, degraded or not) of plans that came. errors: (when, error). health: (when, serving).
    """

    def __init__(self, client: Client) -> None:
        self.client = client
        self.plans: list[tuple[float, bool]] = []
        self.errors: list[tuple[float, OnshelfError]] = []
        self.health: list[tuple[float, bool]] = []
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._repeat, args=(ask,)) for ask in (self._plan, self._plan, self._ask)
        ]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _repeat(self, ask) -> None:
        number = 0
        while not self._stop.wait(0.02):
            number += 1
            try:
                ask(number)
            except OnshelfError as error:
                self.errors.append((time.monotonic(), error))

    def _plan(self, number: int) -> None:
        product = dataclasses.replace(PRODUCT, title=f"{PRODUCT.title} {number}")  # read anew, not remembered
        answer = self.client.plan_launch(product, max_candidates=50)
        assert answer.plans
        self.plans.append((time.monotonic(), answer.info.degraded))

    def _ask(self, _: int) -> None:
        self.health.append((time.monotonic(), healthy(self.client)))
        self.client.recommend_products("1489")

    def plans_since(self, when: float) -> list[float]:
        """When whole plans came."""
        return [at for at, degraded in self.plans if at > when and not degraded]

    def errors_since(self, when: float) -> list[OnshelfError]:
        return [error for at, error in self.errors if at > when]


ESSENTIAL = ("product_encoder_int8", "launch_outcome", "user_encoder", "product_retrieval")
OPTIONAL = ("audience_retrieval", "launch_retrieval", "product_fit", "product_neighbours")


@pytest.mark.parametrize("model", [*ESSENTIAL, *OPTIONAL])
def test_each_model_killed_under_load_serves_again_by_itself(own, model: str):
    triton, gateway, client = own
    wait_until(lambda: healthy(client), "the gateway to serve")
    with Load(client) as load:
        wait_until(lambda: len(load.plans) > 3, "plans")
        victims = [one.pid for one in processes.model_processes(triton.state.pid) if one.model == model]
        assert victims
        killed = time.monotonic()
        for victim in victims:
            os.kill(victim, signal.SIGKILL)
        loads = f"{model} is loaded again after"
        before = triton.log.read_text().count(loads)
        wait_until(lambda: triton.log.read_text().count(loads) > before, f"{model} to be loaded")
        loaded = time.monotonic()
        wait_until(lambda: len(load.plans_since(loaded)) > 3, "plans again")
        wait_until(lambda: load.health[-1][0] > loaded and load.health[-1][1], "SERVING again")
    errors = load.errors_since(killed)
    assert {(type(error), error.reason) for error in errors} <= {(Unavailable, ErrorReason.MODEL_UNAVAILABLE)}
    assert all(error.retry_after and model in error.message for error in errors)
    if model in ESSENTIAL:
        assert errors, "nobody could be served meanwhile"
        states = [serving for at, serving in load.health if at > killed]
        assert False in states, "health said so"
    else:
        assert not errors, "the others do without it"
        assert all(serving for at, serving in load.health if at > killed)
    back = load.plans_since(loaded)[0] if model not in ESSENTIAL else min(load.plans_since(killed + 0.2))
    print(f"{model}: loaded again after {loaded - killed:.1f} s, a whole plan after {back - killed:.1f} s")
    assert gateway.process.poll() is None


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
