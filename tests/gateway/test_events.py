"""Events: taken when durable, once; refused one by one; read back; forgotten."""

import asyncio
import datetime as dt
import time
from pathlib import Path

import grpc
import pytest
import sqlalchemy as sa
from gateways import connected
from google.protobuf.timestamp_pb2 import Timestamp

from onshelf.v1 import (
    feedback_pb2,
    feedback_pb2_grpc,
    launch_pb2,
    launch_pb2_grpc,
    recommendation_pb2,
    recommendation_pb2_grpc,
)
from onshelf_gateway.store.event_table import EVENTS
from onshelf_gateway.testing import running_gateway

F = feedback_pb2
R = recommendation_pb2
NOON = dt.datetime(2018, 1, 10, 12, tzinfo=dt.UTC)


@pytest.fixture(params=["sqlite", "postgresql"])
def running(request):
    """A gateway with a store of each kind."""
    return request.getfixturevalue(f"on_{request.param}")


def stamp(time: dt.datetime) -> Timestamp:
    result = Timestamp()
    result.FromDatetime(time)
    return result


def event(name: str, **fields) -> F.Event:
    chosen = {
        "event_id": name,
        "kind": R.EVENT_KIND_PURCHASE,
        "user_id": "user-1",
        "product_id": "chips-1",
        "time": stamp(NOON),
        **fields,
    }
    return F.Event(**{key: value for key, value in chosen.items() if value is not None})


@pytest.fixture
async def feedback(running) -> feedback_pb2_grpc.FeedbackServiceStub:
    return feedback_pb2_grpc.FeedbackServiceStub(running.channel)


def batch(*events: F.Event) -> F.RecordEventsRequest:
    return F.RecordEventsRequest(events=events)


async def recorded(feedback, product_id: str) -> list[F.Event]:
    return list((await feedback.ListEvents(F.ListEventsRequest(product_id=product_id))).events)


async def test_events_are_read_back_as_they_were_sent(feedback, words):
    sent = [
        event("b-1", product_id="b", quantity=2, revenue=words.money(5.98), discount=words.money(0), site_id="s 1"),
        event("b-2", product_id="b", kind=R.EVENT_KIND_REVIEW, rating=4, text="Crisp,\nand not too salty"),
        event("b-3", product_id="b", kind=R.EVENT_KIND_IMPRESSION, attribution_token="audience-1", channel_id="mail"),
        event("b-4", product_id="b", user_id="", quantity=1),
    ]
    answer = await feedback.RecordEvents(batch(*sent))
    assert (answer.stored, answer.duplicates, list(answer.errors)) == (4, 0, [])
    assert await recorded(feedback, "b") == sent


async def test_a_repeated_event_is_stored_once_and_other_content_is_refused_with_both_fingerprints(feedback):
    first = event("twice", product_id="twice", quantity=1)
    assert (await feedback.RecordEvents(batch(first, first))).duplicates == 1
    assert (await feedback.RecordEvents(batch(first))).duplicates == 1
    other, new = event("twice", product_id="twice", quantity=3), event("new", product_id="twice", quantity=1)
    answer = await feedback.RecordEvents(batch(other, new))
    assert (answer.stored, answer.duplicates) == (1, 0)
    (error,) = answer.errors
    assert (error.index, error.event_id, error.reason, error.field) == (0, "twice", "EVENT_ID_REUSED", "event_id")
    fingerprints = {word.strip(";,") for word in error.message.split() if len(word.strip(";,")) == 32}
    assert len(fingerprints) == 2
    assert await recorded(feedback, "twice") == [first, new]


