"""Bad input of every field: refused with its reason, its path and its status code; nothing reaches a model."""

import grpc
import pytest
from google.type.money_pb2 import Money

from onshelf.v1 import launch_pb2, types_pb2
from onshelf_gateway.call import errors

T, L = types_pb2, launch_pb2
NAN, INF = float("nan"), float("inf")
C = L.PlanConstraints
AISLE = "display_in_aisle"


def usd(units: int, nanos: int = 0, currency: str = "USD") -> Money:
    return Money(currency_code=currency, units=units, nanos=nanos)


def product(**fields):
    return {"product": {"title": "Lime tortilla chips", **fields}}


def price(units: int, nanos: int = 0, currency: str = "USD"):
    return product(list_price=usd(units, nanos, currency))


def window(start: str, end: str):
    return {"window": T.DateWindow(start_date=start, end_date=end)}


def limits(**fields):
    return {"constraints": C(**fields)}


def costs(**fields):
    return {"costs": L.Costs(**fields)}


def channel_cost(channel_id: str = AISLE, times: int = 1, **fields):
    return costs(channel_costs=[L.ChannelCost(channel_id=channel_id, **fields)] * times)


def objective(**fields):
    return {"objective": L.Objective(**fields)}


def stock(**fields):
    return {"stock_policy": L.StockPolicy(**fields)}


def signal(times: int = 1, **fields):
    return {"market_signals": [T.MarketSignal(name="s", **fields)] * times}


def event(times: int = 1, **fields):
    return {"calendar_events": [T.CalendarEvent(window=day_windows(1)[0], **fields)] * times}


def day_windows(count: int):
    return [T.DateWindow(start_date="2018-02-01", end_date="2018-02-02")] * count


