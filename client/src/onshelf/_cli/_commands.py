"""The commands that ask one question about a product or a user and print the answer."""

import argparse
import json
import sys
from typing import Any

from onshelf import _inputs
from onshelf._cli import _arguments as a
from onshelf._cli import _words as w
from onshelf._cli._failures import OK, UsageError
from onshelf._cli._json_form import to_json
from onshelf._cli._plan_view import evaluation_lines, footer_lines, join, notice_lines, segment_lines, similar_lines
from onshelf._cli._terminal import Column, Terminal, clean, table, terminal_of, wrap
from onshelf._client import Client
from onshelf._enums import EventKind, RecommendationScope
from onshelf._results import CategoryResolution, RecommendedProduct

EVALUATE_HELP = "forecast one action: this product, this week, these channels, this price"
RECOMMEND_HELP = "recommend products to a user, new ones included"
AUDIENCE_HELP = "find the users most likely to buy a product"
SIMILAR_HELP = "find past launches like a product"
PROFILE_HELP = "show what the model release knows of a user"


def _print(args: argparse.Namespace, answer: Any, lines: list[str]) -> int:
    print(json.dumps(to_json(answer), ensure_ascii=False, indent=2) if args.json else "\n".join(lines))
    return OK


# evaluate-plan


def add_evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `evaluate-plan`."""
    a.add_product(parser)
    a.add_action(parser)
    a.add_costs(parser)
    a.add_stock(parser)
    parser.add_argument("--similar", type=int, metavar="N", help="similar launches to return (default: 5)")
    parser.add_argument("--time-zone", metavar="ZONE", help="IANA zone of the dates (default: the model release's)")
    a.add_release(parser)
    a.add_service(parser)


def evaluate(args: argparse.Namespace) -> int:
    """Prints the forecast of one action."""
    with a.connect(args) as client:
        product = a.product(args, client)
        answer = client.evaluate_plan(
            product,
            _inputs.Action(
                launch_date=args.date, channels=tuple(args.channel), discount=args.discount, coupon=args.coupon
            ),
            costs=a.costs(args, client),
            objective=a.objective(args),
            stock_policy=a.stock_policy(args, client),
            population_scale=args.population_scale,
            time_zone=args.time_zone,
            model_release=args.model_release,
            similar_launches=args.similar,
        )
    return _print(args, answer, evaluation_lines(answer, product, terminal_of(sys.stdout)))


# recommend


def add_recommend_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `recommend`."""
    parser.add_argument("user_id", nargs="?", metavar="USER", help="the user's pseudonym")
    parser.add_argument(
        "--history",
        type=_history_event,
        action="append",
        default=[],
        metavar="PRODUCT[:KIND[:DAYS]]",
        help="something the user did lately, with its kind and how many days ago; repeatable",
    )
    parser.add_argument("--count", type=int, metavar="N", help="products to return (default: 10)")
    parser.add_argument("--scope", choices=[scope.value for scope in RecommendationScope], help="default: all products")
    parser.add_argument(
        "--category", action="append", default=[], metavar="NAME", help="only of this category, repeatable"
    )
    parser.add_argument(
        "--exclude", action="append", default=[], metavar="PRODUCT", help="not this product, repeatable"
    )
    a.add_release(parser)
    a.add_service(parser)


def _history_event(text: str) -> _inputs.HistoryEvent:
    product_id, _, rest = text.partition(":")
    kind, _, days = rest.partition(":")
    try:
        return _inputs.HistoryEvent(
            product_id=product_id, kind=EventKind(kind) if kind else None, age_days=float(days) if days else 0.0
        )
    except ValueError:
        kinds = ", ".join(kind.value for kind in EventKind)
        raise argparse.ArgumentTypeError(
            f"{text!r} is no event; write PRODUCT:KIND:DAYS, KIND one of {kinds}"
        ) from None


def recommend(args: argparse.Namespace) -> int:
    """Prints products for a user."""
    if not args.user_id and not args.history:
        raise UsageError("name a USER, or give what the user did by --history")
    with a.connect(args) as client:
        answer = client.recommend_products(
            args.user_id,
            history=tuple(args.history),
            count=args.count,
            scope=RecommendationScope(args.scope) if args.scope else None,
            categories=tuple(args.category),
            excluded_product_ids=tuple(args.exclude),
            model_release=args.model_release,
        )
    terminal = terminal_of(sys.stdout)
    rows = [
        [
            str(n),
            clean(product.title),
            " > ".join(clean(name) for name in product.category_path),
            clean(product.reason) or _why(product),
            clean(product.product_id),
        ]
        for n, product in enumerate(answer.products, start=1)
    ]
    columns = [Column("", right=True), Column("product", wrap=True), Column("category", wrap=True)]
    columns += [Column("why", wrap=True), Column("id")]
    found = table(terminal, columns, rows) if rows else ["No product fits."]
    head = f"For user {clean(args.user_id)}" if args.user_id else "For this history"
    return _print(
        args,
        answer,
        join(
            [
                [terminal.styled(head, "bold"), *found],
                notice_lines(answer.info.notices, terminal),
                footer_lines(answer.info, terminal),
            ]
        ),
    )


