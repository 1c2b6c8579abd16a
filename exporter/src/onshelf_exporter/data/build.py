"""Builds the folders `canonical` and `features` of a dataset from an adapter's source."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path

import ibis
import ibis.expr.types as ir
from ibis.backends.duckdb import Backend

from onshelf_exporter.data import (
    cleaning,
    engine,
    launch_plans,
    launch_rule,
    launches,
    promotions,
    schema,
    validation,
    weekly_features,
)
from onshelf_exporter.data.adapters.base import Source
from onshelf_exporter.data.appearances import Appearances, appearances, burn_in_for
from onshelf_exporter.data.launch_report import launch_report
from onshelf_exporter.data.promotions import Distinct, Promotions
from onshelf_exporter.data.store import forgetting, joining
from onshelf_exporter.data.store.reading import StoreData
from onshelf_exporter.data.titles import LEVEL
from onshelf_exporter.data.weeks import data_weeks, week_column
from onshelf_exporter.process.errors import DataError, InvalidDataError, SettingError
from onshelf_release.calendar import RetailCalendar
from onshelf_release.channels import ATTRIBUTES, COUPON_KIND

Tell = Callable[[str], None]


@dataclass(kw_only=True)
class Prepared:
    """What the two steps found out, for dataset.json and report.json."""

    first_week: int = 0
    first_whole_week: int = 0
    last_week: int = 0  # the last whole one: features hold nothing later
    first_day: dt.date = dt.date.min
    last_day: dt.date = dt.date.min  # of the data
    burn_in: int = 0  # number of the last week in which a first appearance tells nothing
    launch_rule: str = ""
    launches: dict[str, object] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    guests: dict[str, object] = field(default_factory=dict)
    calendar: RetailCalendar = field(default_factory=lambda: RetailCalendar(dt.date(1970, 1, 5)))
    rows: dict[str, int] = field(default_factory=dict)
    cleaning: list[dict[str, object]] = field(default_factory=list)
    promotions: Distinct | None = None  # the canonical table as numbers; None = as it is written

    @property
    def as_of(self) -> dt.date:
        """The day after the last day of the last whole week."""
        return self.calendar.first_day(self.last_week + 1)


def canonical(
    con: Backend, source: Source, folder: Path, tell: Tell, pool: Executor, store: StoreData | None = None
) -> Prepared:
    """Validate, clean and write the canonical tables, with what the store adds.

    Args:
        con: the engine.
        source: what an adapter read.
        folder: empty folder to write to.
        tell: is told what is being done.
        pool: writes promotions beside what follows; `Prepared.promotions.written` tells when they are.
        store: what the store of decisions and events holds; None = the history alone.

    Raises:
        DataError: a table breaks a rule of the schema.
    """
    prepared = Prepared(cleaning=list(source.dropped))
    missing = [name for name in schema.required_tables() if name not in source.tables]
    if missing:
        raise DataError(
            table=missing[0],
            column="",
            rule="required table is missing",
            hint="Only products and interactions are required.",
        )
    cleaner = cleaning.Cleaner(con, prepared.cleaning)
    order = [name for name in schema.TABLES if name in source.tables]
    tables: dict[str, ir.Table] = {}
    problems = list(source.problems)
    for name in order:
        tell(f"Checking {name}")
        tables[name], found = validation.checked(name, source.tables[name], source.timezone)
        problems += found
        ignored = [column for column in source.tables[name].columns if column not in tables[name].columns]
        for column in sorted(set(ignored)):
            prepared.cleaning.append(
                {
                    "table": name,
                    "rule": "unknown_column",
                    "what": f"column {column} is not in the schema",
                    "action": "ignored",
                    "rows": 0,
                }
            )
    if problems:
        raise problems[0] if len(problems) == 1 else InvalidDataError(problems)
    if store is not None:
        tell("Joining the store")
        tables, source = _with_store(con, source, tables, store, prepared)
        if "launch_plans" in tables:
            plans = tables["launch_plans"].semi_join(tables["products"], "product_id")
            engine.write(con, plans, folder / "launch_plans.parquet", ["product_id", "channel_id"])
    for name in order:
        tell(f"Cleaning {name}")
        table = tables[name]
        if name == "interactions":
            table = cleaner.keep(table)  # read many times below
            _set_calendar(prepared, table, source)
            table = table.mutate(week=week_column(prepared.calendar, table.time.date()))
        path = folder / f"{name}.parquet"
        if name == "promotions":
            first = prepared.calendar.first_day(prepared.first_week)
            after = prepared.calendar.first_day(prepared.last_week + 1)
            given = source.promotions or promotions.numbered(con, source.tables[name], source.timezone)
            inside = given.rows.filter(given.rows.date >= first, given.rows.date < after)
            given = Promotions(inside, given.texts)
            prepared.promotions = cleaner.clean_promotions(given, tables["products"], path, pool)
            prepared.rows[name] = engine.number(prepared.promotions.cells.sites.sum())
        else:
            products = None if name == "products" else tables["products"]
            tables[name] = cleaner.clean(name, table, products, path)
            prepared.rows[name] = engine.number(tables[name].count())
    return prepared


def _with_store(
    con: Backend, source: Source, tables: dict[str, ir.Table], store: StoreData, prepared: Prepared
) -> tuple[dict[str, ir.Table], Source]:
    """The tables with the store's rows and without forgotten users."""
    joined = joining.join(con, source, tables, store)
    kept, report = forgetting.without_forgotten(con, joined.tables, store.forgotten)
    prepared.cleaning += [*joined.report, *report]
    prepared.warnings += joined.warnings
    return kept, joined.source


