"""`onshelf replay`: forecasts of real launches, what happened, the misses counted, and the picture."""

import json
import re
import xml.etree.ElementTree as ElementTree
from datetime import date
from pathlib import Path

import pytest

from onshelf import (
    BrandClass,
    ChannelUse,
    CountForecast,
    ErrorReason,
    EvaluatePlanResult,
    LaunchPlan,
    Money,
    NoFeasiblePlan,
    OutcomeForecast,
    PlanConstraints,
    Quantile,
)
from onshelf.testing import sample_answer


def launch(number, units, **changes):
    return {
        "product": {
            "product_id": str(number),
            "title": f"Chips <{number}> 海盐",
            "brand": None,
            "category_path": ["Grocery", "Bag snacks"],
            "list_price": 2.99,
            "private_label": True,
        },
        "action": {
            "launch_week": 28,
            "launch_date": f"2017-07-{3 + number:02d}",
            "week_of_year": 27,
            "price": 2.99,
            "discount": 0.1,
            "coupon": 1,
            "entered_by_sale": 0,
            "is_promotion_first": True,
            "channels": {"mailer_front_feature": 0.5},
        }
        | changes,
        "outcome": {"units_4w": 1.0, "units_8w": units, "buyers_8w": 1.0, "revenue_8w": 3.0},
    }


LAUNCHES = [launch(3, 0.0), launch(1, 4.0), launch(2, 9.0), launch(4, 30.0, is_promotion_first=False), launch(5, 5.0)]
CONTENT = {
    "schema_version": 1,
    "model_release": 6,
    "as_of": "2017-07-03",
    "rule": "drawn by a seed",
    "launches": LAUNCHES,
}


@pytest.fixture
def run(run, server):
    Path("launches.json").write_text(json.dumps(CONTENT), encoding="utf-8")
    levels = {0.1: 0.6, 0.5: 3.2, 0.9: 8.1}  # in whole units: 1 - 4 - 9
    units = CountForecast(mean=4.5, quantiles=tuple(Quantile(level, value) for level, value in levels.items()))
    sample = sample_answer("evaluate_plan")
    plan = LaunchPlan(forecasts=(OutcomeForecast(horizon_weeks=8, units=units),))
    server.answer("evaluate_plan", EvaluatePlanResult(plan_id="p", plan=plan, objective_metric=sample.objective_metric))

    return lambda *argv: run("replay", "--launches", "launches.json", *argv)


def test_each_launch_is_forecast_as_it_was_done_by_the_release_that_ended_before(server, run):
    assert run("-n", "5")[0] == 0
    evaluated = [call.arguments for call in server.calls if call.method == "evaluate_plan"]
    assert {arguments["model_release"] for arguments in evaluated} == {6}
    first = evaluated[0]
    assert first["product"].brand_class is BrandClass.PRIVATE_LABEL
    assert first["product"].list_price == Money("2.99", "USD")
    action = first["action"]
    assert (action.launch_date, action.channels) == (date(2017, 7, 4), (ChannelUse("mailer_front_feature", 0.5),))
    assert (action.discount, action.coupon, action.list_price) == (0.1, True, Money("2.99", "USD"))
    planned = [call.arguments for call in server.calls if call.method == "plan_launch"]
    assert len(planned) == 5
    assert planned[0]["model_release"] == 6
    assert planned[0]["constraints"] == PlanConstraints(
        prices=(Money("2.99", "USD"),),
        promotion_budget=Money(1_000_000, "USD"),
        max_channels=1,
        max_discount=0.1,
        allow_coupon=True,
    )


def test_what_happened_is_revealed_misses_included(run):
    status, out, _ = run("-n", "5")
    assert status == 0
    lines = out.splitlines()
    assert lines[0] == "5 real launches, forecast from data to 3 Jul 2017 only, then revealed."
    rows = [line for line in lines if "1–4–9" in line]
    assert [line.split()[-1] for line in rows] == ["inside", "inside", "below", "above", "inside"]
    assert [line.split()[-2] for line in rows] == ["4", "9", "0", "30", "5"]
    assert all("1 channel, 10% off, coupon" in line for line in rows)
    assert all(line.count("●") == 1 for line in rows)
    text = " ".join(out.split())
    assert "3 of 5 inside the band, 1 above, 1 below." in text
    assert "Sold 48 units in 8 weeks; the expected values add up to 22." in text
    assert "WAPE of the medians on these 5: 0.75." in text  # (0 + 5 + 4 + 26 + 1) / 48
    assert "Chosen how: drawn by a seed." in text
    assert "1 of them entered the data by a first sale" in text
    assert "What Onshelf would have planned for most units, with the same price" in text


