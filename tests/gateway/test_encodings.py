"""Encode once: batches, and callers who leave at the worst moment."""

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from onshelf_gateway.inference.backend import BackendTimeoutError
from onshelf_gateway.inference.encodings import DEPTH, SMALL, Encodings

RELEASE: Any = SimpleNamespace(version=1, fingerprint="one")


def row(number: int, tokens: int = 16) -> dict[str, np.ndarray]:
    ids = np.full(tokens, number, dtype=np.int64)
    return {
        "input_ids": ids,
        "attention_mask": np.ones_like(ids),
        "categorical_ids": np.zeros(4, dtype=np.int64),
        "attributes": np.zeros(2, dtype=np.float32),
    }


class Encoder:
    """Answers each row with its own ids, after a while, and not beyond its time."""

    def __init__(self, seconds: float = 0.02) -> None:
        self.seconds = seconds
        self.batches: list[int] = []

    async def __call__(self, _: Any, inputs: dict[str, Any], seconds: float) -> dict[str, Any]:
        self.batches.append(len(inputs["input_ids"]))
        if seconds < self.seconds:
            await asyncio.sleep(max(0.0, seconds))
            raise BackendTimeoutError("too slow")
        await asyncio.sleep(self.seconds)
        return {"embedding": inputs["input_ids"].astype(np.float32)}


def accept(_: dict[str, Any]) -> None:
    """Every answer is one."""


async def ask(encodings: Encodings, number: int, seconds: float = 5.0, tokens: int = 16) -> float:
    found, _ = await encodings.get(RELEASE, [row(number, tokens)], time.monotonic() + seconds)
    return float(found[0]["embedding"][0])


async def test_rows_that_wait_go_together_and_each_gets_its_own_answer():
    encoder = Encoder()
    encodings = Encodings(encode=encoder, check=accept, entries=0, room=0)
    assert await asyncio.gather(*(ask(encodings, n) for n in range(20))) == [float(n) for n in range(20)]
    assert encoder.batches == [1] * DEPTH + [20 - DEPTH]
    assert not encodings._queues  # nothing holds the model release


async def test_equal_rows_under_way_are_read_once_and_kept():
    encoder = Encoder()
    encodings = Encodings(encode=encoder, check=accept, entries=10, room=1 << 20)
    assert await asyncio.gather(*(ask(encodings, 7) for _ in range(5))) == [7.0] * 5
    assert await ask(encodings, 7) == 7.0
    assert encoder.batches == [1]


async def test_an_answer_that_is_none_fails_its_own_row_and_is_not_kept():
    def not_five(answer: dict[str, Any]) -> None:
        if answer["embedding"][0] == 5:
            raise ValueError("five is no answer")

    encoder = Encoder()
    encodings = Encodings(encode=encoder, check=not_five, entries=100, room=1 << 20)
    found = await asyncio.gather(*(ask(encodings, n) for n in [*range(8), 5]), return_exceptions=True)
    assert [str(one) for one in found if isinstance(one, Exception)] == ["five is no answer"] * 2
    assert [one for one in found if not isinstance(one, Exception)] == [0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 7.0]
    assert encoder.batches == [1] * DEPTH + [8 - DEPTH], "five went with others, once for both callers"
    with pytest.raises(ValueError, match="five"):
        await ask(encodings, 5)
    assert await ask(encodings, 4) == 4.0
    assert encoder.batches == [1] * DEPTH + [8 - DEPTH, 1]


