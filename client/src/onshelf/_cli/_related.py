"""`onshelf related`: what is bought with a product, and what instead of it; and what a launch did to such products."""

import dataclasses
from collections.abc import Sequence
from typing import Annotated

from rich.console import RenderableType

from onshelf._cli import _words as w
from onshelf._cli._options import AnswerOptions, ProductOptions, Service
from onshelf._cli._plan_view import footer, notices
from onshelf._cli._prices import Prices
from onshelf._cli._terminal import Section, bold, clean, table
from onshelf._cli._usage import UsageError
from onshelf._cli._values import Count, option
from onshelf._enums import RelationKind
from onshelf._feedback_results import GetLaunchReportResult
from onshelf._related_results import FindRelatedProductsResult, ProductEffect, RelatedProduct

TITLES = {RelationKind.COMPLEMENT: "Bought with it", RelationKind.SUBSTITUTE: "Bought instead of it"}


def related(
    product_id: Annotated[str | None, option("a product of the catalog")] = None,
    /,
    *,
    kind: Annotated[RelationKind | None, option("only this relation", name_transform=str.lower)] = None,
    product: ProductOptions = ProductOptions(),
    count: Annotated[Count, option("products to return (default: 10)")] = None,
    answer: AnswerOptions = AnswerOptions(),
    service: Service = Service(),
) -> None:
    """Find products that are bought with a product, and instead of it."""
    if product_id is not None:
        if product.title or product.product_id:
            raise UsageError(f"{product_id}: name one product, by its id or by --title")
        product = dataclasses.replace(product, product_id=product_id)
    with service.connect() as client:
        about = product.subject(Prices(client, product.currency, answer.model_release))
        found = client.find_related_products(**about, kind=kind, count=count, **answer.asked())
    answer.print(found, lambda: _sections(found))


def _sections(found: FindRelatedProductsResult) -> list[Section]:
    parts = [(title, [one for one in found.products if one.kind is kind]) for kind, title in TITLES.items()]
    listed = [[bold(title), _table(products)] for title, products in parts if products]
    return [*(listed or [["No related product is known."]]), notices(found.info.notices), footer(found.info)]


def _table(products: Sequence[RelatedProduct]) -> RenderableType:
    rows = [
        [
            clean(one.title),
            w.path(one.category_path),
            f"{one.lift:.2f}",
            f"{one.lift_low:.2f}–{one.lift_high:.2f}",
            f"{one.baskets:,}",
            f"{one.users:,}",
            f"{one.similar_products}" if one.similar_products else "",
            clean(one.product_id),
        ]
        for one in products
    ]
    times = "together" if products[0].kind is RelationKind.COMPLEMENT else "changes"
    return table(["~product", "~category", ">lift", "95% interval", f">{times}", ">users", ">similar", "id"], rows)


def effects(found: GetLaunchReportResult) -> list[Section]:
    """What a launch took from its substitutes and brought its complements; nothing where nothing is known of it."""
    sections: list[Section] = []
    if found.cannibalized:
        total = found.cannibalization
        said = [] if total is None or len(found.cannibalized) < 2 else [_together(total)]
        sections.append([bold("What it took from its substitutes"), _effects(found.cannibalized), *said])
    if found.complements:
        sections.append([bold("What its complements sold"), _effects(found.complements)])
    return sections


def _together(total: ProductEffect) -> str:
    verdict = "" if total.clear else "; that may be chance"
    return (
        f"Together {w.count(total.units)} units instead of {w.count(total.expected_units)} "
        f"({total.lift:.2f}, {total.lift_low:.2f}–{total.lift_high:.2f}){verdict}."
    )


def _effects(products: Sequence[ProductEffect]) -> RenderableType:
    rows = [
        [
            clean(one.title),
            w.count(one.expected_units),
            w.count(one.units),
            w.difference(one.units_difference),
            f"{one.lift:.2f}",
            f"{one.lift_low:.2f}–{one.lift_high:.2f}",
            "clear" if one.clear else "may be chance",
            clean(one.product_id),
        ]
        for one in products
    ]
    heads = ["~product", ">without the launch", ">sold", ">difference", ">lift", "95% interval", "", "id"]
    return table(heads, rows)
