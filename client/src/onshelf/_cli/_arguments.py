"""Options that several commands share, and what they mean as values of the client."""

import argparse
import dataclasses
import json
import os
import re
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

from onshelf import _inputs
from onshelf._cli._failures import UsageError
from onshelf._client import Client
from onshelf._config import DEFAULT_ADDRESS
from onshelf._enums import BrandClass, ObjectiveMetric
from onshelf._errors import ServiceFault
from onshelf._money import Money
from onshelf._results import ModelReleaseInfo

ADDRESS_FILE = Path("var/run/gateway.address")


# Types of values.


def amount(text: str) -> Decimal:
    """An amount of money without its currency."""
    try:
        return Money(text.strip(), "").amount
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no amount of money; write it like 3.99") from None


def day(text: str) -> date:
    """A date."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no date; write it like 2018-03-05") from None


def share(text: str) -> float:
    """A share, also as a percentage: 0.1 or 10%."""
    try:
        return float(text.removesuffix("%").strip()) / 100 if text.endswith("%") else float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no share; write it like 0.1 or 10%") from None


def category_path(text: str) -> tuple[str, ...]:
    """A category path: names from broad to narrow with > between them."""
    return tuple(name.strip() for name in re.split(r"[>›＞]", text) if name.strip())


def attribute(text: str) -> tuple[str, str]:
    """An attribute: name=value."""
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise argparse.ArgumentTypeError(f"{text!r} is no attribute; write it like flavour=salt")
    return name.strip(), value.strip()


def window(text: str) -> _inputs.DateWindow:
    """A span of days: first..last."""
    first, dots, last = text.partition("..")
    return _inputs.DateWindow(day(first), day(last if dots else first))


@dataclasses.dataclass(frozen=True)
class ChannelPrice:
    """A channel's costs as written on the command line."""

    channel_id: str
    fixed: Decimal
    per_unit: Decimal | None


def channel_cost(text: str) -> ChannelPrice:
    """A channel's cost: id=fixed or id=fixed:per_unit."""
    channel_id, equals, costs = text.partition("=")
    fixed, colon, per_unit = costs.partition(":")
    if not equals or not channel_id.strip() or not fixed:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no channel cost; write it like mailer_front_feature=40 or ...=40:0.05"
        )
    return ChannelPrice(channel_id.strip(), amount(fixed), amount(per_unit) if colon else None)


def channel_use(text: str) -> _inputs.ChannelUse:
    """The use of a channel: id or id=coverage."""
    channel_id, equals, coverage = text.partition("=")
    return _inputs.ChannelUse(channel_id.strip(), share(coverage) if equals else None)


def stock_site(text: str) -> _inputs.StockSite:
    """A site with its part of the stock: id, id=weight, id=weight:multiple or id=weight:multiple:least."""
    site_id, equals, rest = text.partition("=")
    numbers = rest.split(":") if equals else []
    try:
        if not site_id.strip() or len(numbers) > 3:
            raise ValueError(text)
        weight = float(numbers[0]) if numbers else None
        multiple, least = ([int(number) for number in numbers[1:]] + [None, None])[:2]
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no site; write it like store_7=2.5, with its order multiple store_7=2.5:6, or with its "
            "least stock, too, store_7=2.5:6:12"
        ) from None
    return _inputs.StockSite(site_id=site_id.strip(), weight=weight, order_multiple=multiple, minimum_units=least)


# Groups of options.


def add_service(parser: argparse.ArgumentParser) -> None:
    """Where the service is, and how long to wait for it."""
    group = parser.add_argument_group("service")
    group.add_argument(
        "--address",
        help=f"host:port; default: $ONSHELF_ADDRESS, else what {ADDRESS_FILE} says, else {DEFAULT_ADDRESS}",
    )
    group.add_argument("--timeout", type=float, default=30.0, metavar="SECONDS", help="for one answer (default: 30)")


def add_release(parser: argparse._ActionsContainer) -> None:
    """Which model release answers, and how."""
    parser.add_argument(
        "--model-release", type=int, metavar="N", help="model release to ask (default: the one in service)"
    )
    parser.add_argument("--json", action="store_true", help="print the complete answer as JSON")


def add_product(parser: argparse.ArgumentParser, *, by_id: bool = False) -> None:
    """The product. by_id: a product of the catalogue can be named instead."""
    group = parser.add_argument_group("product")
    group.add_argument("--title", help="as a shop would show it")
    group.add_argument(
        "--category", type=category_path, default=(), metavar="PATH", help='broad to narrow: "Snacks > Chips"'
    )
    group.add_argument("--price", type=amount, metavar="AMOUNT", help="regular price per unit")
    group.add_argument("--currency", help="ISO 4217 code of all amounts (default: the model release's)")
    group.add_argument("--brand")
    group.add_argument("--private-label", action="store_true", help="the brand is the retailer's own")
    group.add_argument("--size", help='as printed on the package: "9 oz"')
    group.add_argument(
        "--attribute", type=attribute, action="append", default=[], metavar="NAME=VALUE", help="repeatable"
    )
    group.add_argument("--language", help="of the title, a BCP 47 tag (default: the encoder's)")
    by = " of the catalogue, instead of a new product" if by_id else ", returned as given"
    group.add_argument("--product-id", help=f"id{by}")


