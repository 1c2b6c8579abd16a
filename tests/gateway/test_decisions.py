"""What decides about plans: categories, money, ranking, support, and requests drawn at random."""

import datetime as dt
import random
from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace
from typing import cast

import grpc
import numpy as np
import pytest

from onshelf.v1 import launch_pb2, types_pb2
from onshelf_gateway.call.call import Call
from onshelf_gateway.inference.outputs import RawOutcomes
from onshelf_gateway.planning.candidates import cross, join
from onshelf_gateway.planning.economics import cost_candidates
from onshelf_gateway.planning.forecasts import Forecasts, nb_quantile
from onshelf_gateway.planning.ranking import diverse, from_knee, frontier_rows
from onshelf_gateway.product.categories import Category, NamedCategory, completed, named_category
from onshelf_gateway.product.understanding import _notice_category
from onshelf_gateway.releases.model_release import load_release
from onshelf_gateway.requests.questions import CostQuestion, ObjectiveQuestion, ProductQuestion
from onshelf_gateway.testing.fake_backend import complete_ids

T = types_pb2
LEVELS = np.array([0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95])
NOTHING = {"fixed": {}, "per_unit": {}, "coverage": {}, "lead_days": {}, "coupon": Decimal(0), "assumed_margin": None}
FREE = CostQuestion(**NOTHING, stated=False, coupon_stated=False)
REVENUE = ObjectiveQuestion(T.OBJECTIVE_METRIC_REVENUE, 8, None)


def profit(risk_quantile=None) -> ObjectiveQuestion:
    return ObjectiveQuestion(T.OBJECTIVE_METRIC_GROSS_PROFIT, 8, risk_quantile)


@pytest.fixture(scope="module")
def release(releases):
    return load_release(releases / "3")


def test_the_narrowest_name_that_agrees_with_the_others_wins(release):
    vocabulary = release.vocabulary
    assert named_category(vocabulary, ("Grocery", "Yogurt", "Greek yogurt")).ids == (1, 2, 3)
    assert named_category(vocabulary, ("Grocery",)).ids == (1, 0, 0)
    partly = named_category(vocabulary, ("Grocery", "Yogurt", "Moon yogurt"))
    assert partly.ids == (1, 2, 0)
    assert partly.unknown == ((2, "Moon yogurt"),)
    assert "Greek yogurt" in partly.nearest
    assert not named_category(vocabulary, ("nothing like it",)).matched


def test_what_the_encoder_completed_is_said_beside_what_was_named(release):
    vocabulary = release.vocabulary
    inferred = completed(vocabulary, NamedCategory((0, 0, 0)), (1, 2, 3), 0.8)
    assert (inferred.ids, inferred.matched, inferred.confidence) == ((1, 2, 3), False, 0.8)
    assert inferred.path == tuple(vocabulary.path((1, 2, 3)))
    assert not inferred.inferred, "nothing was named that it could be narrower than"
    within = completed(vocabulary, NamedCategory((1, 2, 0)), (1, 2, 3), 0.8)
    assert within.path == tuple(vocabulary.path((1, 2, 0)))
    assert within.matched
    assert within.confidence == 1.0
    assert within.inferred == "Greek yogurt"
    partly = named_category(vocabulary, ("Grocery", "Yogurt", "Moon yogurt"))
    assert completed(vocabulary, partly, (1, 2, 0), 0.1).nearest == partly.nearest


@pytest.mark.parametrize(
    ("named", "probabilities", "ids", "sure"),
    [
        ((0, 0, 0), {3: 0.8, 4: 0.2}, (1, 2, 3), 0.8),
        ((0, 0, 0), {1: 0.29, 3: 0.28, 7: 0.43}, (1, 0, 0), 0.57),
        ((1, 1, 0), {1: 0.29, 3: 0.28, 7: 0.43}, (1, 1, 1), 1.0),
    ],
)
def test_the_fake_encoder_fills_levels_as_the_exported_one_does(release, named, probabilities, ids, sure):
    types = len(release.vocabulary.levels["type"].names)
    logits = np.array([np.log(probabilities.get(n, 1e-12)) for n in range(types)])
    found, confidence = complete_ids(release, np.array([*named, 0]), logits)
    assert found == [*ids, 0]
    assert confidence == pytest.approx(sure, abs=1e-6)


