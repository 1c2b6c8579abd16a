"""A messy shop whose truth is known: monthly files as an old till exports them, and what is right about them.

    python tests/messy_shop.py FOLDER --lines 500000

The files are cp1252 with semicolons, decimal commas and day-first dates. Headers are those of a till: no table of
products, no categories. Among the sales are guests (no customer), cancellations (an invoice number with a C, a negative
quantity), adjustment and service lines that sell nothing, and titles that change, some of them notes of the warehouse.
A few launched products have a single stray sale months before they were really on sale.
"""

import argparse
import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

START = dt.date(2023, 1, 2)  # a Monday
BURN_IN = 3  # weeks in which every product that is not launched later has sold
HEADERS = ("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country")
MAKERS = ("Café Lumière", "Brightwell", "Señora Alba", "Dovetail", "Maison Doré", "Kingsley & Sons", "Aldermoor")
MATERIALS = ("ceramic", "wooden", "enamel", "linen", "glass", "wicker", "felt", "tin", "cotton", "brass")
THINGS = (
    ("tea light holder", 2.1), ("lunch bag", 1.65), ("cake stand", 9.95), ("jigsaw puzzle", 6.5), ("hand cream", 4.25),
    ("picture frame", 5.45), ("garden trowel", 7.75), ("crème brûlée dish", 3.75), ("birthday card", 0.85),
    ("paper chain kit", 2.95), ("doormat", 7.95), ("hot water bottle", 4.95), ("alarm clock", 3.75),
    ("cushion cover", 8.25), ("party bunting", 4.95), ("storage tin", 3.25),
)  # fmt: skip
COLOURS = ("red", "sage green", "navy", "ivory", "rose", "black", "sky blue", "mustard", "café au lait", "silver")
NOTES = ("damages", "check", "?", "wet", "found", "mouldy, thrown away")
SERVICES = (("POST", "Postage"), ("B", "Adjust bad debt"), ("M", "Manual"), ("BANK CHARGES", "Bank charges"))


@dataclass(frozen=True)
class Truth:
    """What is right about the files.

    Attributes:
        products: product_id, title, launch_week (1 = the week of START; 0 = on sale from the beginning), price.
        sales: product_id, week, units, revenue: what was bought, before cancellations.
        lines, guests, cancellations, services, notes: numbers of lines of each kind; `guests` and `notes` are counted
            among the sales, services and cancellations beside them.
        users: distinct customers of sales.
        strays: product ids with a stray early sale, which `sales` and `launch_week` do not count.
        weeks: whole weeks of history.
        stray_sales: the stray sales, with the columns of `sales`.
    """

    products: pd.DataFrame
    sales: pd.DataFrame
    lines: int
    guests: int
    cancellations: int
    services: int
    notes: int
    users: int
    strays: tuple[str, ...]
    weeks: int
    stray_sales: pd.DataFrame

    @property
    def sales_with_strays(self) -> pd.DataFrame:
        """What the files say was bought: `sales` and the stray ones."""
        return pd.concat([self.sales, self.stray_sales], ignore_index=True)


