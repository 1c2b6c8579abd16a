"""What the store says of launches' weeks: a launch alone in all detail, many of them by what they sold."""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onshelf_gateway.services.feedback.launch_course import KINDS, Course, Launch, Sales
from onshelf_gateway.store import events
from onshelf_gateway.store.product_days import daily_units, product_days
from onshelf_release.life_cycle import DAYS, WEEKS

Ints = NDArray[np.int64]


def read_courses(connection: Any, launches: Sequence[Launch]) -> list[Course]:
    """What happened to each launch; a product that was launched twice counts for both while both are on sale."""
    until = events.newest_day(connection)
    courses = [Course(until=until) for _ in launches]
    shelf = _Shelf.of(launches)
    rows = product_days(connection, shelf.products, shelf.first_day) if launches else []
    for n, at, passed in shelf.places(rows):
        counts = np.array([[getattr(rows[i], f"{kind}_events") for kind in KINDS] for i in at], dtype=np.int64)
        np.add.at(courses[n].counts, passed // DAYS, counts)
        money = np.array([(rows[i].units, rows[i].revenue_nanos, rows[i].paid_units, rows[i].paid_nanos) for i in at])
        courses[n].daily[passed] = money[:, 0]
        np.add.at(courses[n].revenue, passed // DAYS, money[:, 1] / 1e9)
        courses[n].paid_units, courses[n].paid = float(money[:, 2].sum()), float(money[:, 3].sum()) / 1e9
        courses[n].last = launches[n].first + dt.timedelta(days=int(passed.max()))
    _read_ratings(connection, launches, shelf, courses)
    return courses


def read_sales(connection: Any, launches: Sequence[Launch]) -> list[Sales]:
    """The same of many launches, without counts and money."""
    until = events.newest_day(connection)
    sales = [Sales(until=until) for _ in launches]
    shelf = _Shelf.of(launches)
    rows = daily_units(connection, shelf.products, shelf.first_day) if launches else []
    units = np.array([row[2] for row in rows])
    for n, at, passed in shelf.places(rows):
        sales[n].daily[passed] = units[at]
        sales[n].last = launches[n].first + dt.timedelta(days=int(passed.max()))
    _read_ratings(connection, launches, shelf, sales)
    return sales


@dataclass(frozen=True)
class _Shelf:
    """Launches by product. `products`: each once. `of_product`: positions of the launches of each."""

    products: list[str]
    of_product: list[list[int]]
    firsts: Ints

    @classmethod
    def of(cls, launches: Sequence[Launch]) -> "_Shelf":
        by_product: dict[str, list[int]] = {}
        for n, launch in enumerate(launches):
            by_product.setdefault(launch.row.decided_product_id, []).append(n)
        firsts = np.array([launch.first.toordinal() for launch in launches], dtype=np.int64)
        return cls(list(by_product), list(by_product.values()), firsts)

    @property
    def first_day(self) -> str:
        """The first day of all, ISO 8601."""
        return dt.date.fromordinal(int(self.firsts.min())).isoformat()

    def places(self, rows: Sequence[Any]) -> Iterator[tuple[int, Ints, Ints]]:
        """Launch after launch: its position, its rows (that begin with product and day) and their days, 0..55."""
        if not rows:
            return
        number = {name: n for n, name in enumerate(self.products)}
        ordinal = {day: dt.date.fromisoformat(day).toordinal() for day in {row[1] for row in rows}}
        product = np.array([number[row[0]] for row in rows], dtype=np.int64)
        days = np.array([ordinal[row[1]] for row in rows], dtype=np.int64)
        order = np.argsort(product, kind="stable")
        ends = np.cumsum(np.bincount(product, minlength=len(self.products)))
        for found, at in zip(self.of_product, np.split(order, ends[:-1]), strict=True):
            for n in found:
                passed = days[at] - self.firsts[n]
                inside = (passed >= 0) & (passed < WEEKS * DAYS)
                if inside.any():
                    yield n, at[inside], passed[inside]


def _read_ratings(connection: Any, launches: Sequence[Launch], shelf: _Shelf, sales: Sequence[Sales]) -> None:
    """The stars of the launches' reviews, by time."""
    if not launches:
        return
    number = {name: n for n, name in enumerate(shelf.products)}
    for row in events.rated_reviews(connection, shelf.products, shelf.first_day):
        for n in shelf.of_product[number[row.product_id]]:
            if launches[n].first.isoformat() <= row.day < launches[n].end.isoformat():
                sales[n].ratings.append(row.rating)