def _set_calendar(prepared: Prepared, interactions: ir.Table, source: Source) -> None:
    """Number the weeks, and say which of them the data hold as a whole: by the days with purchases, as launches are
    measured by them; by all days where there are none."""
    time = interactions.time
    bought = (interactions.kind == "purchase") | interactions.kind.isnull()
    days = interactions.filter(time.notnull()).group_by(day=time.date()).agg(bought=bought.any())
    rows = days.to_pyarrow().to_pylist()
    if not rows:
        raise DataError(table="interactions", column="time", rule="no row has a time")
    weeks = data_weeks(
        [row["day"] for row in rows],
        [row["day"] for row in rows if row["bought"]],
        source.week_start,
        week_one=source.week_one,
        first_day=source.first_day,
        last_day=source.last_day,
    )
    prepared.calendar, prepared.first_week = weeks.calendar, weeks.first_week
    prepared.first_whole_week, prepared.last_week = weeks.first_whole_week, weeks.last_week
    prepared.first_day, prepared.last_day = weeks.first_day, weeks.last_day
    later = interactions.filter(time.date() >= prepared.as_of)
    what = f"from {prepared.as_of} on, after the last whole week: not learned from yet"
    noted = {"table": "interactions", "rule": "week_not_over", "what": what, "action": "left for later"}
    prepared.cleaning.append({**noted, "rows": engine.number(later.count())})


