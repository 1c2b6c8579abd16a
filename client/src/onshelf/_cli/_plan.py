"""`onshelf plan`: one product from options, or a file of products."""

import argparse
import json
import sys
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from onshelf import _inputs
from onshelf._cli import _arguments as a
from onshelf._cli import _plan_file
from onshelf._cli._failures import OK, UsageError
from onshelf._cli._json_form import to_json
from onshelf._cli._plan_view import plan_lines
from onshelf._cli._terminal import terminal_of
from onshelf._cli._trace_view import trace_lines
from onshelf._client import Client
from onshelf._errors import ServiceFault

HELP = "plan the launch of a product, or of each product of a file"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `plan`."""
    parser.usage = "onshelf plan --title TITLE [options]\n       onshelf plan --file FILE --out FILE [options]"
    a.add_product(parser)
    group = parser.add_argument_group("window and constraints")
    group.add_argument("--start", type=a.day, metavar="DATE", help="first day of the window (default: the data's end)")
    group.add_argument(
        "--end", type=a.day, metavar="DATE", help="last day of the window (default: 12 weeks from its first)"
    )
    group.add_argument(
        "--blackout", type=a.window, action="append", default=[], metavar="DAY[..DAY]", help="no launch then"
    )
    group.add_argument(
        "--budget", type=a.amount, metavar="AMOUNT", help="most that promotion may cost, discounts included"
    )
    group.add_argument(
        "--min-price", type=a.amount, metavar="AMOUNT", help="lowest list price (default: 20%% below --price)"
    )
    group.add_argument(
        "--max-price", type=a.amount, metavar="AMOUNT", help="highest list price (default: 20%% above --price)"
    )
    group.add_argument("--fixed-price", action="store_true", help="keep --price as it is")
    group.add_argument("--max-discount", type=a.share, metavar="SHARE", help="deepest discount (default: 40%%)")
    group.add_argument("--max-channels", type=int, metavar="N", help="most channels at once")
    group.add_argument(
        "--allow-channel", action="append", default=[], metavar="ID", help="only these channels, repeatable"
    )
    group.add_argument(
        "--exclude-channel", action="append", default=[], metavar="ID", help="not this channel, repeatable"
    )
    group.add_argument("--require-channel", action="append", default=[], metavar="ID", help="this channel, repeatable")
    group.add_argument("--no-coupon", action="store_true", help="no coupon campaign")
    group.add_argument("--max-stock", type=int, metavar="UNITS", help="most units that can be stocked")
    group.add_argument("--min-margin", type=a.share, metavar="SHARE", help="least gross margin of the price paid")
    a.add_costs(parser)
    a.add_stock(parser)
    group = parser.add_argument_group("answer")
    a.add_release(group)
    group.add_argument("--plans", type=int, metavar="N", help="plans to return (default: 5)")
    group.add_argument("--candidates", type=int, metavar="N", help="candidate actions to score (default: 2,048)")
    group.add_argument("--audience", type=int, metavar="N", help="users to return (default: 20)")
    group.add_argument("--similar", type=int, metavar="N", help="similar launches to return (default: 5)")
    group.add_argument("--time-zone", metavar="ZONE", help="IANA zone of the dates (default: the model release's)")
    group.add_argument("--trace", action="store_true", help="show where the time of this request went")
    group = parser.add_argument_group("files")
    a.add_file(group, "plan each product of this file", required=False)
    group.add_argument("--out", type=Path, metavar="FILE", help="where to write the plans: .csv, .json or .parquet")
    group.add_argument("--concurrency", type=int, default=8, metavar="N", help="products planned at once (default: 8)")
    a.add_service(parser)


def run(args: argparse.Namespace) -> int:
    """Plans what the arguments say; the exit status."""
    if args.file is not None:
        return _plan_file.run(args, settings)
    if args.decimal is not None or args.encoding is not None:
        raise UsageError("--decimal and --encoding are of a file: they need --file")
    if args.out is not None:
        raise UsageError("--out needs --file; for one product use --json and send the output to a file")
    with a.connect(args) as client:
        product = a.product(args, client)
        arguments = settings(args, client, product)
        started = time.perf_counter()
        answer = client.plan_launch(product, **arguments)
        seen = timedelta(seconds=time.perf_counter() - started)
    if args.json:
        print(json.dumps(to_json(answer), ensure_ascii=False, indent=2))
        return OK
    if not answer.plans:
        raise ServiceFault("the service answered without a plan", address=client.address)
    terminal = terminal_of(sys.stdout)
    lines = (
        trace_lines(answer.info, seen, terminal)
        if args.trace
        else plan_lines(answer, product, args.horizon or 8, terminal)
    )
    print("\n".join(lines))
    return OK


def settings(args: argparse.Namespace, client: Client, product: _inputs.Product) -> Mapping[str, Any]:
    """What the arguments say besides the product, as arguments of `Client.plan_launch`."""
    price = a.pricer(args, client)
    if args.fixed_price and (product.list_price is None or args.min_price or args.max_price):
        raise UsageError("--fixed-price needs --price, and excludes --min-price and --max-price")
    constraints = _inputs.PlanConstraints(
        allowed_channel_ids=tuple(args.allow_channel),
        excluded_channel_ids=tuple(args.exclude_channel),
        required_channel_ids=tuple(args.require_channel),
        max_channels=args.max_channels,
        min_price=price(args.min_price),
        max_price=price(args.max_price),
        prices=(product.list_price,) if args.fixed_price and product.list_price is not None else (),
        max_discount=args.max_discount,
        promotion_budget=price(args.budget),
        max_stock_units=args.max_stock,
        blackout_windows=tuple(args.blackout),
        min_gross_margin=args.min_margin,
        allow_coupon=False if args.no_coupon else None,
    )
    return {
        "window": a.launch_window(args, client),
        "constraints": None if constraints == _inputs.PlanConstraints() else constraints,
        "costs": a.costs(args, client),
        "objective": a.objective(args),
        "stock_policy": a.stock_policy(args, client),
        "max_plans": args.plans,
        "max_candidates": args.candidates,
        "audience_size": args.audience,
        "similar_launches": args.similar,
        "population_scale": args.population_scale,
        "time_zone": args.time_zone,
        "model_release": args.model_release,
    }
