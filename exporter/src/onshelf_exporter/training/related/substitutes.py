"""What is bought instead: changes between two products from one purchase of a need to the next.

A user's baskets with products of one need (a category) follow each other. What is dropped from one to the next, and
what is picked up, shares one change. Chance lets the dropped product's buyers pick by the shares of what others picked
up in the same four weeks, the dropped one left out: the draw by market share by which Urban, Johnson and Hauser 1984
(Testing competitive market structures) judge competition. So popular products, products that come and go, and heavy
buyers make no lift. Two products that meet in baskets as chance has it, or more often, are no substitutes: flavours
that are bought together.
"""

from dataclasses import dataclass

import ibis
import ibis.expr.types as ir

from onshelf_exporter.training.related.purchases import GUEST, Purchases, total

MONTH = 4  # weeks that share their picks
LONGEST = 13  # weeks between two purchases of one need, at most
LEAST_USERS = 3  # who changed between the two
SIDE_BY_SIDE = 8  # weeks from the later one's first sale to the earlier one's last, at least


@dataclass(frozen=True)
class Switches:
    """Tables of the engine.

    Attributes:
        purchases: what they rest on.
        joint: a < b, user, observed (changes in either direction, shared), changes (how many).
        dropped: user, need, month, product, weight.
        shares: need, month, product, kind, picked, others (picked of all but the product itself).
    """

    purchases: Purchases
    joint: ir.Table
    dropped: ir.Table
    shares: ir.Table


def switches(purchases: Purchases) -> Switches:
    """Count changes between consecutive purchases of a need, and what their chance rests on."""
    con, kept = purchases.con, purchases.kept
    rows = kept.filter((kept.need != 0) & (kept.user != GUEST))
    steps = con.create_table("related_steps", _steps(rows), temp=True)
    of_basket = rows.select("user", "need", "product", "kind", basket="basket")
    at_first = steps.inner_join(of_basket, ["user", "need", ("first", "basket")])
    at_next = steps.inner_join(of_basket.view(), ["user", "need", ("next", "basket")])
    by = ["user", "need", "first", "next", "product"]
    at_first = at_first.select(*by, "month", "kind")
    at_next = at_next.select(*by, "month", "kind")
    dropped = con.create_table("related_dropped", at_first.anti_join(at_next, by), temp=True)
    picked = con.create_table("related_picked", at_next.anti_join(at_first, by), temp=True)
    step = ["user", "need", "first", "next"]
    dropped = con.create_table("related_drops", _shared(dropped.semi_join(picked, step)), temp=True)
    picked = con.create_table("related_picks", _shared(picked.semi_join(dropped, step)), temp=True)
    return Switches(
        purchases,
        con.create_table("related_changes", _joint(dropped, picked, step), temp=True),
        con.create_table("related_leaving", _sums(dropped, "user", "need", "month", "product"), temp=True),
        con.create_table("related_shares", _shares(picked), temp=True),
    )


def candidates(counted: Switches) -> ir.Table:
    """Pairs (a, b) between which enough users changed, and that were sold side by side: not one that replaced another,
    or the same product under another id."""
    pairs = counted.joint.group_by("a", "b").agg(users=lambda t: t.count())
    pairs = pairs.filter(pairs.users >= LEAST_USERS)
    lives = counted.purchases.kept.group_by("product").agg(first=lambda t: t.week.min(), last=lambda t: t.week.max())
    pairs = pairs.inner_join(lives.select(a="product", first_a="first", last_a="last"), "a")
    pairs = pairs.inner_join(lives.view().select(b="product", first_b="first", last_b="last"), "b")
    beside = ibis.least(pairs.last_a, pairs.last_b) - ibis.greatest(pairs.first_a, pairs.first_b) + 1
    return pairs.filter(beside >= SIDE_BY_SIDE).select("a", "b")


def by_user(counted: Switches, pairs: ir.Table) -> ir.Table:
    """Changes between pairs by user, observed and expected: a, b, user, observed, expected, changes."""
    ways = pairs.select("a", "b", leave="a", pick="b").union(pairs.select("a", "b", leave="b", pick="a"))
    left = counted.dropped.select("user", "need", "month", leave="product", weight="weight")
    others = counted.shares.select("need", "month", leave="product", others="others", all="total")
    picks = counted.shares.view().select("need", "month", pick="product", picked="picked", total="total")
    rows = ways.inner_join(left, "leave").inner_join(picks, ["pick", "need", "month"])
    rows = rows.left_join(others, ["leave", "need", "month"])
    left_over = rows.others.fill_null(rows.total)
    rows = rows.mutate(share=ibis.ifelse(left_over > 0, rows.picked / left_over, 0.0))
    expected = rows.group_by("a", "b", "user").agg(expected=lambda t: total(t.weight * t.share))
    rows = expected.left_join(counted.joint, ["a", "b", "user"])
    return rows.select(
        "a", "b", "user", "expected", observed=rows.observed.fill_null(0.0), changes=rows.changes.fill_null(0)
    )


