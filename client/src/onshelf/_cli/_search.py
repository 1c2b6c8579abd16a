"""`onshelf audience` and `onshelf similar`: users for a product, and past launches like it."""

from typing import Annotated

from rich.text import Text

from onshelf._cli import _words as w
from onshelf._cli._options import AnswerOptions, ProductOptions, Service
from onshelf._cli._plan_view import footer, notices, segments, similar_launches
from onshelf._cli._prices import Prices
from onshelf._cli._terminal import Section, bold, clean, hanging
from onshelf._cli._values import Count, option
from onshelf._results import CategoryResolution


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
