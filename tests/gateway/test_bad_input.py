"""Bad input of every field: refused with its reason, its path and its status code; nothing reaches a model."""

import grpc
import pytest
from google.type.money_pb2 import Money

from onshelf.v1 import launch_pb2, types_pb2
from onshelf_gateway.call import errors

T, L = types_pb2, launch_pb2
NAN, INF = float("nan"), float("inf")
C = L.PlanConstraints


def usd(units: int, nanos: int = 0, currency: str = "USD") -> Money:
    return Money(currency_code=currency, units=units, nanos=nanos)


def product(**fields):
    return {"product": {"title": "Lime tortilla chips", **fields}}


def window(start: str, end: str):
    return {"window": T.DateWindow(start_date=start, end_date=end)}


def limits(**fields):
    return {"constraints": C(**fields)}


def channel_cost(**fields):
    return {"costs": L.Costs(channel_costs=[L.ChannelCost(**fields)])}


def day_windows(count: int):
    return [T.DateWindow(start_date="2018-02-01", end_date="2018-02-02")] * count


LONG = "x" * 10_000
BAD = {
    "no product": ({}, "FIELD_REQUIRED", "product"),
    "empty title": (product(title=""), "FIELD_REQUIRED", "product.title"),
    "long title": (product(title=LONG), "TEXT_TOO_LONG", "product.title"),
    "513 characters": (product(title="a" * 513), "TEXT_TOO_LONG", "product.title"),
    "control characters": (product(title="chips\x00\x07"), "TEXT_INVALID", "product.title"),
    "line break": (product(title="chips\nlime"), "TEXT_INVALID", "product.title"),
    "blank title": (product(title="   "), "TEXT_INVALID", "product.title"),
    "chinese title": (product(title="海盐薯片 家庭装 二百克"), "TEXT_NOT_UNDERSTOOD", "product.title"),
    "emoji only": (product(title="🍋🌮🎉"), "TEXT_NOT_UNDERSTOOD", "product.title"),
    "long product id": (product(product_id=LONG), "TEXT_TOO_LONG", "product.product_id"),
    "long brand": (product(brand=LONG), "TEXT_TOO_LONG", "product.brand"),
    "control in brand": (product(brand="a\tb"), "TEXT_INVALID", "product.brand"),
    "deep category": (product(category_path=["a"] * 9), "TOO_MANY", "product.category_path"),
    "empty category name": (product(category_path=["Grocery", ""]), "FIELD_REQUIRED", "product.category_path[1]"),
    "long category name": (product(category_path=["c" * 129]), "TEXT_TOO_LONG", "product.category_path[0]"),
    "many attributes": (product(attributes={f"k{n}": "v" for n in range(65)}), "TOO_MANY", "product.attributes"),
    "long attribute name": (product(attributes={"k" * 65: "v"}), "TEXT_TOO_LONG", None),
    "long attribute value": (product(attributes={"k": "v" * 257}), "TEXT_TOO_LONG", "product.attributes['k'].value"),
    "zero price": (product(list_price=usd(0)), "PRICE_INVALID", "product.list_price"),
    "negative price": (product(list_price=usd(-3)), "PRICE_INVALID", "product.list_price"),
    "less than a coin": (product(list_price=usd(0, 1_000_000)), "PRICE_INVALID", "product.list_price"),
    "negative nanos": (product(list_price=usd(0, -1)), "PRICE_INVALID", "product.list_price"),
    "mixed signs": (product(list_price=usd(1, -500_000_000)), "PRICE_INVALID", "product.list_price"),
    "absurd nanos": (product(list_price=usd(1, 2_000_000_000)), "PRICE_INVALID", "product.list_price"),
    "absurd price": (product(list_price=usd(1_000_001)), "PRICE_INVALID", "product.list_price"),
    "largest number": (product(list_price=usd(2**63 - 1)), "PRICE_INVALID", "product.list_price"),
    "foreign currency": (product(list_price=usd(3, currency="EUR")), "CURRENCY_MISMATCH", "product.list_price"),
    "no currency": (product(list_price=usd(3, currency="")), "CURRENCY_MISMATCH", "product.list_price"),
    "negative cost": (product(unit_cost=usd(-1)), "PRICE_INVALID", "product.unit_cost"),
    "foreign cost": (product(unit_cost=usd(1, currency="CNY")), "CURRENCY_MISMATCH", "product.unit_cost"),
    "unknown tax": (product(price_tax=9), "VALUE_OUT_OF_RANGE", "product.price_tax"),
    "unknown brand class": (product(brand_class=9), "VALUE_OUT_OF_RANGE", "product.brand_class"),
    "long size": (product(package_size="o" * 65), "TEXT_TOO_LONG", "product.package_size"),
    "long seller": (product(seller_id=LONG), "TEXT_TOO_LONG", "product.seller_id"),
    "negative case": (product(case_units=-1), "VALUE_OUT_OF_RANGE", "product.case_units"),
    "language": (product(language="english!"), "IDENTIFIER_INVALID", "product.language"),
    "vector without model": (product(image_vector={"values": [1.0]}), "FIELD_REQUIRED", "product.image_vector.model"),
    "vector with nan": (
        product(image_vector={"model": "m", "values": [NAN]}),
        "VALUE_OUT_OF_RANGE",
        "product.image_vector.values",
    ),
    "long vector": (
        product(audio_vector={"model": "m", "values": [0.0] * 4097}),
        "TOO_MANY",
        "product.audio_vector.values",
    ),
    "long request id": ({**product(), "request_id": "r" * 129}, "TEXT_TOO_LONG", "request_id"),
    "window before as_of": (window("2017-12-31", "2018-02-01"), "WINDOW_OUT_OF_RANGE", "window.start_date"),
    "window far away": (window("2038-01-01", "2038-02-01"), "WINDOW_OUT_OF_RANGE", "window.start_date"),
    "window reversed": (window("2018-03-01", "2018-02-01"), "WINDOW_INVALID", "window"),
    "window too long": (window("2018-01-01", "2019-01-07"), "WINDOW_INVALID", "window"),
    "window without end": (window("2018-01-01", ""), "DATE_INVALID", "window.end_date"),
    "no such day": (window("2018-02-30", "2018-03-01"), "DATE_INVALID", "window.start_date"),
    "american date": (window("03/01/2018", "2018-03-01"), "DATE_INVALID", "window.start_date"),
    "date with time": (window("2018-03-01T00:00", "2018-03-02"), "DATE_INVALID", "window.start_date"),
    "unknown channel": (
        limits(allowed_channel_ids=["billboard"]),
        "CHANNEL_UNKNOWN",
        "constraints.allowed_channel_ids[0]",
    ),
    "unknown excluded": (limits(excluded_channel_ids=["tv"]), "CHANNEL_UNKNOWN", "constraints.excluded_channel_ids[0]"),
    "unknown required": (limits(required_channel_ids=[""]), "CHANNEL_UNKNOWN", "constraints.required_channel_ids[0]"),
    "many channels": (
        limits(allowed_channel_ids=["display_in_aisle"] * 33),
        "TOO_MANY",
        "constraints.allowed_channel_ids",
    ),
    "required and excluded": (
        limits(required_channel_ids=["display_in_aisle"], excluded_channel_ids=["display_in_aisle"]),
        "FIELDS_CONFLICT",
        "constraints.required_channel_ids",
    ),
    "required, not allowed": (
        limits(required_channel_ids=["display_in_aisle"], allowed_channel_ids=["mailer_front_feature"]),
        "FIELDS_CONFLICT",
        "constraints.required_channel_ids",
    ),
    "required coupon, no coupons": (
        limits(required_channel_ids=["coupon_campaign"], allow_coupon=False),
        "FIELDS_CONFLICT",
        "constraints.required_channel_ids",
    ),
    "fewer than required": (
        limits(required_channel_ids=["display_in_aisle"], max_channels=0),
        "FIELDS_CONFLICT",
        "constraints.max_channels",
    ),
    "negative channels": (limits(max_channels=-1), "VALUE_OUT_OF_RANGE", "constraints.max_channels"),
    "prices crossed": (limits(min_price=usd(4), max_price=usd(3)), "FIELDS_CONFLICT", "constraints.min_price"),
    "prices and a bound": (limits(prices=[usd(3)], max_price=usd(4)), "FIELDS_CONFLICT", "constraints.prices"),
    "many prices": (limits(prices=[usd(n) for n in range(1, 18)]), "TOO_MANY", "constraints.prices"),
    "price of nothing": (limits(prices=[usd(0)]), "PRICE_INVALID", "constraints.prices[0]"),
    "foreign bound": (limits(max_price=usd(3, currency="GBP")), "CURRENCY_MISMATCH", "constraints.max_price"),
    "discount of all": (limits(max_discount=0.95), "VALUE_OUT_OF_RANGE", "constraints.max_discount"),
    "discount nan": (limits(max_discount=NAN), "VALUE_OUT_OF_RANGE", "constraints.max_discount"),
    "discount negative": (limits(max_discount=-0.1), "VALUE_OUT_OF_RANGE", "constraints.max_discount"),
    "budget negative": (limits(promotion_budget=usd(-1)), "PRICE_INVALID", "constraints.promotion_budget"),
    "stock negative": (limits(max_stock_units=-1), "VALUE_OUT_OF_RANGE", "constraints.max_stock_units"),
    "many blackouts": (limits(blackout_windows=day_windows(33)), "TOO_MANY", "constraints.blackout_windows"),
    "blackout reversed": (
        limits(blackout_windows=[T.DateWindow(start_date="2018-02-02", end_date="2018-02-01")]),
        "WINDOW_INVALID",
        "constraints.blackout_windows[0]",
    ),
    "margin without cost": (limits(min_gross_margin=0.2), "UNIT_COST_REQUIRED", "constraints.min_gross_margin"),
    "margin inf": (limits(min_gross_margin=INF), "VALUE_OUT_OF_RANGE", "constraints.min_gross_margin"),
    "many sites": (limits(site_ids=["s"] * 1001), "TOO_MANY", "constraints.site_ids"),
    "blank site": (limits(site_ids=[" "]), "TEXT_INVALID", "constraints.site_ids[0]"),
    "cost of unknown channel": (channel_cost(channel_id="tv"), "CHANNEL_UNKNOWN", "costs.channel_costs[0].channel_id"),
    "negative channel cost": (
        channel_cost(channel_id="display_in_aisle", fixed_cost=usd(-1)),
        "PRICE_INVALID",
        "costs.channel_costs[0].fixed_cost",
    ),
    "lead time": (
        channel_cost(channel_id="display_in_aisle", lead_time_days=366),
        "VALUE_OUT_OF_RANGE",
        "costs.channel_costs[0].lead_time_days",
    ),
    "channel cost twice": (
        {"costs": L.Costs(channel_costs=[L.ChannelCost(channel_id="display_in_aisle")] * 2)},
        "FIELDS_CONFLICT",
        "costs.channel_costs",
    ),
    "many channel costs": (
        {"costs": L.Costs(channel_costs=[L.ChannelCost(channel_id="display_in_aisle")] * 33)},
        "TOO_MANY",
        "costs.channel_costs",
    ),
    "coupon in yen": ({"costs": L.Costs(coupon_cost=usd(1, currency="JPY"))}, "CURRENCY_MISMATCH", "costs.coupon_cost"),
    "margin above 1": (
        {"costs": L.Costs(assumed_gross_margin=1.5)},
        "VALUE_OUT_OF_RANGE",
        "costs.assumed_gross_margin",
    ),
    "gross profit without cost": (
        {"objective": L.Objective(metric=T.OBJECTIVE_METRIC_GROSS_PROFIT)},
        "UNIT_COST_REQUIRED",
        "objective.metric",
    ),
    "unknown metric": ({"objective": L.Objective(metric=99)}, "VALUE_OUT_OF_RANGE", "objective.metric"),
    "six weeks": ({"objective": L.Objective(horizon_weeks=6)}, "VALUE_OUT_OF_RANGE", "objective.horizon_weeks"),
    "risk of 1": ({"objective": L.Objective(risk_quantile=1.0)}, "VALUE_OUT_OF_RANGE", "objective.risk_quantile"),
    "risk nan": ({"objective": L.Objective(risk_quantile=NAN)}, "VALUE_OUT_OF_RANGE", "objective.risk_quantile"),
    "fractile": (
        {"stock_policy": L.StockPolicy(critical_fractile=0.99)},
        "VALUE_OUT_OF_RANGE",
        "stock_policy.critical_fractile",
    ),
    "fractile and costs": (
        {"stock_policy": L.StockPolicy(critical_fractile=0.5, overage_cost=usd(1), underage_cost=usd(1))},
        "FIELDS_CONFLICT",
        "stock_policy.critical_fractile",
    ),
    "one stock cost": (
        {"stock_policy": L.StockPolicy(overage_cost=usd(1))},
        "FIELDS_CONFLICT",
        "stock_policy.underage_cost",
    ),
    "stock cost of zero": (
        {"stock_policy": L.StockPolicy(overage_cost=usd(0), underage_cost=usd(1))},
        "PRICE_INVALID",
        "stock_policy.overage_cost",
    ),
    "order multiple": (
        {"stock_policy": L.StockPolicy(order_multiple=-6)},
        "VALUE_OUT_OF_RANGE",
        "stock_policy.order_multiple",
    ),
    "covers": ({"stock_policy": L.StockPolicy(covers_weeks=5)}, "VALUE_OUT_OF_RANGE", "stock_policy.covers_weeks"),
    "stock lead": (
        {"stock_policy": L.StockPolicy(lead_time_days=400)},
        "VALUE_OUT_OF_RANGE",
        "stock_policy.lead_time_days",
    ),
    "shelf life": (
        {"stock_policy": L.StockPolicy(shelf_life_days=-1)},
        "VALUE_OUT_OF_RANGE",
        "stock_policy.shelf_life_days",
    ),
    "many plans": ({"max_plans": 51}, "VALUE_OUT_OF_RANGE", "max_plans"),
    "negative plans": ({"max_plans": -1}, "VALUE_OUT_OF_RANGE", "max_plans"),
    "many candidates": ({"max_candidates": 10_001}, "VALUE_OUT_OF_RANGE", "max_candidates"),
    "large audience": ({"audience_size": 1001}, "VALUE_OUT_OF_RANGE", "audience_size"),
    "many similar": ({"similar_launches": 51}, "VALUE_OUT_OF_RANGE", "similar_launches"),
    "scale negative": ({"population_scale": -1.0}, "VALUE_OUT_OF_RANGE", "population_scale"),
    "scale nan": ({"population_scale": NAN}, "VALUE_OUT_OF_RANGE", "population_scale"),
    "scale inf": ({"population_scale": INF}, "VALUE_OUT_OF_RANGE", "population_scale"),
    "scale absurd": ({"population_scale": 1e7}, "VALUE_OUT_OF_RANGE", "population_scale"),
    "zone": ({"time_zone": "Mars/Olympus"}, "IDENTIFIER_INVALID", "time_zone"),
    "zone of many parts": ({"time_zone": "a/" * 2_000 + "b"}, "IDENTIFIER_INVALID", "time_zone"),
    "zone path": ({"time_zone": "../../etc/passwd"}, "IDENTIFIER_INVALID", "time_zone"),
    "negative release": ({"model_release": -1}, "VALUE_OUT_OF_RANGE", "model_release"),
    "many signals": ({"market_signals": [T.MarketSignal(name="s")] * 17}, "TOO_MANY", "market_signals"),
    "signal lengths": (
        {"market_signals": [T.MarketSignal(name="s", values=[1.0])]},
        "FIELDS_CONFLICT",
        "market_signals[0].values",
    ),
    "signal nan": (
        {"market_signals": [T.MarketSignal(name="s", values=[NAN], week_start_dates=["2018-01-01"])]},
        "VALUE_OUT_OF_RANGE",
        "market_signals[0].values",
    ),
    "many events": (
        {"calendar_events": [T.CalendarEvent(name="e", window=day_windows(1)[0])] * 33},
        "TOO_MANY",
        "calendar_events",
    ),
    "nameless event": (
        {"calendar_events": [T.CalendarEvent(window=day_windows(1)[0])]},
        "FIELD_REQUIRED",
        "calendar_events[0].name",
    ),
}


