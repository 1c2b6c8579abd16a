"""Invented shops: small folders of canonical tables that tests send through the `parquet` adapter.

`write_shop` writes three small Parquet files (products, interactions, promotions) and `shop.json`. The shop has a
season, popular and rare products, launches in the middle of the year, price cuts, and promotions that sell.

Three more are shaped otherwise: `write_corner_shop` (a file of weekly sales, 18 weeks, with flags of promotion, without
users, categories or brands), `write_boutique` (a year, 200 products, few users, no promotion, no brand, no list
price, one level of category) and `write_marketplace` (titles, categories, brands and channels in Chinese; views,
clicks, carts, returns and reviews besides purchases, sites, orders, described channels, calendar weeks that begin on
Sunday).
"""

import datetime as dt
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

CATEGORIES = (
    ("Kitchen", "Tea", "Green tea", "green tea, loose leaf", 6.0),
    ("Kitchen", "Tea", "Herbal tea", "herbal tea with camomile", 5.0),
    ("Kitchen", "Coffee", "Ground coffee", "ground coffee, dark roast", 9.0),
    ("Kitchen", "Coffee", "Coffee beans", "coffee beans, medium roast", 11.0),
    ("Garden", "Tools", "Shears", "garden shears, forged", 24.0),
    ("Garden", "Tools", "Trowels", "hand trowel with ash handle", 14.0),
    ("Garden", "Seeds", "Flower seeds", "flower seeds for bees", 3.0),
    ("Toys", "Puzzles", "Wooden puzzles", "wooden puzzle for children", 17.0),
    ("Toys", "Games", "Card games", "card game for the family", 12.0),
)
CHINESE_TITLES = ("有机绿茶 茉莉花香 100克", "手工锻造园艺剪刀", "儿童木制拼图 动物世界")
BRANDS = ("Aldermoor", "Brightwell", "Casa Lume", "Dovetail")
SHADES = ("classic", "large", "small", "organic", "festive", "travel size", "gift box", "twin pack")
CHANNELS = ("home_page", "newsletter", "search_ads")


BOUTIQUE = (
    ("Dresses", "", "", "linen summer dress", 89.0),
    ("Scarves", "", "", "hand-woven silk scarf", 45.0),
    ("Ceramics", "", "", "stoneware vase with ash glaze", 38.0),
    ("Candles", "", "", "beeswax candle, slow burning", 19.0),
)
CHINESE = (
    ("食品", "茶叶", "绿茶", "明前龙井绿茶 散装", 68.0),
    ("食品", "茶叶", "花茶", "茉莉花茶 浓香型", 45.0),
    ("食品", "零食", "坚果", "每日坚果 混合果仁", 59.0),
    ("家居", "厨具", "炒锅", "铸铁炒锅 无涂层", 199.0),
    ("家居", "床品", "四件套", "纯棉四件套 双人", 259.0),
    ("美妆", "护肤", "面霜", "保湿面霜 敏感肌可用", 129.0),
)
CHINESE_BRANDS = ("云山", "竹里", "小满", "青禾")
CHINESE_SHADES = ("经典款", "大号", "小号", "礼盒装", "家庭装", "旅行装")
CHINESE_CHANNELS = {"home_page": "首页推荐", "短信": "短信", "直播间": "直播间"}  # by id