def write_messy_shop(
    folder: Path, *, lines: int = 500_000, products: int = 1_500, users: int = 5_000, weeks: int = 104, seed: int = 5
) -> Truth:
    """Write the monthly files.

    Args:
        folder: where to; made if it is not there.
        lines: about how many lines.
        products: number of products; three in ten are launched after the burn-in.
        users: customers with an id.
        weeks: whole weeks of history, from START on.
        seed: of all that is random.

    Returns:
        What is right about them.
    """
    random = np.random.default_rng(seed)
    catalog = _catalog(random, products, weeks)
    sold = _sales(random, catalog, lines, users, weeks)
    strays = _strays(catalog, weeks)
    cancelled = sold[random.random(len(sold)) < 0.02].copy()
    cancelled["InvoiceNo"] = "C" + cancelled["InvoiceNo"]
    cancelled["Quantity"] = -cancelled["Quantity"]
    cancelled["time"] += pd.to_timedelta(random.integers(1, 72, len(cancelled)), "h")
    end = pd.Timestamp(START) + pd.Timedelta(weeks=weeks)
    cancelled = cancelled[cancelled["time"] < end]
    services = _services(random, max(8, lines // 200), weeks)
    noted = np.flatnonzero(random.random(len(sold)) < 0.005)
    written = sold.copy()
    written.iloc[noted, written.columns.get_loc("Description")] = np.array(NOTES)[
        random.integers(0, len(NOTES), len(noted))
    ]
    everything = pd.concat([written, strays, cancelled, services], ignore_index=True).sort_values("time", kind="stable")
    _write(folder, everything)
    return Truth(
        products=catalog,
        sales=_by_week(sold),
        lines=len(everything),
        guests=int((sold["CustomerID"] == "").sum()),
        cancellations=len(cancelled),
        services=len(services),
        notes=len(noted),
        users=int(sold.loc[sold["CustomerID"] != "", "CustomerID"].nunique()),
        strays=tuple(strays["StockCode"]),
        weeks=weeks,
        stray_sales=_by_week(strays),
    )


def _by_week(lines: pd.DataFrame) -> pd.DataFrame:
    """Units and revenue of each product and week."""
    groups = lines.assign(revenue=lines["Quantity"] * lines["UnitPrice"]).groupby(["StockCode", "week"], as_index=False)
    return groups.agg(units=("Quantity", "sum"), revenue=("revenue", "sum")).rename(columns={"StockCode": "product_id"})


def _catalog(random: np.random.Generator, products: int, weeks: int) -> pd.DataFrame:
    """Distinct titles, prices, launch weeks and popularity."""
    shape = (len(MAKERS), len(MATERIALS), len(THINGS), len(COLOURS))
    chosen = random.choice(int(np.prod(shape)), products, replace=False)
    maker, material, thing, colour = np.unravel_index(chosen, shape)
    titles = [
        f"{MAKERS[a]} {MATERIALS[b]} {THINGS[c][0]} {COLOURS[d]}"
        for a, b, c, d in zip(maker, material, thing, colour, strict=True)
    ]
    launched = random.random(products) < 0.3
    launch_week = np.where(launched, random.integers(BURN_IN + 4, weeks - 4, products), 0)
    base = np.array([price for _, price in THINGS])[thing]
    return pd.DataFrame(
        {
            "product_id": [str(code) for code in 20_001 + random.permutation(products)],
            "title": titles,
            "launch_week": launch_week,
            "price": np.round(base * random.lognormal(0, 0.2, products), 2),
            "popularity": random.lognormal(0, 0.7, products),
            "old_title": [
                title.upper().replace(MAKERS[a].upper(), "").strip() for title, a in zip(titles, maker, strict=True)
            ],
        }
    )


def _sales(random: np.random.Generator, catalog: pd.DataFrame, lines: int, users: int, weeks: int) -> pd.DataFrame:
    """Lines of sales: every product sells in the week of its launch, or in the first weeks."""
    products = len(catalog)
    week = np.repeat(np.arange(1, weeks + 1), products)
    product = np.tile(np.arange(products), weeks)
    launch = catalog["launch_week"].to_numpy()[product]
    season = 1 + 0.4 * np.sin(2 * np.pi * (week + product % 3) / 52)
    rate = (week >= launch) * catalog["popularity"].to_numpy()[product] * season
    count = random.poisson(rate * lines / rate.sum())
    first = np.where(launch > 0, week == launch, week == 1 + product % BURN_IN)
    count = np.maximum(count, first)
    cell = np.repeat(np.arange(len(count)), count)
    line_product, line_week = product[cell], week[cell]
    size = len(cell)
    baskets = random.integers(0, max(2, size // 4), size)
    seconds = random.integers(8 * 3600, 20 * 3600, size) // 60 * 60 + random.integers(0, 7, size) * 86_400
    time = pd.Timestamp(START) + pd.to_timedelta((line_week - 1) * 7 * 86_400 + seconds, "s")
    # the same basket may not hold lines of different weeks: the invoice is the basket and the week
    invoice = 500_000 + pd.factorize(baskets + line_week.astype(np.int64) * (baskets.max() + 1))[0]
    orders = invoice.max() - 500_000 + 1  # an order is one customer's, or a guest's
    user = np.floor(users * random.beta(0.7, 2.0, orders)).astype(int)
    customer = np.where(random.random(orders) < 0.25, "", (12_000 + user).astype(str))[invoice - 500_000]
    titles = catalog["title"].to_numpy()[line_product]
    old = (random.random(products) < 0.3)[line_product] & (line_week <= weeks // 3)
    titles = np.where(old & (random.random(size) < 0.6), catalog["old_title"].to_numpy()[line_product], titles)
    cut = np.where(random.random(len(week)) < 0.06, 0.8, 1.0)[cell]
    return pd.DataFrame(
        {
            "InvoiceNo": invoice.astype(str),
            "StockCode": catalog["product_id"].to_numpy()[line_product],
            "Description": titles,
            "Quantity": 1 + random.poisson(0.6, size),
            "time": time,
            "UnitPrice": np.round(catalog["price"].to_numpy()[line_product] * cut, 2),
            "CustomerID": customer,
            "week": line_week,
        }
    )


def _strays(catalog: pd.DataFrame, weeks: int) -> pd.DataFrame:
    """One sale each of a few products that sell well, halfway to their launch: the till was tried out."""
    middle = catalog[(catalog["launch_week"] > weeks // 3) & (catalog["launch_week"] < weeks * 2 // 3)]
    late = middle.nlargest(5, "popularity")
    week = late["launch_week"].to_numpy() // 2
    return pd.DataFrame(
        {
            "InvoiceNo": [str(499_000 + i) for i in range(len(late))],
            "StockCode": late["product_id"].to_numpy(),
            "Description": late["title"].to_numpy(),
            "Quantity": 1,
            "time": pd.Timestamp(START) + pd.to_timedelta((week - 1) * 7, "D") + pd.Timedelta(hours=9),
            "UnitPrice": late["price"].to_numpy(),
            "CustomerID": "",
            "week": week,
        }
    )


def _services(random: np.random.Generator, count: int, weeks: int) -> pd.DataFrame:
    """Lines that sell no product: postage, fees, corrections of the books."""
    kind = random.integers(0, len(SERVICES), count)
    day = pd.to_timedelta(random.integers(0, weeks * 7, count), "D")
    amount = np.where(
        kind == 1, -np.round(random.uniform(100, 9_000, count), 2), np.round(random.uniform(2, 40, count), 2)
    )
    return pd.DataFrame(
        {
            "InvoiceNo": [("A" if k == 1 else "") + str(900_000 + i) for i, k in enumerate(kind)],
            "StockCode": np.array([code for code, _ in SERVICES])[kind],
            "Description": np.array([name for _, name in SERVICES])[kind],
            "Quantity": 1,
            "time": pd.Timestamp(START) + day + pd.Timedelta(hours=18),
            "UnitPrice": amount,
            "CustomerID": "",
            "week": 0,
        }
    )


def _write(folder: Path, table: pd.DataFrame) -> None:
    """A file a month."""
    folder.mkdir(parents=True, exist_ok=True)
    table = table.assign(
        InvoiceDate=table["time"].dt.strftime("%d.%m.%Y %H:%M"),
        UnitPrice=table["UnitPrice"].map("{:.2f}".format).str.replace(".", ",", regex=False),
        Country="United Kingdom",
    )
    for month, rows in table.groupby(table["time"].dt.strftime("%Y_%m")):
        rows.to_csv(folder / f"sales_{month}.csv", sep=";", index=False, columns=list(HEADERS), encoding="cp1252")


def differences(truth: Truth, features: Path, *, launches_may_differ: float = 0.0) -> list[str]:
    """What a prepared shop has otherwise than the truth: units and revenue of each product and week, launches and their
    weeks, titles, users, purchases by guests, returns; [] where all is right. launches_may_differ: share of the
    launches that chance may get wrong: who sells once, and then not for weeks, looks like a stray sale before a launch.
    """
    wrong = []
    read = pd.read_parquet(features / "product_weeks.parquet", columns=["product_id", "week", "units", "revenue"])
    both = read.merge(truth.sales_with_strays, how="outer", on=["product_id", "week"], suffixes=("", "_sold"))
    different = (both["units"] != both["units_sold"]) | ~np.isclose(both["revenue"], both["revenue_sold"])
    if different.any():
        wrong.append(
            f"{different.sum():,} of {len(both):,} product weeks differ, as {both[different].iloc[0].to_dict()}"
        )
    launches = pd.read_parquet(features / "launches.parquet", columns=["product_id", "launch_week"])
    known = truth.products[truth.products["launch_week"] > 0]
    launched = dict(zip(launches["product_id"], launches["launch_week"], strict=True))
    expected = dict(zip(known["product_id"], known["launch_week"], strict=True))
    apart = len(launched.items() ^ expected.items())
    if apart > launches_may_differ * len(expected):
        wrong.append(f"launches: {apart:,} entries differ")
    products = pd.read_parquet(features / "products.parquet", columns=["product_id", "title"])
    titles = dict(zip(products["product_id"], products["title"], strict=True))
    right = dict(zip(truth.products["product_id"], truth.products["title"], strict=True))
    if titles != right:
        wrong.append(f"titles: {len(titles.items() ^ right.items()):,} entries differ")
    events = pd.read_parquet(features.parent / "canonical" / "interactions.parquet", columns=["kind", "user_id"])
    users = events.loc[events["kind"] == "purchase", "user_id"]
    for name, found, true in (
        ("users", users.nunique(), truth.users),
        ("purchases by guests", users.isna().sum(), truth.guests + len(truth.strays)),
        ("returns", (events["kind"] == "return").sum(), truth.cancellations),
    ):
        if found != true:
            wrong.append(f"{name}: {found:,} instead of {true:,}")
    return wrong


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--lines", type=int, default=500_000)
    arguments = parser.parse_args()
    truth = write_messy_shop(arguments.folder, lines=arguments.lines)
    print(f"{truth.lines:,} lines, {truth.users:,} users, {len(truth.products):,} products in {arguments.folder}")
