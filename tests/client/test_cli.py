"""The command line, in process through `main` against the fake service, and once as a process of its own."""

import dataclasses
import io
import json
import re
import subprocess
import sys
import threading
from datetime import date, timedelta
from decimal import Decimal
from importlib.metadata import entry_points

import pytest

from onshelf import (
    Action,
    BrandClass,
    ChannelCost,
    ChannelUse,
    Conflict,
    Costs,
    DateWindow,
    DeadlineExceeded,
    ErrorReason,
    EventKind,
    FieldViolation,
    HealthStatus,
    HistoryEvent,
    InvalidRequest,
    Money,
    NoFeasiblePlan,
    NotFound,
    Objective,
    ObjectiveMetric,
    Overloaded,
    PlanConstraints,
    PlanLaunchResult,
    Product,
    RecommendationScope,
    ResponseInfo,
    ServiceFault,
    SiteStock,
    StageTiming,
    StockPolicy,
    StockSite,
    Unavailable,
)
from onshelf._cli import main
from onshelf._cli._failures import OPTIONS
from onshelf._cli._json_form import to_json
from onshelf._cli._trace_view import in_order
from onshelf.testing import sample_answer


def asked(server, method):
    """The arguments of the last call of a method."""
    return [call.arguments for call in server.calls if call.method == method][-1]


# What is asked.


def test_every_option_of_plan_reaches_the_service(server, run):
    status, _, err = run(
        *("plan", "--title", "Sea salt chips", "--category", "Snacks > Chips", "--price", "3.99", "--currency", "EUR"),
        *("--unit-cost", "1.90", "--brand", "Acme", "--private-label", "--size", "9 oz", "--attribute", "flavour=salt"),
        *("--product-id", "p-1", "--language", "en", "--case-units", "12"),
        *("--start", "2018-03-05", "--end", "2018-04-01", "--coupon-cost", "12"),
        *("--channel-cost", "mailer_front_feature=40:0.05", "--channel-cost", "display_in_aisle=6"),
        *("--margin", "30%", "--budget", "100", "--metric", "gross_profit", "--horizon", "4", "--risk-quantile", "0.2"),
        *("--min-price", "3.49", "--max-price", "4.49", "--max-discount", "0.25", "--max-channels", "2", "--no-coupon"),
        *("--allow-channel", "a", "--exclude-channel", "b", "--require-channel", "c", "--max-stock", "500"),
        *("--min-margin", "0.1", "--blackout", "2018-03-12", "--blackout", "2018-03-19..2018-03-25"),
        *("--fractile", "0.9", "--order-multiple", "6", "--lead-time", "14", "--population-scale", "40"),
        *("--plans", "3", "--candidates", "500", "--audience", "0", "--similar", "0", "--time-zone", "Europe/Berlin"),
        *("--model-release", "7"),
    )
    assert (status, err) == (0, "")
    arguments = asked(server, "plan_launch")
    assert arguments["product"] == Product(
        title="Sea salt chips",
        product_id="p-1",
        brand="Acme",
        category_path=("Snacks", "Chips"),
        attributes={"flavour": "salt"},
        list_price=Money("3.99", "EUR"),
        unit_cost=Money("1.90", "EUR"),
        brand_class=BrandClass.PRIVATE_LABEL,
        package_size="9 oz",
        language="en",
        case_units=12,
    )
    assert arguments["window"] == DateWindow(date(2018, 3, 5), date(2018, 4, 1))
    assert arguments["costs"] == Costs(
        channel_costs=(
            ChannelCost(
                channel_id="mailer_front_feature", fixed_cost=Money(40, "EUR"), cost_per_unit=Money("0.05", "EUR")
            ),
            ChannelCost(channel_id="display_in_aisle", fixed_cost=Money(6, "EUR")),
        ),
        coupon_cost=Money(12, "EUR"),
        assumed_gross_margin=0.3,
    )
    assert arguments["constraints"] == PlanConstraints(
        allowed_channel_ids=("a",),
        excluded_channel_ids=("b",),
        required_channel_ids=("c",),
        max_channels=2,
        min_price=Money("3.49", "EUR"),
        max_price=Money("4.49", "EUR"),
        max_discount=0.25,
        promotion_budget=Money(100, "EUR"),
        max_stock_units=500,
        blackout_windows=(
            DateWindow(date(2018, 3, 12), date(2018, 3, 12)),
            DateWindow(date(2018, 3, 19), date(2018, 3, 25)),
        ),
        min_gross_margin=0.1,
        allow_coupon=False,
    )
    assert arguments["objective"] == Objective(metric=ObjectiveMetric.GROSS_PROFIT, horizon_weeks=4, risk_quantile=0.2)
    assert arguments["stock_policy"] == StockPolicy(critical_fractile=0.9, order_multiple=6, lead_time_days=14)
    single = ("population_scale", "max_plans", "max_candidates", "audience_size", "similar_launches", "time_zone")
    assert [arguments[name] for name in single] == [40.0, 3, 500, 0, 0, "Europe/Berlin"]
    assert arguments["model_release"] == 7