LONG = "x" * 10_000
BACKWARDS = T.DateWindow(start_date="2018-02-02", end_date="2018-02-01")
REFUSED = {  # by reason: what is wrong, the fields of a request, the path of the one at fault
    "FIELD_REQUIRED": {
        "no product": ({"product": None}, "product"),
        "empty title": (product(title=""), "product.title"),
        "empty category name": (product(category_path=["Grocery", ""]), "product.category_path[1]"),
        "vector without model": (product(image_vector={"values": [1.0]}), "product.image_vector.model"),
        "nameless event": (event(), "calendar_events[0].name"),
    },
    "TEXT_TOO_LONG": {
        "long title": (product(title=LONG), "product.title"),
        "513 characters": (product(title="a" * 513), "product.title"),
        "long product id": (product(product_id=LONG), "product.product_id"),
        "long brand": (product(brand=LONG), "product.brand"),
        "long category name": (product(category_path=["c" * 129]), "product.category_path[0]"),
        "long attribute name": (product(attributes={"k" * 65: "v"}), None),
        "long attribute value": (product(attributes={"k": "v" * 257}), "product.attributes['k'].value"),
        "long size": (product(package_size="o" * 65), "product.package_size"),
        "long seller": (product(seller_id=LONG), "product.seller_id"),
        "long request id": ({"request_id": "r" * 129}, "request_id"),
    },
    "TEXT_INVALID": {
        "control characters": (product(title="chips\x00\x07"), "product.title"),
        "line break": (product(title="chips\nlime"), "product.title"),
        "blank title": (product(title="   "), "product.title"),
        "control in brand": (product(brand="a\tb"), "product.brand"),
        "blank site": (limits(site_ids=[" "]), "constraints.site_ids[0]"),
    },
    "TEXT_NOT_UNDERSTOOD": {
        "chinese title": (product(title="海盐薯片 家庭装 二百克"), "product.title"),
        "emoji only": (product(title="🍋🌮🎉"), "product.title"),
    },
    "IDENTIFIER_INVALID": {
        "language": (product(language="english!"), "product.language"),
        "zone": ({"time_zone": "Mars/Olympus"}, "time_zone"),
        "zone of many parts": ({"time_zone": "a/" * 2_000 + "b"}, "time_zone"),
        "zone path": ({"time_zone": "../../etc/passwd"}, "time_zone"),
    },
    "TOO_MANY": {
        "deep category": (product(category_path=["a"] * 9), "product.category_path"),
        "many attributes": (product(attributes={f"k{n}": "v" for n in range(65)}), "product.attributes"),
        "long vector": (product(audio_vector={"model": "m", "values": [0.0] * 4097}), "product.audio_vector.values"),
        "many channels": (limits(allowed_channel_ids=[AISLE] * 33), "constraints.allowed_channel_ids"),
        "many prices": (limits(prices=[usd(n) for n in range(1, 18)]), "constraints.prices"),
        "many blackouts": (limits(blackout_windows=day_windows(33)), "constraints.blackout_windows"),
        "many sites": (limits(site_ids=["s"] * 1001), "constraints.site_ids"),
        "many channel costs": (channel_cost(times=33), "costs.channel_costs"),
        "many signals": (signal(17), "market_signals"),
        "many events": (event(33, name="e"), "calendar_events"),
    },
    "PRICE_INVALID": {
        "zero price": (price(0), "product.list_price"),
        "negative price": (price(-3), "product.list_price"),
        "less than a coin": (price(0, 1_000_000), "product.list_price"),
        "negative nanos": (price(0, -1), "product.list_price"),
        "mixed signs": (price(1, -500_000_000), "product.list_price"),
        "absurd nanos": (price(1, 2_000_000_000), "product.list_price"),
        "absurd price": (price(1_000_001), "product.list_price"),
        "largest number": (price(2**63 - 1), "product.list_price"),
        "negative cost": (product(unit_cost=usd(-1)), "product.unit_cost"),
        "price of nothing": (limits(prices=[usd(0)]), "constraints.prices[0]"),
        "budget negative": (limits(promotion_budget=usd(-1)), "constraints.promotion_budget"),
        "negative channel cost": (channel_cost(fixed_cost=usd(-1)), "costs.channel_costs[0].fixed_cost"),
        "stock cost of zero": (stock(overage_cost=usd(0), underage_cost=usd(1)), "stock_policy.overage_cost"),
    },
    "CURRENCY_MISMATCH": {
        "foreign currency": (price(3, currency="EUR"), "product.list_price"),
        "no currency": (price(3, currency=""), "product.list_price"),
        "foreign cost": (product(unit_cost=usd(1, currency="CNY")), "product.unit_cost"),
        "foreign bound": (limits(max_price=usd(3, currency="GBP")), "constraints.max_price"),
        "coupon in yen": (costs(coupon_cost=usd(1, currency="JPY")), "costs.coupon_cost"),
    },
    "UNIT_COST_REQUIRED": {
        "margin without cost": (limits(min_gross_margin=0.2), "constraints.min_gross_margin"),
        "gross profit without cost": (objective(metric=T.OBJECTIVE_METRIC_GROSS_PROFIT), "objective.metric"),
    },
    "WINDOW_OUT_OF_RANGE": {
        "window before as_of": (window("2017-12-31", "2018-02-01"), "window.start_date"),
        "window far away": (window("2038-01-01", "2038-02-01"), "window.start_date"),
    },
    "WINDOW_INVALID": {
        "window reversed": (window("2018-03-01", "2018-02-01"), "window"),
        "window too long": (window("2018-01-01", "2019-01-07"), "window"),
        "blackout reversed": (limits(blackout_windows=[BACKWARDS]), "constraints.blackout_windows[0]"),
    },
    "DATE_INVALID": {
        "window without end": (window("2018-01-01", ""), "window.end_date"),
        "no such day": (window("2018-02-30", "2018-03-01"), "window.start_date"),
        "american date": (window("03/01/2018", "2018-03-01"), "window.start_date"),
        "date with time": (window("2018-03-01T00:00", "2018-03-02"), "window.start_date"),
    },
    "CHANNEL_UNKNOWN": {
        "unknown channel": (limits(allowed_channel_ids=["billboard"]), "constraints.allowed_channel_ids[0]"),
        "unknown excluded": (limits(excluded_channel_ids=["tv"]), "constraints.excluded_channel_ids[0]"),
        "unknown required": (limits(required_channel_ids=[""]), "constraints.required_channel_ids[0]"),
        "cost of unknown channel": (channel_cost("tv"), "costs.channel_costs[0].channel_id"),
    },
    "FIELDS_CONFLICT": {
        "required and excluded": (
            limits(required_channel_ids=[AISLE], excluded_channel_ids=[AISLE]),
            "constraints.required_channel_ids",
        ),
        "required, not allowed": (
            limits(required_channel_ids=[AISLE], allowed_channel_ids=["mailer_front_feature"]),
            "constraints.required_channel_ids",
        ),
        "required coupon, no coupons": (
            limits(required_channel_ids=["coupon_campaign"], allow_coupon=False),
            "constraints.required_channel_ids",
        ),
        "fewer than required": (limits(required_channel_ids=[AISLE], max_channels=0), "constraints.max_channels"),
        "prices crossed": (limits(min_price=usd(4), max_price=usd(3)), "constraints.min_price"),
        "prices and a bound": (limits(prices=[usd(3)], max_price=usd(4)), "constraints.prices"),
        "channel cost twice": (channel_cost(times=2), "costs.channel_costs"),
        "fractile and costs": (
            stock(critical_fractile=0.5, overage_cost=usd(1), underage_cost=usd(1)),
            "stock_policy.critical_fractile",
        ),
        "one stock cost": (stock(overage_cost=usd(1)), "stock_policy.underage_cost"),
        "signal lengths": (signal(values=[1.0]), "market_signals[0].values"),
    },
    "VALUE_OUT_OF_RANGE": {
        "unknown tax": (product(price_tax=9), "product.price_tax"),
        "unknown brand class": (product(brand_class=9), "product.brand_class"),
        "negative case": (product(case_units=-1), "product.case_units"),
        "vector with nan": (product(image_vector={"model": "m", "values": [NAN]}), "product.image_vector.values"),
        "negative channels": (limits(max_channels=-1), "constraints.max_channels"),
        "discount of all": (limits(max_discount=0.95), "constraints.max_discount"),
        "discount nan": (limits(max_discount=NAN), "constraints.max_discount"),
        "discount negative": (limits(max_discount=-0.1), "constraints.max_discount"),
        "stock negative": (limits(max_stock_units=-1), "constraints.max_stock_units"),
        "margin inf": (limits(min_gross_margin=INF), "constraints.min_gross_margin"),
        "lead time": (channel_cost(lead_time_days=366), "costs.channel_costs[0].lead_time_days"),
        "margin above 1": (costs(assumed_gross_margin=1.5), "costs.assumed_gross_margin"),
        "unknown metric": (objective(metric=99), "objective.metric"),
        "six weeks": (objective(horizon_weeks=6), "objective.horizon_weeks"),
        "risk of 1": (objective(risk_quantile=1.0), "objective.risk_quantile"),
        "risk nan": (objective(risk_quantile=NAN), "objective.risk_quantile"),
        "fractile": (stock(critical_fractile=0.99), "stock_policy.critical_fractile"),
        "order multiple": (stock(order_multiple=-6), "stock_policy.order_multiple"),
        "covers": (stock(covers_weeks=5), "stock_policy.covers_weeks"),
        "stock lead": (stock(lead_time_days=400), "stock_policy.lead_time_days"),
        "shelf life": (stock(shelf_life_days=-1), "stock_policy.shelf_life_days"),
        "many plans": ({"max_plans": 51}, "max_plans"),
        "negative plans": ({"max_plans": -1}, "max_plans"),
        "many candidates": ({"max_candidates": 10_001}, "max_candidates"),
        "large audience": ({"audience_size": 1001}, "audience_size"),
        "many similar": ({"similar_launches": 51}, "similar_launches"),
        "scale negative": ({"population_scale": -1.0}, "population_scale"),
        "scale nan": ({"population_scale": NAN}, "population_scale"),
        "scale inf": ({"population_scale": INF}, "population_scale"),
        "scale absurd": ({"population_scale": 1e7}, "population_scale"),
        "negative release": ({"model_release": -1}, "model_release"),
        "signal nan": (signal(values=[NAN], week_start_dates=["2018-01-01"]), "market_signals[0].values"),
    },
}
BAD = {name: (reason, *case) for reason, cases in REFUSED.items() for name, case in cases.items()}