BAD = {
    "no id": ({"event_id": ""}, "FIELD_REQUIRED", "event_id"),
    "no kind": ({"kind": 0}, "FIELD_REQUIRED", "kind"),
    "unknown kind": ({"kind": 99}, "VALUE_OUT_OF_RANGE", "kind"),
    "a click of nobody": ({"kind": R.EVENT_KIND_CLICK, "user_id": ""}, "FIELD_REQUIRED", "user_id"),
    "an e-mail address": ({"user_id": "kim@example.com"}, "USER_ID_PERSONAL", "user_id"),
    "no product": ({"product_id": ""}, "FIELD_REQUIRED", "product_id"),
    "no time": ({"time": None}, "FIELD_REQUIRED", "time"),
    "long ago": ({"time": Timestamp(seconds=0)}, "VALUE_OUT_OF_RANGE", "time"),
    "next week": ({"time": Timestamp(seconds=int(time.time()) + 7 * 86400)}, "VALUE_OUT_OF_RANGE", "time"),
    "too many units": ({"quantity": 1e7}, "VALUE_OUT_OF_RANGE", "quantity"),
    "no number of units": ({"quantity": float("nan")}, "VALUE_OUT_OF_RANGE", "quantity"),
    "units of a click": ({"kind": R.EVENT_KIND_CLICK, "quantity": 1}, "FIELDS_CONFLICT", "quantity"),
    "stars of a purchase": ({"rating": 5}, "FIELDS_CONFLICT", "rating"),
    "six stars": ({"kind": R.EVENT_KIND_REVIEW, "rating": 6}, "VALUE_OUT_OF_RANGE", "rating"),
    "an empty review": ({"kind": R.EVENT_KIND_REVIEW}, "FIELD_REQUIRED", "text"),
    "a long review": ({"kind": R.EVENT_KIND_REVIEW, "text": "a" * 10_001}, "TEXT_TOO_LONG", "text"),
    "a NUL in a review": ({"kind": R.EVENT_KIND_REVIEW, "text": "ok\x00"}, "TEXT_INVALID", "text"),
    "a NUL in its id": ({"event_id": "a\x00"}, "TEXT_INVALID", "event_id"),
    "an address and a line break": ({"user_id": "kim@example.com\n"}, "TEXT_INVALID", "user_id"),
    "a control character": ({"site_id": "a\x00"}, "TEXT_INVALID", "site_id"),
}


@pytest.mark.parametrize("case", BAD)
async def test_a_bad_event_is_refused_by_itself_and_kept(feedback, case):
    fields, reason, path = BAD[case]
    bad = event(f"bad {case}", **fields)
    answer = await feedback.RecordEvents(batch(event(f"good {case}", product_id="beside"), bad))
    (error,) = answer.errors
    assert (error.index, error.reason, error.field) == (1, reason, path)
    assert answer.stored == 1
    kept = (await feedback.ListRefusedEvents(F.ListRefusedEventsRequest(page_size=1))).events[0]
    assert (kept.error.reason, kept.error.field) == (reason, path)
    if path == "user_id":
        assert kept.event.user_id == ""
        bad.user_id = ""
    if case != "no number of units":
        assert kept.event == bad


async def test_a_refused_event_without_a_usable_time_is_listed(feedback):
    await feedback.RecordEvents(batch(event("milliseconds", time=Timestamp(seconds=1_543_622_400_000))))
    kept = (await feedback.ListRefusedEvents(F.ListRefusedEventsRequest(page_size=1))).events[0]
    assert kept.event.event_id == "milliseconds"
    assert not kept.event.HasField("time")


async def test_defaults_and_blanks_make_no_other_event(feedback):
    bare = event("same", product_id=" same ", user_id="user-1 ", quantity=None)
    bare.time.nanos = 123_456_789
    assert (await feedback.RecordEvents(batch(bare))).stored == 1
    (read,) = await recorded(feedback, "same")
    assert (read.quantity, read.user_id, read.time.nanos) == (1.0, "user-1", 123_456_000)
    again = await feedback.RecordEvents(batch(read, bare))
    assert (again.stored, again.duplicates, list(again.errors)) == (0, 2, [])


async def test_another_currency_is_refused(feedback, words):
    answer = await feedback.RecordEvents(batch(event("euro", revenue=words.money(3, "EUR"))))
    assert [(one.reason, one.field) for one in answer.errors] == [("CURRENCY_MISMATCH", "revenue")]