def test_amounts_are_in_the_model_releases_currency_unless_one_is_named(server, run):
    run("plan", "--title", "chips", "--price", "3.99")
    assert asked(server, "plan_launch")["product"].list_price == Money("3.99", "USD")
    assert [call.method for call in server.calls] == ["list_model_releases", "plan_launch"]
    server.calls.clear()
    run("plan", "--title", "chips")
    assert [call.method for call in server.calls] == ["plan_launch"]


def test_one_end_of_the_window_opens_twelve_weeks(server, run):
    run("plan", "--title", "chips", "--start", "2018-03-05")
    assert asked(server, "plan_launch")["window"] == DateWindow(date(2018, 3, 5), date(2018, 5, 27))
    run("plan", "--title", "chips", "--end", "2018-03-25")
    assert asked(server, "plan_launch")["window"] == DateWindow(date(2018, 1, 1), date(2018, 3, 25))  # from as_of on


def test_a_price_can_be_kept(server, run):
    run("plan", "--title", "chips", "--price", "3.99", "--fixed-price")
    assert asked(server, "plan_launch")["constraints"].prices == (Money("3.99", "USD"),)
    assert run("plan", "--title", "chips", "--fixed-price")[0] == 2


def test_the_action_to_evaluate_reaches_the_service(server, run):
    run(
        *("evaluate-plan", "--title", "chips", "--price", "3.99", "--date", "2018-03-05", "--discount", "10%"),
        *("--coupon", "--channel", "mailer_front_feature=0.5", "--channel", "display_in_aisle", "--similar", "0"),
    )
    arguments = asked(server, "evaluate_plan")
    assert arguments["action"] == Action(
        launch_date=date(2018, 3, 5),
        channels=(ChannelUse("mailer_front_feature", 0.5), ChannelUse("display_in_aisle")),
        discount=0.1,
        coupon=True,
    )
    assert arguments["similar_launches"] == 0


def test_what_was_sold_reaches_the_service(server, run):
    argv = ("update", "--title", "chips", "--date", "2018-02-05", "--channel", "display_in_aisle", "--discount", "0.1")
    run(*argv, "--sold", "12,9", "--on-hand", 40, "--lead-time", 14, "--unit-cost", "1.90", "--max-discount", "30%")
    arguments = asked(server, "update_forecast")
    assert arguments["observed_weekly_units"] == (12, 9)
    assert arguments["stock_units"] == 40
    assert arguments["action"] == Action(
        launch_date=date(2018, 2, 5), channels=(ChannelUse("display_in_aisle"),), discount=0.1
    )
    assert arguments["stock_policy"] == StockPolicy(lead_time_days=14)
    assert arguments["constraints"] == PlanConstraints(max_discount=0.3)
    assert arguments["product"].unit_cost == Money("1.90", "USD")
    status, _, err = run(*argv, "--sold", "12;9")
    assert (status, "write it like 12,9" in err) == (2, True)