@pytest.mark.parametrize("case", BAD)
async def test_plan_launch_refuses(case, running, words):
    reason, fields, path = BAD[case]
    refusal = await words.refusal(running.launch.PlanLaunch(L.PlanLaunchRequest(**{**product(), **fields})))
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
    fields = channel_cost(cost_per_unit=usd(1_000_000), fixed_cost=usd(10**9))
    request = words.plan(**fields, **limits(required_channel_ids=[AISLE]), population_scale=1e6)
    response = await running.launch.PlanLaunch(request)
    assert response.plans[0].promotion_cost.units > 10**9
    fields["costs"].channel_costs[0].cost_per_unit.units += 1
    refusal = await words.refusal(running.launch.PlanLaunch(words.plan(**fields)))
    assert refusal.fields == ["costs.channel_costs[0].cost_per_unit"]


async def test_no_feasible_plan_names_the_constraints(running, words):
    request = words.plan(
        product=words.product(unit_cost=words.money(2.9)),
        constraints=C(min_gross_margin=0.9, promotion_budget=words.money(1)),
    )
    refusal = await words.refusal(running.launch.PlanLaunch(request))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "NO_FEASIBLE_PLAN")
    assert refusal.fields[0] == "constraints.min_gross_margin"
    assert "excludes 1,94" in refusal.message
    dark = words.plan(constraints=C(blackout_windows=[T.DateWindow(start_date="2018-01-01", end_date="2018-12-31")]))
    refusal = await words.refusal(running.launch.PlanLaunch(dark))
    assert refusal.reason == "NO_FEASIBLE_PLAN"
    assert refusal.fields == ["constraints.blackout_windows"]