def _few(discounts=(0.0, 0.2), prices=("2.99", "3.29")):
    sets = np.zeros((4, 32))
    sets[1, 0] = 0.4
    sets[2, [0, 1]] = 0.4, 0.5
    sets[3, [0, 1, 2]] = 0.4, 0.5, 0.2
    days = [dt.date(2018, 1, 1), dt.date(2018, 1, 8), dt.date(2018, 1, 15)]
    return cross(days, sets, [Decimal(price) for price in prices], list(discounts), [False, True])


def _outcomes(candidates, scale=1.0, gain=0.5):
    lift = gain * np.log1p(4 * candidates.sets.sum(axis=1)[candidates.channel_set]) + candidates.discount
    mean = 10 * np.exp(lift + 0.05 * candidates.coupon) * (candidates.amounts / 2.99) ** -1.5
    both = np.stack([0.6 * mean, mean], axis=1)
    sizes = np.full((*both.shape, 11), 1.5)
    quantiles = nb_quantile(np.broadcast_to(LEVELS, sizes.shape), np.broadcast_to(both[..., None], sizes.shape), sizes)
    return Forecasts(
        RawOutcomes(
            mean=both,
            dispersion=np.full(both.shape, 1.5),
            quantiles=quantiles,
            buyers=0.8 * both,
            repeat_rate=np.full(len(mean), 0.2),
        ),
        LEVELS,
        scale,
    )


def test_joined_candidates_stay_what_they_were():
    first, second = _few(), _few(discounts=(0.1,), prices=("2.49",))
    both = join(first, second)
    assert len(both) == len(first) + len(second)
    for part, start in ((first, 0), (second, len(first))):
        rows = slice(start, start + len(part))
        assert both.coverage[rows] == pytest.approx(part.coverage)
        assert both.amounts[rows] == pytest.approx(part.amounts)
        assert both.discount[rows] == pytest.approx(part.discount)
        assert [both.days[n] for n in both.day[rows]] == [part.days[n] for n in part.day]


def test_money_of_a_candidate():
    candidates = _few()
    forecasts = _outcomes(candidates)
    paid = {"fixed": {0: Decimal(7)}, "per_unit": {0: Decimal("0.5")}, "coverage": {0: Decimal(10)}}
    costs = replace(FREE, **paid, coupon=Decimal(3), stated=True, coupon_stated=True)
    result = cost_candidates(candidates, forecasts, costs, 1.2)
    row = int(np.flatnonzero((candidates.channel_set == 1) & (candidates.discount == 0.2) & candidates.coupon)[0])
    units = forecasts.mean(8)[row]
    assert result.upfront[row] == pytest.approx(7 + 0.4 * 10 + 3)
    assert result.promotion_cost(8)[row] == pytest.approx(14 + 0.5 * units)
    share = 0.5 * 0.6  # half of the first four weeks' units
    assert result.paid(8)[row] == pytest.approx(2.99 * (1 - 0.2 * share))
    assert result.discount_cost(8)[row] == pytest.approx(2.99 * 0.2 * share * units)
    value = result.value(profit())
    assert value[row] == pytest.approx(units * (result.paid(8)[row] - 0.5 - 1.2) - 14)
    assert (result.value(profit(0.2)) <= value + 1e-9).all()
    loss = cost_candidates(candidates, forecasts, costs, 9.0)
    assert (loss.value(profit(0.1)) < loss.value(profit())).all(), "many sold is the bad case"
    with pytest.raises(ValueError, match="unit cost"):
        cost_candidates(candidates, forecasts, costs, None).value(profit())