def test_sites_and_shelf_life_reach_the_service(server, run):
    sites = ("--site", "north", "--site", "south=2.5:6", "--site", "web=1:1:12")
    costs = ("--salvage-value", "0.5", "--holding-cost", "0.01")
    run("plan", "--title", "chips", *sites, "--shelf-life", 21, "--covers", 4, *costs)
    policy = asked(server, "plan_launch")["stock_policy"]
    assert policy.sites == (
        StockSite(site_id="north"),
        StockSite(site_id="south", weight=2.5, order_multiple=6),
        StockSite(site_id="web", weight=1.0, order_multiple=1, minimum_units=12),
    )
    assert (policy.shelf_life_days, policy.covers_weeks) == (21, 4)
    assert (policy.salvage_value, policy.holding_cost) == (Money("0.5", "USD"), Money("0.01", "USD"))
    for wrong in ("south=x", "=2", "south=1:2:3:4"):
        status, _, err = run("plan", "--title", "chips", "--site", wrong)
        assert (status, "is no site" in err) == (2, True)


def test_questions_about_users_reach_the_service(server, run):
    options = ("--count", 3, "--scope", "new_products", "--category", "Snacks", "--exclude", "9")
    assert run("recommend", "1364", *options)[0] == 0
    arguments = asked(server, "recommend_products")
    assert (arguments["user_id"], arguments["count"]) == ("1364", 3)
    assert arguments["scope"] is RecommendationScope.NEW_PRODUCTS
    assert (arguments["categories"], arguments["excluded_product_ids"]) == (("Snacks",), ("9",))
    run("recommend", "--history", "995242:view:2", "--history", "1")
    assert asked(server, "recommend_products")["history"] == (
        HistoryEvent(product_id="995242", kind=EventKind.VIEW, age_days=2.0),
        HistoryEvent(product_id="1"),
    )
    run("profile", "1364", "--model-release", 7)
    assert asked(server, "get_user_profile") == {"user_id": "1364", "model_release": 7}


def test_searches_take_a_new_product_or_one_of_the_catalog(server, run):
    asked_by = {"audience": "find_audience", "similar": "find_similar_launches", "related": "find_related_products"}
    for command, method in asked_by.items():
        run(command, "--product-id", "995242", "--count", 4)
        arguments = asked(server, method)
        assert (arguments["product_id"], arguments["product"], arguments["count"]) == ("995242", None, 4)
        run(command, "--title", "chips", "--brand", "Acme")
        assert asked(server, method)["product"] == Product(title="chips", brand="Acme")
        status, _, err = run(command)
        assert (status, err.count("\n")) == (2, 1)
        assert "--title for a new one, or --product-id" in err
    run("audience", "--title", "chips")
    assert asked(server, "find_audience")["segments"] is True
    run("audience", "--title", "chips", "--no-segments")
    assert asked(server, "find_audience")["segments"] is False


# What is printed.


def test_a_plan_reads_as_a_recommendation(run):
    status, out, err = run("plan", "--title", "Sea salt chips")
    assert (status, err) == (0, "")
    assert out.startswith(
        'Launch "Sea salt chips" in the week of 22 Jan 2018 with display front end cap and mailer interior'
    )
    for text in (
        "10% off, at 3.59 USD instead of 3.99 in the first two weeks.",
        "Expect 9.6 units in 8 weeks among the 2,469 users of the data; in at least 8 of 10 cases 3 to 21.",
        "Stock 15 units: enough for 8 weeks with probability 80% (assumed).",
        "free promotion always sells",
        "Plans, by revenue over 8 weeks",
        '"past" is what past practice would have done',
        "without promotion in the mailer   −2.4        −7.20",
        "What more promotion buys: expected units in 8 weeks",
        "strongest week of 29 Jan 2018 (1.06 × the year's average)",
        "kettle chips salt vinegar 8 oz  22 May 2017",
        "41%  frequent buyers of bag snacks  412 users",
        "· No promotion costs and no budget were given",
        "model release 7 (production, sample, data to 1 Jan 2018) · basis: panel of 2,469 households",
        "2,048 of 2,048 candidate actions keep the constraints · answered in 18.0 ms · plan plan-0001",
    ):
        assert text in out or text in " ".join(out.split())
    assert "{" not in out
    assert "\x1b" not in out  # a pipe has no colours
    assert max(len(line) for line in out.splitlines()) <= 120