@pytest.mark.parametrize("case", BAD)
async def test_plan_launch_refuses(case, running, words):
    fields, reason, path = BAD[case]
    request = L.PlanLaunchRequest(**fields) if case == "no product" else L.PlanLaunchRequest(**{**product(), **fields})
    refusal = await words.refusal(running.launch.PlanLaunch(request))
    assert refusal.reason == reason, refusal.message
    assert refusal.code == grpc.StatusCode.INVALID_ARGUMENT
    assert path is None or path in refusal.fields
    assert len(refusal.message) < 900
    assert running.backend.count("launch_outcome") == 0


async def test_all_violations_come_back_together(running, words):
    request = L.PlanLaunchRequest(product=T.Product(title="", list_price=usd(-1)), max_plans=99)
    refusal = await words.refusal(running.launch.PlanLaunch(request))
    assert refusal.fields == ["product.title", "product.list_price", "max_plans"]
    assert "and 2 more" in refusal.message


async def test_many_violations_fit_into_the_metadata_of_a_call(running, words):
    request = words.plan(constraints=C(allowed_channel_ids=[f"频道{n}" * 40 for n in range(32)]))
    refusal = await words.refusal(running.launch.PlanLaunch(request))
    assert refusal.reason == "CHANNEL_UNKNOWN"
    assert refusal.fields[0] == "constraints.allowed_channel_ids[0]"
    many = [errors.Violation("CHANNEL_UNKNOWN", f"field[{n}]", "known: " + "x" * 900) for n in range(16)]
    assert errors.GatewayError("CHANNEL_UNKNOWN", "x" * 5_000, many).status().ByteSize() < 6_000


