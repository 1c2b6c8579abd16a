"""The channels of a model release: what the table `channels` says of each.

An attribute of a channel is one field of `Channel`. What the retailer's own table of channels says under that name is
carried through preparation and training as it is (ATTRIBUTES); the other fields are learned.
"""

import dataclasses
from dataclasses import dataclass
from typing import get_type_hints

import numpy as np
import pyarrow as pa

from onshelf_release.candidates import CHANNEL_SLOTS

COUPON_KIND = "coupon"  # kind of channels that stand for coupon campaigns


@dataclass(frozen=True, kw_only=True)
class Channel:
    """A channel of the release.

    Attributes:
        slot: its column among a candidate's coverages.
        lead_time_days: days from the decision until it runs, as the retailer's table says; None where it does not.
        capacity: products at once in a week, as the retailer's table says.
        n_launches: past launches that used it.
        typical_coverage, broad_coverage: median and 75th percentile of where launches had it; shares of sites, (0, 1].
    """

    slot: int
    channel_id: str
    name: str
    kind: str
    typical_coverage: float
    broad_coverage: float
    lead_time_days: int | None = None
    capacity: int | None = None
    n_launches: int = 0


_FIELDS = [field for field in dataclasses.fields(Channel) if field.name != "slot"]
COLUMNS = ("channel_slot", *(field.name for field in _FIELDS if field.default is dataclasses.MISSING))
LEARNED = ("typical_coverage", "broad_coverage", "n_launches")
_ARROW = {str: pa.string(), int: pa.int64(), int | None: pa.int64()}
_TYPES = get_type_hints(Channel)
# by name: its type in the table
ATTRIBUTES = {field.name: _ARROW[_TYPES[field.name]] for field in _FIELDS if field.name not in LEARNED}


def read_channels(table: pa.Table) -> dict[str, Channel]:
    """Channels by id. One that was never used gets the coverage that is usual for its kind.

    Raises:
        ValueError: an attribute has another type, a slot is not unique, or outside the candidates' columns.
    """
    names = [field.name for field in _FIELDS if field.name in table.column_names]
    columns = {name: table[name].cast(ATTRIBUTES.get(name, table[name].type)) for name in ("channel_slot", *names)}
    rows = pa.table(columns).to_pylist()
    channels = {row["channel_id"]: Channel(slot=row.pop("channel_slot"), **row) for row in rows}
    for channel_id, channel in channels.items():
        if channel.typical_coverage <= 0:
            usual = [c.typical_coverage for c in channels.values() if c.kind == channel.kind and c.typical_coverage > 0]
            typical = float(np.median(usual)) if usual else 1.0
            broad = max(typical, channel.broad_coverage)
            channels[channel_id] = dataclasses.replace(channel, typical_coverage=typical, broad_coverage=broad)
    slots = [channel.slot for channel in channels.values()]
    if len(set(slots)) != table.num_rows or not all(0 <= slot < CHANNEL_SLOTS for slot in slots):
        raise ValueError(f"channel_slot must be unique and within 0..{CHANNEL_SLOTS - 1}, got {slots}")
    return channels
