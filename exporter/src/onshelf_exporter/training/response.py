"""What price, discount, coupon and coverage do to units: estimated from all product-weeks, not from launches.

A Poisson panel with product fixed effects, which by conditioning on each product's total is a multinomial over its
weeks (Hausman, Hall and Griliches 1984): what differs between products cancels, so a product that is promoted because
it sells well does not look like a product that sells well because it is promoted. Categories are shrunk to their
department and departments to the shop (ridge), the shop's price elasticity to a prior. What remains is an association
within products over time, not a proof of cause.
"""

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from onshelf_exporter.data.weeks import weeks_of_year
from onshelf_exporter.models.launch_outcome import ResponseTable
from onshelf_exporter.training.context import product_week_frame, seasonality_levels
from onshelf_exporter.training.history import History
from onshelf_exporter.training.recipe import OutcomeRecipe
from onshelf_release.candidates import CHANNEL_SLOTS
from onshelf_release.channels import COUPON_KIND

OVERDISPERSION = 4.0  # variance of weekly units over their mean, by which the likelihood counts less
PRIOR_STRENGTH = 50.0
ELASTICITY_STRENGTH = 5000.0  # regular prices hardly move within a product, and averages over sites dilute the slope
START_COVERAGE, START_DISCOUNT, START_COUPON = 0.3, 1.0, 0.05


class Panel(NamedTuple):
    """Product-weeks sorted by product: product number 0.., department id, units, offset and the design; category id."""

    product: NDArray[np.int64]
    department: NDArray[np.int64]
    units: NDArray[np.float32]
    offset: NDArray[np.float32]
    price: NDArray[np.float32]
    discount: NDArray[np.float32]
    coupon: NDArray[np.float32]
    coverage: NDArray[np.float32]
    category: NDArray[np.int64]


def build_panel(history: History, products: int) -> Panel | None:
    """Weeks from first to last sale of the best-sold products that sell in most of their weeks, so that a price is
    seldom missing.

    In a week without a sale the price is the last seen one, the discount the product's mean over weeks with the same
    promotion state.
    None where no product sells often enough.
    """
    frame = product_week_frame(history)
    frame = frame[frame["price"] > 0]
    stats = frame.groupby("product").agg(
        n=("week", "size"), first=("week", "min"), last=("week", "max"), units=("units", "sum")
    )
    span = stats["last"] - stats["first"] + 1
    stats = (
        stats[(stats["n"] >= 0.6 * span) & (stats["n"] >= 12)]
        .sort_values("units", ascending=False)
        .head(products)
        .sort_index()
    )
    if stats.empty:
        return None
    chosen = stats.index.to_numpy()
    first, span_of = stats["first"].to_numpy(), (stats["last"] - stats["first"] + 1).to_numpy()
    start = np.concatenate([[0], np.cumsum(span_of)])
    total = int(start[-1])
    number = np.repeat(np.arange(len(chosen)), span_of)
    week = np.arange(total) - start[number] + first[number]
    position = np.full(len(history.products), -1, dtype=np.int64)
    position[chosen] = np.arange(len(chosen))
    rows = frame[position[frame["product"].to_numpy()] >= 0]
    at = (
        start[position[rows["product"].to_numpy()]]
        + rows["week"].to_numpy()
        - first[position[rows["product"].to_numpy()]]
    )
    units, discount, price = np.zeros(total), np.full(total, np.nan), np.full(total, np.nan)
    units[at], discount[at], price[at] = rows["units"], rows["discount"], np.log(rows["price"])
    seen = np.maximum.accumulate(np.where(np.isfinite(price), np.arange(total), 0))
    price = price[seen]  # the first week of each product has a sale
    coverage = np.zeros((total, CHANNEL_SLOTS), dtype=np.float32)
    promotions = history.promotions
    of = position[promotions["product_index"].to_numpy()]
    offset = promotions["week"].to_numpy() - first[np.maximum(of, 0)]
    inside = (of >= 0) & (offset >= 0) & (offset < span_of[np.maximum(of, 0)])
    coverage[start[of[inside]] + offset[inside], promotions["slot"].to_numpy()[inside]] = promotions[
        "coverage"
    ].to_numpy()[inside]
    promoted = coverage.sum(1) > 0
    group = number * 2 + promoted
    sums = np.bincount(group, np.nan_to_num(discount), minlength=2 * len(chosen))
    counts = np.bincount(group, np.isfinite(discount), minlength=2 * len(chosen))
    discount = np.where(np.isfinite(discount), discount, (sums / np.maximum(counts, 1))[group])
    coupon = np.zeros(total, dtype=np.float32)
    of = position[history.coupons["product_index"].to_numpy()]
    offset = history.coupons["week"].to_numpy() - first[np.maximum(of, 0)]
    inside = (of >= 0) & (offset >= 0) & (offset < span_of[np.maximum(of, 0)])
    coupon[start[of[inside]] + offset[inside]] = 1.0
    season = np.log(seasonality_levels(history)[1])[
        history.ids[chosen[number], 1], weeks_of_year(history.dataset, week) - 1
    ]
    mean = (np.bincount(number, price) / span_of)[number]
    return Panel(
        number,
        history.ids[chosen[number], 0],
        np.minimum(units, 100.0).astype(np.float32),
        season.astype(np.float32),
        np.clip(price - mean, -1.0, 1.0).astype(np.float32),
        discount.astype(np.float32),
        coupon,
        coverage,
        history.ids[chosen[number], 1],
    )


