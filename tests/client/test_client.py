"""Calls of both clients to a real server: what is sent, what comes back, when it is tried again."""

import threading
from datetime import UTC, date, datetime

import pytest

from onshelf import (
    Action,
    AsyncClient,
    BrandClass,
    Cancelled,
    ChannelCost,
    ChannelUse,
    Client,
    Costs,
    DateWindow,
    DeadlineExceeded,
    DecisionKind,
    DecisionReason,
    ErrorReason,
    Event,
    EventKind,
    HealthStatus,
    HistoryEvent,
    InvalidRequest,
    LaunchDecision,
    LaunchState,
    Money,
    NotFound,
    Objective,
    ObjectiveMetric,
    Overloaded,
    PlanConstraints,
    PowerUnit,
    Product,
    RecommendationScope,
    RelationKind,
    ServiceFault,
    StockPolicy,
    StockSite,
    Unavailable,
)
from onshelf._retry import Deadline, RetryPolicy
from onshelf._rpcs import PLAN_LAUNCH, RPCS, Rpc
from onshelf.testing import FakeServer, sample_answer

CHIPS = Product(
    title="sea salt chips",
    category_path=("Snacks", "Chips"),
    list_price=Money("3.99", "USD"),
    brand_class=BrandClass.PRIVATE_LABEL,
    attributes={"flavour": "salt"},
)
ARGUMENTS = {
    "plan_launch": {
        "product": CHIPS,
        "window": DateWindow(date(2018, 2, 5), date(2018, 4, 1)),
        "constraints": PlanConstraints(max_price=Money("4.49", "USD"), max_channels=0, allow_coupon=False),
        "costs": Costs(channel_costs=(ChannelCost(channel_id="mailer_front_feature", fixed_cost=Money(40, "USD")),)),
        "objective": Objective(metric=ObjectiveMetric.UNITS, risk_quantile=0.2),
        "stock_policy": StockPolicy(critical_fractile=0.9, order_multiple=6),
        "max_plans": 3,
        "audience_size": 0,
        "request_id": "row-1",
    },
    "evaluate_plan": {
        "product": CHIPS,
        "action": Action(
            launch_date=date(2018, 2, 5), channels=(ChannelUse("mailer_front_feature", 1.0),), coupon=True
        ),
        "similar_launches": 0,
    },
    "update_forecast": {
        "product": CHIPS,
        "action": Action(launch_date=date(2018, 2, 5), discount=0.1),
        "observed_weekly_units": (12, 9),
        "stock_units": 40,
        "constraints": PlanConstraints(max_discount=0.3),
        "stock_policy": StockPolicy(shelf_life_days=30, sites=(StockSite(site_id="s1", weight=2.0),)),
    },
    "recommend_products": {
        "user_id": "1364",
        "history": (HistoryEvent(product_id="995242", kind=EventKind.VIEW, age_days=2.0, quantity=1.0),),
        "count": 4,
        "scope": RecommendationScope.NEW_PRODUCTS,
        "categories": ("Snacks",),
    },
    "find_audience": {"product": CHIPS, "count": 10, "segments": True},
    "find_similar_launches": {"product_id": "995242", "count": 3},
    "find_related_products": {"product_id": "995242", "kind": RelationKind.SUBSTITUTE, "count": 3},
    "get_user_profile": {"user_id": "1364", "model_release": 7},
    "upsert_products": {"products": (CHIPS, Product(title="lime chips", product_id="p-2"))},
    "delete_products": {"product_ids": ("p-1", "p-2")},
    "list_channels": {"model_release": 7},
    "search_products": {"query": "salty snack", "count": 5, "categories": ("Snacks",)},
    "list_model_releases": {},
    "get_plan": {"plan_id": "plan-1"},
    "list_plans": {
        "product_id": "p-1",
        "state": LaunchState.DECIDED,
        "created_from": datetime(2026, 1, 1, tzinfo=UTC),
        "page_size": 5,
        "page_token": "next",
    },
    "estimate_power": {
        "plan_id": "plan-1",
        "rank": 1,
        "other_plan_id": "plan-2",
        "other_rank": 3,
        "unit": PowerUnit.SITES,
        "sites": 40,
        "weeks": 6,
        "dispersion": 2.5,
        "power": 0.9,
        "significance": 0.1,
    },
    "decide_launch": {
        "plan_id": "plan-1",
        "decision": LaunchDecision(
            kind=DecisionKind.CHANGED,
            decided_by="kim",
            executed_action=Action(launch_date=date(2018, 2, 5), discount=0.1),
            product_id="p-1",
            reason=DecisionReason.TIMING,
            comment="a week later",
        ),
        "last_revision": 0,
    },
    "replay_plan": {"plan_id": "plan-1"},
    "record_events": {
        "events": (
            Event(
                event_id="e-1",
                kind=EventKind.PURCHASE,
                product_id="p-1",
                time=datetime(2018, 2, 6, 12, tzinfo=UTC),
                user_id="1364",
                quantity=2.0,
                revenue=Money("7.98", "USD"),
            ),
        ),
    },
    "list_events": {"product_id": "p-1", "page_size": 5},
    "list_refused_events": {"page_size": 5},
    "list_launches": {"state": LaunchState.ON_SALE, "page_size": 5},
    "get_launch_report": {"plan_id": "plan-1"},
    "get_scoreboard": {"created_from": datetime(2026, 1, 1, tzinfo=UTC)},
    "forget_user": {"user_id": "1364"},
}


