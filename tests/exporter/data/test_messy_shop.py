"""A messy shop from its files to the features: what was read is what its generator knows."""

import dataclasses
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from messy_shop import Truth, differences, write_messy_shop

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


def test_sales_launches_and_titles_are_those_of_the_generator(shop):
    truth, _, data = shop
    assert truth.strays, "stray sales date no launch"
    assert len(pq.read_table(data / "features" / "launches.parquet")) > 20
    assert differences(truth, data / "features") == []


def test_a_difference_from_the_truth_is_seen(shop):
    truth, _, data = shop
    sold = truth.sales.copy()
    sold.loc[0, "units"] += 1
    products = truth.products.copy()
    products.loc[0, "title"] = "Something else"
    products["launch_week"] += products["launch_week"] > 0
    found = differences(dataclasses.replace(truth, sales=sold, products=products), data / "features")
    assert [one.split(" ")[0] for one in found] == ["1", "launches:", "titles:"]


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
