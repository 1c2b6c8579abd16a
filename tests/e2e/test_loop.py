"""The loop on a real model release and a real Triton: plans decided, events, reports, forgetting."""

import datetime as dt
from collections import Counter
from decimal import Decimal
from pathlib import Path

import ibis
import pytest

from onshelf import (
    Action,
    Client,
    DecisionKind,
    DecisionReason,
    Event,
    EventKind,
    LaunchDecision,
    LaunchState,
    Money,
    Product,
)
from onshelf._cli import main

YEAR = dt.timedelta(weeks=52)
WEEKS = 8


@pytest.fixture
def run(system: Client, capsys, monkeypatch, tmp_path: Path):
    monkeypatch.setenv("ONSHELF_ADDRESS", system.address)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.chdir(tmp_path)

    def call(*argv):
        status = main(list(argv))
        return status, capsys.readouterr().out

    return call


def test_the_demo_goes_through_the_whole_loop(run):
    status, out = run("demo-loop")
    assert status == 0
    assert out.count("After week 2") == 2
    assert out.count("After week 8") == 2
    assert out.count("Postponed by demo-loop") == 1
    assert "drawn once between 0.6 and 1.4" in out
    assert "Expect " in out
    assert out.count("not over") == 2 * 6
    assert "receipt forgotten-" in out
    assert "What reviews say" in out
    assert "for example" in out, "topics"
    assert "Is there a bigger size?" in out, "a question"


def test_a_remembered_plan_is_computed_again_bit_for_bit(system: Client):
    plan = system.plan_launch(Product(title="Kettle cooked potato chips", list_price=Money("3.49", "USD")))
    answer = system.replay_plan(plan.plan_id)
    assert answer.differences == ()
    assert answer.same


def true_launch(data: Path) -> tuple[str, str, dt.date, list[tuple[dt.date, str, float, Decimal]]]:
    """Product, title, first day and purchases (day, user, units, revenue) of the launch that sold most in 8 weeks."""
    tables = ibis.duckdb.connect()
    lines = tables.read_parquet(data / "canonical" / "interactions*.parquet")
    products = tables.read_parquet(data / "canonical" / "products*.parquet")
    bought = lines.filter(lines.kind == "purchase")
    first = bought.group_by("product_id").agg(first=bought.time.min())
    late = first.filter(first.first > dt.datetime(2017, 6, 1))
    joined = bought.join(late, "product_id")
    within = joined.filter(joined.time < joined["first"] + ibis.interval(days=7 * WEEKS))
    best = within.group_by("product_id").agg(units=within.quantity.sum()).order_by(ibis.desc("units")).limit(1)
    product = str(best.to_pyarrow()["product_id"][0])
    rows = bought.filter(bought.product_id == product).order_by("time").to_pyarrow().to_pylist()
    title = str(products.filter(products.product_id == product).to_pyarrow()["title"][0])
    found = [
        (row["time"].date(), row["user_id"] or "", float(row["quantity"]), round(Decimal(row["revenue"]), 2))
        for row in rows
    ]
    return product, title, found[0][0], found


def test_a_report_agrees_with_what_the_data_say(system: Client, complete_journey: Path):
    product, title, first, bought = true_launch(complete_journey)
    plan = system.plan_launch(Product(title=title, list_price=Money("3.99", "USD")), audience_size=0)
    monday = first - dt.timedelta(days=first.weekday()) + YEAR  # what follows is a year later: after the data's end
    decision = LaunchDecision(
        kind=DecisionKind.CHANGED,
        reason=DecisionReason.TIMING,
        decided_by="test",
        product_id=f"{product}-again",
        executed_action=Action(launch_date=monday, list_price=Money("3.99", "USD")),
    )
    stored = system.decide_launch(plan.plan_id, decision).plan
    assert stored.executed_plan is not None
    start = stored.executed_plan.action.launch_date
    zone = dt.timezone(dt.timedelta(hours=-5))
    events = [
        Event(
            event_id=f"{product}-{n}",
            kind=EventKind.PURCHASE,
            product_id=f"{product}-again",
            time=dt.datetime.combine(day + YEAR, dt.time(12), zone),
            user_id=user or None,
            quantity=units,
            revenue=Money(revenue, "USD"),
        )
        for n, (day, user, units, revenue) in enumerate(bought)
    ]
    answer = system.record_events(events)
    assert (answer.stored, answer.errors) == (len(events), ())
    report = system.get_launch_report(plan.plan_id)
    units, revenue, users = Counter(), Counter(), {}
    for day, user, sold, paid in bought:
        week = (day + YEAR - start).days // 7
        if 0 <= week < WEEKS:
            units[week] += sold
            revenue[week] += paid
            if user:
                users.setdefault(user, set()).add(day)
    assert sum(units.values()) > 50, "a launch that sold"
    assert [week.units for week in report.weeks] == pytest.approx([units[n] for n in range(WEEKS)])
    assert [week.revenue.amount for week in report.weeks] == [revenue[n] for n in range(WEEKS)]
    assert report.buyers == len(users)
    assert report.repeat_rate == pytest.approx(sum(len(days) > 1 for days in users.values()) / len(users))
    assert report.launch.state in (LaunchState.ON_SALE, LaunchState.COMPLETED)


def test_what_reviews_say_is_read_by_the_real_model_and_quoted_word_for_word(system: Client):
    plan = system.plan_launch(Product(title="Sparkling lemonade, 4 x 12 oz cans", list_price=Money("4.99", "USD")))
    decision = LaunchDecision(kind=DecisionKind.ACCEPTED, decided_by="test", product_id="read-by-the-model")
    stored = system.decide_launch(plan.plan_id, decision).plan
    assert stored.executed_plan is not None
    day = stored.executed_plan.action.launch_date
    texts = [f"The taste of can {n} is fine. Where can I buy {n} more of it?" for n in range(11)]
    texts.append("味道很好，下次还会买")
    events = [
        Event(
            event_id=f"read-by-the-model-{n}",
            kind=EventKind.REVIEW,
            product_id="read-by-the-model",
            time=dt.datetime.combine(day, dt.time(18, n), dt.UTC),
            user_id=f"reader-{n}",
            rating=4.0,
            text=text,
        )
        for n, text in enumerate(texts)
    ]
    assert system.record_events(events).errors == ()
    said = system.get_launch_report(plan.plan_id).review_summary
    assert said is not None
    assert (said.with_text, said.read, said.not_read, said.abstained) == (12, 11, 1, "")
    assert said.negative + said.neutral + said.positive == 11
    assert said.sentiment is not None
    assert -1 <= said.sentiment <= 1
    assert len(said.questions) == 11
    assert "taste" in {topic.topic for topic in said.topics}
    assert all(any(quote.text in text for text in texts) for topic in said.topics for quote in topic.quotes)
