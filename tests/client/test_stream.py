"""stream_plans of both clients: answers by id, order, errors of rows, a bound on what is on the way, and its end."""

import inspect
import itertools
import threading

import pytest

from onshelf import (
    AsyncClient,
    Client,
    DeadlineExceeded,
    InvalidRequest,
    Overloaded,
    PlanRequest,
    Product,
    StreamedPlan,
    Unavailable,
)
from onshelf.testing import sample_answer


def requests(count, **fields):
    return [PlanRequest(request_id=f"r{n}", product=Product(title=f"chips {n}"), **fields) for n in range(count)]


async def collect(address, kind, given, **how) -> list[StreamedPlan]:
    if kind is Client:
        with Client(address, timeout=20) as client:
            return list(client.stream_plans(given, **how))
    async with AsyncClient(address, timeout=20) as client:
        return [answer async for answer in client.stream_plans(given, **how)]


both = pytest.mark.parametrize("kind", [Client, AsyncClient])


def test_a_request_of_a_stream_has_what_plan_launch_takes():
    taken = inspect.signature(Client.plan_launch).parameters
    fields = inspect.signature(PlanRequest).parameters
    assert set(fields) == set(taken) - {"self", "timeout"}
    for name in set(fields) - {"request_id", "product"}:
        assert (fields[name].default, fields[name].annotation) == (taken[name].default, taken[name].annotation), name


@both
async def test_every_request_is_answered_under_its_id(server, kind):
    answers = await collect(server.address, kind, requests(30, max_plans=2))
    assert sorted(answer.request_id for answer in answers) == sorted(f"r{n}" for n in range(30))
    assert {answer.plan for answer in answers} == {sample_answer("plan_launch")}
    asked = server.calls[0].arguments
    assert asked["product"].title.startswith("chips ")
    assert asked["max_plans"] == 2


@both
async def test_answers_come_as_they_are_ready_or_in_order(server, kind):
    late = threading.Event()

    def answer(arguments):
        if arguments["request_id"] == "r0":
            late.wait(10)
        elif arguments["request_id"] == "r3":
            late.set()
        return sample_answer("plan_launch")

    server.answer("plan_launch", answer)
    found = [one.request_id for one in await collect(server.address, kind, requests(4))]
    assert sorted(found) == ["r0", "r1", "r2", "r3"]
    assert found[0] != "r0"
    late.clear()
    found = [one.request_id for one in await collect(server.address, kind, requests(4), in_order=True)]
    assert found == ["r0", "r1", "r2", "r3"]


@both
async def test_a_refused_row_is_told_and_the_others_are_planned(server, kind):
    def answer(arguments):
        if arguments["request_id"] == "r1":
            raise InvalidRequest("is empty", field="product.title")
        return sample_answer("plan_launch")

    server.answer("plan_launch", answer)
    given = requests(3)
    huge = PlanRequest(request_id="huge", product=Product(title="x"), max_plans=2**40)
    answers = {one.request_id: one for one in await collect(server.address, kind, [huge, *given], in_order=True)}
    assert list(answers) == ["huge", "r0", "r1", "r2"]
    assert isinstance(answers["huge"].error, InvalidRequest)
    assert isinstance(answers["r1"].error, InvalidRequest)
    assert (answers["r1"].error.field, answers["r1"].plan) == ("product.title", None)
    assert answers["r2"].error is None


@both
async def test_no_more_than_at_once_are_on_the_way(server, kind):
    read: list[int] = []
    gate = threading.Event()

    def answer(_):
        gate.wait(10)
        return sample_answer("plan_launch")

    def endless():
        for n in itertools.count():
            read.append(n)
            if n == 5:  # five are on the way or read ahead: no answer has come yet
                gate.set()
            if n == 20:
                return
            yield PlanRequest(request_id=f"r{n}", product=Product(title="chips"))

    server.answer("plan_launch", answer)
    timer = threading.Timer(1.0, gate.set)
    timer.start()
    seen_before_answers: list[int] = []

    def watch(_):
        if not gate.is_set():
            seen_before_answers.append(len(read))
        return answer(_)

    server.answer("plan_launch", watch)
    answers = await collect(server.address, kind, endless(), at_once=3)
    timer.cancel()
    assert len(answers) == 20
    assert max(seen_before_answers) <= 4  # three on the way, one read and waiting


@both
async def test_a_callers_own_failure_comes_back_to_him(server, kind):
    def broken():
        yield requests(1)[0]
        raise LookupError("no more products")

    with pytest.raises(LookupError, match="no more products"):
        await collect(server.address, kind, broken())


@both
async def test_a_stream_that_finds_nobody_says_so(free_address, kind):
    with pytest.raises(Unavailable, match="nothing answers at"):
        await collect(free_address, kind, requests(2), timeout=5)


def test_reading_may_stop_early(server):
    with Client(server.address) as client:
        stream = client.stream_plans(requests(50), at_once=2)
        next(stream)
        stream.close()
    assert len(server.calls) < 10


@both
async def test_an_overloaded_row_is_an_error_of_that_row(server, kind):
    server.fail("plan_launch", Overloaded("busy"))
    answers = await collect(server.address, kind, requests(2), at_once=1)
    assert [type(answer.error) for answer in answers] == [Overloaded, type(None)]


@both
async def test_a_service_that_stays_silent_is_given_up(server, kind):
    server.hang("plan_launch")
    with pytest.raises(DeadlineExceeded, match=r"no answer from .* for 0.5 s"):
        await collect(server.address, kind, requests(3), patience=0.5)


@both
async def test_answers_under_one_id_are_all_given_back_in_order(server, kind):
    given = [PlanRequest(request_id=name, product=Product(title="chips")) for name in "abbcd"]
    answers = await collect(server.address, kind, given, in_order=True)
    assert [answer.request_id for answer in answers] == list("abbcd")


@both
async def test_nothing_at_once_is_refused(server, kind):
    with pytest.raises(ValueError, match="at_once is 0; give 1 or more"):
        await collect(server.address, kind, requests(1), at_once=0)


@both
async def test_no_limit_of_time_may_be_said_as_infinity(server, kind):
    assert len(await collect(server.address, kind, requests(2), timeout=float("inf"))) == 2
