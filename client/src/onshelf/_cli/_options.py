"""Options that several commands share: groups of them, each once, which say what they mean as values of the client.

Fields are named as the contract's: `_failures` reads from a group which option holds a field of a request.
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Group, Parameter

from onshelf import _inputs
from onshelf._cli import _values as v
from onshelf._cli._json_form import to_json
from onshelf._cli._prices import Prices
from onshelf._cli._terminal import Section, show
from onshelf._cli._usage import UsageError
from onshelf._cli._values import Amount, Count, Day, Ids, Share, Text, option
from onshelf._client import Client
from onshelf._config import DEFAULT_ADDRESS
from onshelf._enums import BrandClass, ObjectiveMetric
from onshelf._errors import ServiceFault

ADDRESS_FILE = Path("var/run/gateway.address")
Weeks = Literal[4, 8] | None
AsJson = Annotated[bool, option("print the answer as JSON", "--json")]

PRODUCT, ACTION, HAPPENED, CONSTRAINTS, COSTS = map(
    Group.create_ordered, ("Product", "Action", "What happened", "Window and constraints", "Costs and objective")
)
STOCK, ANSWER, FILES, SERVICE = map(Group.create_ordered, ("Stock", "Answer", "Files", "Service"))


def print_answer(answer: Any, sections: Callable[[], list[Section]], as_json: bool) -> None:
    """Prints an answer as JSON, or its sections."""
    if as_json:
        print(json.dumps(to_json(answer), ensure_ascii=False, indent=2))
    else:
        show(*sections())


def flat(group: Group) -> Parameter:
    """Options under a title, by their own names."""
    return Parameter(name="*", group=group)


@flat(PRODUCT)
@dataclass(frozen=True, kw_only=True)
class ProductOptions:
    """A product."""

    title: Annotated[Text, option("as a shop would show it")] = None
    category_path: Annotated[v.CategoryPath, option('broad to narrow: "Snacks > Chips"', "--category")] = ()
    list_price: Annotated[Amount, option("regular price per unit", "--price")] = None
    currency: Annotated[Text, option("ISO 4217 code of all amounts (default: the model release's)")] = None
    brand: Annotated[Text, option("its brand")] = None
    private_label: Annotated[bool, option("the brand is the retailer's own")] = False
    package_size: Annotated[Text, option('as printed on the package: "9 oz"', "--size")] = None
    attributes: Annotated[v.Attributes, option("another fact; repeatable", "--attribute")] = ()
    language: Annotated[Text, option("of the title, a BCP 47 tag (default: the encoder's)")] = None
    case_units: Annotated[Count, option("units in a case: stock is advised in whole cases")] = None
    product_id: Annotated[Text, option("returned as given; in a search, one of the catalog instead")] = None

    def product(self, price: Prices, unit_cost: Amount = None) -> _inputs.Product:
        """The product. Raises UsageError without a title."""
        if not self.title:
            raise UsageError("--title is required: the product's title as a shop would show it")
        return _inputs.Product(
            title=self.title,
            product_id=self.product_id,
            brand=self.brand,
            category_path=self.category_path,
            attributes=dict(self.attributes),
            list_price=price(self.list_price),
            unit_cost=price(unit_cost),
            brand_class=BrandClass.PRIVATE_LABEL if self.private_label else None,
            package_size=self.package_size,
            language=self.language,
            case_units=self.case_units,
        )

    def subject(self, price: Prices) -> dict[str, Any]:
        """What a search is about: a new product, or one of the catalog. Raises UsageError where neither is named."""
        if not self.title and not self.product_id:
            raise UsageError("name a product: --title for a new one, or --product-id for one of the catalog")
        return {"product": self.product(price)} if self.title else {"product_id": self.product_id}


@flat(CONSTRAINTS)
@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits of prices and promotion."""

    min_price: Annotated[Amount, option("lowest list price (default: 20% below --price); of an update, price paid")] = (
        None
    )
    max_discount: Annotated[Share, option("deepest discount or markdown (default: 40%)")] = None
    min_gross_margin: Annotated[Share, option("least gross margin of the price paid", "--min-margin")] = None
    promotion_budget: Annotated[Amount, option("most that promotion may cost, discounts included", "--budget")] = None

    def limits(self, price: Prices) -> _inputs.PlanConstraints | None:
        """The constraints; None where nothing is given."""
        return price.filled(_inputs.PlanConstraints, **vars(self))