async def test_a_coupon_channel_costs_per_unit_and_has_its_lead_time(running, words):
    def asked(**cost):
        costs = launch_pb2.Costs(channel_costs=[launch_pb2.ChannelCost(channel_id="coupon_campaign", **cost)])
        limits = launch_pb2.PlanConstraints(required_channel_ids=["coupon_campaign"])
        return running.launch.PlanLaunch(words.plan(costs=costs, constraints=limits, max_plans=50))

    plain = await asked(fixed_cost=words.money(5))
    dear = await asked(fixed_cost=words.money(5), cost_per_unit=words.money(0.5))
    late = await asked(fixed_cost=words.money(5), lead_time_days=30)
    assert {plan.promotion_cost.units for plan in plain.plans} == {5}
    for plan in dear.plans:
        units = plan.forecasts[1].units.mean
        assert plan.promotion_cost.units + plan.promotion_cost.nanos / 1e9 == pytest.approx(5 + 0.5 * units, abs=0.01)
    assert min(plan.action.launch_date for plan in late.plans) >= "2018-01-31"
    assert min(plan.action.launch_date for plan in plain.plans) < "2018-01-31"


async def test_a_thinned_grid_keeps_open_weeks(running, words):
    closed = [("2018-01-01", "2018-06-03"), ("2018-06-11", "2018-12-30")]  # one week of the year is open
    windows = [T.DateWindow(start_date=first, end_date=last) for first, last in closed]
    request = words.plan(
        window=T.DateWindow(start_date="2018-01-01", end_date="2018-12-30"),
        constraints=launch_pb2.PlanConstraints(blackout_windows=windows),
    )
    response = await running.launch.PlanLaunch(request)
    assert {plan.action.launch_date for plan in response.plans} == {"2018-06-04"}


def test_the_frontier_rises_and_starts_at_its_knee():
    candidates = _few()
    forecasts = _outcomes(candidates)
    value = cost_candidates(candidates, forecasts, FREE, None).value(REVENUE)
    units = forecasts.mean(8)
    points = frontier_rows(candidates, value, units, np.ones(len(candidates), dtype=bool), 2.99, free_price=False)
    assert [int(candidates.channel_count[row]) for row in points][:4] == [0, 1, 2, 3]
    assert (np.diff(units[points]) > 0).all()
    assert (np.diff(candidates.effort[points]) >= 0).all()
    assert set(candidates.amounts[points]) == {2.99}
    ordered = from_knee(candidates, points, value, REVENUE)
    assert sorted(ordered) == sorted(points)
    assert ordered[0] not in (points[0], points[-1])


def test_frontier_keeps_to_what_is_feasible():
    candidates = _few(discounts=(0.2,))
    mask = candidates.coupon.copy()
    units = _outcomes(candidates).mean(8)
    points = frontier_rows(candidates, units, units, mask, 2.99, free_price=False)
    assert all(mask[row] for row in points)


def test_plans_take_turns():
    candidates = _few()
    value = np.random.default_rng(1).random(len(candidates))
    rows = diverse(candidates, value, np.ones(len(candidates), dtype=bool), 6)
    parts = (candidates.day, candidates.channel_set, candidates.discount, candidates.coupon)
    assert len({tuple(part[row] for part in parts) for row in rows}) == 6
    assert max(np.bincount(candidates.day[rows])) == 2
    few = diverse(candidates, value, candidates.day == 0, 6)
    assert len(few) == 6, "where there is one week only, all plans are in it"


