"""Channels of a model release, as exporters write and gateways read them."""

import pyarrow as pa
import pytest

from onshelf_release.channels import ATTRIBUTES, read_channels

LEARNED = {"channel_slot": [0, 1], "typical_coverage": [0.2, 0.0], "broad_coverage": [0.4, 0.0]}
NAMED = {"channel_id": ["end_cap", "coupon"], "name": ["End cap", "Coupon"], "kind": ["display", "coupon"]}


def test_what_the_table_says_of_some_channels_alone_is_whole_numbers() -> None:
    """A column with gaps may come as fractions."""
    table = pa.table({**LEARNED, **NAMED, "lead_time_days": [7.0, None]})
    channels = read_channels(table)
    assert [(one.lead_time_days, one.capacity) for one in channels.values()] == [(7, None), (None, None)]
    assert isinstance(channels["end_cap"].lead_time_days, int)
    assert channels["coupon"].typical_coverage == 1.0, "what was never used gets what is usual for its kind"


def test_a_release_from_before_an_attribute_has_none() -> None:
    assert {"lead_time_days", "capacity"} < set(ATTRIBUTES)
    assert read_channels(pa.table({**LEARNED, **NAMED}))["end_cap"].lead_time_days is None


def test_half_a_day_is_refused() -> None:
    with pytest.raises(ValueError, match="truncated"):
        read_channels(pa.table({**LEARNED, **NAMED, "lead_time_days": [7.5, None]}))


def test_slots_are_unique() -> None:
    with pytest.raises(ValueError, match="channel_slot must be unique"):
        read_channels(pa.table({**LEARNED, **NAMED, "channel_slot": [1, 1]}))