def write_shop(
    folder: Path,
    *,
    products: int = 120,
    users: int = 200,
    weeks: int = 40,
    seed: int = 7,
    tables: Iterable[str] = ("products", "interactions", "promotions"),
    stated_launch_dates: bool = True,
    chinese: bool = True,
    settings: dict[str, Any] | None = None,
    categories: tuple[tuple[str, str, str, str, float], ...] = CATEGORIES,
    brand_names: tuple[str, ...] = BRANDS,
    shade_names: tuple[str, ...] = SHADES,
    channels: tuple[str, ...] = CHANNELS,
    title: str = "{brand} {kind}, {shade}",
) -> Path:
    """Write an invented shop.

    Args:
        folder: where to; made if it is not there.
        products: number of products; a third of them are launched after the burn-in.
        users: number of users, pseudonyms u0000...
        weeks: weeks of history from Monday 2024-01-01 on.
        seed: of all that is random.
        tables: which of products, interactions, promotions to write.
        stated_launch_dates: whether launched products state their launch_date.
        chinese: whether the first products have Chinese titles.
        settings: shop.json; {"currency": "EUR", "timezone": "Europe/Paris"} when None.
        categories: department, category, type (empty where there is no such level), words of the title, price.
        brand_names: brands.
        shade_names: what tells products of a kind apart.
        channels: channels of promotion.
        title: how brand, kind and shade become a title.

    Returns:
        The folder.
    """
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    start = dt.date(2024, 1, 1)
    index = np.arange(products)
    kinds = [categories[i] for i in random.integers(0, len(categories), products)]
    price = np.round([kind[4] for kind in kinds] * random.lognormal(0, 0.25, products), 2)
    launched = random.random(products) < 1 / 3
    launch_week = np.where(launched, random.integers(weeks // 4 + 1, weeks - 1, products), 0)
    brands = random.integers(0, len(brand_names), products)
    shades = random.integers(0, len(shade_names), products)
    titles = [
        title.format(brand=brand_names[b], kind=kind[3], shade=shade_names[s])
        for b, kind, s in zip(brands, kinds, shades, strict=True)
    ]
    if chinese:
        titles[: len(CHINESE_TITLES)] = CHINESE_TITLES[:products]
    ids = np.array([f"P{i:04d}" for i in index])
    dates = [start + dt.timedelta(days=7 * int(week) + 1) if week else None for week in launch_week]
    columns: dict[str, Any] = {
        "product_id": ids,
        "title": titles,
        "brand": [brand_names[b] for b in brands],
        "category_path": [" > ".join(level for level in kind[:3] if level) for kind in kinds],
        "list_price": price,
    }
    if stated_launch_dates:
        columns["launch_date"] = pa.array(dates, pa.date32())
    product_table = pa.table(columns)

    week = np.repeat(np.arange(weeks), products)
    product = np.tile(index, weeks)
    on_sale = week >= launch_week[product]
    promoted = on_sale & (random.random(weeks * products) < 0.08)
    cut = promoted * np.round(random.choice([0.0, 0.1, 0.2, 0.3], weeks * products), 2)
    popularity = random.lognormal(0, 0.8, products)
    season = 1 + 0.3 * np.sin(2 * np.pi * week / 52 + (product % 5))
    rate = on_sale * popularity[product] * season * (1 + 1.2 * promoted) * (1 + 2 * cut)
    lines = random.poisson(rate)
    rows = np.repeat(np.arange(weeks * products), lines)
    quantity = 1 + random.poisson(0.3, rows.size)
    seconds = random.integers(0, 7 * 86_400, rows.size) + week[rows] * 7 * 86_400
    seconds = np.maximum(seconds, (launch_week[product[rows]] * 7 + 1) * 86_400 * (launch_week[product[rows]] > 0))
    value = np.round(price[product[rows]] * quantity, 2)
    discount = np.round(value * cut[rows], 2)
    user = np.floor(users * random.beta(0.8, 1.6, rows.size)).astype(int)
    times = np.datetime64(start, "us") + seconds.astype("timedelta64[s]").astype("timedelta64[us]")
    interaction_table = pa.table(
        {
            "user_id": np.array([f"u{i:04d}" for i in range(users)])[user],
            "product_id": ids[product[rows]],
            "time": times,
            "kind": np.full(rows.size, "purchase"),
            "quantity": quantity.astype(float),
            "revenue": np.round(value - discount, 2),
            "discount": discount,
        }
    )
    where = np.flatnonzero(promoted)
    days = np.datetime64(start, "D") + (7 * week[where]).astype("timedelta64[D]")
    promotion_table = pa.table(
        {
            "product_id": ids[product[where]],
            "date": days,
            "channel_id": np.array(channels)[random.integers(0, len(channels), where.size)],
            "site_id": np.array([f"s{i}" for i in random.integers(0, 4, where.size)]),
        }
    )
    written = {"products": product_table, "interactions": interaction_table, "promotions": promotion_table}
    for name in tables:
        pq.write_table(written[name], folder / f"{name}.parquet")
    settings = {"currency": "EUR", "timezone": "Europe/Paris"} if settings is None else settings
    (folder / "shop.json").write_text(json.dumps(settings), encoding="utf-8")
    return folder


def write_boutique(folder: Path) -> Path:
    """A year of a boutique: 200 products, 60 users, no promotion, brand, list price, discount or stated launch."""
    write_shop(
        folder,
        products=200,
        users=60,
        weeks=52,
        tables=("products", "interactions"),
        stated_launch_dates=False,
        chinese=False,
        settings={"currency": "GBP"},
        categories=BOUTIQUE,
        title="{kind}, {shade}",
    )
    drop_columns(folder, "products", "brand", "list_price")
    drop_columns(folder, "interactions", "discount")
    return folder


def write_marketplace(folder: Path) -> Path:
    """60 weeks of a Chinese marketplace that records views, clicks, carts, returns and reviews besides purchases."""
    settings = {"currency": "CNY", "timezone": "Asia/Shanghai", "week_start": "sunday", "prices_include_tax": False}
    write_shop(
        folder,
        products=150,
        users=250,
        weeks=60,
        seed=11,
        chinese=False,
        settings=settings | {"food_departments": ["食品"]},
        categories=CHINESE,
        brand_names=CHINESE_BRANDS,
        shade_names=CHINESE_SHADES,
        channels=tuple(CHINESE_CHANNELS),
        title="{brand} {kind} {shade}",
    )
    random = np.random.default_rng(12)
    sold = pq.read_table(folder / "interactions.parquet").to_pandas()
    count = len(sold)
    sold["order_id"] = [f"o{i}" for i in range(count)]
    sold["site_id"] = np.array(["app", "web", "shop"])[random.integers(0, 3, count)]
    parts = [sold]
    for kind, share, hours in (("view", 1.0, -3), ("click", 0.7, -2), ("cart", 0.4, -1)):  # what leads to a purchase
        parts.append(_around(sold[random.random(count) < share], kind, hours))
    # as many views lead to nothing, some of them of products that are not on sale yet
    parts.append(_around(sold.assign(user_id=random.permutation(sold["user_id"].to_numpy())), "view", -300))
    parts.append(_around(sold[random.random(count) < 0.05], "return", 90).assign(quantity=1.0))
    reviews = _around(sold[random.random(count) < 0.1], "review", 200)
    parts.append(reviews.assign(rating=random.integers(1, 6, len(reviews)).astype(float), text="as described"))
    table = pa.Table.from_pandas(pd.concat(parts, ignore_index=True), preserve_index=False)
    pq.write_table(table, folder / "interactions.parquet")
    described = {
        "channel_id": list(CHINESE_CHANNELS),
        "name": list(CHINESE_CHANNELS.values()),
        "kind": ["display", "mailer", "search"],
        "fixed_cost": [100.0, 20.0, 60.0],
        "lead_time_days": pa.array([7, 2, 0], pa.int32()),
    }
    pq.write_table(pa.table(described), folder / "channels.parquet")
    return folder


def write_corner_shop(path: Path, weeks: int = 18) -> Path:
    """A file of weekly sales, by the day on which each week ends: units, takings, both prices, and a column of 0 and 1
    for each channel of promotion; without users, categories or brands.
    """
    folder = write_shop(
        path.parent / "tables",
        products=90,
        users=1,
        weeks=weeks,
        chinese=False,
        stated_launch_dates=False,
        channels=("feature", "display"),
    )
    products, sold, promoted = (
        pd.read_parquet(folder / f"{name}.parquet") for name in ("products", "interactions", "promotions")
    )
    sold["WEEK_END_DATE"] = sold["time"].dt.to_period("W-SUN").dt.end_time.dt.date
    weekly = sold.groupby(["WEEK_END_DATE", "product_id"], as_index=False)[["quantity", "revenue"]].sum()
    promoted["WEEK_END_DATE"] = pd.to_datetime(promoted["date"]).dt.to_period("W-SUN").dt.end_time.dt.date
    flags = pd.crosstab([promoted["WEEK_END_DATE"], promoted["product_id"]], promoted["channel_id"]).clip(upper=1)
    weekly = weekly.join(flags, on=["WEEK_END_DATE", "product_id"]).merge(products, on="product_id")
    weekly["PRICE"] = (weekly["revenue"] / weekly["quantity"]).round(2)
    names = {"product_id": "UPC", "title": "DESCRIPTION", "quantity": "UNITS", "revenue": "SPEND"}
    names |= {"list_price": "BASE_PRICE", "feature": "FEATURE", "display": "DISPLAY"}
    weekly = weekly.rename(columns=names)
    weekly[["FEATURE", "DISPLAY"]] = weekly[["FEATURE", "DISPLAY"]].fillna(0).astype(int)
    columns = ["WEEK_END_DATE", "UPC", "DESCRIPTION", "UNITS", "SPEND", "PRICE", "BASE_PRICE", "FEATURE", "DISPLAY"]
    weekly[columns].sort_values(columns[:2]).to_csv(path, index=False)
    return path


def _around(rows: pd.DataFrame, kind: str, hours: int) -> pd.DataFrame:
    """The same users and products some hours later, as another kind of interaction without money."""
    time = (rows["time"] + pd.Timedelta(hours=hours)).clip(lower=rows["time"].min())
    return rows[["user_id", "product_id", "site_id"]].assign(time=time, kind=kind)


def drop_columns(folder: Path, name: str, *columns: str) -> None:
    """Leave columns out of one table of a shop."""
    path = folder / f"{name}.parquet"
    pq.write_table(pq.read_table(path).drop_columns(list(columns)), path)


def change_table(folder: Path, name: str, **columns: Any) -> None:
    """Replace or add columns of one table of a shop; a value may be a function of the old column's Python list, which
    holds None in each row where there was no such column."""
    path = folder / f"{name}.parquet"
    table = pq.read_table(path)
    for column, value in columns.items():
        old = table.column(column).to_pylist() if column in table.column_names else [None] * len(table)
        new = value(old) if callable(value) else value
        array = new if isinstance(new, pa.Array) else pa.array(new)
        position = table.column_names.index(column) if column in table.column_names else None
        table = table.append_column(column, array) if position is None else table.set_column(position, column, array)
    pq.write_table(table, path)


def first(*values: Any, kind: Callable[[Any], Any] = lambda old: old) -> Callable[[list[Any]], list[Any]]:
    """For `change_table`: these values in a column's first rows, the others as they were, as another kind if given."""
    return lambda old: [*values, *map(kind, old[len(values) :])]


def write_sales(folder: Path, rows: list[dict[str, Any]], settings: dict[str, Any] | None = None) -> Path:
    """Write a shop that consists of these sales alone.

    Args:
        folder: where to; made if it is not there.
        rows: product_id, day (of the sale, at noon), and any other columns of interactions; titles are the ids.
        settings: shop.json; {"currency": "EUR"} when None.
    """
    folder.mkdir(parents=True, exist_ok=True)
    table = pd.DataFrame(rows)
    table["time"] = pd.to_datetime(table.pop("day")) + pd.Timedelta(hours=12)
    table.to_parquet(folder / "interactions.parquet")
    ids = sorted(table["product_id"].unique())
    pq.write_table(pa.table({"product_id": ids, "title": ids}), folder / "products.parquet")
    (folder / "shop.json").write_text(json.dumps(settings or {"currency": "EUR"}), encoding="utf-8")
    return folder