async def test_the_largest_costs_have_an_answer(running, words):
    costs = L.Costs(
        channel_costs=[
            L.ChannelCost(channel_id="display_in_aisle", cost_per_unit=usd(1_000_000), fixed_cost=usd(10**9))
        ]
    )
    request = words.plan(costs=costs, population_scale=1e6, constraints=C(required_channel_ids=["display_in_aisle"]))
    response = await running.launch.PlanLaunch(request)
    assert response.plans[0].promotion_cost.units > 10**9
    costs.channel_costs[0].cost_per_unit.units += 1
    refusal = await words.refusal(running.launch.PlanLaunch(words.plan(costs=costs)))
    assert refusal.fields == ["costs.channel_costs[0].cost_per_unit"]


async def test_no_feasible_plan_names_the_constraints(running, words):
    request = words.plan(
        product=words.product(unit_cost=words.money(2.9)),
        constraints=C(min_gross_margin=0.9, promotion_budget=words.money(1)),
    )
    refusal = await words.refusal(running.launch.PlanLaunch(request))
    assert refusal.code == grpc.StatusCode.FAILED_PRECONDITION
    assert refusal.reason == "NO_FEASIBLE_PLAN"
    assert refusal.fields[0] == "constraints.min_gross_margin"
    assert "excludes 1,94" in refusal.message
    dark = words.plan(constraints=C(blackout_windows=[T.DateWindow(start_date="2018-01-01", end_date="2018-12-31")]))
    refusal = await words.refusal(running.launch.PlanLaunch(dark))
    assert refusal.reason == "NO_FEASIBLE_PLAN"
    assert refusal.fields == ["constraints.blackout_windows"]


