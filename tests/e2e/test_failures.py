"""What happens when Triton dies and comes back, and when the gateway is asked to stop."""

import contextlib
import dataclasses
import itertools
import json
import os
import re
import signal
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from small_release import SmallRelease
from stack import Gateway, encoder_model, healthy, wait_until

from onshelf import Client, ErrorReason, Money, NotFound, OnshelfError, Product, Unavailable
from onshelf_gateway.inference.trials import ENOUGH
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


def test_a_triton_that_died_comes_back_where_it_was(own, triton_environment: Path):
    triton, _, client = own
    state = triton.state
    os.kill(state.pid, signal.SIGKILL)
    wait_until(lambda: not healthy(client), "NOT_SERVING")
    wait_until(lambda: healthy(client), "the gateway to recover", 60)
    assert client.plan_launch(PRODUCT).plans
    again = LocalTriton(triton.repository, triton.run_dir, venv=triton_environment)  # as `make triton` starts it
    assert not again.start(), "it runs already"
    assert again.grpc_url == triton.grpc_url
    assert again.state.pid != state.pid


CALLS = ("plan", "recommend", "upsert")


@dataclass(frozen=True)
class Asked:
    """A call, by the monotonic clock. What came: "whole", "degraded", "SERVING", "NOT_SERVING" or an error."""

    what: str
    began: float
    ended: float
    came: str | OnshelfError

    @property
    def failed(self) -> bool:
        return self.came not in ("whole", "SERVING")


class Load:
    """Plans, recommendations, upserts and the health of a service, asked without a pause by threads; `asked` is what
    came of each.
    """

    def __init__(self, client: Client, service: str) -> None:
        self.client, self.service = client, service
        self.asked: list[Asked] = []
        self._stop = threading.Event()
        asks = {"plan": self._plan, "recommend": self._recommend, "upsert": self._upsert, "health": self._health}
        asked = ("plan", "plan", *CALLS, "health")
        self._threads = [threading.Thread(target=self._repeat, args=(what, asks[what])) for what in asked]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _repeat(self, what: str, ask: Callable[[int], str]) -> None:
        number = 0
        while not self._stop.wait(0.02):
            number += 1
            began = time.monotonic()
            came: str | OnshelfError
            try:
                came = ask(number)
            except OnshelfError as error:
                came = error
            self.asked.append(Asked(what, began, time.monotonic(), came))

    def _plan(self, number: int) -> str:
        answer = self.client.plan_launch(self._new(number), max_candidates=50)
        assert answer.plans
        return "degraded" if answer.info.degraded else "whole"

    def _recommend(self, _: int) -> str:
        answer = self.client.recommend_products("1489", new_product_share=0.2)  # upserted ones, too
        return "degraded" if answer.info.degraded else "whole"

    def _upsert(self, number: int) -> str:
        answer = self.client.upsert_products([dataclasses.replace(self._new(number), product_id=f"new-{number % 20}")])
        assert not answer.errors
        return "whole"

    def _new(self, number: int) -> Product:
        """A product that is read anew, not remembered."""
        return dataclasses.replace(PRODUCT, title=f"{PRODUCT.title} {number} {threading.get_ident() % 1000}")

    def _health(self, _: int) -> str:
        return "SERVING" if healthy(self.client, self.service) else "NOT_SERVING"

    def since(self, when: float, what: str) -> list[Asked]:
        """Calls that ended later, in that order."""
        found = [one for one in list(self.asked) if one.ended > when and one.what == what]
        return sorted(found, key=lambda one: one.ended)


ENCODERS = ("product_encoder", "product_encoder_fp32", "product_encoder_int8")
OUTCOMES = {  # by model: the calls that need it, and what they are while it is away
    **{encoder: {"plan": "refused", "upsert": "refused"} for encoder in ENCODERS},
    "launch_outcome": {"plan": "refused"},
    "user_encoder": {"recommend": "refused"},
    "product_retrieval": {"recommend": "refused"},
    "audience_retrieval": {"plan": "degraded"},
    "launch_retrieval": {"plan": "degraded"},
    "product_fit": {"recommend": "degraded"},
    "product_neighbours": {"upsert": "refused"},
}
SERVICES = {"product_neighbours": "onshelf.v1.CatalogService"}  # whose health tells of a model; of others that of all
TRIES = 3


