"""`onshelf plans`, `decide`, `replay-plan`, `events` and `forget` against the fake service; streams of events."""

import csv
import json
from datetime import UTC, date, datetime

import pytest

from onshelf import (
    Action,
    AsyncClient,
    DecisionKind,
    DecisionReason,
    Event,
    EventError,
    EventKind,
    ListEventsResult,
    ListRefusedEventsResult,
    Money,
    Overloaded,
    PlanDifference,
    RecordEventsResult,
    RefusedEvent,
    RelationKind,
    ReplayPlanResult,
)
from onshelf.testing import sample_answer

NOON = datetime(2018, 2, 6, 12, tzinfo=UTC)


def event(name, **fields):
    return Event(
        **{"event_id": name, "kind": EventKind.CLICK, "product_id": "p", "time": NOON, "user_id": "u", **fields}
    )


def sent(server, method):
    return [call.arguments for call in server.calls if call.method == method]


def stored(arguments):
    return RecordEventsResult(stored=len(arguments["events"]))


# Plans.


def test_plans_are_listed_by_filters(server, run):
    status, out, _ = run("plans", "--product-id", "15500000", "--state", "decided", "--from", "2018-01-01")
    assert status == 0
    assert "plan-0001" in out
    assert "decided" in out
    (asked,) = sent(server, "list_plans")
    assert (asked["product_id"], asked["state"].value, asked["page_size"]) == ("15500000", "decided", 50)
    assert asked["created_from"] == datetime(2018, 1, 1, tzinfo=UTC)


def test_one_plan_is_shown_with_its_decision(run):
    status, out, _ = run("plans", "plan-0001")
    assert status == 0
    assert "Plan plan-0001\nAccepted by kim at 2018-01-03 11:30 UTC (revision 1)." in out
    assert "Product 15500000: in the week of" in out
    assert '"potato chips sea salt 9 oz"' in out


def test_a_plan_is_accepted(server, run):
    status, out, _ = run("decide", "plan-0001", "accepted", "--rank", 2, "--product-id", "p-9", "--by", "kim")
    assert status == 0
    assert "Accepted by kim" in out
    (asked,) = sent(server, "decide_launch")
    decision = asked["decision"]
    assert (decision.kind, decision.plan_rank, decision.product_id) == (DecisionKind.ACCEPTED, 2, "p-9")
    assert decision.executed_action is None


def test_a_changed_plan_keeps_what_is_not_named(server, run):
    status, _, _ = run(
        "decide", "plan-0001", "changed", "--date", "2018-03-05", "--price", "4.29", "--reason", "timing", "--by", "kim"
    )
    assert status == 0
    offered = sample_answer("get_plan").plan.response.plans[0].action
    (asked,) = sent(server, "decide_launch")
    assert asked["decision"].executed_action == Action(
        launch_date=date(2018, 3, 5),
        channels=offered.channels,
        discount=offered.discount,
        coupon=offered.coupon,
        list_price=Money("4.29", "USD"),
    )
    assert asked["decision"].reason is DecisionReason.TIMING


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("accepted", "--discount", "0.1"), "belong to a changed plan, not one accepted"),
        (("changed", "--reason", "price"), "a changed plan needs what is changed"),
        (("changed", "--rank", "99", "--discount", "0.1", "--reason", "price"), "--rank 99: the answer has"),
        (("perhaps",), "perhaps"),
    ],
)
def test_a_decision_that_makes_no_sense_is_refused(server, run, argv, said):
    status, out, err = run("decide", "plan-0001", *argv)
    assert (status, out) == (2, "")
    assert said in err
    assert not sent(server, "decide_launch")


def test_a_replay_that_differs_names_the_values_and_fails(server, run):
    assert run("replay-plan", "plan-0001")[0] == 0
    one = PlanDifference(field="plans[0].forecasts[1].units.mean", remembered="8.4", replayed="8.5")
    server.answer("replay_plan", ReplayPlanResult(differences=(one,)))
    status, out, _ = run("replay-plan", "plan-0001")
    assert status == 1
    assert "1 value differs" in out
    assert "plans[0].forecasts[1].units.mean" in out


# Search.


def test_products_are_searched(server, run):
    status, out, _ = run("search", "salty snack", "--category", "Snacks", "--count", "5")
    assert status == 0
    assert "potato chips sea salt 9 oz" in out
    (asked,) = sent(server, "search_products")
    assert (asked["query"], asked["count"], asked["categories"]) == ("salty snack", 5, ("Snacks",))


# Launches.