def _random_request(draw: random.Random, words) -> launch_pb2.PlanLaunchRequest:
    def maybe(value, chance=0.3):
        return value() if draw.random() < chance else None

    channels = ["mailer_front_feature", "display_in_aisle", "display_store_front", "coupon_campaign"]
    channels += ["mailer_interior_feature"]
    constraints = {
        "allowed_channel_ids": maybe(lambda: draw.sample(channels, draw.randint(1, 4))),
        "required_channel_ids": maybe(lambda: draw.sample(channels, 1), 0.2),
        "max_channels": maybe(lambda: draw.randint(0, 4)),
        "min_price": maybe(lambda: words.money(draw.choice([0.01, 1.99, 2.5, 40]))),
        "max_discount": maybe(lambda: draw.choice([0.0, 0.05, 0.3, 0.9])),
        "promotion_budget": maybe(lambda: words.money(draw.choice([0, 5, 500]))),
        "max_stock_units": maybe(lambda: draw.choice([0, 1, 20, 1000])),
        "min_gross_margin": maybe(lambda: draw.choice([0.0, 0.3, 1.0]), 0.1),
        "allow_coupon": maybe(lambda: draw.random() < 0.5),
    }
    start = dt.date(2018, 1, 1) + dt.timedelta(days=draw.randint(0, 400))
    fields = {
        "window": maybe(
            lambda: T.DateWindow(
                start_date=start.isoformat(), end_date=(start + dt.timedelta(days=draw.randint(0, 300))).isoformat()
            ),
            0.7,
        ),
        "objective": launch_pb2.Objective(
            metric=draw.randint(0, 4),
            horizon_weeks=draw.choice([0, 4, 8]),
            risk_quantile=maybe(lambda: draw.uniform(0.05, 0.95)),
        ),
        "max_plans": draw.choice([0, 1, 7, 50]),
        "max_candidates": draw.choice([0, 1, 2, 37, 1500]),
        "population_scale": draw.choice([0, 0.01, 1, 12.5, 1e6]),
        "costs": maybe(
            lambda: launch_pb2.Costs(
                channel_costs=[
                    launch_pb2.ChannelCost(channel_id=draw.choice(channels), fixed_cost=words.money(draw.uniform(0, 9)))
                ],
                assumed_gross_margin=maybe(lambda: draw.choice([0.0, 0.5, 1.0])),
            ),
            0.5,
        ),
        "stock_policy": launch_pb2.StockPolicy(
            order_multiple=draw.choice([0, 1, 12]),
            covers_weeks=draw.choice([0, 4]),
            lead_time_days=draw.choice([0, 0, 30]),
            shelf_life_days=draw.choice([0, 0, 1, 6, 30, 3650]),
            sites=[
                launch_pb2.StockSite(
                    site_id=f"s{n}",
                    weight=draw.choice([0, 0.3, 7]),
                    order_multiple=draw.choice([0, 6]),
                    minimum_units=draw.choice([0, 0, 3]),
                )
                for n in range(draw.choice([0, 0, 1, 9]))
            ],
            salvage_value=maybe(lambda: words.money(draw.choice([0, 2]))),
            holding_cost=maybe(lambda: words.money(0.02)),
        ),
        "constraints": launch_pb2.PlanConstraints(**{k: v for k, v in constraints.items() if v is not None}),
    }
    price = draw.choice([None, 0.01, 0.99, 2.99, 1000, 999_999.99])
    product = words.product(
        list_price=None if price is None else words.money(price),
        unit_cost=maybe(lambda: words.money(draw.choice([0, 1.5, 900]))),
        category_path=draw.choice([[], ["Grocery"], ["Hair care"], ["???"]]),
    )
    return launch_pb2.PlanLaunchRequest(product=product, **{k: v for k, v in fields.items() if v is not None})