async def test_a_caller_who_leaves_as_his_batch_leaves_takes_no_place_along():
    """A batch may be cancelled before its task takes its first step."""
    encoder = Encoder()
    encodings = Encodings(encode=encoder, check=accept, entries=0, room=0)
    for turn in range(4 * DEPTH):
        first = [asyncio.create_task(ask(encodings, 100 + n)) for n in range(DEPTH)]
        await asyncio.sleep(0)
        second = asyncio.create_task(ask(encodings, 200 + turn))
        await asyncio.sleep(0)
        leave = encodings._leave

        def leave_and_lose(second: Any = second, leave: Any = leave) -> None:
            leave()
            second.cancel()

        encodings._leave = leave_and_lose  # type: ignore[method-assign]
        await asyncio.gather(*first)
        encodings._leave = leave  # type: ignore[method-assign]
        with pytest.raises(asyncio.CancelledError):
            await second
        await asyncio.sleep(0.05)
        assert encodings._batches == 0
    assert await asyncio.wait_for(ask(encodings, 1), 2) == 1.0


async def test_who_has_time_does_not_fail_with_who_has_none():
    encodings = Encodings(encode=Encoder(0.2), check=accept, entries=0, room=0)
    hasty = asyncio.create_task(ask(encodings, 3, seconds=0.1))
    await asyncio.sleep(0.02)
    assert await ask(encodings, 3, seconds=5.0) == 3.0
    with pytest.raises(BackendTimeoutError):
        await hasty


async def test_work_that_nobody_wants_any_more_is_stopped():
    stopped = asyncio.Event()

    async def endless(_: Any, __: Any, ___: float) -> dict[str, Any]:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()
        return {}

    encodings = Encodings(encode=endless, check=accept, entries=0, room=0)
    waiting = [asyncio.create_task(ask(encodings, 5)) for _ in range(2)]
    await asyncio.sleep(0.01)
    waiting[0].cancel()
    await asyncio.sleep(0.01)
    assert not stopped.is_set()
    waiting[1].cancel()
    await asyncio.wait_for(stopped.wait(), 2)


async def test_a_batch_that_fails_cancels_no_other_and_none_follows():
    """Triton before 25.04 can die where a request is cancelled at the moment of its answer."""
    ended: list[str] = []

    async def encode(_: Any, inputs: dict[str, Any], __: float) -> dict[str, Any]:
        if inputs["input_ids"][0, 0] == 0:
            raise BackendTimeoutError("away")
        try:
            await asyncio.sleep(0.05)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise
        ended.append("answered")
        return {"embedding": inputs["input_ids"].astype(np.float32)}

    encodings = Encodings(encode=encode, check=accept, entries=0, room=0)
    rows = [row(number, tokens=16 + number) for number in range(3 * DEPTH)]  # a batch each
    with pytest.raises(BackendTimeoutError, match="away"):
        await encodings.get(RELEASE, rows, time.monotonic() + 5)
    assert set(ended) == {"answered"}
    assert len(ended) < 2 * DEPTH, "those that waited for their turn are not sent"
    assert encodings._batches == 0
    assert not encodings._queues
    assert await ask(encodings, 4) == 4.0


async def test_a_failure_is_told_while_an_earlier_row_is_silent():
    async def encode(_: Any, inputs: dict[str, Any], __: float) -> dict[str, Any]:
        if inputs["input_ids"][0, 0] == 1:
            raise BackendTimeoutError("away")
        await asyncio.Event().wait()
        return {}

    encodings = Encodings(encode=encode, check=accept, entries=0, room=0)
    with pytest.raises(BackendTimeoutError, match="away"):
        async with asyncio.timeout(10):
            await encodings.get(RELEASE, [row(0), row(1, tokens=17)], time.monotonic() + 60)
    await asyncio.sleep(0.05)
    assert encodings._batches == 0, "nobody waits for the silent one"


async def test_a_release_with_other_models_under_the_same_version_is_read_anew():
    encoder = Encoder()
    encodings = Encodings(encode=encoder, check=accept, entries=10, room=1 << 20)
    other: Any = SimpleNamespace(version=1, fingerprint="two")
    await ask(encodings, 7)
    _, hits = await encodings.get(other, [row(7)], time.monotonic() + 5)
    assert (hits, encoder.batches) == (0, [1, 1])


