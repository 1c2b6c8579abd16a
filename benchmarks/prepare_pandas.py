"""The preparation of The Complete Journey in pandas: a yardstick for `onshelf-exporter data`.

    python benchmarks/prepare_pandas.py --out FOLDER                                     canonical/ and features/
    python benchmarks/prepare_pandas.py --out FOLDER --compare var/data/complete_journey   and the same rows?

All tables that the exporter writes, from the same files, checked and cleaned by the same rules, with the same donors of
the hot decks (they are drawn by a hash). Ids stay whole numbers until they are written, texts that repeat are
categories, and of a table only what is needed is held: what one does in pandas with 21 million rows. Product names
come from the exporter's own text functions. The last line printed is one JSON document.
"""

import argparse
import hashlib
import json
import resource
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

STARTED, STARTED_CPU = time.perf_counter(), time.process_time()
from onshelf_exporter import titles  # noqa: E402
from onshelf_exporter.adapters import complete_journey as source_data  # noqa: E402
from onshelf_exporter.cleaning import MAX_LINE_QUANTITY, MAX_PRICE_RATIO, MIN_UNIT_VALUE  # noqa: E402
from onshelf_exporter.validation import EMAIL, PHONE  # noqa: E402

# The text functions stand in a module that loads Ibis: not pandas' fault.
IMPORTING, IMPORTING_CPU = time.perf_counter() - STARTED, time.process_time() - STARTED_CPU

BURN_IN_WEEKS, PLAN_WEEKS = 8, 2
WEEK_ONE = pd.Timestamp(source_data.WEEK_ONE)
TOLERANCE = 1e-9  # of a float, relative to 1 + |value|
AMOUNTS = ["quantity", "revenue", "discount"]
KIN: tuple[list[str], ...] = (["department", "category", "type"], ["department", "category"], ["department"], [])
EMPTY = {  # columns of the canonical tables that this source does not have
    "products": ("attributes", "list_price", "unit_cost", "launch_date", "seller_id", "image_vector", "audio_vector"),
    "interactions": ("event_id", "rating", "text"),
    "channels": ("fixed_cost", "unit_cost", "lead_time_days", "capacity"),
}
SORTED_BY = {
    "product_weeks": ["product_index", "week"],
    "promotion_weeks": ["product_index", "week", "channel_id"],
    "user_product_weeks": ["user_index", "product_index", "week", "kind"],
    "user_weeks": ["user_index", "week"],
    "coupon_weeks": ["product_index", "week"],
    "users": ["user_index"],
    "products": ["product_index"],
    "launches": ["launch_week", "product_index"],
    "launch_channels": ["product_index", "channel_id"],
    "channels": ["channel_slot"],
}


def text(ids: pd.Series) -> pd.Categorical:
    """Whole numbers as texts, each distinct one converted once."""
    codes, distinct = pd.factorize(ids)
    return pd.Categorical.from_codes(codes, pd.Index(distinct).astype(str))