@flat(CONSTRAINTS)
@dataclass(frozen=True, kw_only=True)
class Constraints(Limits):
    """When a product may be launched, and limits that every plan keeps."""

    start_date: Annotated[Day, option("first day of the window (default: the data's end)", "--start")] = None
    end_date: Annotated[Day, option("last day of the window (default: 12 weeks from its first)", "--end")] = None
    blackout_windows: Annotated[v.Windows, option("no launch then; repeatable", "--blackout")] = ()
    max_price: Annotated[Amount, option("highest list price (default: 20% above --price)")] = None
    fixed_price: Annotated[bool, option("keep --price as it is")] = False
    max_channels: Annotated[Count, option("most channels at once")] = None
    allowed_channel_ids: Annotated[Ids, option("only these channels; repeatable", "--allow-channel")] = ()
    excluded_channel_ids: Annotated[Ids, option("not this channel; repeatable", "--exclude-channel")] = ()
    required_channel_ids: Annotated[Ids, option("this channel; repeatable", "--require-channel")] = ()
    no_coupon: Annotated[bool, option("no coupon campaign")] = False
    max_stock_units: Annotated[Count, option("most units that can be stocked", "--max-stock")] = None

    def window(self, price: Prices) -> _inputs.DateWindow | None:
        """None where neither end is given; one end alone opens 12 weeks from it, or from the data's end."""
        if self.start_date is None and self.end_date is None:
            return None
        start = self.start_date or price.release.as_of
        if start is None:
            raise ServiceFault("the service does not say where its data end; give --start")
        return _inputs.DateWindow(start, self.end_date or start + timedelta(weeks=12, days=-1))

    def constraints(self, price: Prices, product: _inputs.Product) -> _inputs.PlanConstraints | None:
        """The constraints; None where nothing is given. Raises UsageError for a fixed price without one."""
        if self.fixed_price and (product.list_price is None or self.min_price or self.max_price):
            raise UsageError("--fixed-price needs --price, and excludes --min-price and --max-price")
        others = ("start_date", "end_date", "fixed_price", "no_coupon")
        return price.filled(
            _inputs.PlanConstraints,
            **{name: value for name, value in vars(self).items() if name not in others},
            prices=(product.list_price,) if self.fixed_price else (),
            allow_coupon=False if self.no_coupon else None,
        )


@flat(COSTS)
@dataclass(frozen=True, kw_only=True)
class CostOptions:
    """What units and promotion cost."""

    unit_cost: Annotated[Amount, option("what one unit costs you; needed for gross profit")] = None
    assumed_gross_margin: Annotated[Share, option("assumed where the unit cost is not known", "--margin")] = None
    channel_costs: Annotated[v.ChannelPrices, option("what using a channel costs; repeatable", "--channel-cost")] = ()
    coupon_cost: Annotated[Amount, option("of a coupon campaign")] = None

    def costs(self, price: Prices) -> _inputs.Costs | None:
        """What promotion costs; None where nothing is given."""
        return price.filled(
            _inputs.Costs,
            channel_costs=tuple(price.filled(_inputs.ChannelCost, **one._asdict()) for one in self.channel_costs),
            coupon_cost=self.coupon_cost,
            assumed_gross_margin=self.assumed_gross_margin,
        )


@flat(COSTS)
@dataclass(frozen=True, kw_only=True)
class ObjectiveOptions(CostOptions):
    """What units and promotion cost, and what is optimised."""

    metric: Annotated[
        ObjectiveMetric | None,
        option(
            "what is optimised (default: gross profit where the unit cost is known, or else revenue)",
            name_transform=str.lower,
        ),
    ] = None
    horizon_weeks: Annotated[Weeks, option("weeks that count (default: 8)", "--horizon")] = None
    risk_quantile: Annotated[Share, option("optimise this quantile, not the expected value; 0.2 is careful")] = None

    def objective(self) -> _inputs.Objective:
        """The objective."""
        return _inputs.Objective(metric=self.metric, horizon_weeks=self.horizon_weeks, risk_quantile=self.risk_quantile)


@flat(STOCK)
@dataclass(frozen=True, kw_only=True)
class StockOptions:
    """How the first stock is chosen."""

    critical_fractile: Annotated[Share, option("probability that the stock suffices (default: 0.8)", "--fractile")] = (
        None
    )
    underage_cost: Annotated[Amount, option("cost of one unit too few")] = None
    overage_cost: Annotated[Amount, option("cost of one unit too many")] = None
    order_multiple: Annotated[Count, option("units are ordered in multiples of this")] = None
    lead_time_days: Annotated[Count, option("days from order to shelf", "--lead-time")] = None
    shelf_life_days: Annotated[Count, option("days until a unit spoils (default: never)", "--shelf-life")] = None
    covers_weeks: Annotated[Weeks, option("weeks of demand to cover (default: 8)", "--covers")] = None
    salvage_value: Annotated[Amount, option("what a unit is worth that is left")] = None
    holding_cost: Annotated[Amount, option("of keeping a unit for a week")] = None

    def policy(self, price: Prices) -> _inputs.StockPolicy | None:
        """The stock policy; None where nothing is given."""
        return price.filled(_inputs.StockPolicy, **vars(self))


@flat(STOCK)
@dataclass(frozen=True, kw_only=True)
class SpreadStockOptions(StockOptions):
    """How the first stock is chosen, and spread over sites."""

    sites: Annotated[
        v.Sites,
        option(
            "site that gets a part of the stock, with its weight, order multiple and least units; repeatable", "--site"
        ),
    ] = ()


