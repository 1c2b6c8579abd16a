"""A model release whose retail week does not begin on Monday: the models get the number of the week's first day."""

import datetime as dt

import numpy as np
import pytest
from gateways import connected

from onshelf.v1 import types_pb2
from onshelf_gateway.testing import write_fake_release


async def test_weeks_that_begin_on_sunday_have_the_number_of_their_sunday(tmp_path, words):
    write_fake_release(tmp_path, 1, as_of=dt.date(2018, 1, 3), week_start="sunday")  # a Wednesday
    scored, propensity = [], []
    async with connected(tmp_path) as gateway:
        original = gateway.backend.infer

        async def infer(model, version, inputs, *rest):
            out = await original(model, version, inputs, *rest)
            if model == "launch_outcome":
                rows = inputs["candidates"][0]
                scored.append({int(week) for week in rows[rows[:, 1] > 0][:, 0]})
            if model == "product_encoder_int8":
                propensity.append(out["week_propensity"][0])
            return out

        gateway.backend.infer = infer
        # 9 and 10 January hold no first day: the window stands for the week of Sunday the 7th, in ISO week 1
        window = types_pb2.DateWindow(start_date="2018-01-09", end_date="2018-01-10")
        plan = await gateway.launch.PlanLaunch(words.plan(window=window))
        # Wednesday the 3rd belongs to the week of Sunday, 31 December (ISO week 52), begun before today
        await gateway.launch.EvaluatePlan(words.evaluate(launch_date="2018-01-03"))
    assert scored == [{1}, {52, 1}]
    assert [row.practice_share for row in plan.timing] == [pytest.approx(float(propensity[0][0]))]
    assert not np.isclose(propensity[0][0], propensity[0][1], rtol=1e-5), "or the check could not fail"