def estimate_response(history: History, recipe: OutcomeRecipe) -> tuple[ResponseTable, dict[str, float]]:
    """Coefficients by department id, row 0 for the whole shop, then by category id; a few figures for the manifest."""
    departments, categories = history.vocabulary.sizes[:2]
    above = torch.from_numpy(_departments_of(history, categories))
    start = torch.full((CHANNEL_SLOTS + 3,), START_COVERAGE)
    start[CHANNEL_SLOTS:] = torch.tensor([recipe.elasticity_prior, START_DISCOUNT, START_COUPON])
    prior = torch.log(torch.expm1(start))
    strength = torch.full_like(prior, PRIOR_STRENGTH)
    strength[CHANNEL_SLOTS] = ELASTICITY_STRENGTH
    shop = prior.clone().requires_grad_(True)
    own = torch.zeros(departments, CHANNEL_SLOTS + 3, requires_grad=True)
    special = torch.zeros(categories, CHANNEL_SLOTS + 3, requires_grad=True)
    panel = build_panel(history, recipe.response_products)
    if panel is not None:
        design = torch.from_numpy(
            np.concatenate(
                [panel.coverage, -panel.price[:, None], panel.discount[:, None], panel.coupon[:, None]], axis=1
            )
        )
        product, units = torch.from_numpy(panel.product), torch.from_numpy(panel.units)
        category, offset = torch.from_numpy(panel.category), torch.from_numpy(panel.offset)
        size = int(panel.product.max()) + 1
        totals = torch.zeros(size).index_add(0, product, units)
        optimizer = torch.optim.Adam([shop, own, special], lr=0.08)
        for _ in range(recipe.response_steps):
            # F.embedding, as the gradient of an index adds up in whatever order threads arrive
            effect = F.softplus(shop + F.embedding(above, own) + special)
            eta = offset + (design * F.embedding(category, effect)).sum(1)
            normaliser = torch.log(torch.zeros(size).index_add(0, product, torch.exp(eta)))
            loss = ((totals * normaliser).sum() - (units * eta).sum()) / OVERDISPERSION
            loss = (
                loss
                + 0.5 * recipe.response_ridge * (own.square().sum() + special.square().sum())
                + 0.5 * (strength * (shop - prior).square()).sum()
            )
            optimizer.zero_grad()
            torch.autograd.backward(loss / totals.sum())
            optimizer.step()
    with torch.no_grad():
        effect = F.softplus(torch.cat([shop + own, shop + own[above] + special]))
        effect[0] = F.softplus(shop)
        kinds = history.channels
        coupons = kinds.loc[kinds["kind"] == COUPON_KIND, "channel_slot"].to_numpy(dtype=np.int64)
        used = set(kinds["channel_slot"].tolist())
        unused = [slot for slot in range(CHANNEL_SLOTS) if slot not in used]
        # a coupon acts through its own column; a slot without a channel does nothing
        effect[:, [*coupons.tolist(), *unused]] = 0.0
    elasticity, discount, coupon = effect[:, CHANNEL_SLOTS:].unbind(1)
    table = ResponseTable(elasticity, discount, coupon, effect[:, :CHANNEL_SLOTS], departments)
    figures = {
        "panel_rows": 0.0 if panel is None else float(len(panel.units)),
        "elasticity": float(table.elasticity[0]),
        "discount": float(table.discount[0]),
        "coupon": float(table.coupon[0]),
    }
    return table, figures


def _departments_of(history: History, categories: int) -> NDArray[np.int64]:
    """Department id of each category id [categories]; 0, the whole shop, where it is unknown."""
    result = np.zeros(categories, dtype=np.int64)
    ids = history.ids[history.ids[:, 1] > 0]
    result[ids[:, 1]] = ids[:, 0]
    return result