def by_kinds(counted: Switches) -> ir.Table:
    """Changes between pairs of kinds, with all products of these: kind_a <= kind_b, observed, expected."""
    products = counted.purchases.products
    kinds = products.select("product", "kind")
    seen = counted.joint.inner_join(kinds.select(a="product", kind_a="kind"), "a")
    seen = seen.inner_join(kinds.view().select(b="product", kind_b="kind"), "b")
    seen = _ordered(seen.select("kind_a", "kind_b", value="observed"))
    left = _sums(counted.dropped, "need", "month", "product").inner_join(kinds, "product")
    own = counted.shares.select("need", "month", "product", "picked", "others")
    left = left.left_join(own, ["need", "month", "product"])
    picks = counted.shares.view().group_by("need", "month", "kind", "total").agg(sum=lambda t: total(t.picked))
    picks = picks.select("need", "month", "total", "sum", kind_b="kind")
    rows = left.select("need", "month", "weight", "others", kind_a="kind", own=left.picked.fill_null(0.0)).inner_join(
        picks, ["need", "month"]
    )
    others = rows.others.fill_null(rows.total)
    share = (rows["sum"] - ibis.ifelse(rows.kind_a == rows.kind_b, rows.own, 0.0)) / others
    rows = rows.mutate(value=rows.weight * ibis.ifelse(others > 0, share, 0.0))
    expected = _ordered(rows.select("kind_a", "kind_b", "value")).rename(expected="value")
    rows = expected.left_join(seen.rename(observed="value"), ["kind_a", "kind_b"])
    return rows.select("kind_a", "kind_b", "expected", observed=rows.observed.fill_null(0.0))


def _steps(rows: ir.Table) -> ir.Table:
    """Consecutive baskets of a user with products of one need: user, need, first, next, month (of the later one)."""
    baskets = rows.group_by("user", "need", "basket").agg(week=lambda t: t.week.min(), time=lambda t: t.time.min())
    order = ibis.window(group_by=["user", "need"], order_by=["time", "basket"])
    steps = baskets.mutate(next=baskets.basket.lead().over(order), later=baskets.week.lead().over(order))
    steps = steps.filter(steps.next.notnull() & (steps.later - steps.week <= LONGEST))
    return steps.select("user", "need", "next", first="basket", month=steps.later // MONTH)


def _shared(rows: ir.Table) -> ir.Table:
    """Each of the products that were dropped, or picked, in one step has an equal part of it: weight."""
    step = ibis.window(group_by=["user", "need", "first", "next"])
    return rows.mutate(weight=1.0 / rows.count().over(step))


def _joint(dropped: ir.Table, picked: ir.Table, step: list[str]) -> ir.Table:
    left = dropped.select(*step, leave="product", w="weight")
    right = picked.select(*step, pick="product", v="weight")
    rows = left.inner_join(right, step)
    rows = rows.select(
        "user", a=ibis.least(rows.leave, rows.pick), b=ibis.greatest(rows.leave, rows.pick), part=rows.w * rows.v
    )
    return rows.group_by("a", "b", "user").agg(observed=lambda t: total(t.part), changes=lambda t: t.count())


def _sums(rows: ir.Table, *by: str) -> ir.Table:
    return rows.group_by(*by).agg(weight=lambda t: total(t.weight))


def _shares(picked: ir.Table) -> ir.Table:
    rows = picked.group_by("need", "month", "product", "kind").agg(picked=lambda t: total(t.weight))
    rows = rows.inner_join(rows.group_by("need", "month").agg(total=lambda t: total(t.picked)), ["need", "month"])
    return rows.mutate(others=rows.total - rows.picked)


def _ordered(rows: ir.Table) -> ir.Table:
    rows = rows.select(
        kind_a=ibis.least(rows.kind_a, rows.kind_b), kind_b=ibis.greatest(rows.kind_a, rows.kind_b), value=rows.value
    )
    return rows.group_by("kind_a", "kind_b").agg(value=lambda t: total(t.value))
