"""`onshelf demo-loop`: the whole life of launches on a running service, with events drawn from a stated simulator.

The simulator: a launch sells at its forecast times a factor of its own, drawn once between 0.6 and 1.4; a week's units
are Poisson around that. Each unit is bought on a day of its week by one of 200 invented users, after a click and some
impressions that name the plan; every fourth buyer writes a review, with stars and one of a few sentences that fit
them. Real launches scatter more: see the bands.
"""

import dataclasses
import random
import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any

from onshelf import _inputs
from onshelf._cli import _words as w
from onshelf._cli._launches import report_sections
from onshelf._cli._options import Service
from onshelf._cli._plans import decision_lines
from onshelf._cli._prices import release_info
from onshelf._cli._terminal import bold, clean, show
from onshelf._cli._usage import UsageError
from onshelf._cli._values import WHOLE, option
from onshelf._client import Client
from onshelf._enums import DecisionKind, DecisionReason, EventKind
from onshelf._errors import ServiceFault
from onshelf._feedback_results import StoredPlan
from onshelf._money import Money
from onshelf._results import PlanLaunchResult

PRODUCTS = (  # title, list price, unit cost
    ("Kettle cooked potato chips, sea salt, 9 oz", "3.49", "1.90"),
    ("Greek yogurt, honey, 32 oz", "5.49", "3.20"),
    ("Sparkling lemonade, 4 x 12 oz cans", "4.99", "2.60"),
)
POPULATION = 100.0  # times the data's own, so that a week has units enough to see
WEEKS = 8
SHOWN = 12  # impressions before a purchase
TOGETHER = 2_000  # events of one call
USERS = 200  # invented
STARS = (5, 5, 4, 4, 3, 1)
SAID = {  # in a review of so many stars
    5: (
        "Great taste, and the price is fair. We finished it in a day!",
        "My kids love the taste. The packaging keeps it fresh.",
        "Best I have had in years, great taste. Is there a bigger size?",
    ),
    4: ("Good taste, a bit sweet for me.", "Nice, and the packaging is easy to open. Fair price."),
    3: ("It is okay, nothing special.", "Average taste. The price could be lower."),
    1: ("The packaging was torn and it tasted stale. Very disappointed.", "Awful taste, a waste of money."),
}


def demo_loop(
    *,
    seed: Annotated[int, WHOLE, option("of the simulator (default: 1)")] = 1,
    service: Service = Service(),
) -> None:
    """Plan three products, decide two, send eight weeks of simulated events, read the reports, forget a user.

    For a system that nobody relies on: what it decides and records stays. The launch weeks must be over, so that their
    events can have happened: it needs a model release whose data end some months ago.
    """
    drawn, run = random.Random(seed), uuid.uuid4().hex[:8]
    with service.connect() as client:
        currency = release_info(client, None).currency
        plans = [_planned(client, title, price, cost, currency) for title, price, cost in PRODUCTS]
        for (title, _, _), plan in zip(PRODUCTS, plans, strict=True):
            show([bold(f'Planned: "{title}"'), clean(plan.plans[0].summary)])
        last_day = (plans[0].plans[0].action.launch_date or date.max - timedelta(weeks=WEEKS)) + timedelta(weeks=WEEKS)
        if last_day > datetime.now(UTC).date():
            raise UsageError(
                f"the launch would last until {last_day}: its events cannot have happened yet; nothing was decided"
            )
        launches = [_accept(client, plans[0], f"demo-{run}-1")]
        launches.append(_accept(client, plans[1], f"demo-{run}-2", _first_day(launches[0])))
        _decide(client, plans[2], kind=DecisionKind.POSTPONED, reason=DecisionReason.SUPPLY)
        show([bold("Simulated"), " ".join((__doc__ or "").partition("\n\n")[2].split())])
        factors = [drawn.uniform(0.6, 1.4) for _ in launches]
        buyers: list[str] = []
        for first, last in ((0, 2), (2, WEEKS)):
            for launch, plan, factor in zip(launches, plans, factors, strict=False):
                events = list(_events(drawn, launch, plan, factor, range(first, last), currency))
                buyers += [one.user_id for one in events if one.kind is EventKind.PURCHASE and one.user_id]
                _send(client, events)
            _close(client, launches, last, run)
            for launch in launches:
                show([bold(f"After week {last}")], *report_sections(client.get_launch_report(launch.plan_id)))
        if buyers:
            receipt = client.forget_user(buyers[0])
            show(
                [
                    bold(f"Forgot user {clean(buyers[0])}"),
                    f"{w.counted(receipt.events_deleted, 'event')} deleted, receipt {clean(receipt.receipt_id)}.",
                ]
            )