def weeks_of(days: pd.Series) -> pd.Series:
    """Retail weeks of dates, from 1."""
    return ((days - WEEK_ONE).dt.days // 7 + 1).astype("int32")


def refuse(table: str, rule: str, rows: int) -> None:
    """Raise ValueError where rows break a rule."""
    if rows:
        raise ValueError(f"{table}: {rule}: {rows} rows")


def check(name: str, table: pd.DataFrame, required: Iterable[str], not_negative: Iterable[str] = ()) -> None:
    """Required values are there, floats are numbers, amounts are not negative; raises ValueError."""
    for column in required:
        refuse(name, f"no {column}", int(table[column].isna().sum()))
    for column in table.select_dtypes("float"):
        refuse(name, f"{column} is infinite", int(np.isinf(table[column]).sum()))
    for column in not_negative:
        refuse(name, f"{column} is negative", int((table[column] < 0).sum()))


class Writer:
    """Writes tables below a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for folder in ("canonical", "features"):
            (root / folder).mkdir(parents=True, exist_ok=True)

    def canonical(self, name: str, table: pd.DataFrame) -> None:
        """A canonical table with the columns that the source does not have."""
        arrow = pa.Table.from_pandas(table, preserve_index=False)
        for column in EMPTY.get(name, ()):
            arrow = arrow.append_column(column, pa.nulls(len(table)))
        pq.write_table(arrow, self.root / "canonical" / f"{name}.parquet", compression="zstd")

    def features(self, name: str, table: pd.DataFrame) -> None:
        """A table of features, sorted."""
        table = table.sort_values(SORTED_BY[name])
        table.to_parquet(self.root / "features" / f"{name}.parquet", compression="zstd", index=False)


def read_products(folder: Path) -> pd.DataFrame:
    """Products of merchandise with titles; product_id whole numbers, ascending, so that the row is the index."""
    raw = pd.read_parquet(folder / "products.parquet")
    raw = raw[~raw["department"].isin(source_data.NOT_MERCHANDISE) & raw["department"].notna()]
    levels = raw[["department", "product_category", "product_type"]]
    path = levels["department"].str.cat(levels["product_category"], sep=titles.LEVEL)
    path = path.str.cat(levels["product_type"], sep=titles.LEVEL).fillna(path).fillna(levels["department"])
    names = {name: titles.readable_path(name) for name in path.unique()}
    stems = {name: titles.stem(shown) for name, shown in names.items()}
    sizes = {size: titles.readable_size(size) for size in raw["package_size"].dropna().unique()}
    size = raw["package_size"].map(sizes).fillna("")
    private = raw["brand"] == "Private"
    title = path.map(stems) + np.where(size == "", "", ", " + size) + np.where(private, " (private label)", "")
    products = pd.DataFrame(
        {
            "product_id": raw["product_id"],
            "title": title.str.strip(),
            "brand": text(raw["manufacturer_id"]),
            "private_label": private.astype("boolean").mask(raw["brand"].isna()),
            "category_path": path.str.strip(),
            "category_path_readable": path.map(names).str.strip(),
            "package_size": raw["package_size"].str.strip().replace("", None),
        }
    )
    products = products.drop_duplicates()
    check("products", products, ("product_id", "title"))
    refuse("products", "an id is unique", int(products["product_id"].duplicated().sum()))
    lengths = products["title"].str.len()
    refuse("products", "title of 1 to 1,000 characters", int(((lengths == 0) | (lengths > 1000)).sum()))
    refuse("products", "control characters", int(products["title"].str.contains(r"[\x00-\x08\x0b-\x1f\x7f]").sum()))
    for column in ("category_path", "category_path_readable"):
        refuse("products", "empty level", int(products[column].str.contains(r"(?:^|>)\s*(?:>|$)").sum()))
    return products.sort_values("product_id", ignore_index=True)


def read_interactions(raw: pd.DataFrame, products: pd.DataFrame) -> pd.DataFrame:
    """Purchases, checked and cleaned; ids whole numbers."""
    raw = raw[raw["product_id"].isin(products["product_id"])]
    time = raw["transaction_timestamp"].dt.tz_localize("UTC").dt.tz_convert(source_data.TIMEZONE)
    table = pd.DataFrame(
        {
            "user_id": raw["household_id"],
            "product_id": raw["product_id"],
            "time": time.dt.tz_localize(None).dt.as_unit("us"),
            "quantity": raw["quantity"].astype("float64"),
            "revenue": raw["sales_value"],
            "discount": raw["retail_disc"] + raw["coupon_match_disc"],
            "coupon_discount": raw["coupon_disc"],
            "order_id": raw["basket_id"],
            "site_id": raw["store_id"],
        }
    )
    check("interactions", table, ("user_id", "product_id", "time"), ("discount", "coupon_discount"))
    users = table["user_id"].drop_duplicates().astype(str)
    refuse("interactions", "a pseudonym", int((users.str.contains(EMAIL) | users.str.match(PHONE)).sum()))
    table = table.fillna({"quantity": 1.0, "discount": 0.0, "coupon_discount": 0.0})
    returned = (table["quantity"] < 0) | (table["revenue"] < 0)
    table["kind"] = pd.Categorical.from_codes(returned.astype("int8"), ["purchase", "return"])
    table[["quantity", "revenue"]] = table[["quantity", "revenue"]].abs()
    table = table[returned | (table["quantity"] != 0)]
    worth = (table["revenue"] + table["discount"]) / table["quantity"]
    table = table[~((table["quantity"] > MAX_LINE_QUANTITY) & (worth < MIN_UNIT_VALUE))]
    worth = worth[table.index].where((table["kind"] == "purchase") & (worth > 0))
    of_product = worth.groupby(table["product_id"])
    ratio = worth / of_product.transform("median")
    far = ((ratio > MAX_PRICE_RATIO) | (ratio < 1 / MAX_PRICE_RATIO)) & (of_product.transform("count") >= 5)
    table.loc[far, ["revenue", "discount"]] = (np.nan, 0.0)
    table = table.drop_duplicates()
    return table.assign(week=weeks_of(table["time"]))


def read_promotions(folder: Path, products: pd.DataFrame, last_week: int) -> pd.DataFrame:
    """Promotions: product_index, store_id, week, channel_id (a category), each row once."""
    raw = pd.read_parquet(folder / "promotions.parquet")
    for column in ("display_location", "mailer_location"):
        raw[column] = raw[column].astype("category")
    raw["product_index"] = pd.Index(products["product_id"]).get_indexer(raw.pop("product_id")).astype("int32")
    raw["store_id"] = raw["store_id"].astype("int32")
    raw["week"] = raw["week"].astype("int32")
    raw = raw[(raw["product_index"] >= 0) & raw["week"].between(1, last_week)]
    channels = {(kind, code): name for kind, code, name, _ in source_data.CHANNELS}
    names = sorted(channels.values())
    parts = []
    for kind in ("display", "mailer"):
        codes = raw[f"{kind}_location"]
        channel = codes.cat.rename_categories(lambda code, kind=kind: channels.get((kind, code), f"{kind}_{code}"))
        some = raw.loc[codes != "0", ["product_index", "store_id", "week"]]
        names = sorted({*names, *channel.cat.categories} - {f"{kind}_0"})
        parts.append(some.assign(channel_id=channel))
    del raw
    for part in parts:
        part["channel_id"] = part["channel_id"].cat.set_categories(names)
    table = pd.concat(parts, ignore_index=True)
    del parts
    check("promotions", table, ("product_index", "week", "channel_id"))
    return table.drop_duplicates(ignore_index=True)


def read_campaigns(folder: Path) -> pd.DataFrame:
    """Coupon campaigns with the households that received them."""
    raw = pd.read_parquet(folder / "campaign_descriptions.parquet")
    targets = pd.read_parquet(folder / "campaigns.parquet")
    audience = targets["household_id"].astype(str).groupby(targets["campaign_id"]).agg(list)
    campaigns = pd.DataFrame(
        {
            "campaign_id": raw["campaign_id"],
            "start_date": raw["start_date"].dt.normalize(),  # pandas has no type of dates: they are written as such
            "end_date": raw["end_date"].dt.normalize(),
            "name": "Coupon campaign " + raw["campaign_id"].astype(str),
            "kind": raw["campaign_type"].str.lower().str.replace(" ", "_"),
            "audience": raw["campaign_id"].map(audience),
        }
    )
    check("campaigns", campaigns, ("campaign_id", "start_date", "end_date"))
    refuse("campaigns", "an id is unique", int(campaigns["campaign_id"].duplicated().sum()))
    return campaigns


def read_users(folder: Path, households: pd.Series) -> pd.DataFrame:
    """All households with what is known of them, ascending, so that the row is the index."""
    names = {"household_id": "user_id", "household_comp": "household_composition", "kids_count": "children"}
    known = pd.read_parquet(folder / "demographics.parquet").rename(columns=names)
    users = pd.DataFrame({"user_id": np.sort(households.unique())}).merge(known, on="user_id", how="left")
    refuse("users", "an id is unique", int(users["user_id"].duplicated().sum()))
    return users


def all_channels() -> pd.DataFrame:
    """Channels by id."""
    rows = [(channel_id, name, kind) for kind, _, channel_id, name in source_data.CHANNELS]
    rows.append((*source_data.COUPON_CHANNEL, "coupon"))
    return pd.DataFrame(rows, columns=["channel_id", "name", "kind"])


def product_weeks(purchases: pd.DataFrame) -> pd.DataFrame:
    """Sales by product and week."""
    groups = purchases.groupby(["product_id", "product_index", "week"], as_index=False)
    table = groups.agg(
        units=("quantity", "sum"),
        revenue=("revenue", "sum"),
        discount=("discount", "sum"),
        priced_units=("priced_quantity", "sum"),
        buyers=("user_index", "nunique"),
        baskets=("order_id", "nunique"),
    )
    value = table["revenue"] + table["discount"]
    table["price"] = (value / table["priced_units"]).where((table.pop("priced_units") > 0) & (value > 0))
    return table


def promotion_weeks(promotions: pd.DataFrame, products: pd.DataFrame) -> pd.DataFrame:
    """Share of promoting sites that carry a product in a channel; rows are distinct, so counting them counts sites."""
    keys = ["product_index", "week", "channel_id"]
    table = promotions.groupby(keys, observed=True, sort=False).size().reset_index(name="carrying")
    sites = promotions.groupby("week")["store_id"].nunique()
    table["coverage"] = table.pop("carrying") / table["week"].map(sites)
    table.insert(0, "product_id", products["product_id"].to_numpy()[table["product_index"]])
    return table


def user_weeks(purchases: pd.DataFrame) -> pd.DataFrame:
    """Activity by user and week."""
    return purchases.groupby(["user_index", "week"], as_index=False).agg(
        baskets=("order_id", "nunique"),
        products=("product_index", "nunique"),
        **{name: (name, "sum") for name in (*AMOUNTS, "coupon_discount")},
    )


def coupon_weeks(coupons: pd.DataFrame, campaigns: pd.DataFrame, last_week: int) -> pd.DataFrame:
    """Weeks in which a product is in an active campaign."""
    spans = campaigns.assign(first=weeks_of(campaigns["start_date"]), last=weeks_of(campaigns["end_date"]))
    spans["week"] = [
        range(max(first, 1), min(last, last_week) + 1)
        for first, last in zip(spans["first"], spans["last"], strict=True)
    ]
    spans = spans[["campaign_id", "week"]].explode("week").dropna().astype({"week": "int32"})
    pairs = coupons[["product_id", "product_index", "campaign_id"]].drop_duplicates().merge(spans, on="campaign_id")
    return pairs.groupby(["product_id", "product_index", "week"], as_index=False).agg(campaigns=("campaign_id", "size"))


def feature_products(products: pd.DataFrame, sales: pd.DataFrame, promoted: pd.DataFrame) -> pd.DataFrame:
    """Products with levels, first weeks, list price and launch week; the index is product_index."""
    first_sale, median = sales.groupby("product_index")["week"].min(), sales.groupby("product_index")["price"].median()
    table = products[["product_id", "title"]].copy()
    table.insert(1, "product_index", table.index.astype("int64"))
    table["brand"] = products["brand"].astype(str).where(products["brand"].notna(), "")
    table["private_label"] = products["private_label"].astype("Int8").fillna(-1).astype("int8")
    paths = products["category_path"].str.split(titles.LEVEL, expand=True, regex=False).reindex(columns=range(3))
    shown = products["category_path_readable"].str.split(titles.LEVEL, expand=True, regex=False)
    shown = shown.reindex(columns=range(3))
    for position, name in enumerate(("department", "category", "type")):
        table[name] = paths[position].fillna("")
    for position, name in enumerate(("department", "category", "type")):
        table[f"{name}_name"] = shown[position].replace("", None).fillna(table[name])
    table["package_size"] = products["package_size"].fillna("")
    table["first_promotion_week"] = promoted.groupby("product_index")["week"].min().reindex(table.index)
    table["first_week"] = np.fmin(first_sale.reindex(table.index), table["first_promotion_week"])
    table["list_price"] = median.reindex(table.index)
    is_launch = (table["product_id"] >= source_data.FIRST_LAUNCH_ID) & (table["first_week"] >= 1 + BURN_IN_WEEKS)
    table["launch_week"] = table["first_week"].where(is_launch)
    return table


def hot_deck(receivers: pd.DataFrame, donors: pd.DataFrame, levels: Iterable[list[str]]) -> pd.Series:
    """The value of one donor for each receiver (the index), drawn by a hash of both, of the first level that has a
    donor; the earliest where a donor is known from several weeks."""
    found, waiting = [], receivers
    for keys in levels:
        left = waiting[["product_index", *{"launch_week", *keys}]]
        right = donors[["donor", "known_from", "value", *keys]]
        pairs = left.merge(right, on=keys) if keys else left.merge(right, how="cross")
        pairs = pairs[(pairs["launch_week"] >= pairs["known_from"]) & (pairs["product_index"] != pairs["donor"])]
        names = zip(pairs["product_index"], pairs["donor"], strict=True)
        pairs = pairs.assign(ticket=[hashlib.md5(f"{one}/{donor}".encode()).hexdigest() for one, donor in names])
        best = pairs["ticket"] == pairs.groupby("product_index")["ticket"].transform("min")
        found.append(pairs[best].sort_values(["product_index", "known_from"])[["product_index", "value"]])
        waiting = waiting[~waiting["product_index"].isin(found[-1]["product_index"])]
    return pd.concat(found).drop_duplicates("product_index").set_index("product_index")["value"]


def launch_table(
    products: pd.DataFrame,
    purchases: pd.DataFrame,
    sales: pd.DataFrame,
    promoted: pd.DataFrame,
    coupons: pd.DataFrame,
    last_week: int,
) -> pd.DataFrame:
    """Plans and outcomes of all launches."""
    columns = ["product_id", "product_index", "launch_week", "department", "category", "type", "first_promotion_week"]
    table = products.loc[products["launch_week"].notna(), columns].copy()
    table["launch_week"] = table["launch_week"].astype("int32")
    first = table.pop("first_promotion_week") == table["launch_week"]
    table = table.assign(is_promotion_first=first, is_food=table["department"].isin(source_data.FOOD))
    table["entered_by_sale"] = (~first).astype("int8")

    rows = purchases[["product_index", "user_index", "week", "order_id", *AMOUNTS]]
    rows = rows.merge(table[["product_index", "launch_week"]], on="product_index")
    rows = rows[(rows["week"] - rows["launch_week"]).between(0, 7)]
    after, value = rows["week"] - rows["launch_week"], rows["revenue"] + rows["discount"]
    orders = rows.groupby(["product_index", "user_index"])["order_id"].nunique()
    found = {"repeat_buyers_8w": orders[orders >= 2].groupby("product_index").size()}
    for weeks in (4, 8):
        some = rows[after < weeks].groupby("product_index")
        found[f"units_{weeks}w"], found[f"revenue_{weeks}w"] = some["quantity"].sum(), some["revenue"].sum()
        found[f"buyers_{weeks}w"] = some["user_index"].nunique()
    price = value.groupby(rows["product_index"]).sum() / found["units_8w"]
    price = price[(price > 0) & (found["units_8w"] > 0)]
    planned = rows[after < PLAN_WEEKS].groupby("product_index")["discount"].sum()
    cut = planned / value[after < PLAN_WEEKS].groupby(rows["product_index"]).sum()  # 0 / 0 is unknown
    for weeks in (4, 8):
        for name in ("units", "revenue", "buyers"):
            table[f"{name}_{weeks}w"] = _known(found[f"{name}_{weeks}w"], table, weeks, last_week)
    table["repeat_buyers_8w"] = _known(found["repeat_buyers_8w"], table, 8, last_week)

    kin = sales.merge(products[["department", "category", "type"]], left_on="product_index", right_index=True)
    first_sale = kin.groupby("product_index")["week"].transform("min")
    early = kin[kin["week"] - first_sale <= 7].assign(known_from=first_sale + 8)
    keys = ["product_index", "department", "category", "type", "known_from"]
    donors = early.groupby(keys, as_index=False)[["revenue", "discount", "units"]].sum()
    donors["value"] = (donors["revenue"] + donors["discount"]) / donors["units"]
    donors = donors[(donors["units"] > 0) & (donors["value"] > 0)].rename(columns={"product_index": "donor"})
    observed = price.reindex(table.index)
    drawn = hot_deck(table[observed.isna()], donors, KIN).reindex(table.index)
    table["price"], table["price_imputed"] = observed.fillna(drawn), observed.isna()

    table["promoted"] = first.astype("int8")
    weeks = kin[kin["revenue"] + kin["discount"] > 0]
    weeks = weeks.merge(promoted[["product_index", "week"]].drop_duplicates().assign(promoted=1), how="left")
    weeks["promoted"] = weeks["promoted"].fillna(0).astype("int8")
    weeks["value"] = weeks["discount"] / (weeks["revenue"] + weeks["discount"])
    weeks = weeks.rename(columns={"product_index": "donor"}).assign(known_from=weeks["week"] + 1)
    decks = [weeks.assign(launch_week=weeks["week"] + back) for back in range(1, PLAN_WEEKS + 1)]
    observed = cut.reindex(table.index)
    levels = (["department", "category", "launch_week", "promoted"], ["department", "launch_week", "promoted"])
    drawn = hot_deck(table[observed.isna()], pd.concat(decks), levels).reindex(table.index)
    table["discount"], table["discount_imputed"] = observed.fillna(drawn).fillna(0.0), observed.isna()

    pairs = table[["product_index", "launch_week"]].merge(coupons[["product_index", "week"]], on="product_index")
    near = pairs.loc[(pairs["week"] - pairs["launch_week"]).between(0, PLAN_WEEKS - 1), "product_index"]
    table["coupon"] = table["product_index"].isin(near).astype("int8")
    return table.drop(columns=["department", "category", "type", "promoted"])


def _known(values: pd.Series, table: pd.DataFrame, weeks: int, last_week: int) -> pd.Series:
    """Outcomes of launches, 0 without a sale; missing where the data do not hold all their weeks."""
    whole = table["launch_week"] + weeks - 1 <= last_week
    return values.reindex(table.index).fillna(0.0).where(whole)


def launch_channels(launches: pd.DataFrame, promoted: pd.DataFrame, last_week: int) -> pd.DataFrame:
    """Coverage of each launch by channel, the coupon channel too."""
    keys = ["product_id", "product_index", "launch_week"]
    near = launches[keys].merge(promoted.drop(columns="product_id"), on="product_index")
    offset = near["week"] - near["launch_week"]
    near = near.assign(plan=near["coverage"].where(offset < PLAN_WEEKS, 0.0))[offset.between(0, 3)]
    table = near.groupby([*keys, "channel_id"], observed=True)[["plan", "coverage"]].sum().reset_index()
    for name, total, weeks in (("coverage_plan", "plan", PLAN_WEEKS), ("coverage_4w", "coverage", 4)):
        table[name] = (table.pop(total) / weeks).where(table["launch_week"] + weeks - 1 <= last_week)
    coupon = launches.loc[launches["coupon"] == 1, keys]
    coupon = coupon.assign(channel_id=source_data.COUPON_CHANNEL[0], coverage_plan=1.0, coverage_4w=1.0)
    table["channel_id"] = table["channel_id"].astype(str)
    return pd.concat([table, coupon], ignore_index=True).drop(columns="launch_week")


def feature_channels(channels: pd.DataFrame, promoted: pd.DataFrame, covered: pd.DataFrame) -> pd.DataFrame:
    """Channels in the order of their slots."""
    used = covered[covered["coverage_4w"] > 0].groupby("channel_id")["product_id"].nunique()
    seen = promoted["channel_id"].cat.remove_unused_categories().cat.categories
    table = channels.merge(pd.DataFrame({"channel_id": seen}), how="outer", on="channel_id")
    table = table.assign(name=table["name"].fillna(table["channel_id"]), kind=table["kind"].fillna("other"))
    table["last"] = table["channel_id"] == source_data.COUPON_CHANNEL[0]
    table = table.sort_values(["last", "kind", "channel_id"], ignore_index=True).drop(columns="last")
    table.insert(1, "channel_slot", table.index.astype("int32"))
    table["n_launches"] = table["channel_id"].map(used).fillna(0).astype("int64")
    return table


def prepare(folder: Path, out: Path) -> None:
    """Read the source's files in `folder`, write canonical/ and features/ below `out`.

    Raises:
        ValueError: a table breaks a rule.
    """
    write = Writer(out)
    products = read_products(folder)
    write.canonical("products", products.assign(product_id=products["product_id"].astype(str)))
    numbers = pd.Index(products["product_id"])
    raw = pd.read_parquet(folder / "transactions.parquet")
    households = raw["household_id"]
    table = read_interactions(raw, products)
    del raw
    ids = ["user_id", "product_id", "order_id", "site_id"]
    write.canonical("interactions", table.assign(**{name: text(table[name]) for name in ids}))
    last_week = int(table["week"].max())
    users = read_users(folder, households)
    write.canonical("users", users.assign(user_id=users["user_id"].astype(str)))
    write.features("users", users.assign(user_id=users["user_id"].astype(str), user_index=users.index))

    table["product_index"] = numbers.get_indexer(table["product_id"])
    table["user_index"] = pd.Index(users["user_id"]).get_indexer(table["user_id"])
    table["priced_quantity"] = table["quantity"].where(table["revenue"].notna(), 0.0)
    table["revenue"] = table["revenue"].fillna(0.0)
    purchases = table[table["kind"] == "purchase"]
    sales = product_weeks(purchases)
    write.features("product_weeks", sales.assign(product_id=text(sales["product_id"])))
    keys = ["user_index", "product_index", "week", "kind"]
    write.features("user_product_weeks", table.groupby(keys, observed=True)[AMOUNTS].sum().reset_index())
    del table
    write.features("user_weeks", user_weeks(purchases))

    promotions = read_promotions(folder, products, last_week)
    days = pd.Series(WEEK_ONE + pd.to_timedelta(7 * np.arange(last_week), unit="D")).dt.date
    write.canonical(
        "promotions",
        pd.DataFrame(
            {
                "product_id": pd.Categorical.from_codes(promotions["product_index"], numbers.astype(str)),
                "date": pd.Categorical.from_codes(promotions["week"] - 1, days),
                "channel_id": promotions["channel_id"],
                "site_id": text(promotions["store_id"]),
            }
        ),
    )
    promoted = promotion_weeks(promotions, products)
    del promotions
    write.features("promotion_weeks", promoted.assign(product_id=text(promoted["product_id"])))

    channels, campaigns = all_channels(), read_campaigns(folder)
    coupons = pd.read_parquet(folder / "coupons.parquet").rename(columns={"coupon_upc": "coupon_id"})
    coupons = coupons[coupons["product_id"].isin(numbers)].drop_duplicates()
    check("coupons", coupons, ("coupon_id", "campaign_id", "product_id"))
    write.canonical("channels", channels)
    dates = {name: campaigns[name].dt.date for name in ("start_date", "end_date")}
    write.canonical("campaigns", campaigns.assign(campaign_id=campaigns["campaign_id"].astype(str), **dates))
    write.canonical("coupons", coupons.astype(str))
    coupons["product_index"] = numbers.get_indexer(coupons["product_id"])
    active = coupon_weeks(coupons, campaigns, last_week)
    write.features("coupon_weeks", active.assign(product_id=text(active["product_id"])))

    featured = feature_products(products, sales, promoted)
    shown = featured.drop(columns="first_promotion_week").astype({"first_week": "Int32", "launch_week": "Int32"})
    write.features("products", shown.assign(product_id=text(shown["product_id"])))
    launches = launch_table(featured, purchases, sales, promoted, active, last_week)
    counts = dict.fromkeys(("buyers_4w", "buyers_8w", "repeat_buyers_8w"), "Int64")
    write.features("launches", launches.astype(counts).assign(product_id=text(launches["product_id"])))
    covered = launch_channels(launches, promoted, last_week)
    write.features("launch_channels", covered.assign(product_id=text(covered["product_id"])))
    write.features("channels", feature_channels(channels, promoted, covered))


def differences(ours: Path, theirs: Path) -> list[str]:
    """What two prepared datasets differ in, in words; none where all tables hold the same rows and values.

    Canonical tables must hold equal rows, in any order; features are compared place by place in their order, floats
    within TOLERANCE. Types of whole numbers may differ in width, texts may be written as dictionaries.
    """
    found = []
    for folder in ("canonical", "features"):
        names = {path.stem for path in (ours / folder).glob("*.parquet")}
        expected = {path.stem for path in (theirs / folder).glob("*.parquet")}
        found += [f"{folder}/{name}: in one of the two only" for name in sorted(names ^ expected)]
        for name in sorted(names & expected):
            one, other = (root / folder / f"{name}.parquet" for root in (ours, theirs))
            columns = [pq.read_schema(path).names for path in (one, other)]
            if sorted(columns[0]) != sorted(columns[1]):
                found.append(f"{folder}/{name}: columns {sorted(set(columns[0]) ^ set(columns[1]))} in one only")
            elif folder == "canonical":
                found += [f"{folder}/{name}: {what}" for what in _unequal_rows(one, other, columns[1])]
            else:
                found += [f"{folder}/{name}: {what}" for what in _unequal_values(one, other, SORTED_BY[name])]
    return found


def _unequal_rows(ours: Path, theirs: Path, columns: list[str]) -> list[str]:
    """Rows are equal where their numbers and the sums of their hashes are; else those that differ are counted."""
    import duckdb  # only here: it is not part of the preparation in pandas

    shown = [f"list_sort({name}) AS {name}" if name == "audience" else name for name in columns]
    shown = [f"{name}::VARCHAR AS {name}" if name in ("date", "time", *EMPTY_ANYWHERE) else name for name in shown]
    tables = [f"(SELECT {', '.join(shown)} FROM read_parquet('{path}'))" for path in (ours, theirs)]
    with duckdb.connect(config={"threads": 2, "memory_limit": "4GB"}) as con:
        sums = [
            con.execute(f"SELECT count(*), sum(hash({', '.join(columns)})::HUGEINT) FROM {table}").fetchone()
            for table in tables
        ]
        if sums[0] == sums[1]:
            return []
        parts = []
        for one, other, who in ((0, 1, "pandas"), (1, 0, "the exporter")):
            query = f"SELECT * FROM {tables[one]} EXCEPT ALL SELECT * FROM {tables[other]}"
            rows = con.execute(f"SELECT count(*) FROM ({query})").fetchone()
            sample = con.execute(f"{query} LIMIT 2").fetchall()
            parts.append(f"{rows[0] if rows else 0} rows of {who} only, such as {sample}")
        return parts


EMPTY_ANYWHERE = tuple({column for columns in EMPTY.values() for column in columns})


def _unequal_values(ours: Path, theirs: Path, keys: list[str]) -> list[str]:
    one, other = (pd.read_parquet(path).sort_values(keys, ignore_index=True) for path in (ours, theirs))
    if len(one) != len(other):
        return [f"{len(one)} rows of pandas, {len(other)} of the exporter"]
    found = []
    for column in other.columns:
        a, b = one[column], other[column]
        if pd.api.types.is_numeric_dtype(b) and pd.api.types.is_numeric_dtype(a):
            x, y = a.to_numpy("float64", na_value=np.nan), b.to_numpy("float64", na_value=np.nan)
            same = (np.abs(x - y) <= TOLERANCE * (1 + np.abs(y))) | (np.isnan(x) & np.isnan(y))
        else:
            left, right = a.astype(object), b.astype(object)
            same = ((left == right) | (left.isna() & right.isna())).to_numpy()
        if not same.all():
            at = int(np.argmin(same))
            found.append(
                f"{column}: {int((~same).sum())} of {len(same)} rows differ, first where "
                f"{other.loc[at, keys].to_dict()}: {a[at]!r} of pandas, {b[at]!r} of the exporter"
            )
    return found


def main() -> None:
    """Prepare, say how long it took, compare where asked; the exit status is 1 where a row or value differs."""
    parser = argparse.ArgumentParser(description="Prepare The Complete Journey in pandas.")
    parser.add_argument("--source", type=Path, help="folder of the source's files (default: the installed package's)")
    parser.add_argument("--out", type=Path, required=True, help="folder to write canonical/ and features/ to")
    parser.add_argument("--compare", type=Path, help="dataset of the exporter that it must equal")
    arguments = parser.parse_args()
    start = time.perf_counter()
    prepare(source_data.data_folder(arguments.source), arguments.out)
    result: dict[str, object] = {
        "seconds": round(time.perf_counter() - start, 2),
        "seconds_of_imports_of_the_engine": round(IMPORTING, 2),
        "cpu_seconds_of_imports_of_the_engine": round(IMPORTING_CPU, 2),
        "peak_megabytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }
    if arguments.compare:
        found = differences(arguments.out, arguments.compare)
        result["differences"] = found
        print("\n".join(found) or "no differences", file=sys.stderr)
    print(json.dumps(result))
    sys.exit(bool(result.get("differences")))


if __name__ == "__main__":
    main()