@flat(ACTION)
@dataclass(frozen=True, kw_only=True)
class ActionOptions:
    """The action: given to be evaluated, or executed."""

    launch_date: Annotated[Day, option("first day on sale; it stands for its retail week", "--date")]
    channels: Annotated[v.ChannelUses, option("channel in use; repeatable", "--channel")] = ()
    discount: Annotated[Share, option("share off the list price, two weeks")] = 0.0
    coupon: Annotated[bool, option("part of a coupon campaign")] = False

    def action(self) -> _inputs.Action:
        """The action."""
        return _inputs.Action(**vars(self))


@flat(ANSWER)
@dataclass(frozen=True, kw_only=True)
class AnswerOptions:
    """Which model release answers, and how the answer is printed."""

    model_release: Annotated[Count, option("model release to ask (default: the one in service)")] = None
    as_json: Annotated[bool, option("print the complete answer as JSON", "--json")] = False

    def asked(self) -> dict[str, Any]:
        """The arguments of the call."""
        return {name: value for name, value in vars(self).items() if name not in ("as_json", "trace")}

    def print(self, answer: Any, sections: Callable[[], list[Section]]) -> None:
        """Prints an answer as JSON, or its sections."""
        print_answer(answer, sections, self.as_json)


@flat(ANSWER)
@dataclass(frozen=True, kw_only=True)
class LaunchAnswerOptions(AnswerOptions):
    """What answers about a launch are made for."""

    population_scale: Annotated[float | None, v.NUMBER, option("population, in multiples of the units basis")] = None
    time_zone: Annotated[Text, option("IANA zone of the dates (default: the model release's)")] = None


@flat(ANSWER)
@dataclass(frozen=True, kw_only=True)
class EvaluationAnswerOptions(LaunchAnswerOptions):
    """How much is answered."""

    similar_launches: Annotated[Count, option("similar launches to return (default: 5)", "--similar")] = None


@flat(ANSWER)
@dataclass(frozen=True, kw_only=True)
class PlanAnswerOptions(EvaluationAnswerOptions):
    """How much is planned and answered."""

    max_plans: Annotated[Count, option("plans to return (default: 5)", "--plans")] = None
    max_candidates: Annotated[Count, option("candidate actions to score (default: 2,048)", "--candidates")] = None
    audience_size: Annotated[Count, option("users to return (default: 20)", "--audience")] = None
    trace: Annotated[bool, option("show where the time of this request went")] = False


@flat(FILES)
@dataclass(frozen=True, kw_only=True)
class FileOptions:
    """A file of products."""

    file: Annotated[
        v.InputFile,
        option(
            "a table with a header (.csv, .tsv, .txt with any delimiter, also .gz; .xlsx; .parquet), or a JSON object "
            "a line (.jsonl); - is a table on standard input"
        ),
    ] = None
    encoding: Annotated[Text, option("of the file, as cp1252 or gb18030 (default: found from it)")] = None
    decimal: Annotated[Literal[".", ","] | None, option("the sign before decimals (default: found from it)")] = None


@flat(SERVICE)
@dataclass(frozen=True, kw_only=True)
class Service:
    """Where the service is, and how long to wait for it."""

    address: Annotated[
        Text,
        option(f"host:port (default: $ONSHELF_ADDRESS, else what {ADDRESS_FILE} says, else {DEFAULT_ADDRESS})"),
    ] = None
    timeout: Annotated[float, v.NUMBER, option("seconds for one answer (default: 30)")] = 30.0

    def connect(self, *, trace: bool = False) -> Client:
        """A client. Raises UsageError for a timeout or an address that is none."""
        if not self.timeout > 0:
            raise UsageError(f"--timeout is {self.timeout:g}; give seconds above 0")
        source, address = self._address()
        try:
            return Client(address, timeout=self.timeout, metadata=(("x-onshelf-trace", "1"),) if trace else ())
        except ValueError as error:
            raise UsageError(f"{source}: {error}") from None

    def _address(self) -> tuple[object, str]:
        """Who says where the service is, and where."""
        if self.address:
            return "--address", self.address
        if os.environ.get("ONSHELF_ADDRESS"):
            return "$ONSHELF_ADDRESS", os.environ["ONSHELF_ADDRESS"]
        if not ADDRESS_FILE.is_file():
            return "", DEFAULT_ADDRESS
        text = ADDRESS_FILE.read_text(encoding="utf-8").strip()
        try:  # the gateway writes a JSON object; a person, the address alone
            written = json.loads(text)["address"] if text.startswith("{") else text
        except (ValueError, KeyError):
            written = ""
        if not written:
            raise UsageError(
                f"{ADDRESS_FILE} holds no address; start the service anew with `make gateway`, or give --address"
            )
        return ADDRESS_FILE, str(written)
