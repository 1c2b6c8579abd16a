"""A retailer's files for tests of the doctor: written as text, sent through `doctor --write` and `data`."""

import argparse
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from onshelf_exporter import doctor
from onshelf_exporter.data.prepare import prepare

HEAD = "Bill,Article No,Title,Qty,Order Date,Amount,Customer ID"


@dataclass
class Route:
    """What came out: of the doctor (exit status, words) and of `data` (canonical tables, features)."""

    status: int
    shop: Path
    data: Path

    def canonical(self, name: str) -> pd.DataFrame:
        """A canonical table."""
        return pd.read_parquet(self.data / "canonical" / f"{name}.parquet")

    def features(self, name: str) -> pd.DataFrame:
        """A table of features."""
        return pd.read_parquet(self.data / "features" / f"{name}.parquet")

    def products(self) -> pd.DataFrame:
        """The canonical products by id."""
        return self.canonical("products").set_index("product_id")

    def sales(self) -> pd.DataFrame:
        """The canonical interactions in the order of time."""
        return self.canonical("interactions").sort_values(["time", "product_id"], ignore_index=True)


def run_doctor(*args: object, sample: bool = True) -> int:
    """The stage, as the command line runs it; files of tests are samples: too little to learn from is no fault."""
    parser = argparse.ArgumentParser()
    doctor.add_arguments(parser)
    given = [*map(str, args), *(["--sample"] if sample else [])]
    return doctor.run(parser.parse_args(given))


def route(tmp_path: Path, *args: object, currency: str = "EUR") -> Route:
    """Doctor with --write, then data; fails where data refuses what the doctor wrote. The files may be a sample."""
    shop = tmp_path / "written"
    status = run_doctor(*args, "--write", shop, "--currency", currency, "--data", tmp_path / "data")
    if shop.exists():  # the stage finds what the doctor left: the same tables are not prepared twice
        prepare("shop", tmp_path / "data", adapter="parquet", source=shop)
    return Route(status, shop, tmp_path / "data" / "shop")


def text_file(path: Path, text: str, encoding: str = "utf-8") -> Path:
    """A file of lines, each without the blanks before it."""
    lines = [line.strip() for line in text.strip().splitlines()]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(("\n".join(lines) + "\n").encode(encoding))
    return path


def days_of(path: Path, header: str, *lines: str, count: int = 21) -> Path:
    """A file of `lines` on each of some days; {n} makes a line's ids its own, {day} dates it."""
    days = enumerate(day.date() for day in pd.date_range("2024-01-01", periods=count))
    return text_file(path, "\n".join([header, *(line.format(n=n, day=day) for n, day in days for line in lines)]))


def weekly_lines(weeks: int, header: str, line: str) -> str:
    """A header and one line for each week from Monday 2024-01-01 on; {n} is the line's number, {day} its date."""
    days = pd.date_range("2024-01-01", periods=weeks, freq="7D")
    return "\n".join([header, *(line.format(n=n, day=day.date()) for n, day in enumerate(days))])


def parquet_file(path: Path, frame: pd.DataFrame) -> Path:
    """A Parquet file."""
    import pyarrow as pa

    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), path)
    return path
