"""What a launch took from its substitutes and brought its complements, by the store's own events.

The release says which products are related to the launch's; what these sold before and since is read by product, and
the shop's other sales as daily sums.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from onshelf.v1 import feedback_pb2, types_pb2
from onshelf_gateway.call.call import Call
from onshelf_gateway.catalog.shelf import Shelf
from onshelf_gateway.feedback import effects
from onshelf_gateway.feedback.daily_sales import DailySales
from onshelf_gateway.feedback.effects import Effect
from onshelf_gateway.recommendation.related import strongest
from onshelf_gateway.services.feedback.launch_course import Course, Launch
from onshelf_gateway.services.recommendation.find_related import inferred_relations, offered, own_relations
from onshelf_gateway.store import sales
from onshelf_release.calendar import WEEK
from onshelf_release.life_cycle import DAYS
from onshelf_release.related import COMPLEMENT, SUBSTITUTE

F, T = feedback_pb2, types_pb2
Floats = NDArray[np.float64]
MOST = 10  # products of each kind that are looked at


@dataclass(frozen=True)
class Kin:
    """Products that the release relates to a launch's, by kind: ids [n]; `unknown`: why there are none."""

    substitutes: tuple[str, ...] = ()
    complements: tuple[str, ...] = ()
    unknown: str = ""
    inferred: bool = False


@dataclass(frozen=True)
class Around:
    """Weekly units around a launch: of related products [n, weeks before + since], of the others [weeks]; `weeks` are
    those before."""

    products: tuple[str, ...]
    units: Floats
    others: Floats
    weeks: int


def kin_of(shelf: Shelf, product_id: str) -> Kin:
    """The products related to a launch's product; no model is asked."""
    known = shelf.release.related
    if known is None:
        return Kin(unknown=f"model release {shelf.release.version} was published before related products were learned")
    found = own_relations(shelf, known, product_id)
    inferred = found is None
    if found is None:
        record = shelf.record(product_id)
        if record is None:
            return Kin(unknown="the model release has not read the product, so nothing is known to be related to it")
        department, category, kind, brand = (int(number) for number in record["categorical_ids"])
        ids = (department, category, kind, brand)
        found = inferred_relations(shelf, known, record["embeddings"], ids, product_id)
    pairs, names = offered(shelf, found.pairs), shelf.release.product_names
    substitutes, complements = (
        tuple(names[row] for row in strongest(pairs, kind, MOST).related) for kind in (SUBSTITUTE, COMPLEMENT)
    )
    if not substitutes and not complements:
        return Kin(unknown="no product is known to be related to it")
    return Kin(substitutes, complements, inferred=inferred)


