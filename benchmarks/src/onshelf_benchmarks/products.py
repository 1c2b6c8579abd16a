"""Products that no cache can know, and requests for plans of them."""

from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

import pyarrow.feather as feather

from onshelf import Money, Product
from onshelf.v1 import launch_pb2

CANDIDATES = 1000  # of a plan


def products_of(release: Path, count: int, seed: int) -> list[Product]:
    """Distinct products: titles of the catalogue with a made-up brand word."""
    table = feather.read_table(release / "products.arrow", columns=["title", "price"]).to_pandas()
    rows = table.drop_duplicates("title").sample(n=count, random_state=seed, replace=True)
    return [
        Product(title=f"{title} no. {number}", list_price=Money(Decimal(str(round(max(float(price), 0.5), 2))), "USD"))
        for number, (title, price) in enumerate(zip(rows["title"], rows["price"].fillna(1.0), strict=True))
    ]


def requests(titles: Iterable[tuple[str, float]], candidates: int = CANDIDATES) -> list[launch_pb2.PlanLaunchRequest]:
    """One request per title and price, and nothing else: the encoder has to find the category."""
    made = []
    for title, price in titles:
        request = launch_pb2.PlanLaunchRequest(max_candidates=candidates)
        request.product.title = title
        request.product.list_price.currency_code = "USD"
        request.product.list_price.units, cents = divmod(round(price * 100), 100)
        request.product.list_price.nanos = cents * 10_000_000
        made.append(request)
    return made


def requests_of(
    release: Path, count: int, seed: int, candidates: int = CANDIDATES
) -> list[launch_pb2.PlanLaunchRequest]:
    """Requests for distinct products of a release."""
    some = products_of(release, count, seed)
    return requests([(one.title, float(one.list_price.amount)) for one in some if one.list_price], candidates)