@pytest.mark.parametrize("rpc", RPCS, ids=lambda rpc: rpc.method)
def test_what_is_asked_arrives_and_what_is_answered_comes_back(server, client, rpc):
    arguments = ARGUMENTS[rpc.method]
    assert getattr(client, rpc.method)(**arguments) == sample_answer(rpc.method)
    received = server.calls[0].arguments
    assert {name: received[name] for name in arguments} == arguments
    assert not any(value for name, value in received.items() if name not in arguments)


@pytest.mark.parametrize("rpc", RPCS, ids=lambda rpc: rpc.method)
async def test_the_async_client_asks_and_answers_the_same(server, client, rpc):
    arguments = ARGUMENTS[rpc.method]
    async with AsyncClient(server.address) as asynchronous:
        assert await getattr(asynchronous, rpc.method)(**arguments) == getattr(client, rpc.method)(**arguments)
    assert server.calls[0].arguments == server.calls[1].arguments


def test_a_result_can_be_read_like_a_plan(client):
    best = client.plan_launch(CHIPS).plans[0]
    units = best.forecast(8).units
    assert units.quantile(0.1) < units.quantile(0.25) < units.quantile(0.3) <= units.quantile(0.9)
    assert units.quantile(0.25) == pytest.approx((units.quantile(0.2) + units.quantile(0.3)) / 2)
    with pytest.raises(ValueError, match=r"quantile level 0.99 is outside"):
        units.quantile(0.99)
    with pytest.raises(ValueError, match=r"no forecast for 12 weeks; the answer has \[4, 8\]"):
        best.forecast(12)


def test_a_search_needs_one_subject(server, client):
    for arguments in ({}, {"product": CHIPS, "product_id": "1"}):
        for method in (client.find_audience, client.find_similar_launches, client.find_related_products):
            with pytest.raises(InvalidRequest, match="give either a product or a product_id"):
                method(**arguments)
    assert server.calls == []


def test_metadata_is_made_anew_for_each_call(server):
    tokens = iter(["one", "two"])
    with Client(server.address, metadata=lambda: [("authorization", f"Bearer {next(tokens)}")]) as client:
        client.get_user_profile("1")
        client.get_user_profile("2")
    assert [call.metadata["authorization"] for call in server.calls] == ["Bearer one", "Bearer two"]


