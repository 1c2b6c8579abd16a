"""StreamPlans: rows by id, errors that end no stream, flow control, cancellation, drain."""

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest
from gateways import connected, until
from google.rpc import code_pb2

from onshelf.v1 import launch_pb2


def row(words, number: int, **fields) -> launch_pb2.StreamPlansRequest:
    plan = words.plan(request_id=f"row-{number}", max_candidates=50, audience_size=0, **fields)
    plan.product.title = f"Oats {number}"
    return launch_pb2.StreamPlansRequest(plan=plan)


async def test_every_row_is_answered_under_its_id(running, words) -> None:
    sent = [row(words, number) for number in range(20)]
    answers = {answer.request_id: answer async for answer in running.launch.StreamPlans(iter(sent))}
    assert sorted(answers) == sorted(request.plan.request_id for request in sent)
    alone = await running.launch.PlanLaunch(sent[3].plan)
    assert answers["row-3"].plan.plans == alone.plans
    assert answers["row-3"].plan.plan_id == alone.plan_id
    assert {answer.WhichOneof("result") for answer in answers.values()} == {"plan"}


async def test_a_bad_row_is_told_and_the_stream_goes_on(running, words) -> None:
    rows = [row(words, 1), row(words, 2), row(words, 3)]
    rows[1].plan.product.title = ""
    rows[2].plan.request_id = ""
    answers = [answer async for answer in running.launch.StreamPlans(iter(rows))]
    found = sorted((answer.request_id, answer.error.reason, answer.error.field) for answer in answers)
    assert found == [
        ("", "FIELD_REQUIRED", "plan.request_id"),
        ("row-1", "", ""),
        ("row-2", "FIELD_REQUIRED", "product.title"),
    ]
    codes = {answer.error.code for answer in answers if answer.HasField("error")}
    assert codes == {code_pb2.INVALID_ARGUMENT}


async def test_an_id_is_taken_until_its_row_is_answered(releases, words) -> None:
    """So that a stream remembers the rows in flight alone, however many there were before."""
    async with connected(releases) as gateway:
        original, gate = gateway.backend.infer, asyncio.Event()

        async def held(model, *rest):
            if model == "launch_outcome":
                await gate.wait()
            return await original(model, *rest)

        gateway.backend.infer = held
        call = gateway.launch.StreamPlans()
        for _ in range(3):
            await call.write(row(words, 1))
        twice = [await call.read(), await call.read()]
        assert [(answer.request_id, answer.error.reason) for answer in twice] == [("row-1", "REQUEST_ID_REUSED")] * 2
        assert {answer.error.code for answer in twice} == {code_pb2.ALREADY_EXISTS}
        gate.set()
        first = await call.read()
        await call.write(row(words, 1))
        again = await call.read()
        assert (first.request_id, again.request_id) == ("row-1", "row-1")
        assert first.plan.plan_id == again.plan.plan_id
        assert first.plan.plans == again.plan.plans
        await call.done_writing()
        assert await call.read() is grpc.aio.EOF


async def test_a_row_that_cannot_be_read_ends_the_stream_after_those_before_it(running, words) -> None:
    rows = [row(words, number).SerializeToString() for number in range(3)]
    call = running.channel.stream_stream(
        "/onshelf.v1.LaunchService/StreamPlans", response_deserializer=launch_pb2.StreamPlansResponse.FromString
    )(iter([rows[0], rows[1], b"\xff\xff\xff", rows[2]]))
    answers = [await call.read(), await call.read()]
    assert sorted(answer.request_id for answer in answers) == ["row-0", "row-1"]
    assert all(answer.HasField("plan") for answer in answers)
    refusal = await words.refusal(call.read())
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "MESSAGE_INVALID")
    assert "request 3 of the stream cannot be read" in refusal.message


async def test_a_model_that_fails_is_told_row_by_row(running, words) -> None:
    running.backend.failing["launch_outcome"] = ValueError("broken on purpose")
    answers = [answer async for answer in running.launch.StreamPlans(iter([row(words, 1)]))]
    assert [answer.error.code for answer in answers] == [code_pb2.INTERNAL]
    assert "broken" not in answers[0].error.message


async def test_the_stream_is_read_no_faster_than_it_is_answered(running, words) -> None:
    """With all models waiting only the rows in flight have been read, and the sender's next ones wait."""
    running.backend.blocking.add("launch_outcome")
    limit = running.server.settings.stream_in_flight
    call = running.launch.StreamPlans(iter([row(words, number) for number in range(10 * limit)]))
    first = asyncio.create_task(call.read())
    await until(lambda: running.backend.count("launch_outcome") >= limit)
    await asyncio.sleep(0.1)
    assert running.backend.count("launch_outcome") == limit
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    await until(lambda: running.backend.cancelled.count("launch_outcome") == limit, "the end of a stream that is gone")


async def test_rows_wait_for_permits_instead_of_being_refused(releases, words) -> None:
    async with connected(releases, max_in_flight=1, stream_in_flight=4) as gateway:
        answers = [answer async for answer in gateway.launch.StreamPlans(iter([row(words, n) for n in range(8)]))]
        assert len(answers) == 8
        assert all(answer.HasField("plan") for answer in answers)


async def test_a_row_that_takes_too_long_is_given_up_alone(releases, words) -> None:
    async with connected(releases, default_deadline_ms=300) as gateway:
        gateway.backend.blocking.add("launch_outcome")
        answers = [answer async for answer in gateway.launch.StreamPlans(iter([row(words, 1)]))]
        assert [answer.error.code for answer in answers] == [code_pb2.DEADLINE_EXCEEDED]


async def test_a_draining_gateway_answers_what_it_has_read_and_refuses_the_rest(releases, words) -> None:
    async with connected(releases, stream_in_flight=2) as gateway:
        gateway.backend.delay = 0.2
        drained = asyncio.Event()

        async def rows() -> AsyncIterator[launch_pb2.StreamPlansRequest]:
            for number in range(10_000):
                if drained.is_set():
                    return
                yield row(words, number)

        call = gateway.launch.StreamPlans(rows())
        answers = [await call.read()]
        draining = asyncio.create_task(gateway.server.drain())
        while (answer := await call.read()) is not grpc.aio.EOF:
            answers.append(answer)
            if answer.HasField("error"):
                drained.set()
        await draining
        assert await call.code() == grpc.StatusCode.OK
        assert {answer.error.reason for answer in answers if answer.HasField("error")} == {"DRAINING"}
        planned = [answer for answer in answers if answer.HasField("plan")]
        assert 1 < len(planned) < 10


async def test_streams_leave_permits_for_calls(releases, words) -> None:
    async with connected(releases, max_in_flight=2, stream_in_flight=8) as gateway:
        gateway.backend.delay = 0.05
        stub = gateway.launch

        async def stream() -> int:
            return len([answer async for answer in stub.StreamPlans(iter([row(words, n) for n in range(12)]))])

        streaming = asyncio.create_task(stream())
        await asyncio.sleep(0.2)
        for number in range(3):
            assert (await stub.PlanLaunch(words.plan(max_plans=number + 1))).plans
        assert not streaming.done()
        assert await streaming == 12


async def test_an_idle_stream_does_not_hold_up_a_drain(releases, words) -> None:
    async with connected(releases, drain_seconds=10) as gateway:
        call = gateway.launch.StreamPlans()
        await call.write(row(words, 1))
        assert (await call.read()).HasField("plan")
        await asyncio.wait_for(gateway.server.drain(), 5)
        assert await call.code() == grpc.StatusCode.UNAVAILABLE
