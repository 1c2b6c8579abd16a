"""A user's history: what the model release knows, with what the request adds."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onshelf.v1 import recommendation_pb2, types_pb2
from onshelf_gateway.call.call import Call
from onshelf_gateway.releases.model_release import ModelRelease
from onshelf_release.codes import EVENT_KINDS
from onshelf_release.signatures import HISTORY_LENGTH

R = recommendation_pb2
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

PURCHASE = EVENT_KINDS["purchase"]
# Numbers of kinds; an impression or a return tells the model nothing.
_KINDS = {R.EventKind.Value(f"EVENT_KIND_{kind.upper()}"): number for kind, number in EVENT_KINDS.items()}
_KINDS[R.EVENT_KIND_UNSPECIFIED] = PURCHASE


@dataclass(frozen=True, kw_only=True)
class UserHistory:
    """Events, newest first: products (row + 1), ages in weeks, quantities, kinds; profile [16]; rows ever bought."""

    products: Ints
    ages: Floats
    quantities: Floats
    kinds: Ints
    profile: Floats
    bought: Ints


def read_history(call: Call, release: ModelRelease, row: int | None, events: list[R.HistoryEvent]) -> UserHistory:
    """The history of a user (row of users.arrow, None: unknown) with the request's events, 64 at most."""
    users = release.users
    known: dict[str, Floats] = {
        name: np.zeros(0) if row is None else users[f"history_{name}"][row].values.to_numpy(zero_copy_only=False)
        for name in ("products", "ages", "quantities", "kinds")
    }
    usable = [event for event in events if event.product_id in release.product_rows and event.kind in _KINDS]
    if len(usable) < len(events):
        call.notice(
            types_pb2.NOTICE_CODE_FIELD_IGNORED,
            f"{len(events) - len(usable)} of {len(events)} events were passed over: their product is not in the "
            "model release's own catalog, or they are impressions or returns",
            "history",
        )
    added: dict[str, list[Any]] = {
        "products": [release.product_rows[event.product_id] + 1 for event in usable],
        "ages": [event.age_days / 7.0 for event in usable],
        "quantities": [max(event.quantity, 1.0) for event in usable],
        "kinds": [_KINDS[event.kind] for event in usable],
    }
    merged = {name: np.concatenate([np.asarray(added[name], dtype=np.float64), known[name]]) for name in known}
    order = np.argsort(merged["ages"], kind="stable")[:HISTORY_LENGTH]
    if row is None:
        flat = users["profile"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        profile = np.asarray(flat, dtype=np.float64).reshape(users.num_rows, -1).mean(axis=0)
        bought = np.zeros(0, dtype=np.int64)
    else:
        profile = np.asarray(users["profile"][row].values.to_numpy(zero_copy_only=False), dtype=np.float64)
        bought = np.asarray(users["bought"][row].values.to_numpy(zero_copy_only=False), dtype=np.int64)
    purchases = [number - 1 for number, kind in zip(added["products"], added["kinds"], strict=True) if kind == PURCHASE]
    return UserHistory(
        products=merged["products"][order].astype(np.int64),
        ages=merged["ages"][order],
        quantities=merged["quantities"][order],
        kinds=merged["kinds"][order].astype(np.int64),
        profile=profile,
        bought=np.union1d(bought, np.asarray(purchases, dtype=np.int64)).astype(np.int64),
    )