def test_launches_are_listed_with_what_needs_attention(server, run):
    status, out, _ = run("launches", "--state", "on_sale")
    assert status == 0
    assert "potato chips sea salt 9 oz" in out
    assert "stock ends early" in out
    (asked,) = sent(server, "list_launches")
    assert asked["state"].value == "on_sale"


def test_a_report_shows_plan_and_actual(run):
    status, out, _ = run("report", "plan-0001")
    assert status == 0
    for words in (
        "Accepted by kim",
        "Attention: stock ends early.",
        "not over",
        "2 by token, 1 by the last touch, 1 not attributed",
        "2 reviews, 3.5 of 5 stars",
        "order 3 more units",
        "Expect 4.2 more units",
        "Holdout: underpowered, no claim is made",
        "The sales that the stock would lose otherwise",
    ):
        assert words in out


def test_power_is_told_with_its_weeks_and_fails_where_it_does_not_suffice(server, run):
    status, out, _ = run("power", "plan-0001", "--users", "2469", "--power", "90%", "--weeks", "2")
    assert status == 1, "underpowered"
    assert "Underpowered: 2 weeks and 2,469 users see a difference of 45% or more" in " ".join(out.split())
    rows = [line.split() for line in out.splitlines()]
    assert ["2", "0.8%", "0.8%", "198,000", "45%"] in rows
    (asked,) = sent(server, "estimate_power")
    assert (asked["users"], asked["power"], asked["weeks"], asked["unit"]) == (2469, 0.9, 2, None)
    run("power", "plan-0001", "plan-0002", "--sites", "40", "--dispersion", "2.5")
    asked = sent(server, "estimate_power")[1]
    assert (asked["other_plan_id"], asked["sites"], asked["dispersion"]) == ("plan-0002", 40, 2.5)
    assert asked["unit"].value == "sites"


def test_a_report_shows_what_the_launch_took_and_brought(run):
    _, out, _ = run("report", "plan-0001")
    took, brought = out.index("What it took from its substitutes"), out.index("What its complements sold")
    assert took < brought
    assert all(words in out[took:brought] for words in ("potato chips sour cream", "−25", "0.58–0.93", "clear"))
    assert "may be chance" in out[brought:]


def test_related_products_stand_by_their_relation(server, run):
    status, out, _ = run("related", "995242", "--kind", "complement", "--count", 4)
    assert status == 0
    (call,) = [call for call in server.calls if call.method == "find_related_products"]
    assert (call.arguments["product_id"], call.arguments["count"]) == ("995242", 4)
    assert call.arguments["kind"] is RelationKind.COMPLEMENT
    together, instead = out.index("Bought with it"), out.index("Bought instead of it")
    assert "onion dip 9 oz" in out[together:instead]
    assert "1.90–3.00" in out[together:instead]
    assert "potato chips sour cream" in out[instead:]
    status, _, err = run("related", "995242", "--title", "chips")
    assert (status, "name one product" in err) == (2, True)


def test_the_scoreboards_stand_beside_each_other(server, run):
    status, out, _ = run("scoreboard", "--from", "2018-01-01")
    assert status == 0
    rows = [line.split() for line in out.splitlines()]
    assert ["1", "13", "20", "17", "19", "18", "10", "of", "13"] in rows
    assert ["changed", "price", "3", "1", "33%", "6%–79%"] in rows
    assert sent(server, "get_scoreboard")[0]["created_from"] == datetime(2018, 1, 1, tzinfo=UTC)


# Events.

ROWS = """event_id,kind,user_id,product_id,time,quantity,revenue,rating,text,shelf
e-1,purchase,1364,p-1,2018-02-06T12:00:00+00:00,2,7.98,,,A
e-2,review,1364,p-1,2018-02-08T12:00:00+01:00,,,4,Crisp,A
,impression,7,p-1,2018-02-06T12:00:00Z,,,,,A
,impression,7,p-1,2018-02-06T12:00:00Z,,,,,A
"""


def test_a_file_of_events_is_recorded(server, run, tmp_path):
    server.answer("record_events", stored)
    (tmp_path / "events.csv").write_text(ROWS)
    status, out, err = run("events", "import", "events.csv")
    assert (status, out) == (0, "4 recorded, 0 there already, 0 refused\n")
    assert "not read: shelf" in err
    (asked,) = sent(server, "record_events")
    one, two, three, four = asked["events"]
    assert one == Event(
        event_id="e-1",
        kind=EventKind.PURCHASE,
        product_id="p-1",
        time=NOON,
        user_id="1364",
        quantity=2.0,
        revenue=Money("7.98", "USD"),
    )
    assert (two.rating, two.text) == (4.0, "Crisp")
    assert three.event_id != four.event_id
    run("events", "import", "events.csv")
    assert sent(server, "record_events")[1] == asked, "rows without an id get the same one again"


