"""Which encoder reads products: the fastest where it is served, the same in all processes, or the one that is set."""

from pathlib import Path
from typing import Any

import pytest
from gateways import Running, connected, until

from onshelf.v1 import catalog_pb2
from onshelf_gateway.inference.backend import BackendAnswerError, BackendUnavailableError
from onshelf_gateway.inference.encoder_choice import BUDGET_SECONDS, EncoderChoice, fastest
from onshelf_gateway.releases.model_release import ModelRelease, load_release
from onshelf_gateway.testing import FakeBackend, write_fake_release

FP32, INT8, PADDED = "product_encoder_fp32", "product_encoder_int8", "product_encoder"


class Timed:
    """A backend whose clock moves by what each encoder takes."""

    def __init__(self, root: Path, seconds: dict[str, float]) -> None:
        self.fake, self.seconds, self.now = FakeBackend(root), seconds, 0.0

    def clock(self) -> float:
        return self.now

    async def infer(self, model: str, *rest: Any) -> Any:
        self.now += self.seconds[model]
        return await self.fake.infer(model, *rest)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.fake, name)


@pytest.fixture
def release(tmp_path: Path) -> ModelRelease:
    write_fake_release(tmp_path / "releases", 1)
    return load_release(tmp_path / "releases" / "1")


async def chosen(release: ModelRelease, seconds: dict[str, float], **more: Any) -> tuple[str, Timed]:
    backend = Timed(release.folder.parent, seconds)
    choice = EncoderChoice("auto", backend, backend.clock, **more)
    await choice.settle(release, 1.0)
    return choice.of(release), backend


@pytest.mark.parametrize(
    ("seconds", "encoder"),
    [
        ({FP32: 0.005, INT8: 0.002, PADDED: 0.006}, INT8),  # a CPU with integer dot products
        ({FP32: 0.005, INT8: 0.009, PADDED: 0.006}, FP32),  # one without
        ({FP32: 0.005, INT8: 0.002, PADDED: 0.001}, PADDED),  # a GPU
        ({FP32: 0.005, INT8: 0.0049, PADDED: 0.006}, FP32),  # as good as equal: the exact one
    ],
)
async def test_the_fastest_is_chosen(release: ModelRelease, seconds: dict[str, float], encoder: str) -> None:
    found, backend = await chosen(release, seconds)
    assert found == encoder
    assert {backend.fake.count(name) for name in seconds} == {9}, "in turn, as often"
    assert {shapes["input_ids"][0] for _, _, shapes in backend.fake.calls} == {1}


async def test_a_slow_server_is_not_asked_for_long(release: ModelRelease) -> None:
    found, backend = await chosen(release, {FP32: 0.1, INT8: 0.2, PADDED: 0.3})
    assert found == FP32
    assert backend.now <= BUDGET_SECONDS + 0.6, "no round begins beyond it"


async def test_an_encoder_that_a_release_lacks_is_not_asked(tmp_path: Path) -> None:
    write_fake_release(tmp_path / "releases", 1, models=[INT8, "launch_outcome"])
    release = load_release(tmp_path / "releases" / "1")
    found, backend = await chosen(release, {})
    assert (found, backend.fake.calls) == (INT8, [])
    write_fake_release(tmp_path / "releases", 2, models=[PADDED, FP32, "launch_outcome"])
    found, _ = await chosen(load_release(tmp_path / "releases" / "2"), {FP32: 0.005, PADDED: 0.006})
    assert found == FP32


async def test_one_that_is_not_served_is_waited_for_and_left_out_at_last(release: ModelRelease) -> None:
    backend = Timed(release.folder.parent, {FP32: 0.005, INT8: 0.002, PADDED: 0.006})
    backend.fake.failing[INT8] = BackendUnavailableError("loading")
    choice = EncoderChoice("auto", backend, backend.clock)
    await choice.settle(release, 1.0)
    assert backend.fake.calls == []
    backend.now += 10.0
    await choice.settle(release, 1.0)
    assert choice.of(release) == FP32


async def test_one_that_gives_no_answer_is_not_chosen(release: ModelRelease) -> None:
    backend = Timed(release.folder.parent, {FP32: 0.005, INT8: 0.002, PADDED: 0.006})
    backend.fake.failing[INT8] = BackendAnswerError("broken")
    backend.fake.ready = lambda *_: _true()  # type: ignore[method-assign]
    choice = EncoderChoice("auto", backend, backend.clock)
    await choice.settle(release, 1.0)
    assert choice.of(release) == FP32


async def test_one_whose_process_is_dead_is_not_chosen_and_a_dead_server_says_nothing_of_any(
    release: ModelRelease,
) -> None:
    backend = Timed(release.folder.parent, {FP32: 0.005, INT8: 0.002, PADDED: 0.006})
    choice = EncoderChoice("auto", backend, backend.clock)
    backend.fake.failing[INT8] = BackendUnavailableError("Stub process is not healthy")
    backend.fake.praised.add(INT8)
    infer = backend.fake.infer

    async def dies(*_: Any) -> Any:
        backend.fake.down = True
        raise BackendUnavailableError("connection lost")

    backend.fake.infer = dies  # type: ignore[method-assign]
    with pytest.raises(BackendUnavailableError):
        await choice.settle(release, 1.0)
    backend.fake.infer, backend.fake.down = infer, False  # type: ignore[method-assign]
    assert await choice.settle(release, 1.0)
    assert choice.of(release) == FP32


