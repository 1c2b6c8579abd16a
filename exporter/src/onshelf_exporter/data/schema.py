"""The canonical tables as one list of rows: it drives validation, the doctor and the tables of docs/data.md."""

from dataclasses import dataclass

# Type names of the schema to the engine's.
TYPES = {
    "text": "string",
    "number": "float64",
    "integer": "int32",
    "yes/no": "boolean",
    "date": "date",
    "time": "timestamp",
    "texts": "array<string>",
    "vector": "array<float64>",
}

KINDS = ("view", "click", "cart", "purchase", "return", "review")


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of a canonical table.

    Attributes:
        table: canonical table.
        name: column.
        type: a key of TYPES.
        unit: what a value counts or how it is written; "" where the name says all.
        required: rows without it are refused.
        rule: name of the rule that every value that is there must keep, a key of `validation.RULES`; "" for none.
        meaning: what it is.
        without: what is lost when the column is missing.
    """

    table: str
    name: str
    type: str
    unit: str
    required: bool
    rule: str
    meaning: str
    without: str


def _c(table: str, name: str, type_: str, unit: str, rule: str, meaning: str, without: str = "") -> Column:
    return Column(
        table=table,
        name=name,
        type=type_,
        unit=unit,
        required=without == "",
        rule=rule,
        meaning=meaning,
        without=without,
    )


# Required tables, and what is lost without the others.
TABLES: dict[str, tuple[bool, str, str]] = {
    "products": (True, "one row per product", ""),
    "interactions": (True, "one row per thing that a user or a guest did with a product", ""),
    "promotions": (
        False,
        "one row per product, site, week and channel of promotion",
        "channels cannot be planned: plans say when and at what price only, and launches are dated by their first sale",
    ),
    "channels": (
        False,
        "one row per channel of promotion",
        "channels have no names, costs, lead times or capacities: promotion is free unless a request states its cost",
    ),
    "campaigns": (False, "one row per coupon campaign", "coupon campaigns cannot be planned"),
    "coupons": (False, "one row per coupon, campaign and product", "coupon campaigns cannot be planned"),
    "users": (False, "one row per user", "user profiles hold behaviour only"),
    "calendar_events": (
        False,
        "one row per holiday or festival and year",
        "events that move through the year (lunar festivals) cannot be told from the season",
    ),
    "market_signals": (False, "one row per signal and date", "no market context in forecasts"),
}

COLUMNS: tuple[Column, ...] = (
    _c("products", "product_id", "text", "", "key", "the retailer's id; unique"),
    _c("products", "title", "text", "", "title", "what a customer reads, any language"),
    _c("products", "brand", "text", "", "", "brand or manufacturer", "brands cannot be told apart"),
    _c(
        "products",
        "private_label",
        "yes/no",
        "",
        "",
        "the retailer's own brand",
        "own brands are not told from national ones",
    ),
    _c(
        "products",
        "category_path",
        "text",
        "levels joined by ' > '",
        "path",
        "department > category > type; 1 to 3 levels are used",
        "no category comparison, seasonality or price band: forecasts rest on the title alone",
    ),
    _c(
        "products",
        "category_path_readable",
        "text",
        "levels joined by ' > '",
        "path",
        "the same path as a person reads it",
        "the path is shown as it is",
    ),
    _c(
        "products",
        "package_size",
        "text",
        "",
        "",
        "size as printed, such as '12 oz'",
        "sizes are known only where the title has them",
    ),
    _c("products", "attributes", "text", "JSON object", "", "anything else", "other attributes do not count"),
    _c(
        "products",
        "list_price",
        "number",
        "currency",
        "not_negative",
        "regular price of one unit",
        "list prices are taken from sales (median regular unit price)",
    ),
    _c(
        "products",
        "unit_cost",
        "number",
        "currency",
        "not_negative",
        "cost of one unit",
        "gross profit needs a unit cost in each request",
    ),
    _c(
        "products",
        "launch_date",
        "date",
        "local date",
        "date",
        "first day on sale",
        "launches are dated by first appearance",
    ),
    _c("products", "seller_id", "text", "", "", "seller on a marketplace", "sellers are not told apart"),
    _c("products", "image_vector", "vector", "", "", "embedding of the image", "plans do not see the product"),
    _c("products", "audio_vector", "vector", "", "", "embedding of a sound", "plans do not hear the product"),
    _c(
        "interactions",
        "user_id",
        "text",
        "",
        "user",
        "the retailer's pseudonym of the user; empty for guests; no e-mail address or phone number",
        "guests count for demand and launch dates; without any user there are no recommendations, audiences or buyers",
    ),
    _c("interactions", "product_id", "text", "", "key", "product"),
    _c("interactions", "time", "time", "local time", "time", "when"),
    _c(
        "interactions",
        "kind",
        "text",
        "",
        "kind",
        f"one of {', '.join(KINDS)}; purchase where missing",
        "every row is taken for a purchase",
    ),
    _c(
        "interactions", "quantity", "number", "units", "", "units; 1 where missing", "every purchase counts as one unit"
    ),
    _c(
        "interactions",
        "revenue",
        "number",
        "currency",
        "",
        "what the retailer received for all units, before tax (a manufacturer's coupon is reimbursed and counts)",
        "no revenue and no price effects, unless products have list prices",
    ),
    _c(
        "interactions",
        "discount",
        "number",
        "currency",
        "not_negative",
        "what the retailer took off the list value of all units",
        "price cuts cannot be told from low prices: no promotion depth",
    ),
    _c(
        "interactions",
        "coupon_discount",
        "number",
        "currency",
        "not_negative",
        "paid by manufacturers' coupons: the customer paid revenue - coupon_discount",
        "coupon sensitivity of users is unknown",
    ),
    _c("interactions", "order_id", "text", "", "", "basket or order", "one basket per user and day is assumed"),
    _c("interactions", "site_id", "text", "", "", "store or site", "sites are not told apart"),
    _c(
        "interactions",
        "event_id",
        "text",
        "",
        "",
        "the retailer's id of the event; unique for each product",
        "repeated deliveries of one event count twice unless all their columns agree",
    ),
    _c("interactions", "rating", "number", "1..5", "rating", "of a review", "no review sentiment"),
    _c("interactions", "text", "text", "", "", "of a review", "no review topics"),
    _c("promotions", "product_id", "text", "", "key", "product"),
    _c("promotions", "date", "date", "local date", "date", "any day of the retail week"),
    _c("promotions", "channel_id", "text", "", "key", "channel"),
    _c("promotions", "site_id", "text", "", "", "store or site", "coverage is 1 wherever a product is promoted"),
    _c("channels", "channel_id", "text", "", "key", "channel; unique"),
    _c("channels", "name", "text", "", "", "as a person reads it", "channels are shown by id"),
    _c("channels", "kind", "text", "display, mailer, coupon, ...", "", "group of channels", "channels are not grouped"),
    _c(
        "channels",
        "fixed_cost",
        "number",
        "currency per week at full coverage",
        "not_negative",
        "fixed cost; without effect so far: a request states costs",
        "none: a request states costs",
    ),
    _c(
        "channels",
        "unit_cost",
        "number",
        "currency per unit sold",
        "not_negative",
        "variable cost; without effect so far: a request states costs",
        "none: a request states costs",
    ),
    _c(
        "channels",
        "lead_time_days",
        "integer",
        "days",
        "not_negative",
        "notice needed",
        "the channel is assumed to be ready at once",
    ),
    _c(
        "channels",
        "capacity",
        "integer",
        "products per week",
        "not_negative",
        "products that fit in a week",
        "the channel is assumed to have room",
    ),
    _c("campaigns", "campaign_id", "text", "", "key", "campaign; unique"),
    _c("campaigns", "start_date", "date", "local date", "date", "first day"),
    _c("campaigns", "end_date", "date", "local date", "date", "last day"),
    _c("campaigns", "name", "text", "", "", "as a person reads it", "campaigns are shown by id"),
    _c("campaigns", "kind", "text", "", "", "the retailer's own kinds", "campaigns are not grouped"),
    _c(
        "campaigns",
        "audience",
        "texts",
        "",
        "",
        "user ids that received it; empty = everybody",
        "campaigns are taken to address everybody",
    ),
    _c("coupons", "coupon_id", "text", "", "key", "coupon"),
    _c("coupons", "campaign_id", "text", "", "key", "campaign"),
    _c("coupons", "product_id", "text", "", "key", "product it is valid for"),
    _c("users", "user_id", "text", "", "user", "user; unique"),
    _c("calendar_events", "event_id", "text", "", "key", "event, the same in all years"),
    _c("calendar_events", "start_date", "date", "local date", "date", "first day"),
    _c("calendar_events", "end_date", "date", "local date", "date", "last day"),
    _c("calendar_events", "name", "text", "", "", "as a person reads it", "events are shown by id"),
    _c("market_signals", "signal_id", "text", "", "key", "signal"),
    _c("market_signals", "date", "date", "local date", "date", "any day of the retail week"),
    _c("market_signals", "value", "number", "the signal's own", "", "value"),
    _c(
        "market_signals",
        "category_path",
        "text",
        "levels joined by ' > '",
        "",
        "category it is about",
        "the signal is taken to be about all products",
    ),
)

# Columns that tell the rows of a table apart; an empty tuple means that only equal rows are duplicates.
KEYS: dict[str, tuple[str, ...]] = {
    "products": ("product_id",),
    "interactions": (),
    "promotions": (),
    "channels": ("channel_id",),
    "campaigns": ("campaign_id",),
    "coupons": (),
    "users": ("user_id",),
    "calendar_events": (),
    "market_signals": (),
}


# What a header may mean besides a column of the schema: name and meaning.
MEANINGS: dict[str, str] = {
    "category_1": "first level of the category path",
    "category_2": "level below the category",
    "category_3": "level below that",
    "price_paid": "price paid for one unit: the revenue, times the quantity",
    "discount_share": "discount as a share or percentage of the regular price",
    "status": "state of the order: a cancelled or unpaid one is no sale",
    "currency": "currency of the amounts of the row, as an ISO 4217 code or a sign: all must be one",
    "week_start": "first day of the week that a row of weekly sales is about",
    "week_end": "last day of that week",
    "promotion": "a flag: the product was promoted in a channel of the header's name",
}


def columns(table: str) -> tuple[Column, ...]:
    """Columns of a canonical table."""
    return tuple(column for column in COLUMNS if column.table == table)


def required_tables() -> tuple[str, ...]:
    """Tables without which nothing can be planned."""
    return tuple(name for name, (required, _, _) in TABLES.items() if required)