@contextlib.contextmanager
def that_needs(own, model: str, small_release: SmallRelease, folder: Path, monkeypatch: pytest.MonkeyPatch):
    """The gateway that is there and its client, or, where it reads products by another encoder, one that needs it."""
    triton, gateway, client = own
    if model not in ENCODERS or model == encoder_model():
        yield triton, gateway, client
        return
    monkeypatch.setenv("ONSHELF_ENCODER_MODEL", model)
    gateway = Gateway(small_release.releases, triton.grpc_url, folder / "gateway")
    try:
        with Client(gateway.address, timeout=20, retries=0) as client:
            yield triton, gateway, client
    finally:
        status = gateway.stop()
    assert status == 0


def killed_under_load(own, model: str) -> tuple[Load, float, float, float, bool]:
    """What was asked while all processes of a model were killed and until all answers were whole again, when the kill
    began and ended, when the model was loaded again, and whether the whole server died of it. Triton 24.10 does so now
    and then where a call is cancelled (mended in 25.04); its watch starts it anew.
    """
    triton, _, client = own
    server = triton.state.pid
    wait_until(lambda: healthy(client), "the gateway to serve")
    with Load(client, SERVICES.get(model, "")) as load:
        for what in CALLS:
            wait_until(lambda what=what: sum(not one.failed for one in load.since(0, what)) > 3, f"answers: {what}")
        victims = [one.pid for one in processes.model_processes(server) if one.model == model]
        assert victims
        before = triton.log.read_text()
        started = time.monotonic()
        for victim in victims:
            os.kill(victim, signal.SIGKILL)
        killed = time.monotonic()
        again = (f"{model} is loaded again after", "tritonserver serves again after")
        wait_until(
            lambda: any(line in triton.log.read_text().removeprefix(before) for line in again), f"{model} again", 60
        )
        loaded = time.monotonic()
        for what in (*CALLS, "health"):
            wait_until(
                lambda what=what: [one.failed for one in load.since(loaded, what)[-5:]] == [False] * 5,
                f"{what} again",
                60,
            )
    running = triton.state
    return load, started, killed, loaded, running is None or running.pid != server