@pytest.mark.parametrize("columns", ["1", "80", "400"])
def test_help_fits_its_screen(run, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    status, out, _ = run("plan", "--help")
    assert status == 0
    assert max(len(line) for line in out.splitlines()) <= max(60, min(int(columns), 140))


def test_a_value_that_begins_with_a_dash_is_no_option(run):
    assert "--title=VALUE (see onshelf plan --help)" in run("plan", "--title", "-50 g")[2]
    assert run("plan", "--title=-50 g")[0] == 0
    status, _, err = run("plan", "--file", "--out", "plans.csv")
    assert status == 2
    assert "--file: '--out' is no file but an option" in err


def test_a_word_too_many_is_shown_without_control_characters(run):
    assert run("plan", "")[2].startswith("onshelf: '': there is nothing")
    assert "\x1b" not in run("plan", "\x1b[2J")[2]


@pytest.mark.parametrize(
    "argv",
    [
        ("plan", "--title", "Sea salt chips"),
        ("plan", "--title", "Sea salt chips", "--trace"),
        ("evaluate-plan", "--title", "chips", "--date", "2018-03-05"),
        ("update", "--title", "chips", "--date", "2018-01-01", "--sold", "3,2", "--on-hand", "7"),
        ("recommend", "1364"),
        ("similar", "--title", "chips"),
        ("related", "--title", "chips"),
        ("profile", "1364"),
    ],
    ids=" ".join,
)
def test_a_narrow_screen_holds_the_tables(run, monkeypatch, argv):
    monkeypatch.setenv("COLUMNS", "80")
    _, out, _ = run(*argv)
    assert max(len(line) for line in out.splitlines()) <= 80


@pytest.mark.parametrize(
    ("argv", "method"),
    [
        (("plan", "--title", "chips"), "plan_launch"),
        (("evaluate-plan", "--title", "chips", "--date", "2018-03-05"), "evaluate_plan"),
        (("update", "--title", "chips", "--date", "2018-01-01", "--sold", "3,2"), "update_forecast"),
        (("recommend", "1364"), "recommend_products"),
        (("audience", "--title", "chips"), "find_audience"),
        (("similar", "--title", "chips"), "find_similar_launches"),
        (("related", "995242"), "find_related_products"),
        (("profile", "1364"), "get_user_profile"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_json_is_the_complete_answer_and_the_text_is_none(run, argv, method):
    status, out, _ = run(*argv, "--json")
    assert status == 0
    assert json.loads(out) == json.loads(json.dumps(to_json(sample_answer(method))))
    status, text, _ = run(*argv)
    assert status == 0
    assert "model release 7" in text
    with pytest.raises(ValueError, match=r"Expecting value|Extra data"):
        json.loads(text)


def test_an_update_reads_as_advice(run):
    status, out, err = run("update", "--title", "chips", "--date", "2018-01-01", "--sold", "3,2", "--on-hand", 7)
    assert (status, err) == (0, "")
    for text in (
        '"chips" sold 5 units in 2 weeks. Expect 9 more in the next 6 weeks (in at least 8 of 10 cases 3 to 19), 14 in '
        "all instead of the 9.6 forecast; what was seen counts 46%.",
        "Order 6 units: with the 7 there, enough for the next 42 days with probability 80% (assumed); 9 are expected "
        "to sell. What is there lasts until 22 Jan 2018 with probability 93%.",
        "Price by week from now on",
        "markdown",
        "Elasticity 1.40: The forecasts of 3 list prices",
    ):
        assert text in " ".join(out.split())
    assert "1 Jan 2018   sold" in out


def test_the_plan_shows_prices_sites_and_what_practice_breaks(server, run):
    plan = sample_answer("plan_launch")
    sites = tuple(SiteStock(site_id=f"s{n}", units=n) for n in range(15))
    stock = dataclasses.replace(plan.plans[0].stock, units=107, sites=sites, central_units=2, raised_to_minimum=True)
    broken = dataclasses.replace(plan.practice_plan, broken_constraints=("constraints.promotion_budget",))
    first = dataclasses.replace(plan.plans[0], stock=stock)
    answer = dataclasses.replace(plan, plans=(first, *plan.plans[1:]), practice_plan=broken)
    server.answer("plan_launch", answer)
    out = " ".join(run("plan", "--title", "chips")[1].split())
    for text in (
        "Price by week of plan 1",
        "1–2 22 Jan 2018 launch promotion 3.59 10%",
        "8 12 Mar 2018 markdown 3.19 20%",
        "Where the stock goes",
        "s10 10, s11 11, and 3 more sites, central 2. The sites' least stock asks for more than demand does.",
        "it breaks --budget (constraints.promotion_budget).",
    ):
        assert text in out
    one = dataclasses.replace(sample_answer("evaluate_plan"), plan=broken)
    server.answer("evaluate_plan", one)
    out = run("evaluate-plan", "--title", "chips", "--date", "2018-03-05")[1]
    assert "It breaks --budget (constraints.promotion_budget)." in out


def test_the_json_form_is_pinned(run):
    answer = json.loads(run("plan", "--title", "chips", "--json")[1])
    assert list(answer) == list(PlanLaunchResult.__dataclass_fields__)
    plan = answer["plans"][0]
    assert plan["action"] == {
        "launch_date": "2018-01-22",
        "channels": [
            {"channel_id": "display_front_end_cap", "coverage": 0.3},
            {"channel_id": "mailer_interior_feature", "coverage": 1.0},
        ],
        "discount": 0.1,
        "coupon": False,
        "list_price": {"amount": "3.99", "currency": "USD"},
        "sale_price": {"amount": "3.59", "currency": "USD"},
    }
    assert plan["forecasts"][1]["units"]["quantiles"][1] == {"level": 0.1, "value": 2.4}
    assert answer["objective_metric"] == "revenue"
    assert answer["info"]["timings"][2] == {
        "stage": "product_encoder",
        "start_ms": 0.7,
        "duration_ms": 6.2,
        "items": 1,
        "cached": True,
        "deadline_left_ms": 9999.3,
    }
    assert answer["info"]["model_release"]["created_at"] == "2018-01-02T08:30:00+00:00"


def test_a_trace_is_a_waterfall_with_parts_below_their_stage(run):
    _, out, _ = run("plan", "--title", "chips", "--trace")
    lines = out.splitlines()
    stages = [line.split()[0] for line in lines[2:10]]
    assert stages == [
        *("validate", "tokenize", "product_encoder", "audience_retrieval"),
        *("launch_outcome", "queue", "compute", "optimise"),
    ]
    encoder = next(line for line in lines if "product_encoder" in line)
    assert "cached" in encoder
    assert "6.20" in encoder
    starts = [re.search("[█▉▊▋▌▍▎▏▐▕]", line).start() for line in lines[2:6]]
    assert starts == sorted(starts)
    assert "in the service" in lines[-1]


def test_parts_stand_below_the_call_that_they_are_of():
    def stage(name: str, start: float) -> StageTiming:
        return StageTiming(stage=name, start=timedelta(milliseconds=start), duration=timedelta(milliseconds=3))

    names = [("launch_outcome", 1), ("audience_retrieval", 2), ("launch_outcome", 5)]
    timings = [stage(name, start) for name, start in names]
    timings += [stage(f"{name}.{part}", start) for name, start in names for part in ("queue", "compute")]
    found = in_order(ResponseInfo(timings=tuple(timings)))
    assert [(one.stage, one.start / timedelta(milliseconds=1)) for one in found] == [
        *(("launch_outcome", 1), ("launch_outcome.queue", 1), ("launch_outcome.compute", 1)),
        *(("audience_retrieval", 2), ("audience_retrieval.queue", 2), ("audience_retrieval.compute", 2)),
        *(("launch_outcome", 5), ("launch_outcome.queue", 5), ("launch_outcome.compute", 5)),
    ]


def test_colours_are_for_people_only(server, run, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[1m" in run("plan", "--title", "chips")[1]
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in run("plan", "--title", "chips")[1]


def test_text_of_the_service_cannot_move_the_cursor(server, run):
    answer = sample_answer("recommend_products")
    product = type(answer.products[0])(product_id="1", title="red\x1b[31m\nchips\x07")
    server.answer("recommend_products", type(answer)(products=(product,), info=answer.info))
    out = run("recommend", "1")[1]
    assert "red[31m chips" in out
    assert "\x1b" not in out


def test_health_is_a_line_and_a_status(server, run):
    assert run("health") == (0, f"{server.address} is serving\n", "")
    server.set_health(HealthStatus.NOT_SERVING)
    assert run("health") == (3, f"{server.address} is not serving\n", "")


def test_health_is_watched_until_the_service_goes(server, run, monkeypatch):
    class StopsTheService(io.StringIO):
        def write(self, text):
            stopper.start() if not stopper.ident else None
            return super().write(text)

    stopper = threading.Thread(target=server.stop)
    server.set_health(HealthStatus.NOT_SERVING)
    screen = StopsTheService()
    monkeypatch.setattr("sys.stdout", screen)
    status, _, err = run("health", "--watch")
    stopper.join()
    assert status in (1, 3)
    assert screen.getvalue().splitlines()[0].endswith(f"{server.address} is not serving")
    assert err.startswith("onshelf: ")


# Errors.


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InvalidRequest("no", reason=ErrorReason.PRICE_INVALID), 2),
        (NoFeasiblePlan("no", reason=ErrorReason.NO_FEASIBLE_PLAN), 2),
        (NotFound("no", reason=ErrorReason.MODEL_RELEASE_NOT_FOUND), 2),
        (Conflict("no", reason=ErrorReason.REQUEST_ID_REUSED), 2),
        (Unavailable("no", reason=ErrorReason.MODEL_UNAVAILABLE, retry_after=600.0), 3),
        (Overloaded("no", reason=ErrorReason.OVERLOADED), 3),
        (DeadlineExceeded("no", reason=ErrorReason.DEADLINE_EXCEEDED), 3),
        (ServiceFault("no", reason=ErrorReason.MODEL_OUTPUT_INVALID), 1),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_an_error_is_one_line_and_an_exit_status(server, run, error, status):
    server.fail("plan_launch", error)
    assert run("plan", "--title", "chips") == (status, "", f"onshelf: no [{error.reason.name}]\n")


def test_an_error_names_the_option_and_the_field(server, run):
    message = "product.list_price: -3 USD is refused: above 0, at most 1,000,000"
    server.fail("plan_launch", InvalidRequest(message, reason=ErrorReason.PRICE_INVALID, field="product.list_price"))
    told = "onshelf: --price (product.list_price): -3 USD is refused: above 0, at most 1,000,000 [PRICE_INVALID]\n"
    assert run("plan", "--title", "chips") == (2, "", told)


def test_each_field_at_fault_has_its_line(server, run):
    violations = (
        FieldViolation("product.title", "is empty", ErrorReason.FIELD_REQUIRED),
        FieldViolation("constraints.blackout_windows[2].end_date", "is no date", ErrorReason.DATE_INVALID),
    )
    server.fail("plan_launch", InvalidRequest("2 fields", reason=ErrorReason.FIELD_REQUIRED, violations=violations))
    assert run("plan", "--title", "chips")[2].splitlines() == [
        "onshelf: --title (product.title): is empty [FIELD_REQUIRED]",
        "onshelf: --blackout (constraints.blackout_windows[2].end_date): is no date [DATE_INVALID]",
    ]


def test_options_of_fields_exist(run):
    commands = ("plan", "evaluate-plan", "update", "recommend", "audience", "similar", "related")
    helps = "".join(run(command, "--help")[1] for command in commands)
    for option in OPTIONS.values():
        for name in option.split("/"):
            assert name in helps


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (("plan",), "--title is required"),
        (("plan", "--title", "x", "--price", "three"), "--price: 'three' is no amount of money; write it like 3.99"),
        (("plan", "--title", "x", "--start", "5.3.2018"), "--start: '5.3.2018' is no date; write it like 2018-03-05"),
        (("plan", "--title", "x", "--channel-cost", "mailer"), "write it like mailer_front_feature=40"),
        (("plan", "--title", "x", "--margin", "much"), "--margin: 'much' is no share; write it like 0.1 or 10%"),
        (("plan", "--title", "x", "--attribute", "salt"), "write it like flavour=salt"),
        (
            ("plan", "--title", "x", "--metric", "joy"),
            'value "joy" for --metric. Choose from: "gross_profit", "revenue", "units", "buyers" (see onshelf plan',
        ),
        (("plan", "--title", "x", "--timeout", "0"), "--timeout is 0; give seconds above 0"),
        (("plan", "--title", "x", "--out", "p.csv"), "--out needs --file"),
        (("recommend",), "name a USER, or give what the user did by --history"),
        (("recommend", "--history", "1:kiss"), "KIND one of purchase, view"),
        (("paint",), 'Unknown command "paint"'),
        ((), "COMMAND"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_wrong_command_line_is_one_line_that_says_what_to_do(server, run, argv, told):
    status, out, err = run(*argv)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("onshelf: ")
    assert told in err
    assert server.calls == []


# Where the service is.


def test_the_address_is_an_option_an_environment_variable_a_file_or_the_default(
    server, run, monkeypatch, tmp_path, free_address
):
    monkeypatch.setenv("ONSHELF_ADDRESS", free_address)
    assert run("health", "--address", server.address)[0] == 0
    status, _, err = run("health")
    assert (status, err) == (
        3,
        f"onshelf: nothing answers at {free_address}; start the service with `make gateway`, or name another address\n",
    )
    monkeypatch.delenv("ONSHELF_ADDRESS")
    written = tmp_path / "var" / "run" / "gateway.address"
    written.parent.mkdir(parents=True)
    for content in (f"{server.address}\n", json.dumps({"address": server.address, "pid": 1})):
        written.write_text(content)
        assert run("health")[1] == f"{server.address} is serving\n"
    for content in ("", "{}"):
        written.write_text(content)
        status, _, err = run("health")
        assert (status, err.count("holds no address")) == (2, 1)


def test_the_command_is_installed(server, tmp_path):
    (script,) = entry_points(group="console_scripts", name="onshelf")
    assert script.load() is main
    command = [sys.executable, "-c", "import sys; from onshelf._cli import main; sys.exit(main())"]
    arguments = ["plan", "--title", "海盐薯片", "--price", "3.99", "--address", server.address]
    for environment, shown in (
        ({"LC_ALL": "C.UTF-8"}, 'Launch "海盐薯片" in the week of 22 Jan 2018'),
        ({"PYTHONIOENCODING": "ascii"}, "(?s).*####"),  # bars where there is no better character
    ):
        done = subprocess.run([*command, *arguments], capture_output=True, cwd=tmp_path, check=False, env=environment)
        assert (done.returncode, done.stderr) == (0, b"")
        assert re.match(shown, done.stdout.decode())
    version = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True).stdout
    assert version.startswith("onshelf ")
    assert Decimal("3.99") == asked(server, "plan_launch")["product"].list_price.amount
