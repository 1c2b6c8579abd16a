"""UpdateForecast on a real port over fake models."""

import numpy as np
import pytest

from onshelf.v1 import launch_pb2, types_pb2
from onshelf_gateway.releases.model_release import ReleaseError, load_release
from onshelf_gateway.testing import write_fake_release
from onshelf_release.life_cycle import posterior, read_life_cycle, share_until

L, T = launch_pb2, types_pb2


@pytest.fixture(scope="module")
def life(releases):
    return load_release(releases / "3").life_cycle


def _asked(words, observed, **fields) -> L.UpdateForecastRequest:
    action = T.Action(launch_date="2018-02-05", channels=[T.ChannelUse(channel_id="display_in_aisle")], discount=0.2)
    return L.UpdateForecastRequest(
        product=words.product(), action=action, observed_weekly_units=observed, **{"population_scale": 10, **fields}
    )


def _quantile(forecast, level):
    return next(q.value for q in forecast.quantiles if q.level == pytest.approx(level))


@pytest.mark.parametrize("weeks", range(1, 8))
def test_an_update_is_the_posterior_scaled_to_the_population(life, weeks):
    shares = life.of((1, 1, 1))[1]
    draw = np.random.default_rng(weeks)
    for _ in range(20):
        mean, size = draw.gamma(2.0, 4.0), draw.gamma(2.0, 1.0) + 0.05
        seen = draw.poisson(3.0, weeks).astype(float)
        after = life.after(shares, mean=mean, size=size, observed=(seen * 10).tolist(), scale=10.0)
        own = posterior(
            mean=np.array(mean),
            size=np.array(size),
            units=np.array(seen.sum()),
            share=np.array(shares[:weeks].sum()),
            evidence=life.evidence[weeks - 1],
            dispersion=life.size[weeks - 1],
        )
        assert after == pytest.approx((10 * float(own.mean), float(own.size), float(own.weight)))


def test_the_posterior_lies_between_the_forecast_and_what_was_seen(life):
    shares = life.of((1, 1, 1))[0]
    rest, seen = 1 - shares[:2].sum(), shares[:2].sum()
    for units in (0, 1, 5, 50):
        after = life.after(shares, mean=20.0, size=1.5, observed=[units, units])
        ends = sorted((20.0 * rest, 2 * units / seen * rest))
        assert ends[0] <= after.mean <= ends[1]
        assert after.mean == pytest.approx((1 - after.weight) * 20.0 * rest + after.weight * 2 * units / seen * rest)
    on_course = life.after(shares, mean=20.0, size=1.5, observed=(20.0 * shares[:2]).tolist())
    assert on_course.mean == pytest.approx(20.0 * rest)


def test_the_narrowest_life_cycle_counts_and_the_shop_is_the_last_resort(life):
    assert life.of((1, 1, 5))[0] == pytest.approx(1.1 ** np.arange(8) / (1.1 ** np.arange(8)).sum())
    assert life.of((1, 2, 0))[0] == pytest.approx(np.full(8, 1 / 8))
    assert life.of((3, 9, 9))[0] == pytest.approx(0.9 ** np.arange(8) / (0.9 ** np.arange(8)).sum())
    assert share_until(life.of((1, 2, 0)), 10) == pytest.approx(
        np.array([10 / 56, share_until(life.of((1, 2, 0))[1], 10)])
    )


def test_a_broken_life_cycle_is_no_model_release(tmp_path):
    import pyarrow as pa

    folder = write_fake_release(tmp_path)
    path = folder / "life_cycle.arrow"
    with pa.OSFile(str(path)) as source:
        rows = pa.ipc.open_file(source).read_all().to_pylist()
    broken = {
        "add up to 1": [{**row, "share_w1": row["share_w1"] + 0.1} for row in rows],
        "'all', 0": [row for row in rows if row["level"] != "all"],
        "promoted 0 and 1": rows[:-1],
        "size above 0": [{**row, "size_w3": 0.0} for row in rows],
    }
    for words, wrong in broken.items():
        with pytest.raises(ValueError, match=words):
            read_life_cycle(pa.Table.from_pylist(wrong))
    path.unlink()
    with pytest.raises(ReleaseError, match=r"life_cycle\.arrow"):
        load_release(folder)


