"""`onshelf search`, `audience` and `similar`: products by words, users for a product, and past launches like it."""

from typing import Annotated

from rich.text import Text

from onshelf._cli import _words as w
from onshelf._cli._options import AnswerOptions, ProductOptions, Service
from onshelf._cli._plan_view import footer, notices, segments, similar_launches
from onshelf._cli._prices import Prices
from onshelf._cli._terminal import Section, bold, clean, hanging, table
from onshelf._cli._values import Count, Ids, option
from onshelf._results import CategoryResolution


def search(
    query: Annotated[str, option("what to look for, in the language of the titles")],
    /,
    *,
    count: Annotated[Count, option("products to return (default: 20)")] = None,
    category: Annotated[Ids, option("only of this category; repeatable", metavar="NAME")] = (),
    answer: AnswerOptions = AnswerOptions(),
    service: Service = Service(),
) -> None:
    """Find products of the catalog by title, category or meaning."""
    with service.connect() as client:
        found = client.search_products(query, count=count, categories=category, **answer.asked())
    rows = [
        [
            str(n),
            clean(one.product.title),
            w.path(one.product.category_path),
            w.money(one.product.list_price),
            f"{one.score:.2f}",
            clean(one.product.product_id or ""),
        ]
        for n, one in enumerate(found.products, start=1)
    ]
    heads = [">", "~product", "~category", ">price", ">score", "id"]
    answer.print(
        found,
        lambda: [[table(heads, rows) if rows else "No product fits."], notices(found.info.notices), footer(found.info)],
    )


def audience(
    *,
    product: ProductOptions = ProductOptions(),
    count: Annotated[Count, option("users to return (default: 100); 0: segments only")] = None,
    no_segments: Annotated[bool, option("list users without describing them")] = False,
    answer: AnswerOptions = AnswerOptions(),
    service: Service = Service(),
) -> None:
    """Find the users most likely to buy a product."""
    with service.connect() as client:
        about = product.subject(Prices(client, product.currency, answer.model_release))
        found = client.find_audience(**about, count=count, segments=not no_segments, **answer.asked())
    listed = hanging(", ".join(clean(user.user_id) for user in found.users))
    answer.print(
        found,
        lambda: [
            _category(found.category),
            segments(found.segments, "Who they are"),
            [bold(f"{len(found.users):,} users, most likely first"), listed] if found.users else [],
            notices(found.info.notices),
            footer(found.info),
        ],
    )


def similar(
    *,
    product: ProductOptions = ProductOptions(),
    count: Annotated[Count, option("launches to return (default: 10)")] = None,
    answer: AnswerOptions = AnswerOptions(),
    service: Service = Service(),
) -> None:
    """Find past launches like a product."""
    with service.connect() as client:
        about = product.subject(Prices(client, product.currency, answer.model_release))
        found = client.find_similar_launches(**about, count=count, **answer.asked())
    answer.print(
        found,
        lambda: [
            _category(found.category),
            similar_launches(found.launches, "Past launches, most alike first"),
            notices(found.info.notices),
            footer(found.info),
        ],
    )


def _category(category: CategoryResolution) -> Section:
    if not category.category_path:
        return []
    how = "" if category.matched else f" (inferred from the title, {w.percent(category.confidence)} sure)"
    return [Text(f"Category: {w.path(category.category_path)}{how}")]