def test_json_lines_are_recorded(server, run, tmp_path):
    server.answer("record_events", stored)
    row = {"event_id": "e", "kind": "purchase", "user_id": "u", "product_id": 7, "time": "2018-02-06T12:00:00Z"}
    (tmp_path / "events.jsonl").write_text(json.dumps({**row, "quantity": 1.5}) + "\n")
    assert run("events", "import", "events.jsonl")[0] == 0
    (asked,) = sent(server, "record_events")
    assert (asked["events"][0].product_id, asked["events"][0].quantity) == ("7", 1.5)


def test_refused_rows_are_in_a_file_with_the_reason(server, run, tmp_path):
    refusal = EventError(index=0, event_id="e-1", reason="CURRENCY_MISMATCH", field="revenue", message="no dollars")
    server.answer("record_events", RecordEventsResult(stored=1, errors=(refusal,)))
    rows = ROWS.splitlines()
    bad = [
        "e-8,jump,1,p,2018-02-06T12:00:00Z,,,,,",
        "e-9,click,1,p,6 Feb 2018,,,,,",
        "e-10,click,1,p,2018-02-06T12:00:00,,,,,",
    ]
    (tmp_path / "events.csv").write_text("\n".join([*rows[:3], *bad]) + "\n")
    status, out, err = run("events", "import", "events.csv")
    assert (status, out) == (2, "1 recorded, 0 there already, 4 refused\n")
    assert "4 refused, see events.csv.refused.csv" in err
    with (tmp_path / "events.csv.refused.csv").open(newline="") as file:
        told = [
            (row["row"], row["refused_because"], row["event_id"], row["rule"].split(":")[0])
            for row in csv.DictReader(file)
        ]
    assert sorted(told) == [
        ("1", "CURRENCY_MISMATCH", "e-1", "revenue"),
        ("3", "INVALID", "e-8", "kind"),
        ("4", "INVALID", "e-9", "time"),
        ("5", "INVALID", "e-10", "time"),
    ]


def test_an_interrupted_import_goes_on_where_it_was(server, run, tmp_path):
    row = "e-{0},click,u,p,2018-02-06T12:00:00Z"
    lines = ["event_id,kind,user_id,product_id,time", *(row.format(n) for n in range(4_500))]
    (tmp_path / "events.csv").write_text("\n".join(lines) + "\n")
    batches = iter([stored, stored])

    def answer(arguments):
        step = next(batches, None)
        if step is None:
            raise Overloaded("busy", retry_after=60.0)
        return step(arguments)

    server.answer("record_events", answer)
    status, _, _ = run("events", "import", "events.csv", "--timeout", "2")
    assert status != 0
    before = len(server.calls)
    server.answer("record_events", stored)
    status, out, _ = run("events", "import", "events.csv")
    assert (status, out) == (0, "500 recorded, 0 there already, 0 refused\n")
    (asked,) = [call.arguments for call in server.calls[before:] if call.method == "record_events"]
    assert [asked["events"][0].event_id, asked["events"][-1].event_id] == ["e-4000", "e-4499"]
    assert not list(tmp_path.glob("*.progress"))


@pytest.mark.parametrize(
    ("content", "said"),
    [("event_id,kind,time\n", "has no column product_id"), ("", "events.csv")],
)
def test_a_file_that_is_no_table_of_events_is_refused(server, run, tmp_path, content, said):
    (tmp_path / "events.csv").write_text(content)
    status, _, err = run("events", "import", "events.csv")
    assert status == 2
    assert said in err
    assert server.calls == []


def test_what_was_refused_before_an_interruption_is_still_told(server, run, tmp_path):
    row = "e-{0},click,u,p,2018-02-06T12:00:00Z"
    lines = ["event_id,kind,user_id,product_id,time", "bad,jump,u,p,", *(row.format(n) for n in range(2_500))]
    (tmp_path / "events.csv").write_text("\n".join(lines) + "\n")
    answers = iter([stored])

    def answer(arguments):
        step = next(answers, None)
        if step is None:
            raise Overloaded("busy", retry_after=60.0)
        return step(arguments)

    server.answer("record_events", answer)
    assert run("events", "import", "events.csv", "--timeout", "2")[0] != 0
    server.answer("record_events", stored)
    status, out, _ = run("events", "import", "events.csv")
    assert (status, out) == (2, "501 recorded, 0 there already, 1 refused\n")
    assert (tmp_path / "events.csv.refused.csv").read_text().count("\n") == 2