async def test_unknown_model_release(running, words):
    refusal = await words.refusal(running.launch.PlanLaunch(words.plan(model_release=77)))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, "MODEL_RELEASE_NOT_FOUND")
    assert "2, 3" in refusal.message


def uses(channel_id: str = AISLE, times: int = 1, **fields):
    return {"channels": [T.ChannelUse(channel_id=channel_id, **fields)] * times}


BAD_ACTIONS = {
    "no day": ({"launch_date": ""}, "FIELD_REQUIRED", "action.launch_date"),
    "bad day": ({"launch_date": "soon"}, "DATE_INVALID", "action.launch_date"),
    "past day": ({"launch_date": "2017-06-01"}, "WINDOW_OUT_OF_RANGE", "action.launch_date"),
    "far day": ({"launch_date": "2030-06-01"}, "WINDOW_OUT_OF_RANGE", "action.launch_date"),
    "channel": (uses("tv"), "CHANNEL_UNKNOWN", "action.channels[0].channel_id"),
    "twice": (uses(times=2), "FIELDS_CONFLICT", "action.channels"),
    "many": (uses(times=33), "TOO_MANY", "action.channels"),
    "coverage": (uses(coverage=1.5), "VALUE_OUT_OF_RANGE", "action.channels[0].coverage"),
    "coverage nan": (uses(coverage=NAN), "VALUE_OUT_OF_RANGE", "action.channels[0].coverage"),
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