def features(con: Backend, source: Source, prepared: Prepared, root: Path, tell: Tell) -> None:
    """Write the weekly features of a dataset whose canonical tables are in `root / "canonical"`."""
    paths = {path.stem: path for path in sorted((root / "canonical").glob("*.parquet"))}
    if prepared.promotions is not None:  # may still be written
        paths.pop("promotions", None)
    tables = {name: engine.read(con, path) for name, path in paths.items()}
    out = root / "features"

    def save(
        name: str, table: ir.Table, order_by: list[str], texts: Mapping[str, Sequence[str]] | None = None
    ) -> ir.Table:
        tell(f"Features {name}")
        if texts is None:
            engine.write(con, table, out / f"{name}.parquet", order_by)
        else:
            engine.write_numbered(con, table, out / f"{name}.parquet", texts, order_by)
        saved = engine.read(con, out / f"{name}.parquet")
        prepared.rows[f"features/{name}"] = engine.number(saved.count())
        return saved

    product_index = con.create_table(
        "product_index", weekly_features.indexed(tables["products"], "product_id", "product_index"), temp=True
    )
    list_prices = tables["products"].select("product_id", "list_price")
    priced_index = product_index.inner_join(list_prices, "product_id")
    given = tables["interactions"].filter(tables["interactions"].week <= prepared.last_week)
    users = tables["interactions"].select("user_id").filter(lambda t: t.user_id.notnull())
    if "users" in tables:
        users = users.union(tables["users"].select("user_id"))
    user_index = con.create_table("user_index", weekly_features.indexed(users, "user_id", "user_index"), temp=True)
    interactions = _with_index(con, given, priced_index, user_index)
    purchases = interactions.filter(interactions.kind == "purchase")
    known = interactions.filter(interactions.user_index.notnull())
    prepared.guests = _guests(purchases)

    sales = save("product_weeks", weekly_features.product_weeks(purchases), ["product_index", "week"])
    single = prepared.promotions
    if single is None and "promotions" in tables:
        single = promotions.distinct(con, promotions.numbered(con, tables["promotions"], source.timezone))
    if single is not None:
        texts = {name: single.texts[name] for name in ("product_id", "channel_id")}
        promoted = weekly_features.promotion_weeks(single, prepared.calendar)
        promoted = _with_product_index(con, promoted, texts["product_id"], product_index)
        promoted = save("promotion_weeks", promoted, ["product_index", "week", "channel_id"], texts)
    else:
        promoted = save("promotion_weeks", _no_promotions(), ["product_index", "week", "channel_id"])
    plans = tables.get("launch_plans")
    if plans is not None:
        reached = promoted.week.max().to_pyarrow().as_py()
        planned = launch_plans.planned_weeks(plans, product_index, prepared.calendar, reached, prepared.last_week)
        both = con.create_table("promoted_and_planned", promoted.union(planned), temp=True)
        promoted = save("promotion_weeks", both, ["product_index", "week", "channel_id"])
    save(
        "user_product_weeks",
        weekly_features.user_product_weeks(known),
        ["user_index", "product_index", "week", "kind"],
    )
    save("user_weeks", weekly_features.user_weeks(known), ["user_index", "week"])
    coupons = None
    if "campaigns" in tables and "coupons" in tables:
        coupons = save("coupon_weeks", _coupon_weeks(tables, product_index, prepared), ["product_index", "week"])
    user_table = (
        user_index.left_join(tables["users"], "user_id").drop("user_id_right") if "users" in tables else user_index
    )
    save("users", user_table, ["user_index"])

    listed = tables["products"].inner_join(product_index, "product_id")
    found = _appearances(prepared, source, sales, promoted)
    seen = launch_rule.launch_weeks(
        listed,
        sales,
        promoted,
        source.launch_rule,
        prepared.calendar,
        launch_rule.Seen(prepared.first_week, prepared.last_week, prepared.first_day, prepared.burn_in),
    )
    seen = con.create_table("features_seen", seen, temp=True)
    _tell_launches(prepared, source, listed, seen, found)
    products = con.create_table("features_products", _products(listed, seen, sales), temp=True)
    save("products", products.drop("first_promotion_week"), ["product_index"])
    launched = launches.launch_table(
        con,
        products,
        purchases,
        sales,
        promoted,
        coupons,
        source.food_departments,
        prepared.last_week,
        with_users=prepared.rows["features/users"] > 0,
    )
    if plans is not None:
        launched = launch_plans.as_decided(launched, plans, prepared.calendar)
    launched = save("launches", launched, ["launch_week", "product_index"])
    channels = tables.get("channels")
    coupon_channel = None
    if coupons is not None:
        coupon_channel = "coupon_campaign"
    covered = launches.launch_channels(launched, promoted, prepared.last_week, coupon_channel)
    covered = save("launch_channels", covered, ["product_index", "channel_id"])
    save("channels", _channels(channels, promoted, covered, coupon_channel), ["channel_slot"])


