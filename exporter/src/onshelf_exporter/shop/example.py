"""A launch to plan as an example: a product like the newest launch of the shop's own history."""

from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq


def write_example(data: Path, currency: str, path: Path) -> list[str]:
    """Write the arguments of `onshelf plan`, one a line, for a product as the newest launch with a price and a sale.

    Args:
        data: folder of a prepared dataset.
        currency: of all amounts.
        path: file to write.

    Returns:
        The arguments.
    """
    products = pq.read_table(data / "features" / "products.parquet")
    launches = pq.read_table(data / "features" / "launches.parquet", columns=["product_index", "launch_week"])
    table = products.join(launches, "product_index", join_type="left outer", right_suffix="_of_launch")
    table = table.filter(pc.is_valid(table["title"]))
    table = table.sort_by([("launch_week_of_launch", "descending"), ("list_price", "descending")])
    row = table.slice(0, 1).to_pylist()[0]
    arguments = ["--title", row["title"]]
    levels = [row[f"{level}_name"] for level in ("department", "category", "type") if row[f"{level}_name"]]
    if levels:
        arguments += ["--category", " > ".join(levels)]
    if row["list_price"]:
        arguments += ["--price", f"{row['list_price']:.2f}", "--currency", currency]
    path.write_text("\n".join(arguments) + "\n", encoding="utf-8")
    return arguments