async def test_others_than_production_take_its_encoder_and_what_is_gone_is_forgotten(tmp_path: Path) -> None:
    folders = [
        write_fake_release(tmp_path / "releases", 1),
        write_fake_release(tmp_path / "releases", 2, role="replay"),
    ]
    production, replay = map(load_release, folders)
    backend = Timed(tmp_path / "releases", {FP32: 0.005, INT8: 0.009, PADDED: 0.006})
    choice = EncoderChoice("auto", backend, backend.clock)
    assert await choice.settle(production, 1.0)
    asked = len(backend.fake.calls)
    assert await choice.settle(replay, 1.0)
    assert (choice.of(replay), len(backend.fake.calls)) == (FP32, asked)
    choice.keep({replay.fingerprint})
    backend.seconds[INT8] = 0.001
    assert await choice.settle(production, 1.0)
    assert choice.of(production) == INT8, "measured anew"
    assert choice.of(replay) == FP32, "a choice stays"


async def test_nothing_is_read_before_an_encoder_is_chosen(tmp_path: Path, words: Any) -> None:
    write_fake_release(tmp_path / "releases", 1)
    product = {"product_id": "new", "title": "Kettle cooked potato chips"}
    async with connected(tmp_path / "releases", encoder_model=FP32) as gateway:
        store = gateway.server.settings.store
        await gateway.catalog.UpsertProducts(catalog_pb2.UpsertProductsRequest(products=[product]))
    settings = {"encoder_model": "auto", "delays": {INT8: 0.05}, "store": store}
    loading = {FP32: BackendUnavailableError("loading"), PADDED: BackendUnavailableError("loading")}
    async with connected(tmp_path / "releases", failing=loading, **settings) as gateway:
        server, backend = gateway.server, gateway.backend
        assert not server.health.serving(""), "others may be faster"
        refusal = await words.refusal(gateway.launch.PlanLaunch(words.plan()))
        assert (refusal.reason, refusal.retry is not None) == ("MODEL_UNAVAILABLE", True)
        assert backend.count(INT8) == 0
        backend.failing.clear()
        await until(lambda: server.health.serving(""))
        assert await reading(gateway, words) <= {FP32, PADDED}


async def reading(gateway: Running, words: Any) -> set[str]:
    """The encoders that are asked for a plan."""
    before = {name: gateway.backend.count(name) for name in (FP32, INT8, PADDED)}
    await gateway.launch.PlanLaunch(words.plan())
    return {name for name, count in before.items() if gateway.backend.count(name) > count}


async def _true() -> bool:
    return True


async def test_processes_of_one_gateway_take_the_choice_of_the_first(release: ModelRelease, tmp_path: Path) -> None:
    first, _ = await chosen(release, {FP32: 0.005, INT8: 0.009, PADDED: 0.006}, shared=tmp_path)
    second, backend = await chosen(release, {FP32: 0.005, INT8: 0.002, PADDED: 0.006}, shared=tmp_path)
    assert (first, second) == (FP32, FP32)
    assert backend.fake.calls == []


def test_nothing_is_faster_than_an_answer_that_never_came() -> None:
    never = float("inf")
    assert fastest({FP32: 0.5, INT8: never}) == FP32
    assert fastest({FP32: never, INT8: 0.5}) == INT8
    assert fastest({INT8: 0.5}) == INT8


@pytest.mark.parametrize(("slow", "encoder"), [(INT8, FP32), (FP32, INT8)])
async def test_a_gateway_reads_products_with_the_faster_one(
    tmp_path: Path, words: Any, slow: str, encoder: str
) -> None:
    write_fake_release(tmp_path / "releases", 1)
    delays = {slow: 0.05, PADDED: 0.05}
    async with connected(tmp_path / "releases", encoder_model="auto", delays=delays) as gateway:
        assert gateway.server.health.serving("")
        assert await reading(gateway, words) == {encoder}


async def test_a_new_release_goes_into_service_once_its_encoders_are_measured(tmp_path: Path) -> None:
    root = tmp_path / "releases"
    write_fake_release(root, 1)
    async with connected(root, encoder_model="auto", delays={INT8: 0.05, PADDED: 0.05}) as gateway:
        server = gateway.server
        assert server.releases.serving.version == 1
        write_fake_release(root, 2)
        server.releases.refresh()
        await until(lambda: server.releases.serving.version == 2)
        assert {model for model, version, _ in gateway.backend.calls if version == 2} == {FP32, INT8, PADDED}
        assert server.models.encoders.of(server.releases.serving) == FP32
        assert server.health.serving("")


async def test_a_setting_is_not_measured(tmp_path: Path) -> None:
    write_fake_release(tmp_path / "releases", 1)
    async with connected(tmp_path / "releases", encoder_model=FP32) as gateway:
        assert gateway.server.health.serving("")
        assert gateway.backend.calls == []