def _with_index(con: Backend, interactions: ir.Table, products: ir.Table, users: ir.Table) -> ir.Table:
    """Interactions with indices, an order key, and revenue: where unknown, from the list price if there is one."""
    day = interactions.user_id + "/" + interactions.time.date().cast("string")
    guest = "guest/" + ibis.row_number().cast("string")  # a basket of its own
    interactions = interactions.mutate(order_key=ibis.coalesce(interactions.order_id, day, guest))
    table = interactions.inner_join(products, "product_id").left_join(users, "user_id")
    listed = table.list_price * table.quantity - table.discount
    revenue = ibis.coalesce(table.revenue, ibis.ifelse(listed < 0, 0.0, listed))  # unknown without a list price
    table = table.select(
        "product_id", "product_index", "user_index", "week", "kind", "quantity", "discount", "coupon_discount",
        "order_key",
        revenue=revenue.fill_null(0.0),
        priced=revenue.notnull(),
    )  # fmt: skip
    return con.create_table("indexed_interactions", table, temp=True)


def _guests(purchases: ir.Table) -> dict[str, object]:
    """How much was bought without a user."""
    guest = purchases.user_index.isnull()
    counts = purchases.agg(
        lines=purchases.count(),
        guest_lines=guest.sum().fill_null(0),
        units=purchases.quantity.sum().fill_null(0.0),
        guest_units=purchases.quantity.sum(where=guest).fill_null(0.0),
    )
    row: dict[str, object] = counts.to_pyarrow().to_pylist()[0]
    return row


def _appearances(prepared: Prepared, source: Source, sales: ir.Table, promoted: ir.Table) -> Appearances:
    """First appearances by week; sets the burn-in, where it is not stated, by them."""
    rows = sales.select("product_index", "week").union(promoted.select("product_index", "week"), distinct=True)
    table = rows.to_pyarrow()
    found = appearances(
        table["product_index"].to_numpy(), table["week"].to_numpy(), prepared.first_whole_week, prepared.last_week
    )
    stated = source.launch_rule.burn_in_weeks
    weeks = len(found.met)
    if stated is not None and stated >= weeks:
        raise SettingError("burn_in_weeks", stated, f"must be less than the {weeks} whole weeks of the data")
    burn_in = burn_in_for(found) if stated is None else stated
    prepared.burn_in = prepared.first_whole_week - 1 + burn_in
    return found


def _tell_launches(prepared: Prepared, source: Source, listed: ir.Table, seen: ir.Table, found: Appearances) -> None:
    """What dataset.json and report.json say of launches."""
    rule = source.launch_rule
    stated = listed.filter(listed.launch_date.notnull())
    counts = seen.agg(launches=seen.launch_week.count(), stray=seen.stray.sum().fill_null(0)).to_pyarrow().to_pylist()
    dated = engine.number(stated.semi_join(seen.filter(seen.launch_week.notnull()), "product_index").count())
    prepared.launch_rule = rule.in_words(prepared.burn_in, engine.number(stated.count()))
    prepared.launches, warnings = launch_report(
        rule,
        prepared.launch_rule,
        found,
        prepared.burn_in - prepared.first_whole_week + 1,
        dated=0 if rule.dates == "first" else dated,
        **counts[0],
    )
    prepared.warnings += warnings


def _with_product_index(
    con: Backend, promoted: ir.Table, product_ids: Sequence[str], product_index: ir.Table
) -> ir.Table:
    """Weeks of promotion, whose products are numbers of `product_ids`, with the index of each product."""
    numbers = {"number": range(1, len(product_ids) + 1), "text": product_ids}
    numbered = engine.small_table(numbers, schema={"number": "int32", "text": "string"})
    numbered = numbered.inner_join(product_index, numbered.text == product_index.product_id)
    numbered = con.create_table("promoted_products", numbered.select("number", "product_index"), temp=True)
    joined = promoted.inner_join(numbered, promoted.product_id == numbered.number)
    return joined.select("product_id", "product_index", "week", "channel_id", "coverage")