def test_a_record_of_another_service_does_not_count(server, run, tmp_path):
    server.answer("record_events", stored)
    (tmp_path / "events.csv").write_text(ROWS)
    about = (tmp_path / "events.csv").stat()
    of = {"size": about.st_size, "modified": about.st_mtime_ns, "service": "elsewhere:50051"}
    (tmp_path / "events.csv.progress").write_text(json.dumps({"of": of, "rows": 4}))
    assert run("events", "import", "events.csv")[1].startswith("4 recorded")


def test_events_whose_user_was_left_out_are_not_sent_again(server, run):
    kept = RefusedEvent(
        event=event("e-1", kind=EventKind.PURCHASE, user_id=None),
        error=EventError(event_id="e-1", reason="USER_ID_PERSONAL", field="user_id", message="looks like an address"),
        refused_at=NOON,
    )
    server.answer("list_refused_events", ListRefusedEventsResult(events=(kept,), total=1))
    status, out, _ = run("events", "refused", "--again")
    assert (status, out) == (2, "0 recorded, 0 there already, 1 refused\n")
    assert not sent(server, "record_events")


@pytest.mark.parametrize("name", ["out.csv", "out.jsonl"])
def test_what_is_exported_can_be_imported_again(server, run, tmp_path, name):
    events = (
        event("e-1", kind=EventKind.PURCHASE, quantity=2.0, revenue=Money("7.98", "USD")),
        event("e-2", kind=EventKind.REVIEW, rating=4.0, text='Crisp, "very"\nsalty'),
    )
    server.answer("list_events", ListEventsResult(events=events))
    server.answer("record_events", stored)
    assert run("events", "export", name)[0] == 0
    assert run("events", "import", name)[0] == 0
    (asked,) = sent(server, "record_events")
    assert asked["events"] == events


def test_refused_events_are_listed_and_sent_again(server, run):
    status, out, _ = run("events", "refused")
    assert status == 0
    assert "1 event refused." in out
    assert "VALUE_OUT_OF_RANGE" in out
    status, out, _ = run("events", "refused", "--again")
    assert (status, out) == (0, "1 recorded, 0 there already, 0 refused\n")
    (asked,) = sent(server, "record_events")
    assert [one.event_id for one in asked["events"]] == ["e-2"]


def test_no_refused_events(server, run):
    server.answer("list_refused_events", ListRefusedEventsResult())
    status, out, _ = run("events", "refused")
    assert (status, out) == (0, "0 events refused.\n")


def test_a_user_is_forgotten_with_a_receipt(server, run):
    status, out, _ = run("forget", "1364")
    assert status == 0
    assert "forgotten-0001" in out
    assert "12 events, 1 refused event and 3 recommendations deleted; taken out of 2 audiences." in out
    assert "in model release 3, and not used any more" in out


# Streams.


def test_a_stream_says_how_far_it_is(server, client):
    refusal = EventError(index=1, event_id="e-1", reason="FIELD_REQUIRED", field="kind", message="is required")
    answers = iter([RecordEventsResult(stored=2), RecordEventsResult(duplicates=1, errors=(refusal,))])
    server.answer("record_events", lambda _: next(answers))
    told = list(client.stream_events((event(f"e-{n}") for n in range(4)), together=2))
    assert [(one.acknowledged, one.stored, one.duplicates, len(one.errors)) for one in told] == [
        (2, 2, 0, 0),
        (4, 2, 1, 1),
    ]


async def test_the_async_stream_does_the_same(server):
    server.answer("record_events", stored)
    async with AsyncClient(server.address) as client:
        told = [one async for one in client.stream_events([event(f"e-{n}") for n in range(5)], together=2)]
    assert [one.acknowledged for one in told] == [2, 4, 5]


def test_a_stream_that_fails_raises_what_the_service_said(server, client):
    server.fail("record_events", Overloaded("busy", retry_after=1.0))
    with pytest.raises(Overloaded, match="busy"):
        list(client.stream_events([event("e")]))


def test_an_error_of_the_callers_own_events_is_raised(client):
    def broken():
        yield event("e-1")
        raise LookupError("no more")

    with pytest.raises(LookupError, match="no more"):
        list(client.stream_events(broken(), together=1))


def test_a_time_without_a_zone_is_refused(client):
    with pytest.raises(Exception, match="has no time zone"):
        client.record_events([event("e", time=datetime(2018, 2, 6))])