def test_channel_options_reach_the_channel(server):
    with Client(server.address, channel_options=[("grpc.primary_user_agent", "shop/1")]) as client:
        client.get_user_profile("1")
    assert server.calls[0].metadata["user-agent"].startswith("shop/1")


@pytest.mark.parametrize("arguments", [{"timeout": 0}, {"timeout": float("nan")}, {"retries": -1}])
def test_settings_that_make_no_sense_are_refused(arguments):
    for kind in (Client, AsyncClient):
        with pytest.raises(ValueError, match="; give "):
            kind(**arguments)


# Retries.

DRAINING = Unavailable("shutting down", reason=ErrorReason.DRAINING, retry_after=0.0)


@pytest.mark.parametrize("rpc", [rpc for rpc in RPCS if rpc.retry_safe], ids=lambda rpc: rpc.method)
def test_a_call_that_fails_twice_for_want_of_the_service_succeeds(server, client, rpc):
    server.fail(rpc.method, DRAINING, times=2)
    assert getattr(client, rpc.method)(**ARGUMENTS[rpc.method]) == sample_answer(rpc.method)
    assert len(server.calls) == 3
    assert all(call.arguments == server.calls[0].arguments for call in server.calls)


async def test_the_async_client_retries_too(server):
    server.fail("plan_launch", DRAINING, times=2)
    async with AsyncClient(server.address) as client:
        assert await client.plan_launch(CHIPS) == sample_answer("plan_launch")
    assert len(server.calls) == 3


def test_a_plan_is_asked_for_again_under_the_same_request_id(server, client):
    server.fail("plan_launch", DRAINING)
    client.plan_launch(CHIPS)
    client.plan_launch(CHIPS)
    first, again, other = (call.arguments["request_id"] for call in server.calls)
    assert first
    assert first == again != other


def test_retries_end(server):
    server.fail("plan_launch", DRAINING, times=9)
    with Client(server.address, retries=2) as client, pytest.raises(Unavailable):
        client.plan_launch(CHIPS)
    assert len(server.calls) == 3


@pytest.mark.parametrize(
    "error",
    [
        InvalidRequest("no", reason=ErrorReason.PRICE_INVALID),
        ServiceFault("no", reason=ErrorReason.MODEL_OUTPUT_INVALID),
        Overloaded("busy", reason=ErrorReason.OVERLOADED),
        DeadlineExceeded("late", reason=ErrorReason.DEADLINE_EXCEEDED),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_would_fail_again_or_add_to_the_load_is_not_retried(server, client, error):
    server.fail("plan_launch", error)
    with pytest.raises(type(error)):
        client.plan_launch(CHIPS)
    assert len(server.calls) == 1


def test_an_overloaded_service_is_asked_again_when_it_says_when(server, client):
    server.fail("plan_launch", Overloaded("busy", reason=ErrorReason.OVERLOADED, retry_after=0.01))
    client.plan_launch(CHIPS)
    assert len(server.calls) == 2


def test_an_unsafe_call_is_not_retried():
    unsafe = Rpc(**{**vars(PLAN_LAUNCH), "retry_safe": False})
    assert RetryPolicy().pause(PLAN_LAUNCH, DRAINING, 1, None) is not None
    assert RetryPolicy().pause(unsafe, DRAINING, 1, None) is None


def test_pauses_grow_are_drawn_and_stay_within_the_deadline():
    policy, error = RetryPolicy(retries=10, initial=0.1, longest=2.0), Unavailable("away")
    pauses = [policy.pause(PLAN_LAUNCH, error, attempt, None, draw=lambda: 1.0) for attempt in range(1, 11)]
    assert pauses == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 2, 2, 2, 2, 2])
    assert policy.pause(PLAN_LAUNCH, error, 1, None, draw=lambda: 0.0) == pytest.approx(0.05)
    assert policy.pause(PLAN_LAUNCH, error, 11, None) is None
    assert policy.pause(PLAN_LAUNCH, error, 5, 0.5, draw=lambda: 1.0) is None
    told = Unavailable("away", retry_after=3.0)
    assert policy.pause(PLAN_LAUNCH, told, 1, 10.0, draw=lambda: 1.0) == pytest.approx(3.75)
    assert policy.pause(PLAN_LAUNCH, told, 1, 2.0) is None