def _planned(client: Client, title: str, price: str, cost: str, currency: str) -> PlanLaunchResult:
    answer = client.plan_launch(
        _inputs.Product(title=title, list_price=Money(price, currency), unit_cost=Money(cost, currency)),
        population_scale=POPULATION,
        costs=_inputs.Costs(
            channel_costs=(_inputs.ChannelCost(channel_id=_channel(client), fixed_cost=Money("400", currency)),)
        ),
    )
    if not answer.info.attribution_token:
        raise ServiceFault("the service does not remember plans: see its --remember", address=client.address)
    return answer


def _channel(client: Client) -> str:
    """The channel that most launches used."""
    channels = client.list_channels().channels
    if not channels:
        raise ServiceFault("the model release has no channels", address=client.address)
    return max(channels, key=lambda one: one.launches).channel_id


def _accept(client: Client, plan: PlanLaunchResult, product_id: str, day: date | None = None) -> StoredPlan:
    """The plan as it is, or on another day."""
    action = plan.plans[0].action
    if day is None or action.launch_date == day:
        return _decide(client, plan, kind=DecisionKind.ACCEPTED, product_id=product_id)
    changed = dataclasses.replace(action, launch_date=day, sale_price=None)
    return _decide(
        client,
        plan,
        kind=DecisionKind.CHANGED,
        reason=DecisionReason.TIMING,
        comment="both on one day",
        product_id=product_id,
        executed_action=changed,
    )


def _decide(client: Client, plan: PlanLaunchResult, **what: Any) -> StoredPlan:
    decision = _inputs.LaunchDecision(decided_by="demo-loop", **what)
    stored = client.decide_launch(plan.plan_id, decision).plan
    if stored.decision is not None:
        show(decision_lines(stored.decision))
    return stored


def _poisson(drawn: random.Random, mean: float) -> int:
    """Arrivals within a unit of time, whose gaps are exponential."""
    count, at = 0, drawn.expovariate(1.0)
    while at < mean:
        count, at = count + 1, at + drawn.expovariate(1.0)
    return count


def _first_day(launch: StoredPlan) -> date:
    action = None if launch.decision is None else launch.decision.executed_action
    assert action is not None, "what is accepted has an action"
    assert action.launch_date is not None, "with a launch date"
    return action.launch_date


def _events(
    drawn: random.Random, launch: StoredPlan, plan: PlanLaunchResult, factor: float, weeks: range, currency: str
) -> Iterator[_inputs.Event]:
    """What happens in some of a launch's weeks."""
    assert launch.decision is not None, "it was accepted"
    assert launch.decision.product_id is not None, "under an id"
    product = launch.decision.product_id
    action = launch.decision.executed_action
    price = Money("3.99", currency) if action is None or action.list_price is None else action.list_price
    users = [f"demo-user-{n}" for n in range(USERS)]
    for week in weeks:
        for unit in range(_poisson(drawn, factor * launch.executed_weekly_units[week])):
            day = _first_day(launch) + timedelta(weeks=week, days=drawn.randrange(7))
            at = datetime.combine(day, time(15), UTC) + timedelta(seconds=drawn.randrange(3600))
            user, name = drawn.choice(users), f"{product}-{week}-{unit}"
            usual: dict[str, Any] = {"product_id": product, "attribution_token": plan.plan_id}
            if user:
                for n in range(SHOWN):
                    seen = at - timedelta(minutes=60 + n)
                    yield _inputs.Event(
                        event_id=f"{name}-shown-{n}", kind=EventKind.IMPRESSION, time=seen, user_id=user, **usual
                    )
                yield _inputs.Event(
                    event_id=f"{name}-click",
                    kind=EventKind.CLICK,
                    time=at - timedelta(minutes=5),
                    user_id=user,
                    **usual,
                )
            yield _inputs.Event(
                event_id=f"{name}-bought",
                kind=EventKind.PURCHASE,
                product_id=product,
                time=at,
                user_id=user or None,
                quantity=1.0,
                revenue=price,
            )
            if unit % 4 == 0:
                stars = drawn.choice(STARS)
                yield _inputs.Event(
                    event_id=f"{name}-review",
                    kind=EventKind.REVIEW,
                    product_id=product,
                    time=at + timedelta(days=1),
                    user_id=user or None,
                    rating=float(stars),
                    text=drawn.choice(SAID[stars]),
                )


def _close(client: Client, launches: list[StoredPlan], weeks: int, run: str) -> None:
    """The first event after these weeks, which says that they are over."""
    after = _first_day(launches[0]) + timedelta(weeks=weeks)
    event = _inputs.Event(
        event_id=f"demo-{run}-after-{weeks}",
        kind=EventKind.IMPRESSION,
        product_id=f"demo-{run}-other",
        time=datetime.combine(after, time(17), UTC),
        user_id="demo",
    )
    _send(client, [event])


def _send(client: Client, events: list[_inputs.Event]) -> None:
    for start in range(0, len(events), TOGETHER):
        answer = client.record_events(events[start : start + TOGETHER])
        if answer.errors:
            raise ServiceFault(f"an event was refused: {answer.errors[0].message}", address=client.address)
