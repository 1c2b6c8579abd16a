"""`onshelf recommend` and `onshelf profile`: products for a user, and what is known of one."""

from typing import Annotated

from rich.table import Table

from onshelf._cli import _words as w
from onshelf._cli._options import AnswerOptions, Service
from onshelf._cli._plan_view import footer, notices
from onshelf._cli._terminal import bold, clean, table
from onshelf._cli._usage import UsageError
from onshelf._cli._values import Count, History, Ids, Text, option
from onshelf._enums import RecommendationScope
from onshelf._results import RecommendedProduct, UserProfile


def recommend(
    user: Annotated[Text, option("the user's pseudonym")] = None,
    /,
    *,
    history: Annotated[History, option("what the user did lately, days ago; repeatable")] = (),
    count: Annotated[Count, option("products to return (default: 10)")] = None,
    scope: Annotated[RecommendationScope | None, option("(default: all products)", name_transform=str.lower)] = None,
    category: Annotated[Ids, option("only of this category; repeatable", metavar="NAME")] = (),
    exclude: Annotated[Ids, option("not this product; repeatable")] = (),
    answer: AnswerOptions = AnswerOptions(),
    service: Service = Service(),
) -> None:
    """Recommend products to a user, new ones included."""
    if not user and not history:
        raise UsageError("name a USER, or give what the user did by --history")
    with service.connect() as client:
        found = client.recommend_products(
            user,
            history=history,
            count=count,
            scope=scope,
            categories=category,
            excluded_product_ids=exclude,
            **answer.asked(),
        )
    rows = [
        [str(n), clean(one.title), w.path(one.category_path), clean(one.reason) or _why(one), clean(one.product_id)]
        for n, one in enumerate(found.products, start=1)
    ]
    head = bold(f"For user {clean(user)}" if user else "For this history")
    listed = table([">", "~product", "~category", "~why", "id"], rows) if rows else "No product fits."
    answer.print(found, lambda: [[head, listed], notices(found.info.notices), footer(found.info)])


def _why(product: RecommendedProduct) -> str:
    return "new" if product.new_product else "bought before" if product.bought_before else ""


def profile(
    user: Annotated[str, option("the user's pseudonym")],
    /,
    *,
    answer: AnswerOptions = AnswerOptions(),
    service: Service = Service(),
) -> None:
    """Show what the model release knows of a user."""
    with service.connect() as client:
        found = client.get_user_profile(user, **answer.asked())
    known = found.profile
    rows = [[w.path(one.category_path), w.percent(one.share), f"{one.lift:.1f} ×"] for one in known.interests]
    answer.print(
        found,
        lambda: [
            [bold(f"User {clean(known.user_id)}"), _facts(known)],
            [table(["~interest", ">share of purchases", ">compared with all users"], rows)] if rows else [],
            notices(found.info.notices),
            footer(found.info),
        ],
    )


def _facts(known: UserProfile) -> Table:
    facts = Table.grid(padding=(0, 0, 0, 2), pad_edge=True)
    facts.add_row("shopping trips a week", f"{known.purchases_per_week:.1f}")
    facts.add_row("weeks since the last one", f"{known.recency_weeks:.1f}")
    facts.add_row("different products bought", f"{known.products_bought:,}")
    facts.add_row("price tier", f"{known.price_tier:.2f}  (0: cheapest of a category, 1: dearest)")
    facts.add_row("bought on promotion", w.percent(known.promotion_sensitivity))
    facts.add_row("tried while new", f"{w.percent(known.new_product_share)} of products")
    return facts