def test_a_deadline_counts_down_to_zero_and_may_be_none():
    now = [100.0]
    deadline = Deadline(5.0, clock=lambda: now[0])
    assert deadline.left() == 5.0
    now[0] = 103.0
    assert deadline.left() == 2.0
    now[0] = 200.0
    assert deadline.left() == 0.0
    assert Deadline(float("inf")).left() is None


def test_the_deadline_holds_for_all_attempts_together(server):
    # The service is away at first; what is left of the deadline is what the second attempt is given.
    server.fail("plan_launch", DRAINING)
    server.hang("plan_launch")
    with Client(server.address, timeout=0.4) as client, pytest.raises(DeadlineExceeded, match=r"within 0.4 s"):
        client.plan_launch(CHIPS)
    assert len(server.calls) == 2


async def test_the_async_client_keeps_deadlines(server):
    server.hang("plan_launch")
    async with AsyncClient(server.address, timeout=0.2) as client:
        with pytest.raises(DeadlineExceeded, match=r"within 0.2 s"):
            await client.plan_launch(CHIPS)


async def test_the_async_client_says_that_nothing_listens(free_address):
    async with AsyncClient(free_address, retries=0) as client:
        with pytest.raises(Unavailable, match="nothing answers at"):
            await client.plan_launch(CHIPS)


# Health.


def test_health_is_what_the_service_says(server, client):
    assert client.health().serving
    server.set_health(HealthStatus.NOT_SERVING)
    assert client.health().status is HealthStatus.NOT_SERVING
    assert not client.health().serving


def test_health_of_a_service_that_is_not_known_is_an_error(client):
    with pytest.raises(NotFound):
        client.health("onshelf.v1.Nothing")


def test_watching_sees_each_change(server, client):
    seen = []
    for health in client.watch_health():
        seen.append(health.status)
        if len(seen) == 1:
            server.set_health(HealthStatus.NOT_SERVING)
        elif len(seen) == 2:
            server.set_health(HealthStatus.SERVING)
        else:
            break
    assert seen == [HealthStatus.SERVING, HealthStatus.NOT_SERVING, HealthStatus.SERVING]


async def test_the_async_client_watches_too(server):
    async with AsyncClient(server.address) as client:
        assert (await client.health()).serving
        async for health in client.watch_health():
            if health.serving:
                server.set_health(HealthStatus.NOT_SERVING)
            else:
                break
        assert health.status is HealthStatus.NOT_SERVING


def test_watching_ends_in_an_error_when_the_service_goes_away():
    with FakeServer() as server, Client(server.address) as client:
        watched = client.watch_health()
        assert next(watched).serving
        stopper = threading.Thread(target=server.stop)
        stopper.start()
        with pytest.raises((Unavailable, Cancelled)):
            for _ in watched:
                pass
        stopper.join()


# The fake itself.


def test_the_fake_refuses_methods_that_do_not_exist(server):
    for tell in (
        lambda: server.answer("plan", None),
        lambda: server.hang("plan"),
        lambda: server.fail("plan", DRAINING),
    ):
        with pytest.raises(ValueError, match="the client has no method 'plan'"):
            tell()


def test_the_fake_answers_by_a_function_that_may_fail(server, client):
    def answer(arguments):
        if not arguments["product"].title.isascii():
            raise InvalidRequest("not understood", reason=ErrorReason.TEXT_NOT_UNDERSTOOD, field="product.title")
        return sample_answer("plan_launch")

    server.answer("plan_launch", answer)
    assert client.plan_launch(CHIPS).plans
    with pytest.raises(InvalidRequest, match=r"product.title: not understood"):
        client.plan_launch(Product(title="海盐薯片"))
