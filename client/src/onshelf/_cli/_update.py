"""`onshelf update`: the forecast of a launch after its first weeks on sale."""

import argparse
import json
import sys

from onshelf import _inputs
from onshelf._cli import _arguments as a
from onshelf._cli._failures import OK
from onshelf._cli._json_form import to_json
from onshelf._cli._plan_view import footer_lines, join, notice_lines
from onshelf._cli._stock_view import update_sections
from onshelf._cli._terminal import terminal_of

HELP = "after the first weeks on sale: what the rest will bring, what to reorder, which prices to ask"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `update`."""
    a.add_product(parser)
    a.add_action(parser)
    group = parser.add_argument_group("what happened")
    group.add_argument(
        "--sold", type=_weeks, required=True, metavar="N[,N...]", help="units sold in each full week so far, 1 to 7"
    )
    group.add_argument(
        "--on-hand", type=int, metavar="UNITS", help="units at hand and on order; needed for a reorder and prices"
    )
    group = parser.add_argument_group("limits of the prices")
    group.add_argument("--min-price", type=a.amount, metavar="AMOUNT", help="lowest price paid")
    group.add_argument("--max-discount", type=a.share, metavar="SHARE", help="deepest markdown (default: 40%%)")
    group.add_argument("--min-margin", type=a.share, metavar="SHARE", help="least gross margin of the price paid")
    group.add_argument(
        "--budget", type=a.amount, metavar="AMOUNT", help="most that promotion may cost, discounts included"
    )
    a.add_costs(parser, objective=False)
    a.add_stock(parser, sites=False)
    parser.add_argument("--time-zone", metavar="ZONE", help="IANA zone of the dates (default: the model release's)")
    a.add_release(parser)
    a.add_service(parser)


def _weeks(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no list of weekly units; write it like 12,9") from None


def run(args: argparse.Namespace) -> int:
    """Prints the updated forecast."""
    with a.connect(args) as client:
        product = a.product(args, client)
        price = a.pricer(args, client)
        limits = _inputs.PlanConstraints(
            min_price=price(args.min_price),
            max_discount=args.max_discount,
            min_gross_margin=args.min_margin,
            promotion_budget=price(args.budget),
        )
        answer = client.update_forecast(
            product,
            _inputs.Action(
                launch_date=args.date, channels=tuple(args.channel), discount=args.discount, coupon=args.coupon
            ),
            args.sold,
            stock_units=args.on_hand,
            costs=a.costs(args, client),
            stock_policy=a.stock_policy(args, client),
            constraints=None if limits == _inputs.PlanConstraints() else limits,
            population_scale=args.population_scale,
            time_zone=args.time_zone,
            model_release=args.model_release,
        )
    if args.json:
        print(json.dumps(to_json(answer), ensure_ascii=False, indent=2))
        return OK
    terminal = terminal_of(sys.stdout)
    sections = [
        *update_sections(answer, product.title, terminal),
        notice_lines(answer.info.notices, terminal),
        footer_lines(answer.info, terminal, plan_id=answer.plan_id),
    ]
    print("\n".join(join(sections)))
    return OK