async def test_good_weeks_raise_the_forecast_and_bad_ones_lower_it(running, words):
    answers = [await running.launch.UpdateForecast(_asked(words, sold)) for sold in ([0, 0], [15, 15], [60, 80])]
    bad, middling, good = answers
    assert bad.remaining.mean < middling.remaining.mean < good.remaining.mean
    assert bad.remaining.mean < bad.prior.mean < good.total.mean
    for answer, sold in zip(answers, (0, 30, 140), strict=True):
        assert (answer.weeks_observed, answer.units_observed) == (2, sold)
        assert answer.total.mean == pytest.approx(answer.remaining.mean + sold)
        assert [q.value for q in answer.total.quantiles] == pytest.approx(
            [q.value + sold for q in answer.remaining.quantiles]
        )
        values = [q.value for q in answer.remaining.quantiles]
        assert values == sorted(values)
        assert 0 < answer.evidence_weight < 1
        assert sum(week.units for week in answer.weeks) == pytest.approx(answer.total.mean)
        assert sum(week.planned_units for week in answer.weeks) == pytest.approx(answer.prior.mean)
        assert [week.observed for week in answer.weeks] == [True] * 2 + [False] * 6
        assert not answer.HasField("reorder")
        assert not answer.price_path
        assert "SALES_FOR_DEMAND" in words.notices(answer)
        assert "CRITICAL_FRACTILE_ASSUMED" not in words.notices(answer)
    assert good.weeks[2].week_start_date == "2018-02-19"
    assert running.backend.count("launch_outcome") == 3


async def test_more_weeks_count_more_and_leave_less_open(running, words):
    answers = [await running.launch.UpdateForecast(_asked(words, [20] * weeks)) for weeks in range(1, 8)]
    weights = [answer.evidence_weight for answer in answers]
    widths = [_quantile(a.remaining, 0.9) - _quantile(a.remaining, 0.1) for a in answers]
    assert weights == sorted(weights)
    assert widths == sorted(widths, reverse=True)
    prior = answers[0].prior
    wide = (_quantile(prior, 0.9) - _quantile(prior, 0.1)) / prior.mean
    assert widths[1] / answers[1].remaining.mean < wide


async def test_a_reorder_fills_up_what_is_missing(running, words):
    def asked(stock, **policy):
        policy = {"critical_fractile": 0.8, **policy}
        return _asked(words, [20, 20], stock_units=stock, stock_policy=L.StockPolicy(**policy))

    nothing = await running.launch.UpdateForecast(asked(0))
    wanted = int(np.ceil(_quantile(nothing.remaining, 0.8)))
    assert nothing.reorder.units == wanted
    assert nothing.reorder.covers_days == 42
    assert nothing.reorder.arrival_date == "2018-02-19"
    assert nothing.reorder.lasts_until_arrival == 1
    some = await running.launch.UpdateForecast(asked(10, order_multiple=12))
    assert some.reorder.units % 12 == 0
    assert 0 <= some.reorder.units - (wanted - 10) < 12
    plenty = await running.launch.UpdateForecast(asked(100_000))
    assert plenty.reorder.units == 0
    late = await running.launch.UpdateForecast(asked(0, lead_time_days=14))
    assert late.reorder.arrival_date == "2018-03-05"
    assert 0 < late.reorder.units < wanted, "what is sold before the arrival is lost"
    assert late.reorder.lasts_until_arrival < 0.5
    assert (await running.launch.UpdateForecast(asked(0, lead_time_days=42))).reorder.units == 0
    perishable = await running.launch.UpdateForecast(asked(0, shelf_life_days=7))
    assert perishable.reorder.covers_days == 7
    assert 0 < perishable.reorder.units < wanted