def add_file(parser: argparse._ActionsContainer, what: str, *, required: bool) -> None:
    """A file of products and its encoding. what: it is to the command."""
    parser.add_argument(
        "--file",
        type=Path,
        metavar="FILE",
        required=required,
        help=f"{what}: a table with a header (.csv, .tsv, .txt with any delimiter, also .gz; .xlsx; .parquet), or a "
        "JSON object a line (.jsonl); - is a table on standard input",
    )
    parser.add_argument(
        "--encoding", metavar="NAME", help="of FILE, as cp1252 or gb18030 (default: found from the file)"
    )
    parser.add_argument(
        "--decimal",
        choices=(".", ","),
        help="the sign before the decimals of amounts in FILE (default: found from all amounts of a column)",
    )


def add_action(parser: argparse.ArgumentParser) -> None:
    """The action: given to be evaluated, or executed."""
    group = parser.add_argument_group("action")
    group.add_argument("--date", type=day, required=True, help="first day on sale; it stands for its retail week")
    group.add_argument(
        "--channel", type=channel_use, action="append", default=[], metavar="ID[=COVERAGE]", help="in use, repeatable"
    )
    group.add_argument("--discount", type=share, default=0.0, metavar="SHARE", help="off the list price, two weeks")
    group.add_argument("--coupon", action="store_true", help="part of a coupon campaign")


def add_costs(parser: argparse.ArgumentParser, *, objective: bool = True) -> None:
    """What units and promotion cost, and, with `objective`, what is optimised."""
    group = parser.add_argument_group("costs and objective" if objective else "costs")
    group.add_argument(
        "--unit-cost", type=amount, metavar="AMOUNT", help="what one unit costs you; needed for gross profit"
    )
    group.add_argument(
        "--margin", type=share, metavar="SHARE", help="gross margin to assume where the unit cost is not known"
    )
    group.add_argument(
        "--channel-cost",
        type=channel_cost,
        action="append",
        default=[],
        metavar="ID=FIXED[:PER_UNIT]",
        help="what using a channel costs, repeatable; an unknown id is refused with the list of known ones",
    )
    group.add_argument("--coupon-cost", type=amount, metavar="AMOUNT", help="of a coupon campaign")
    if not objective:
        return
    group.add_argument(
        "--metric",
        choices=[metric.value for metric in ObjectiveMetric],
        help="what is best (default: gross profit where the unit cost is known, otherwise revenue)",
    )
    group.add_argument("--horizon", type=int, choices=(4, 8), help="weeks that count (default: 8)")
    group.add_argument(
        "--risk-quantile",
        type=share,
        metavar="Q",
        help="optimise this quantile instead of the expected value; 0.2 is careful",
    )


def add_stock(parser: argparse.ArgumentParser, *, sites: bool = True) -> None:
    """How the first stock is chosen, and, with `sites`, spread."""
    group = parser.add_argument_group("stock")
    group.add_argument(
        "--fractile", type=share, metavar="SHARE", help="probability that the stock suffices (default: 0.8)"
    )
    group.add_argument("--underage-cost", type=amount, metavar="AMOUNT", help="cost of one unit too few")
    group.add_argument("--overage-cost", type=amount, metavar="AMOUNT", help="cost of one unit too many")
    group.add_argument("--order-multiple", type=int, metavar="N", help="units are ordered in multiples of this")
    group.add_argument("--lead-time", type=int, metavar="DAYS", help="from order to shelf")
    group.add_argument(
        "--shelf-life", type=int, metavar="DAYS", help="how long a unit can be sold (default: unlimited)"
    )
    group.add_argument("--covers", type=int, choices=(4, 8), help="weeks of demand to cover (default: 8)")
    group.add_argument("--salvage-value", type=amount, metavar="AMOUNT", help="what a unit is worth that is left")
    group.add_argument("--holding-cost", type=amount, metavar="AMOUNT", help="of keeping a unit for a week")
    if sites:
        group.add_argument(
            "--site",
            type=stock_site,
            action="append",
            default=[],
            metavar="ID[=WEIGHT[:MULTIPLE[:LEAST]]]",
            help="spread the stock over these sites, repeatable",
        )
    group.add_argument(
        "--population-scale",
        type=float,
        metavar="X",
        help="population to scale units to, in multiples of the units basis",
    )


# Values.