async def test_no_more_batches_leave_than_are_computed_and_the_row_that_waits_longest_is_next():
    under_way, most, left = 0, 0, []

    async def encode(_: Any, inputs: dict[str, Any], __: float) -> dict[str, Any]:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        left.append((inputs["input_ids"].shape[1], len(inputs["input_ids"])))
        await asyncio.sleep(0.01)
        under_way -= 1
        return {"embedding": inputs["input_ids"][:, :1].astype(np.float32)}

    encodings = Encodings(encode=encode, check=accept, entries=0, room=0)
    lengths = [16] * DEPTH + [64, 16, 32, 64, 16, 16]
    answers = await asyncio.gather(*(ask(encodings, number, tokens=tokens) for number, tokens in enumerate(lengths)))
    assert answers == [float(number) for number in range(len(lengths))]
    assert most == DEPTH
    assert left == [(16, 1)] * DEPTH + [(64, 2), (16, 3), (32, 1)]


async def test_rows_of_any_lengths_go_together_where_the_encoder_computes_no_padding():
    given: list[dict[str, np.ndarray]] = []

    async def encode(_: Any, inputs: dict[str, Any], __: float) -> dict[str, Any]:
        given.append(inputs)
        await asyncio.sleep(0.01)
        return {"embedding": inputs["input_ids"][:, :1].astype(np.float32)}

    encodings = Encodings(encode=encode, check=accept, entries=0, room=0, mixes=lambda release: release is RELEASE)
    lengths = [16] * DEPTH + [64, 16, 32]
    answers = await asyncio.gather(
        *(ask(encodings, number, tokens=tokens) for number, tokens in enumerate(lengths, start=1))
    )
    assert answers == [float(number) for number in range(1, len(lengths) + 1)]
    together = given[DEPTH]
    assert together["input_ids"].shape == together["attention_mask"].shape == (3, 64)
    assert together["attention_mask"].sum(1).tolist() == [64, 16, 32]
    assert together["input_ids"][1].tolist() == [4] * 16 + [0] * 48
    assert together["categorical_ids"].shape == (3, 4)


async def test_a_second_batch_leaves_once_it_has_as_many_rows_as_the_first_unless_that_one_takes_long():
    batches: list[int] = []
    gates: list[asyncio.Event] = []

    async def encode(_: Any, inputs: dict[str, Any], __: float) -> dict[str, Any]:
        batches.append(len(inputs["input_ids"]))
        gates.append(asyncio.Event())
        await gates[-1].wait()
        return {"embedding": inputs["input_ids"].astype(np.float32)}

    async def asked(*numbers: int) -> asyncio.Future[Any]:
        rows = [row(number) for number in numbers]
        waiting = asyncio.ensure_future(encodings.get(RELEASE, rows, time.monotonic() + 60))
        await settled()
        return waiting

    async def settled() -> None:
        for _ in range(10):  # turns of the loop, in which all that can go on without an answer goes on
            await asyncio.sleep(0)

    encodings = Encodings(encode=encode, check=accept, entries=0, room=0)
    everyone = [await asked(1, 2, 3, 4)]
    everyone += [await asked(number) for number in (5, 6, 7)]
    assert batches == [4]
    everyone.append(await asked(8))
    assert batches == [4, 4]
    everyone.append(await asked(9))
    gates[0].set()
    await settled()
    assert batches == [4, 4], "one row waits beside four"
    gates[1].set()
    await settled()
    assert batches == [4, 4, 1], "nothing else is under way"
    gates[2].set()
    everyone.append(await asked(*range(20, 20 + SMALL + 1)))
    everyone.append(await asked(10))
    assert batches[3:] == [SMALL + 1, 1]
    for gate in gates:
        gate.set()
    answers = await asyncio.gather(*everyone)
    assert [float(found[0]["embedding"][0]) for found, _ in answers] == [1, 5, 6, 7, 8, 9, 20, 10]