async def test_unknown_model_release(running, words):
    refusal = await words.refusal(running.launch.PlanLaunch(words.plan(model_release=77)))
    assert refusal.code == grpc.StatusCode.NOT_FOUND
    assert refusal.reason == "MODEL_RELEASE_NOT_FOUND"
    assert "2, 3" in refusal.message


BAD_ACTIONS = {
    "no day": ({"launch_date": ""}, "FIELD_REQUIRED", "action.launch_date"),
    "bad day": ({"launch_date": "soon"}, "DATE_INVALID", "action.launch_date"),
    "past day": ({"launch_date": "2017-06-01"}, "WINDOW_OUT_OF_RANGE", "action.launch_date"),
    "far day": ({"launch_date": "2030-06-01"}, "WINDOW_OUT_OF_RANGE", "action.launch_date"),
    "channel": ({"channels": [T.ChannelUse(channel_id="tv")]}, "CHANNEL_UNKNOWN", "action.channels[0].channel_id"),
    "twice": ({"channels": [T.ChannelUse(channel_id="display_in_aisle")] * 2}, "FIELDS_CONFLICT", "action.channels"),
    "many": ({"channels": [T.ChannelUse(channel_id="display_in_aisle")] * 33}, "TOO_MANY", "action.channels"),
    "coverage": (
        {"channels": [T.ChannelUse(channel_id="display_in_aisle", coverage=1.5)]},
        "VALUE_OUT_OF_RANGE",
        "action.channels[0].coverage",
    ),
    "coverage nan": (
        {"channels": [T.ChannelUse(channel_id="display_in_aisle", coverage=NAN)]},
        "VALUE_OUT_OF_RANGE",
        "action.channels[0].coverage",
    ),
    "discount": ({"discount": 0.91}, "VALUE_OUT_OF_RANGE", "action.discount"),
    "discount inf": ({"discount": INF}, "VALUE_OUT_OF_RANGE", "action.discount"),
    "price": ({"list_price": usd(0)}, "PRICE_INVALID", "action.list_price"),
    "currency": ({"list_price": usd(3, currency="EUR")}, "CURRENCY_MISMATCH", "action.list_price"),
}


