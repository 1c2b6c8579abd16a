"""A messy shop from its files to the features: what was read is what its generator knows."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from messy_shop import Truth, write_messy_shop

from onshelf_exporter.cli import main
from onshelf_exporter.doctor import record
from onshelf_exporter.doctor.stage import WITH_LOSSES


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Truth, Path, Path]:
    """The truth, what the doctor wrote, and the prepared data."""
    folder = tmp_path_factory.mktemp("messy")
    truth = write_messy_shop(folder / "sales", lines=12_000, products=160, users=300, weeks=60)
    arguments = ["doctor", str(folder / "sales"), "--currency", "GBP", "--write", str(folder / "tables")]
    assert main(arguments) == WITH_LOSSES
    arguments = ["data", "--dataset=messy", "--adapter=parquet", "--source", str(folder / "tables")]
    assert main([*arguments, "--out", str(folder / "data")]) == 0
    return truth, folder / "tables", folder / "data" / "messy"


def test_units_and_revenue_of_every_product_and_week_are_those_sold(shop):
    truth, _, data = shop
    read = pq.read_table(data / "features" / "product_weeks.parquet").to_pandas()
    read = read.sort_values(["product_id", "week"]).reset_index(drop=True)
    sold = truth.sales_with_strays.sort_values(["product_id", "week"]).reset_index(drop=True)
    assert read["product_id"].tolist() == sold["product_id"].tolist()
    assert read["week"].tolist() == sold["week"].tolist()
    assert read["units"].tolist() == sold["units"].tolist()
    assert read["revenue"].tolist() == pytest.approx(sold["revenue"].tolist())


def test_launches_are_the_products_that_were_launched_and_stray_sales_date_none(shop):
    truth, _, data = shop
    launches = pq.read_table(data / "features" / "launches.parquet", columns=["product_id", "launch_week"])
    read = launches.to_pandas().set_index("product_id")["launch_week"].to_dict()
    known = truth.products[truth.products["launch_week"] > 0].set_index("product_id")["launch_week"].to_dict()
    assert truth.strays
    assert read == known


def test_titles_are_those_that_most_sales_had(shop):
    truth, _, data = shop
    products = pq.read_table(data / "features" / "products.parquet", columns=["product_id", "title"]).to_pandas()
    read = products.set_index("product_id")["title"].to_dict()
    assert read == truth.products.set_index("product_id")["title"].to_dict()


def test_guests_cancellations_and_services_are_counted(shop):
    truth, tables, data = shop
    interactions = pq.read_table(data / "canonical" / "interactions.parquet").to_pandas()
    bought = interactions[interactions["kind"] == "purchase"]
    assert bought["user_id"].isna().sum() == truth.guests + len(truth.strays)
    assert bought["user_id"].nunique() == truth.users
    assert (interactions["kind"] == "return").sum() == truth.cancellations
    understood = json.loads((tables / record.FILE).read_text(encoding="utf-8"))
    assert [loss["rows"] for loss in understood["lost"] if loss["what"].startswith("no product:")] == [truth.services]
    assert understood["summary"]["without_user"] == truth.guests + len(truth.strays)
    assert understood["summary"]["units"] == truth.sales_with_strays["units"].sum()