async def test_prices_go_on_from_where_the_launch_is(running, words):
    request = _asked(words, [10], stock_units=500, stock_policy=L.StockPolicy(salvage_value=words.money(0)))
    response = await running.launch.UpdateForecast(request)
    path = response.price_path
    assert [step.week for step in path] == list(range(2, 9))
    assert path[0].phase == L.PRICE_PHASE_LAUNCH_PROMOTION
    assert path[0].discount == pytest.approx(0.2)
    assert path[-1].phase == L.PRICE_PHASE_MARKDOWN
    assert path[0].week_start_date == "2018-02-12"
    assert response.price_response.elasticity == pytest.approx(1.8, abs=0.02)
    request.constraints.max_discount = 0.1
    bounded = await running.launch.UpdateForecast(request)
    assert max(step.discount for step in bounded.price_path[1:]) <= 0.1 < path[-1].discount


async def test_a_launch_before_the_datas_end_can_be_updated(running, words):
    request = _asked(words, [4, 4])
    request.action.launch_date = "2017-11-08"
    response = await running.launch.UpdateForecast(request)
    assert response.weeks[0].week_start_date == "2017-11-06"


@pytest.mark.parametrize(
    ("change", "reason", "field"),
    [
        ({"observed_weekly_units": []}, "FIELD_REQUIRED", "observed_weekly_units"),
        ({"observed_weekly_units": [1] * 8}, "TOO_MANY", "observed_weekly_units"),
        ({"observed_weekly_units": [3, -1]}, "VALUE_OUT_OF_RANGE", "observed_weekly_units[1]"),
        ({"stock_units": -1}, "VALUE_OUT_OF_RANGE", "stock_units"),
        ({"action": T.Action()}, "FIELD_REQUIRED", "action.launch_date"),
        ({"action": T.Action(launch_date="2001-01-01")}, "WINDOW_OUT_OF_RANGE", "action.launch_date"),
        ({"product": T.Product()}, "FIELD_REQUIRED", "product.title"),
        ({"population_scale": -2}, "VALUE_OUT_OF_RANGE", "population_scale"),
    ],
    ids=["nothing seen", "eight weeks", "negative", "stock", "no date", "long ago", "no title", "scale"],
)
async def test_wrong_requests_are_refused(running, words, change, reason, field):
    request = _asked(words, change.pop("observed_weekly_units", [1]))
    for name, value in change.items():
        if isinstance(value, (int, float)):
            setattr(request, name, value)
        else:
            getattr(request, name).CopyFrom(value)
    refusal = await words.refusal(running.launch.UpdateForecast(request))
    assert (refusal.reason, refusal.fields[0]) == (reason, field)


@pytest.mark.parametrize("seed", range(25))
async def test_no_history_breaks_an_update(seed, running, words):
    draw = np.random.default_rng(seed)
    observed = [int(value) for value in draw.choice([0, 1, 3, 50, 10**6, 10**12], int(draw.integers(1, 8)))]
    stock = [None, 0, 7, 10**12][draw.integers(4)]
    policy = L.StockPolicy(
        lead_time_days=int(draw.choice([0, 3, 50, 365])),
        shelf_life_days=int(draw.choice([0, 1, 20, 3650])),
        covers_weeks=int(draw.choice([0, 4])),
        order_multiple=int(draw.choice([0, 1, 144])),
    )
    request = _asked(words, observed, stock_policy=policy, population_scale=float(draw.choice([0.01, 1, 1e6])))
    request.product.list_price.CopyFrom(words.money(float(draw.choice([0.01, 2.99, 999_999.99]))))
    if stock is not None:
        request.stock_units = stock
    response = await running.launch.UpdateForecast(request)
    values = [q.value for q in response.remaining.quantiles]
    assert values == sorted(values)
    assert np.isfinite(values).all()
    assert response.remaining.mean >= 0
    assert len(response.price_path) == (0 if stock is None else 8 - len(observed))
    if stock is not None:
        advice = response.reorder
        assert advice.units >= 0
        assert advice.units % (policy.order_multiple or 1) == 0
        assert 0 <= advice.lasts_until_arrival <= 1
        assert 0 <= advice.covers_days <= 8 * 7