def read_around(connection: Connection, daily: DailySales, launch: Launch, course: Course, kin: Kin) -> Around | None:
    """What sold in the weeks before a launch and in its complete weeks; None where too few weeks hold events."""
    since = course.complete(launch)
    if not since or kin.unknown:
        return None
    shop = daily.read(connection)
    began = dt.date.fromisoformat(min(shop)) if shop else launch.first
    before = min(effects.WEEKS_BEFORE, (launch.first - began).days // DAYS)
    if before < effects.LEAST_WEEKS:
        return None
    first, until = launch.first - WEEK * before, launch.first + WEEK * since
    products = tuple(dict.fromkeys((*kin.substitutes, *kin.complements)))
    own = (launch.row.decided_product_id, *products)
    rows = sales.units_by_day(connection, own, first.isoformat(), until.isoformat())
    weeks = before + since
    units = _weekly(
        [own.index(row[0]) for row in rows], [row[1] for row in rows], [row[2] for row in rows], first, len(own), weeks
    )
    days = [(first + dt.timedelta(days=n)).isoformat() for n in range(weeks * DAYS)]
    total = np.array([shop.get(day, 0.0) for day in days]).reshape(weeks, DAYS).sum(axis=1)
    return Around(products, np.maximum(units[1:], 0.0), np.maximum(total - units.sum(axis=0), 0.0), before)


def _weekly(
    place: Sequence[int], days: Sequence[str], units: Sequence[float], first: dt.date, count: int, weeks: int
) -> Floats:
    """Units by product and week [count, weeks]."""
    result = np.zeros((count, weeks))
    week = np.array([(dt.date.fromisoformat(day) - first).days // DAYS for day in days], dtype=np.int64)
    np.add.at(result, (np.array(place, dtype=np.int64), week), np.array(units, dtype=np.float64))
    return result


def add_effects(
    response: F.GetLaunchReportResponse,
    call: Call,
    shelf: Shelf,
    course: Course,
    launch: Launch,
    kin: Kin,
    around: Around | None,
) -> None:
    """Write into a report what the launch took and brought, or why that cannot be told."""
    if kin.unknown:
        _unknown(call, kin.unknown)
        return
    if around is None:
        if course.complete(launch):
            _unknown(call, f"events begin less than {effects.LEAST_WEEKS} whole weeks before the launch")
        return
    before, since = around.units[:, : around.weeks].sum(axis=1), around.units[:, around.weeks :].sum(axis=1)
    others = float(around.others[: around.weeks].sum()), float(around.others[around.weeks :].sum())
    if min(others) <= 0:
        _unknown(call, "nothing but the launch and its related products was sold, before it or since")
        return
    judged = before >= effects.LEAST_BEFORE
    over = effects.scatter(
        around.units[judged, : around.weeks],
        around.units[judged, around.weeks :],
        around.others[: around.weeks],
        around.others[around.weeks :],
    )
    found = {
        name: effects.effect(float(before[n]), float(since[n]), *others, over)
        for n, name in enumerate(around.products)
        if judged[n]
    }
    taken = [name for name in kin.substitutes if name in found]
    response.cannibalized.extend(_message(shelf, found[name], name) for name in _by_difference(taken, found, 1.0))
    brought = _by_difference([name for name in kin.complements if name in found], found, -1.0)
    response.complements.extend(_message(shelf, found[name], name) for name in brought)
    if taken:
        before_, since_ = (sum(getattr(found[name], what) for name in taken) for what in ("before", "units"))
        response.cannibalization.CopyFrom(_message(shelf, effects.effect(before_, since_, *others, over)))
    _notices(call, around, kin, int(judged.sum()))


def _by_difference(names: Sequence[str], found: dict[str, Effect], sign: float) -> list[str]:
    return sorted(names, key=lambda name: (sign * (found[name].units - found[name].expected), name))


def _notices(call: Call, around: Around, kin: Kin, judged: int) -> None:
    total = len(around.products)
    if judged < total:
        _unknown(
            call,
            f"{total - judged} of {total} related products sold fewer than {effects.LEAST_BEFORE:g} units in the "
            f"{around.weeks} weeks before the launch: what it did to them cannot be told",
        )
    if judged:
        call.notice(
            T.NOTICE_CODE_ASSOCIATION,
            "related products are compared with how the shop's other products went over the same weeks; what else "
            "moved them (a price, a promotion, their own season) counts as the launch's",
            "cannibalized",
        )
        if kin.inferred:
            call.notice(
                T.NOTICE_CODE_INFERRED_FROM_SIMILAR,
                "which products are related to the launch's is inferred from similar products",
                "cannibalized",
            )


def _unknown(call: Call, why: str) -> None:
    call.notice(
        T.NOTICE_CODE_EFFECTS_UNKNOWN,
        f"what the launch took from other products, or brought them: {why}",
        "cannibalized",
    )


def _message(shelf: Shelf, effect: Effect, product_id: str = "") -> F.ProductEffect:
    message = F.ProductEffect(
        product_id=product_id,
        expected_units=effect.expected,
        units=effect.units,
        units_difference=effect.units - effect.expected,
        lift=effect.lift,
        lift_low=effect.low,
        lift_high=effect.high,
        clear=not effect.low <= 1.0 <= effect.high,
        units_before=effect.before,
    )
    if product_id:
        row = shelf.release.product_rows[product_id]
        ids = shelf.ids(np.array([row]))[0]
        message.title = shelf.title(product_id)
        message.category_path.extend(shelf.release.vocabulary.path((int(ids[0]), int(ids[1]), int(ids[2]))))
    return message