@pytest.mark.parametrize("model", OUTCOMES)
def test_each_model_killed_under_load_serves_again_by_itself(
    own, model: str, small_release: SmallRelease, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with that_needs(own, model, small_release, tmp_path, monkeypatch) as needing:
        _serves_again(needing, model)


def _serves_again(own, model: str) -> None:
    _, gateway, _ = own
    outcomes = OUTCOMES[model]
    refused = [what for what, outcome in outcomes.items() if outcome == "refused"]
    for number in range(1, TRIES + 1):
        load, started, killed, loaded, fell = killed_under_load(own, model)
        came = {what: load.since(killed, what) for what in CALLS}
        health = load.since(killed, "health")
        errors = [one.came for asked in came.values() for one in asked if isinstance(one.came, OnshelfError)]
        assert {(type(error), error.reason) for error in errors} <= {(Unavailable, ErrorReason.MODEL_UNAVAILABLE)}
        assert all(error.retry_after for error in errors)
        assert not [one for one in health if isinstance(one.came, OnshelfError)]
        if not fell:
            break
        print(f"{model}: the whole server died of it in try {number} of {TRIES}; {len(errors)} calls were refused")
    assert not fell, f"{TRIES} times in a row the whole server died"
    needed = [one for what in outcomes for one in came[what]]
    assert all(model in error.message for error in errors)
    assert not [one for what in CALLS if what not in outcomes for one in came[what] if one.failed], "these do without"
    states = [state for state, _ in itertools.groupby(one.came for one in health)]
    assert bool(errors) == bool(refused), "nobody could be served meanwhile" if refused else "all were served"
    if not refused:
        assert states == ["SERVING"]
        assert any(one.failed for one in needed)
    elif len(errors) >= ENOUGH or "NOT_SERVING" in states:  # fewer are back before anyone can know
        assert states in (["SERVING", "NOT_SERVING", "SERVING"], ["NOT_SERVING", "SERVING"]), "told, and once"
        told = next(place for place, one in enumerate(health) if one.failed)
        served = next(one for one in health[told:] if not one.failed)
        assert not [one for one in needed if one.failed and one.began > served.ended], "SERVING is true"
    if bad := [one for one in needed if one.failed]:
        good = min(one.ended for one in needed if not one.failed and one.began > killed)
        print(
            f"{model}: {len(bad)} calls failed or degraded, the last {max(one.ended for one in bad) - started:.1f} s "
            f"after the kill, the longest took {max(one.ended - one.began for one in bad):.1f} s; loaded after "
            f"{loaded - started:.1f} s, whole again after {good - started:.1f} s"
        )
    assert gateway.process.poll() is None


def chosen(gateway: Gateway) -> list[tuple[str, set[str]]]:
    """What the gateway says of its encoders: which it took, and which it measured."""
    rows = [json.loads(line) for line in gateway.log.read_text().splitlines() if line.startswith("{")]
    return [(row["encoder"], set(row["milliseconds"])) for row in rows if row["event"] == "encoder_chosen"]


def test_the_encoder_that_is_measured_to_be_fastest_reads_products(small_release, triton, tmp_path, monkeypatch):
    monkeypatch.setenv("ONSHELF_ENCODER_MODEL", "auto")
    gateway = Gateway(small_release.releases, triton.grpc_url, tmp_path / "gateway")
    with Client(gateway.address, timeout=20, retries=0) as client:
        wait_until(lambda: healthy(client), "the gateway to serve")
        [(encoder, measured)] = chosen(gateway)
        assert measured == set(ENCODERS)
        answer = client.plan_launch(PRODUCT)
        assert answer.plans
    assert encoder in measured
    assert gateway.stop() == 0


def test_an_encoder_that_is_served_alone_is_taken_once_triton_comes(
    small_release, triton_environment: Path, tmp_path, monkeypatch
):
    monkeypatch.setenv("ONSHELF_ENCODER_MODEL", "auto")
    names = {path.parent.name for path in small_release.repository.glob("*/config.pbtxt")}
    models = sorted(names - {"product_encoder", "product_encoder_int8"})
    with LocalTriton(small_release.repository, tmp_path / "triton", venv=triton_environment, models=models) as triton:
        triton.kill()
        gateway = Gateway(small_release.releases, triton.grpc_url, tmp_path / "gateway")
        with Client(gateway.address, timeout=20, retries=0) as client:
            assert not healthy(client)
            with pytest.raises(Unavailable) as caught:
                client.plan_launch(PRODUCT, timeout=10)
            assert caught.value.reason is ErrorReason.MODEL_UNAVAILABLE
            triton.start()
            wait_until(lambda: healthy(client), "the gateway to serve")
            assert client.plan_launch(PRODUCT).plans
        assert chosen(gateway) == [("product_encoder_fp32", set())]
        gateway.stop()


def test_metrics_count_plans_and_logs_hold_no_user_ids(own):
    _, gateway, client = own
    known, unknown = "1489", "nobody-of-this-shop"
    client.plan_launch(PRODUCT)
    client.recommend_products(known)
    with pytest.raises(NotFound):
        client.recommend_products(unknown)
    with urllib.request.urlopen(f"http://{gateway.metrics}/metrics") as answer:
        metrics = answer.read().decode()
    assert "PlanLaunch" in metrics
    assert "launch_outcome" in metrics
    log = gateway.log.read_text()
    assert unknown not in log
    texts = re.findall(r'"([^"]*)"', log)  # no numbers: a call may well take 1489 ms
    assert log.count("RecommendProducts") > 1
    # whole words: one of some thousand call ids has these four digits somewhere, too
    assert not [text for text in texts if known in re.findall(r"\w+", text)]
    assert not re.findall(rf'"[^"]*(?:user|id|history)[^"]*": ?{known}\b', log), "nor as a number"


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
