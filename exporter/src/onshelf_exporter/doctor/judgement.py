"""Judges the tables by the very stage that is to take them: what the doctor calls usable, `data` takes."""

import datetime as dt
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ibis.expr.types as ir
import pyarrow.compute as pc
import pyarrow.parquet as pq
from ibis.backends.duckdb import Backend
from rich.console import Console

from onshelf_exporter.data import engine
from onshelf_exporter.data.adapters.parquet import SETTINGS
from onshelf_exporter.data.prepare import prepare
from onshelf_exporter.data.weeks import Cut
from onshelf_exporter.doctor.losses import Loss
from onshelf_exporter.process.errors import DataError, InvalidDataError, SettingError, SourceError
from onshelf_exporter.training.runs import MIN_LAUNCHES, OUTCOME_WEEKS, complete_launches

SALES_TIME = "interactions.time"  # named by the stage `data` where sales hold no whole week
NO_CURRENCY = "XXX"  # of ISO 4217, where none is stated: amounts are only looked at
ABSENT = {  # cleaning rules that fill a column; without it they say nothing that the list of what is missing does not
    "kind_missing": "kind", "quantity_missing": "quantity", "discount_missing": "discount",
    "coupon_discount_missing": "coupon_discount",
}  # fmt: skip
LOSSES = (
    "incomplete",
    "unknown_product",
    "event_differs",
    "quantity_outlier",
    "price_outlier",
)  # cleaning rules that lose something
# Of interactions alone: equal lines may be a file read twice, or the same thing bought twice.
INTERACTION_LOSSES = ("duplicate",)


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What a merchant can check.

    Attributes:
        kinds: rows by kind of interaction.
        products: products on sale at some time.
        users: different users.
        without_user: purchases without a user.
        first: first day.
        last: last day.
        months: revenue and units by month, "2024-05".
        priced: whether any revenue is known.
        promotions: promotion rows.
        launches: launches, and those with 8 whole weeks of outcome.
        learnable: launches that a model release of all the data would learn from.
        launch_rule: what counts as one.
        warnings: of the stage `data`.
        cleaned: what the stage `data` repaired or left out: rule, rows.
    """

    kinds: dict[str, int]
    products: int
    users: int
    without_user: int
    first: dt.date
    last: dt.date
    months: list[tuple[str, float, float]]
    priced: bool
    promotions: int
    launches: tuple[int, int]
    learnable: int
    launch_rule: str
    warnings: list[str]
    cleaned: list[tuple[str, str, int]]

    @property
    def too_little(self) -> str:
        """Why the stage `train` would refuse; "" where it would not."""
        if self.learnable >= MIN_LAUNCHES:
            return ""
        return (
            f"launches: {self.learnable} with {OUTCOME_WEEKS} whole weeks of sales in the data, and at least "
            f"{MIN_LAUNCHES} are needed to learn from. A longer history has more; --launches says what a launch is. If "
            "the files are but a sample of the history: --sample"
        )

    @property
    def revenue(self) -> float:
        """Revenue of all purchases."""
        return sum(revenue for _, revenue, _ in self.months)

    @property
    def units(self) -> float:
        """Units of all purchases."""
        return sum(units for _, _, units in self.months)


def write(con: Backend, tables: Mapping[str, ir.Table], shop: Mapping[str, Any], folder: Path) -> None:
    """Write the canonical tables and shop.json, ready for the adapter `parquet`."""
    folder.mkdir(parents=True, exist_ok=True)
    write_settings(shop, folder)
    for name, table in tables.items():
        engine.write(con, table, folder / f"{name}.parquet")


def write_settings(shop: Mapping[str, Any], folder: Path) -> None:
    """Write shop.json."""
    (folder / SETTINGS).write_text(json.dumps(shop, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def judge(folder: Path, work: Path, dataset: str) -> tuple[Summary | None, list[str], list[Loss]]:
    """Prepare written tables as the stage `data` does.

    Args:
        folder: the tables.
        work: an empty folder to prepare them in.
        dataset: the name of what is prepared: a folder in `work`.

    Returns:
        What came out; None with the problems why nothing did; and what was lost.
    """
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        try:
            data = prepare(dataset, work, adapter="parquet", source=folder, console=Console(file=nowhere))
        except InvalidDataError as error:
            return None, [str(problem) for problem in error.problems], []
        except (DataError, SourceError) as error:
            return None, [str(error)], []
        except SettingError as error:
            if error.name != SALES_TIME:  # a wrong setting is no fault of the files
                raise
            return None, [str(error)], []
    whole = json.loads((data / "report.json").read_text(encoding="utf-8"))
    report = whole["cleaning"]
    losses = [
        Loss(table=row["table"], what=row["what"], rows=row["rows"]) for row in report if row["rows"] and _is_loss(row)
    ]
    return _summary(data, report, pq.read_schema(folder / "interactions.parquet").names, whole["warnings"]), [], losses


def _is_loss(row: Mapping[str, Any]) -> bool:
    """Whether a row of the cleaning's report is of something lost, not of something repaired."""
    return row["rule"] in LOSSES or (row["table"] == "interactions" and row["rule"] in INTERACTION_LOSSES)


def _summary(data: Path, report: list[dict[str, Any]], given: list[str], warnings: list[str]) -> Summary:
    """What came out of the stage `data`, for tables whose interactions have the columns of `given`."""
    described = json.loads((data / "dataset.json").read_text(encoding="utf-8"))
    columns = ["user_id", "product_id", "time", "kind", "quantity", "revenue"]
    table = pq.read_table(data / "canonical" / "interactions.parquet", columns=columns)
    kinds = {one["values"]: one["counts"] for one in pc.value_counts(table["kind"]).to_pylist()}
    bought = table.filter(pc.equal(table["kind"], "purchase"))
    month = pc.strftime(bought["time"], format="%Y-%m")
    monthly = bought.append_column("month", month).group_by("month")
    sums = monthly.aggregate([("revenue", "sum"), ("quantity", "sum")]).sort_by("month").to_pylist()
    priced = bought["revenue"].null_count < bought.num_rows
    launches = pq.read_table(data / "features" / "launches.parquet", columns=["units_8w"])
    promotions = data / "canonical" / "promotions.parquet"
    return Summary(
        kinds=dict(sorted(kinds.items(), key=lambda one: -one[1])),
        products=pq.read_metadata(data / "canonical" / "products.parquet").num_rows,
        users=pc.count_distinct(table["user_id"]).as_py(),
        without_user=bought["user_id"].null_count,
        first=pc.min(table["time"]).as_py().date(),
        last=pc.max(table["time"]).as_py().date(),
        months=[(row["month"], row["revenue_sum"] or 0.0, row["quantity_sum"] or 0.0) for row in sums],
        priced=priced,
        promotions=pq.read_metadata(promotions).num_rows if promotions.is_file() else 0,
        launches=(launches.num_rows, launches.num_rows - launches["units_8w"].null_count),
        learnable=complete_launches(data, Cut(int(described["last_week"]))),
        launch_rule=described["launch_rule"],
        warnings=warnings,
        cleaned=[
            (row["table"], row["what"], row["rows"])
            for row in report
            if row["rows"] and not _is_loss(row) and ABSENT.get(row["rule"], given[0]) in given
        ],
    )