async def test_a_refused_event_that_is_mended_leaves_the_list(feedback):
    await feedback.RecordEvents(batch(event("mend", quantity=-1)))
    before = await feedback.ListRefusedEvents(F.ListRefusedEventsRequest())
    assert before.events[0].event.event_id == "mend"
    assert (await feedback.RecordEvents(batch(event("mend", quantity=1)))).stored == 1
    after = await feedback.ListRefusedEvents(F.ListRefusedEventsRequest())
    assert after.total == before.total - 1
    assert all(one.event.event_id != "mend" for one in after.events)


async def test_the_list_of_refused_events_is_bounded_and_says_what_it_dropped(releases):
    async with (
        running_gateway(releases, refused_events=3) as (server, _),
        grpc.aio.insecure_channel(server.address) as channel,
    ):
        feedback = feedback_pb2_grpc.FeedbackServiceStub(channel)
        await feedback.RecordEvents(batch(*(event(f"r-{n}", quantity=-1) for n in range(5))))
        page = await feedback.ListRefusedEvents(F.ListRefusedEventsRequest(page_size=2))
        assert [one.event.event_id for one in page.events] == ["r-4", "r-3"]
        assert (page.total, page.dropped) == (3, 2)
        rest = await feedback.ListRefusedEvents(
            F.ListRefusedEventsRequest(page_size=2, page_token=page.next_page_token)
        )
        assert [one.event.event_id for one in rest.events] == ["r-2"]


async def test_too_many_and_no_events_are_refused_as_a_whole(feedback, words):
    refusal = await words.refusal(feedback.RecordEvents(F.RecordEventsRequest()))
    assert (refusal.reason, refusal.fields) == ("FIELD_REQUIRED", ["events"])
    refusal = await words.refusal(feedback.RecordEvents(batch(*[event("x")] * 10_001)))
    assert (refusal.reason, refusal.fields) == ("TOO_MANY", ["events"])


async def test_pages_of_events_survive_inserts(feedback):
    await feedback.RecordEvents(batch(*(event(f"page-{n}", product_id="page") for n in range(3))))
    request = F.ListEventsRequest(product_id="page", page_size=2)
    first = await feedback.ListEvents(request)
    await feedback.RecordEvents(batch(event("page-3", product_id="page")))
    request.page_token = first.next_page_token
    second = await feedback.ListEvents(request)
    names = [one.event_id for one in (*first.events, *second.events)]
    assert names == ["page-0", "page-1", "page-2", "page-3"]


async def test_a_stream_is_acknowledged_message_by_message(feedback):
    call = feedback.StreamEvents()
    for n in range(3):
        await call.write(F.StreamEventsRequest(events=[event(f"s-{n}-{m}", product_id="stream") for m in range(2)]))
        answer = await call.read()  # without having sent the next one
        assert (answer.acknowledged, answer.stored) == (2 * n + 2, 2 * n + 2)
    await call.write(F.StreamEventsRequest(events=[event("s-0-0", product_id="stream"), event("s-bad", kind=0)]))
    await call.done_writing()
    last = await call.read()
    assert (last.acknowledged, last.stored, last.duplicates) == (8, 6, 1)
    assert [(one.index, one.event_id) for one in last.errors] == [(7, "s-bad")]
    assert await call.read() is grpc.aio.EOF
    assert len(await recorded(feedback, "stream")) == 6


async def test_a_message_without_events_ends_the_stream_after_what_came_before(feedback, words):
    call = feedback.StreamEvents()
    await call.write(F.StreamEventsRequest(events=[event("before", product_id="ended")]))
    await call.write(F.StreamEventsRequest())
    await call.done_writing()
    assert (await call.read()).stored == 1

    async def end():
        while await call.read() is not grpc.aio.EOF:
            pass
        if await call.code() != grpc.StatusCode.OK:
            raise grpc.aio.AioRpcError(await call.code(), await call.initial_metadata(), await call.trailing_metadata())

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await end()
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_an_idle_stream_does_not_keep_a_draining_gateway(releases):
    async with running_gateway(releases, drain_seconds=20.0) as (server, _):
        channel = grpc.aio.insecure_channel(server.address)
        call = feedback_pb2_grpc.FeedbackServiceStub(channel).StreamEvents()
        await call.write(F.StreamEventsRequest(events=[event("idle")]))
        assert (await call.read()).stored == 1
        started = time.monotonic()
    assert time.monotonic() - started < 10
    assert await call.code() == grpc.StatusCode.UNAVAILABLE
    await channel.close()