def test_the_first_of_the_file_are_taken_unless_a_seed_draws_others(server, run):
    def shown(*argv):
        return re.findall(r"Chips <(\d)>.*?1–4–9", run("--no-plans", *argv)[1])

    assert shown("-n", "2") == ["1", "3"]  # the first two of the file, by date
    assert shown("-n", "3", "--seed", "1") == shown("-n", "3", "--seed", "1")
    assert len({tuple(shown("-n", "3", "--seed", str(seed))) for seed in range(8)}) > 1
    assert "plan_launch" not in {call.method for call in server.calls}


def test_json_has_everything(run):
    answer = json.loads(run("-n", "5", "--json")[1])
    assert (answer["model_release"], answer["as_of"]) == (6, "2017-07-03")
    assert (answer["inside"], answer["above"], answer["below"], answer["wape_of_medians"]) == (3, 1, 1, 0.75)
    assert [one["case"]["units_8w"] for one in answer["launches"]] == [4, 9, 0, 30, 5]
    assert answer["launches"][0]["forecast"]["units"]["mean"] == 4.5


def test_the_picture_has_a_band_and_a_dot_for_each_launch(run):
    assert run("-n", "5", "--svg", "replay.svg", "--no-plans")[0] == 0
    picture = ElementTree.parse("replay.svg").getroot()
    space = {"svg": "http://www.w3.org/2000/svg"}

    def of_class(tag, name):
        return [one for one in picture.findall(f"svg:{tag}", space) if name in one.get("class", "").split()]

    legend = 1
    assert len(of_class("rect", "band")) == 5 + legend
    assert len(of_class("circle", "inside")) == 3 + legend
    assert len(of_class("circle", "outside")) == 2 + legend
    texts = [one.text for one in picture.findall("svg:text", space)]
    assert "5 real launches, forecast blind: 3 of 5 inside the 10–90% band" in texts
    assert "Chips <4> 海盐" in texts
    assert "sold 30 (above)" in texts
    sold = sorted(float(one.get("cx")) for one in of_class("circle", "dot"))
    assert len(set(sold)) == 5  # 0, 4, 5, 9 and 30 lie apart
    assert 0 < sold[0] < sold[-1] < float(picture.get("width"))


def test_a_launch_that_cannot_be_planned_is_still_replayed(server, run):
    server.fail("plan_launch", NoFeasiblePlan("no candidate", reason=ErrorReason.NO_FEASIBLE_PLAN), times=2)
    _, out, _ = run("-n", "2")
    assert "What Onshelf would have planned" not in out
    assert out.count("1–4–9") == 2


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "No such file or directory; `make publish` writes it"),
        ("no json", "is no JSON"),
        ('{"model_release": 1}', "is no file of past launches (KeyError 'as_of')"),
        (json.dumps(CONTENT | {"launches": [{"product": {}}]}), "is no file of past launches"),
    ],
)
def test_a_file_of_another_form_is_refused(server, run, content, told):
    Path("launches.json").unlink() if content is None else Path("launches.json").write_text(content)
    status, _, err = run()
    assert (status, server.calls, err.count("\n")) == (2, [], 1)
    assert told in err


def test_more_launches_than_there_are_is_refused(run):
    told = "onshelf: -n is 6; the file holds 5 launches, give 1 to 5\n"
    assert run("-n", "6") == (2, "", told)
    assert run("-n", "0")[0] == 2


def test_a_price_that_is_not_known_is_not_sent(server, run):
    changed = launch(1, 2.0, price=None)
    Path("launches.json").write_text(json.dumps(CONTENT | {"launches": [changed]}))
    assert run("-n", "1")[0] == 0
    evaluated = next(call.arguments for call in server.calls if call.method == "evaluate_plan")
    assert evaluated["product"].list_price is None
    assert evaluated["action"].list_price is None