def _why(product: RecommendedProduct) -> str:
    return "new" if product.new_product else "bought before" if product.bought_before else ""


# audience


def add_audience_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `audience`."""
    a.add_product(parser, by_id=True)
    parser.add_argument("--count", type=int, metavar="N", help="users to return (default: 100); 0: segments only")
    parser.add_argument("--no-segments", action="store_true", help="list users without describing them")
    a.add_release(parser)
    a.add_service(parser)


def _subject(args: argparse.Namespace, client: Client) -> dict[str, Any]:
    if args.product_id and not args.title:
        return {"product_id": args.product_id}
    if not args.title:
        raise UsageError("name a product: --title for a new one, or --product-id for one of the catalogue")
    return {"product": a.product(args, client)}


def _category_line(category: CategoryResolution, terminal: Terminal) -> list[str]:
    if not category.category_path:
        return []
    path = " > ".join(clean(name) for name in category.category_path)
    how = "" if category.matched else f" (inferred from the title, {w.percent(category.confidence)} sure)"
    return [f"Category: {line}" if n == 0 else line for n, line in enumerate(wrap(path + how, terminal.columns - 10))]


def audience(args: argparse.Namespace) -> int:
    """Prints users for a product."""
    with a.connect(args) as client:
        answer = client.find_audience(
            **_subject(args, client), count=args.count, segments=not args.no_segments, model_release=args.model_release
        )
    terminal = terminal_of(sys.stdout)
    listed = wrap(", ".join(clean(user.user_id) for user in answer.users), terminal.columns - 2)
    users = [
        terminal.styled(f"{len(answer.users):,} users, most likely first", "bold"),
        *(f"  {line}" for line in listed),
    ]
    segments = segment_lines(answer.segments, terminal)
    sections = [
        _category_line(answer.category, terminal),
        [terminal.styled("Who they are", "bold"), *segments] if segments else [],
        users if answer.users else [],
        notice_lines(answer.info.notices, terminal),
        footer_lines(answer.info, terminal),
    ]
    return _print(args, answer, join(sections))


# similar


def add_similar_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `similar`."""
    a.add_product(parser, by_id=True)
    parser.add_argument("--count", type=int, metavar="N", help="launches to return (default: 10)")
    a.add_release(parser)
    a.add_service(parser)


def similar(args: argparse.Namespace) -> int:
    """Prints past launches like a product."""
    with a.connect(args) as client:
        answer = client.find_similar_launches(
            **_subject(args, client), count=args.count, model_release=args.model_release
        )
    terminal = terminal_of(sys.stdout)
    sections = [
        _category_line(answer.category, terminal),
        similar_lines(answer.launches, terminal, "Past launches, most alike first"),
        notice_lines(answer.info.notices, terminal),
        footer_lines(answer.info, terminal),
    ]
    return _print(args, answer, join(sections))


# profile


def add_profile_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `profile`."""
    parser.add_argument("user_id", metavar="USER", help="the user's pseudonym")
    a.add_release(parser)
    a.add_service(parser)


def profile(args: argparse.Namespace) -> int:
    """Prints what is known of a user."""
    with a.connect(args) as client:
        answer = client.get_user_profile(args.user_id, model_release=args.model_release)
    terminal, known = terminal_of(sys.stdout), answer.profile
    facts = [
        ("shopping trips a week", f"{known.purchases_per_week:.1f}"),
        ("weeks since the last one", f"{known.recency_weeks:.1f}"),
        ("different products bought", f"{known.products_bought:,}"),
        ("price tier", f"{known.price_tier:.2f}  (0: cheapest of a category, 1: dearest)"),
        ("bought on promotion", w.percent(known.promotion_sensitivity)),
        ("tried while new", f"{w.percent(known.new_product_share)} of products"),
    ]
    longest = max(len(name) for name, _ in facts)
    rows = [
        [" > ".join(clean(n) for n in i.category_path), w.percent(i.share), f"{i.lift:.1f} ×"] for i in known.interests
    ]
    columns = [Column("interest", wrap=True), Column("share of purchases", right=True)]
    columns.append(Column("compared with all users", right=True))
    sections = [
        [
            terminal.styled(f"User {clean(known.user_id)}", "bold"),
            *(f"  {name.ljust(longest)}  {value}" for name, value in facts),
        ],
        table(terminal, columns, rows) if rows else [],
        notice_lines(answer.info.notices, terminal),
        footer_lines(answer.info, terminal),
    ]
    return _print(args, answer, join(sections))