async def test_events_of_a_product_that_nobody_knows_are_kept(feedback):
    await feedback.RecordEvents(batch(event("early", product_id="not-there-yet")))
    assert [one.event_id for one in await recorded(feedback, "not-there-yet")] == ["early"]


async def test_the_day_of_an_event_is_the_retailers(feedback, running):
    late = dt.datetime(2018, 1, 11, 3, tzinfo=dt.UTC)  # still the 10th in New York
    await feedback.RecordEvents(batch(event("night", time=stamp(late))))
    with running.server.store.reading() as connection:
        day = connection.execute(sa.select(EVENTS.c.day).where(EVENTS.c.event_id == "night")).scalar_one()
    assert day == "2018-01-10"


async def test_a_forgotten_user_is_nowhere_in_the_store(releases, words, tmp_path: Path):
    store = tmp_path / "store.db"
    async with (
        running_gateway(releases, store=f"sqlite:///{store}") as (server, _),
        grpc.aio.insecure_channel(server.address) as channel,
    ):
        feedback = feedback_pb2_grpc.FeedbackServiceStub(channel)
        launch = launch_pb2_grpc.LaunchServiceStub(channel)
        recommend = recommendation_pb2_grpc.RecommendationServiceStub(channel)
        plan = await launch.PlanLaunch(words.plan(audience_size=120))
        user = plan.audience[3].user_id
        await recommend.FindAudience(R.FindAudienceRequest(product=words.product(), count=120))
        await recommend.RecommendProducts(R.RecommendProductsRequest(user_id=user))
        await feedback.RecordEvents(batch(event("f-1", user_id=user), event("f-2", user_id=user), event("f-3")))
        await feedback.RecordEvents(batch(event("f-4", user_id=user, quantity=-1)))
        receipt = await feedback.ForgetUser(F.ForgetUserRequest(user_id=user))
        assert (receipt.events_deleted, receipt.refused_events_deleted, receipt.answers_deleted) == (2, 1, 1)
        assert receipt.audiences_changed == 2
        assert receipt.in_served_release
        assert receipt.receipt_id
        again = await feedback.ForgetUser(F.ForgetUserRequest(user_id=user))
        assert (again.events_deleted, again.answers_deleted, again.audiences_changed) == (0, 0, 0)
        stored = (await launch.GetPlan(launch_pb2.GetPlanRequest(plan_id=plan.plan_id))).plan.response
        assert len(stored.audience) == len(plan.audience) - 1
        assert user not in {member.user_id for member in stored.audience}
        files = [store, store.with_name("store.db-wal")]
        assert all(user.encode() not in file.read_bytes() for file in files if file.exists())
    assert user.encode() not in store.read_bytes()


async def test_a_short_id_is_taken_out_of_its_own_places_only(releases, words, tmp_path: Path):
    async with connected(releases, store=f"sqlite:///{tmp_path / 'store.db'}") as gateway:
        plan = await gateway.launch.PlanLaunch(words.plan(audience_size=20))
        feedback = feedback_pb2_grpc.FeedbackServiceStub(gateway.channel)
        receipt = await feedback.ForgetUser(F.ForgetUserRequest(user_id="1"))
        assert (receipt.audiences_changed, receipt.events_deleted) == (0, 0)
        stored = (await gateway.launch.GetPlan(launch_pb2.GetPlanRequest(plan_id=plan.plan_id))).plan.response
        assert stored.audience == plan.audience


async def test_many_callers_share_a_transaction_and_lose_nothing(feedback):
    requests = [batch(*(event(f"m-{n}-{m}", product_id="many") for m in range(20))) for n in range(40)]
    answers = await asyncio.gather(*map(feedback.RecordEvents, requests))
    assert sum(answer.stored for answer in answers) == 800
    assert len(await recorded(feedback, "many")) == 800