def _no_promotions() -> ir.Table:
    kinds = {
        "product_id": "string",
        "product_index": "int64",
        "week": "int32",
        "channel_id": "string",
        "coverage": "float64",
    }
    return engine.small_table({name: [] for name in kinds}, schema=kinds)


def _coupon_weeks(tables: dict[str, ir.Table], product_index: ir.Table, prepared: Prepared) -> ir.Table:
    campaigns = tables["campaigns"]
    campaigns = campaigns.select(
        "campaign_id",
        start_week=week_column(prepared.calendar, campaigns.start_date),
        end_week=week_column(prepared.calendar, campaigns.end_date),
    )
    coupons = tables["coupons"].select("product_id", "campaign_id").distinct().inner_join(product_index, "product_id")
    weeks = weekly_features.weeks_of_year(prepared.calendar, prepared.first_week, prepared.last_week)
    return weekly_features.coupon_weeks(coupons, campaigns, weeks)


def _products(listed: ir.Table, seen: ir.Table, sales: ir.Table) -> ir.Table:
    prices = sales.group_by("product_index").agg(median_price=sales.price.median())
    table = listed.left_join(seen, "product_index").drop("product_index_right")
    table = table.left_join(prices, "product_index").drop("product_index_right")

    def level(column: str, position: int) -> ir.Value:
        return table[column].split(LEVEL)[position].fill_null("")

    names = ("department", "category", "type")
    raw = {name: level("category_path", position) for position, name in enumerate(names)}
    shown = {
        f"{name}_name": ibis.coalesce(level("category_path_readable", position).nullif(""), raw[name])
        for position, name in enumerate(names)
    }
    return table.select(
        "product_id",
        "product_index",
        "title",
        brand=table.brand.fill_null(""),
        private_label=table.private_label.cast("int8").fill_null(-1),
        **raw,
        **shown,
        package_size=table.package_size.fill_null(""),
        first_week=table.first_week,
        first_promotion_week=table.first_promotion_week,
        list_price=ibis.coalesce(table.list_price, table.median_price),
        launch_week=table.launch_week,
    )


def _channels(channels: ir.Table | None, promoted: ir.Table, covered: ir.Table, coupon_channel: str | None) -> ir.Table:
    used = covered.filter(covered.coverage_4w > 0).group_by("channel_id").agg(n_launches=covered.product_id.nunique())
    ids = promoted.select("channel_id")
    if channels is not None:
        ids = ids.union(channels.select("channel_id"))
    if coupon_channel is not None:
        ids = ids.union(engine.small_table({"channel_id": [coupon_channel]}, {"channel_id": "string"}))
    ids = ids.distinct()
    table = ids.left_join(used, "channel_id").drop("channel_id_right")
    if channels is not None:
        table = table.left_join(channels, "channel_id").drop("channel_id_right")
    unsaid = [column for column in schema.columns("channels") if column.name not in table.columns]
    table = table.mutate(**{column.name: ibis.null(schema.TYPES[column.type]) for column in unsaid})
    last = (table.channel_id == coupon_channel) if coupon_channel is not None else ibis.literal(False)
    kind = ibis.coalesce(table.kind, ibis.ifelse(last, COUPON_KIND, "other"))
    slot = ibis.row_number().over(order_by=[last.cast("int8"), kind, table.channel_id])
    return table.select(
        "channel_id",
        channel_slot=slot.cast("int32"),
        name=ibis.coalesce(table.name, ibis.ifelse(last, "Coupon campaign", table.channel_id)),
        kind=kind,
        n_launches=table.n_launches.fill_null(0),
        **{name: table[name] for name in ATTRIBUTES if name not in ("channel_id", "name", "kind")},
    )