def address(args: argparse.Namespace) -> str:
    """The service's address. Raises UsageError where the address file holds none."""
    if args.address or os.environ.get("ONSHELF_ADDRESS"):
        return str(args.address or os.environ["ONSHELF_ADDRESS"])
    if ADDRESS_FILE.is_file():
        return _written_address(ADDRESS_FILE.read_text(encoding="utf-8").strip())
    return DEFAULT_ADDRESS


def _written_address(text: str) -> str:
    # The gateway writes a JSON object; a person, the address alone.
    try:
        written = json.loads(text)["address"] if text.startswith("{") else text
    except (ValueError, KeyError):
        written = ""
    if not written:
        raise UsageError(
            f"{ADDRESS_FILE} holds no address; start the service anew with `make gateway`, or give --address"
        )
    return str(written)


def connect(args: argparse.Namespace) -> Client:
    """A client for the service that the arguments name. Raises UsageError for a timeout or an address that is none."""
    if not args.timeout > 0:
        raise UsageError(f"--timeout is {args.timeout:g}; give seconds above 0")
    trace = (("x-onshelf-trace", "1"),) if getattr(args, "trace", False) else ()
    where = address(args)
    try:
        return Client(where, timeout=args.timeout, metadata=trace)
    except ValueError as error:
        source = (
            "--address" if args.address else "$ONSHELF_ADDRESS" if os.environ.get("ONSHELF_ADDRESS") else ADDRESS_FILE
        )
        raise UsageError(f"{source}: {error}") from None


def release(args: argparse.Namespace, client: Client) -> ModelReleaseInfo:
    """The model release that will answer, which an answer about any product tells; asked for once."""
    if not hasattr(args, "release"):
        found = client.find_similar_launches(
            _inputs.Product(title="product"), count=1, model_release=getattr(args, "model_release", None)
        )
        args.release = found.info.model_release
    told: ModelReleaseInfo = args.release
    return told


def currency(args: argparse.Namespace, client: Client) -> str:
    """The currency of the amounts: as given, or the model release's."""
    return str(args.currency or release(args, client).currency)


def pricer(args: argparse.Namespace, client: Client) -> Callable[[Decimal | None], Money | None]:
    """Turns amounts into money; asks for the currency when the first amount comes."""
    return lambda value: None if value is None else Money(value, currency(args, client))


def launch_window(args: argparse.Namespace, client: Client) -> _inputs.DateWindow | None:
    """The window: None where neither end is given; one end alone opens 12 weeks from it, or from the data's end."""
    if args.start is None and args.end is None:
        return None
    start: date | None = args.start or release(args, client).as_of
    if start is None:
        raise ServiceFault("the service does not say where its data end; give --start", address=client.address)
    return _inputs.DateWindow(start, args.end or start + timedelta(weeks=12) - timedelta(days=1))


def product(args: argparse.Namespace, client: Client) -> _inputs.Product:
    """The product. Raises UsageError without a title."""
    if not args.title:
        raise UsageError("--title is required: the product's title as a shop would show it")
    price = pricer(args, client)
    return _inputs.Product(
        title=args.title,
        product_id=args.product_id,
        brand=args.brand,
        category_path=args.category,
        attributes=dict(args.attribute),
        list_price=price(args.price),
        unit_cost=price(getattr(args, "unit_cost", None)),
        brand_class=BrandClass.PRIVATE_LABEL if args.private_label else None,
        package_size=args.size,
        language=args.language,
    )


def costs(args: argparse.Namespace, client: Client) -> _inputs.Costs | None:
    """What promotion costs; None where nothing is given."""
    price = pricer(args, client)
    given: Sequence[ChannelPrice] = args.channel_cost
    if not given and args.coupon_cost is None and args.margin is None:
        return None
    return _inputs.Costs(
        channel_costs=tuple(
            _inputs.ChannelCost(channel_id=c.channel_id, fixed_cost=price(c.fixed), cost_per_unit=price(c.per_unit))
            for c in given
        ),
        coupon_cost=price(args.coupon_cost),
        assumed_gross_margin=args.margin,
    )


def objective(args: argparse.Namespace) -> _inputs.Objective:
    """What is optimised."""
    metric = ObjectiveMetric(args.metric) if args.metric else None
    return _inputs.Objective(metric=metric, horizon_weeks=args.horizon, risk_quantile=args.risk_quantile)


def stock_policy(args: argparse.Namespace, client: Client) -> _inputs.StockPolicy | None:
    """How the first stock is chosen; None where nothing is given."""
    price = pricer(args, client)
    policy = _inputs.StockPolicy(
        critical_fractile=args.fractile,
        underage_cost=price(args.underage_cost),
        overage_cost=price(args.overage_cost),
        order_multiple=args.order_multiple,
        lead_time_days=args.lead_time,
        shelf_life_days=args.shelf_life,
        covers_weeks=args.covers,
        salvage_value=price(args.salvage_value),
        holding_cost=price(args.holding_cost),
        sites=tuple(getattr(args, "site", ())),
    )
    return None if policy == _inputs.StockPolicy() else policy