@pytest.mark.parametrize("case", BAD_ACTIONS)
async def test_evaluate_plan_refuses(case, running, words):
    fields, reason, path = BAD_ACTIONS[case]
    refusal = await words.refusal(running.launch.EvaluatePlan(words.evaluate(**fields)))
    assert (refusal.reason, refusal.code) == (reason, grpc.StatusCode.INVALID_ARGUMENT)
    assert path in refusal.fields
    assert not running.backend.calls


async def test_evaluate_plan_needs_both_parts(running, words):
    refusal = await words.refusal(running.launch.EvaluatePlan(L.EvaluatePlanRequest()))
    assert refusal.fields[:2] == ["product", "action"]


async def test_long_titles_within_the_limit_are_cut_for_the_encoder(running, words):
    request = words.plan(product=words.product(title=("lime chips " * 46)[:512]))
    response = await running.launch.PlanLaunch(request)
    assert response.plans
    _, _, shapes = running.backend.calls[0]
    assert shapes["input_ids"] == (1, 64)


BYTES = {
    "no message": b"\xff\xff\xff",
    "cut off": L.PlanLaunchRequest(**product()).SerializeToString()[:-1],
    "not UTF-8": L.PlanLaunchRequest(**product(title="chips")).SerializeToString().replace(b"chips", b"\xffhips"),
}


@pytest.mark.parametrize("name", BYTES)
async def test_bytes_that_are_no_request_are_refused_with_a_reason(name, running, words):
    call = running.channel.unary_unary("/onshelf.v1.LaunchService/PlanLaunch")
    refusal = await words.refusal(call(BYTES[name], timeout=30))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "MESSAGE_INVALID")
    assert refusal.message.startswith("the request cannot be read: ")
    assert "onshelf.v1.PlanLaunchRequest" in refusal.message
    assert not running.backend.calls
    assert (await running.launch.PlanLaunch(words.plan())).plans


async def test_bytes_that_are_no_request_of_tritons_protocol_are_refused_too(running, words):
    call = running.channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
    assert (await words.refusal(call(b"\xff\xff\xff", timeout=30))).reason == "MESSAGE_INVALID"
