"""What is bought together: joint baskets of two products, and those that chance would make.

Chance keeps what each user bought in each quarter, and how large each basket was, and mixes which purchase fell into
which basket: a purchase falls into basket t with the chance s_t / S of its lines among the user's of the quarter, so
two products that a user bought n and m times meet in n m sum_t (s_t / S)^2 baskets. So heavy buyers, large baskets,
popular products, shared tastes and products that were on sale at different times make no lift.
"""

from dataclasses import dataclass

import ibis
import ibis.expr.types as ir

from onshelf_exporter.training.related.purchases import Purchases, total

QUARTER = 13  # weeks within which purchases are mixed
LEAST_JOINT = 5  # joint baskets


@dataclass(frozen=True)
class Together:
    """Tables of the engine: `bought` (user, quarter, product, times) and `chances` (user, quarter, chance): that two
    purchases of the user share a basket."""

    purchases: Purchases
    bought: ir.Table
    chances: ir.Table


def together(purchases: Purchases) -> Together:
    """What the chance of joint baskets rests on."""
    con = purchases.con
    lines = purchases.lines.mutate(quarter=purchases.lines.week // QUARTER)
    baskets = lines.group_by("user", "quarter", "basket").agg(size=lambda t: t.count().cast("float64"))
    chances = baskets.group_by("user", "quarter").agg(
        chance=lambda t: (t["size"] * t["size"]).sum() / (t["size"].sum() * t["size"].sum())
    )
    kept = purchases.kept.mutate(quarter=purchases.kept.week // QUARTER)
    bought = kept.group_by("user", "quarter", "product", "kind").agg(times=lambda t: t.count().cast("float64"))
    return Together(
        purchases,
        con.create_table("related_bought", bought, temp=True),
        con.create_table("related_chances", chances, temp=True),
    )


def candidates(counted: Together) -> ir.Table:
    """Pairs (a, b) of different kinds with enough joint baskets; where products have no category, all such pairs."""
    often = _meetings(counted.purchases.kept).group_by("a", "b").agg(observed=lambda t: t.count())
    pairs = often.filter(often.observed >= LEAST_JOINT).select("a", "b")
    return differing(pairs, counted.purchases.products)


def _meetings(lines: ir.Table) -> ir.Table:
    """A row for each two products of a basket: a < b, user. Many: they are never kept as they are."""
    left = lines.select("basket", "user", a="product")
    right = lines.view().select("basket", b="product")
    return left.join(right, [left.basket == right.basket, left.a < right.b]).select("a", "b", "user")


def differing(pairs: ir.Table, products: ir.Table) -> ir.Table:
    """The pairs whose products serve different kinds, with these: a, b, kind_a, kind_b."""
    pairs = with_kinds(pairs, products)
    return pairs.filter((pairs.kind_a != pairs.kind_b) | (pairs.kind_a == 0))


def with_kinds(pairs: ir.Table, products: ir.Table) -> ir.Table:
    """The pairs with the kinds of both products: a, b, kind_a, kind_b."""
    of_a = products.select(a="product", kind_a="kind")
    of_b = products.view().select(b="product", kind_b="kind")
    return pairs.inner_join(of_a, "a").inner_join(of_b, "b").select("a", "b", "kind_a", "kind_b")


def by_user(counted: Together, pairs: ir.Table) -> ir.Table:
    """Joint baskets of pairs by user, observed and expected: a, b, user, observed, expected."""
    left = counted.bought.select("user", "quarter", a="product", n="times")
    right = counted.bought.view().select("user", "quarter", b="product", m="times")
    rows = pairs.select("a", "b").inner_join(left, "a").inner_join(right, ["b", "user", "quarter"])
    rows = rows.inner_join(counted.chances, ["user", "quarter"])
    expected = rows.group_by("a", "b", "user").agg(expected=lambda t: total(t.n * t.m * t.chance))
    seen = _meetings(counted.purchases.kept).semi_join(pairs, ["a", "b"])
    seen = seen.group_by("a", "b", "user").agg(observed=lambda t: t.count().cast("float64"))
    rows = expected.left_join(seen, ["a", "b", "user"])
    return rows.select("a", "b", "user", "expected", observed=rows.observed.fill_null(0.0))


def by_kinds(counted: Together) -> ir.Table:
    """Joint purchases of pairs of kinds, with all products of these: kind_a < kind_b, observed, expected."""
    sizes = counted.purchases.kept.group_by("basket", "kind").agg(times=lambda t: t.count().cast("float64"))
    seen = _pairs(sizes, ["basket"]).group_by("kind_a", "kind_b").agg(observed=lambda t: (t.n * t.m).sum())
    kinds = counted.bought.group_by("user", "quarter", "kind").agg(times=lambda t: t.times.sum())
    drawn = _pairs(kinds, ["user", "quarter"]).inner_join(counted.chances, ["user", "quarter"])
    drawn = drawn.group_by("kind_a", "kind_b").agg(expected=lambda t: total(t.n * t.m * t.chance))
    rows = drawn.left_join(seen, ["kind_a", "kind_b"])
    return rows.select("kind_a", "kind_b", "expected", observed=rows.observed.fill_null(0.0))


def _pairs(rows: ir.Table, by: list[str]) -> ir.Table:
    left = rows.select(*by, kind_a="kind", n="times")
    right = rows.view().select(*by, kind_b="kind", m="times")
    return left.join(right, [*[left[name] == right[name] for name in by], left.kind_a < right.kind_b])


def sampled(products: ir.Table, most: int) -> ir.Table:
    """Pairs of some products that are drawn by their number: a, b."""
    drawn = products.order_by((products["product"] * 2_654_435_761) % 4_294_967_296).limit(most)
    left, right = drawn.select(a="product"), drawn.view().select(b="product")
    return left.join(right, [ibis._.a < right.b]).select("a", "b")