def _check_prices(plan, limits) -> None:
    """Prices fall but once, within the limits, and the stock is what it was less what is sold."""
    path = plan.price_path
    assert len(path) == -(-plan.stock.covers_days // 7)
    deepest = limits.max_discount if limits.HasField("max_discount") else 0.4
    assert all(-1e-9 <= step.discount <= deepest + 1e-9 for step in path)
    later = [step.discount for step in path[2:]]
    assert later == sorted(later)
    left = [plan.stock.units, *(step.stock_left for step in path)]
    assert np.diff(left) == pytest.approx([-step.units for step in path], rel=1e-6, abs=1e-6)
    assert min(left) >= -1e-6
    assert all(np.isfinite([step.units, step.stock_left]).all() for step in path)


@pytest.mark.parametrize("seed", range(60))
async def test_no_request_breaks_the_gateway(seed, running, words):
    request = _random_request(random.Random(seed), words)
    call = running.launch.PlanLaunch(request)
    code = await call.code()
    if code != grpc.StatusCode.OK:
        assert code in {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.FAILED_PRECONDITION}, await call.details()
        return
    response = await call
    assert 1 <= len(response.plans) <= (request.max_plans or 5)
    assert response.candidates_scored <= (request.max_candidates or 2048)
    limits = request.constraints
    for plan in response.plans:
        assert len(plan.action.channels) <= (limits.max_channels if limits.HasField("max_channels") else 32)
        assert plan.action.discount <= (limits.max_discount if limits.HasField("max_discount") else 0.4) + 1e-9
        assert plan.stock.units <= (limits.max_stock_units or 2**53)
        if plan.stock.sites:
            assert sum(site.units for site in plan.stock.sites) + plan.stock.central_units == plan.stock.units
        _check_prices(plan, limits)
        if request.HasField("window"):
            assert request.window.start_date <= plan.action.launch_date <= request.window.end_date
        for forecast in plan.forecasts:
            values = [quantile.value for quantile in forecast.units.quantiles]
            assert values == sorted(values)
            assert all(np.isfinite(values))


async def test_coupons_are_proposed_where_practice_or_the_request_has_them(running, words, releases):
    propensity = running.backend._models["product_encoder_int8"]

    def never(release, inputs):
        out = propensity(release, inputs)
        out["channel_propensity"][0, [channel.slot for channel in release.coupon_channels]] = 0.0
        return out

    running.backend._models["product_encoder_int8"] = never
    try:
        unasked = await running.launch.PlanLaunch(words.plan())
        asked = await running.launch.PlanLaunch(words.plan(constraints=launch_pb2.PlanConstraints(allow_coupon=True)))
    finally:
        running.backend._models["product_encoder_int8"] = propensity
    assert not any(point.action.coupon for point in unasked.frontier)
    assert any(point.action.coupon for point in asked.frontier)


def test_a_channel_that_was_never_used_takes_the_coverage_of_its_kind(tmp_path):
    import pyarrow as pa

    from onshelf_gateway.testing import write_fake_release

    folder = write_fake_release(tmp_path)
    path = folder / "channels.arrow"
    with pa.OSFile(str(path)) as source:
        rows = pa.ipc.open_file(source).read_all().to_pylist()
    rows[2]["typical_coverage"] = rows[2]["broad_coverage"] = 0.0
    table = pa.Table.from_pylist(rows)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    channels = load_release(folder).channels
    assert channels[rows[2]["channel_id"]].typical_coverage == pytest.approx(0.15)
    assert channels[rows[2]["channel_id"]].broad_coverage == pytest.approx(0.15)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (("Grocery", "Tea"), "no category was given; planned as Grocery > Tea, read from the title (80% sure)"),
        ((), "no category was given; planned without a category"),
    ],
)
def test_a_category_is_read_from_the_title_only_where_there_is_one(path: tuple[str, ...], said: str) -> None:
    notices: list[str] = []
    call = SimpleNamespace(notice=lambda code, message, field: notices.append(message))
    category = Category(ids=(0, 0, 0), path=path, matched=False, confidence=0.8, nearest=())
    _notice_category(cast(Call, call), cast(ProductQuestion, SimpleNamespace(category_path=())), category, ())
    assert notices == [said]
