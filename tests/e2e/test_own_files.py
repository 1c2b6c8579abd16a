"""`onshelf-exporter shop`: from a retailer's files to a model release, a closing page and plans, in one command.

The files are a till's of each month, and a corner shop's 18 weeks with flags of promotion and without users.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow.feather as feather
import pytest
from messy_shop import Truth, write_messy_shop
from shops import write_corner_shop
from small_release import KEPT
from stack import Gateway, healthy, wait_until

from onshelf import Client, Money, NoticeCode, OnshelfError, PlanLaunchResult, Product
from onshelf_exporter.process.imported import code_hash, package_hash
from onshelf_exporter.process.locks import exclusive
from onshelf_exporter.release.publish import existing, read_manifest
from onshelf_exporter.shop.stage import MEASURES
from onshelf_exporter.training.recipe import load_recipe
from onshelf_local_triton import LocalTriton


@pytest.fixture(scope="module")
def kept() -> Iterator[Path]:
    """Where shops are made; what an earlier run of the tests made is not made again unless the code is another."""
    stages = [
        f"onshelf_exporter.{stage}"
        for stage in ("shop.stage", "doctor", "training.train", "release.export", "release.publish")
    ]
    code = code_hash("onshelf_research.evaluate", *stages, within=MEASURES, without=())
    code += package_hash("onshelf.files")
    code += load_recipe("test").hash
    with exclusive(KEPT / "own files"):
        for other in (KEPT / "own files").iterdir():
            if other.is_dir() and other.name != code:
                shutil.rmtree(other)
        yield KEPT / "own files" / code


@pytest.fixture(scope="module")
def shop(kept: Path) -> tuple[Truth, Path, list[str]]:
    """The truth, the till's folder, and the command that made it."""
    shutil.rmtree(kept / "sales", ignore_errors=True)
    truth = write_messy_shop(kept / "sales", lines=6_000, products=90, users=150, weeks=30)
    return truth, *made(kept / "sales", "till", "GBP", kept)


@pytest.fixture(scope="module")
def corner_shop(kept: Path) -> Path:
    """The corner shop's folder."""
    (kept / "corner").mkdir(parents=True, exist_ok=True)
    return made(write_corner_shop(kept / "corner" / "weeks.csv"), "corner_shop", "EUR", kept)[0]


def made(files: Path, name: str, currency: str, kept: Path) -> tuple[Path, list[str]]:
    """Do it all; the shop's folder and the command."""
    command = [sys.executable, "-m", "onshelf_exporter.cli", "shop", str(files), "--currency", currency]
    command += ["--name", name, "--root", str(kept / "shops"), "--recipe", "test"]
    subprocess.run(command, check=True)
    return kept / "shops" / name, command


@contextmanager
def served(folder: Path, tmp_path: Path, environment: Path) -> Iterator[tuple[Client, Product]]:
    """A shop's release behind a gateway, and the product of its closing page."""
    words = (folder / "example.args").read_text(encoding="utf-8").splitlines()
    example = dict(zip(words[::2], words[1::2], strict=True))
    product = Product(title=example["--title"], list_price=Money(example["--price"], example["--currency"]))
    with LocalTriton(folder / "repository", tmp_path / "triton", venv=environment) as triton:
        gateway = Gateway(folder / "releases", triton.grpc_url, tmp_path / "gateway")
        with Client(gateway.address, timeout=30) as client:
            wait_until(lambda: healthy(client), "the gateway to serve")
            yield client, product
        assert gateway.stop() == 0


def not_learned(result: PlanLaunchResult) -> list[str]:
    """What a plan says could not be learned."""
    messages = [notice.message for notice in result.info.notices if notice.code is NoticeCode.NOT_LEARNED]
    return [sentence.partition(":")[0] for sentence in messages]


def test_a_till_s_monthly_files_become_a_model_release(shop):
    truth, folder, _ = shop
    (version,) = existing(folder / "releases")
    manifest = read_manifest(folder / "releases" / str(version))
    assert (manifest["dataset"], manifest["currency"], manifest["role"]) == ("till", "GBP", "production")
    launches = feather.read_table(folder / "releases" / str(version) / "launches.arrow").to_pandas()
    known = truth.products[truth.products["launch_week"].between(1, truth.weeks - 7)]
    assert sorted(launches["product_id"]) == sorted(known["product_id"])
    assert all((folder / "repository" / model / str(version)).is_dir() for model in manifest["models"])


def test_the_closing_page_says_what_was_understood_what_is_lost_and_what_was_not_measured(shop):
    truth, folder, _ = shop
    page = (folder / "page.md").read_text(encoding="utf-8")
    assert "| UnitPrice | list_price |" in page
    assert "decimal comma" in page
    assert f"| {truth.services:,} |" in page
    assert "**The forecasts were not measured**" in page
    assert "postage, a fee or an adjustment" in page
    example = (folder / "example.args").read_text(encoding="utf-8").splitlines()
    titles = truth.products[truth.products["launch_week"] == truth.products["launch_week"].max()]["title"]
    assert example[0] == "--title"
    assert example[1] in set(titles)


def test_its_release_gives_plans_that_say_what_could_not_be_learned(shop, triton_environment: Path, tmp_path: Path):
    _, folder, _ = shop
    with served(folder, tmp_path, triton_environment) as (client, product):
        result = client.plan_launch(product)
    assert result.info.model_release.dataset == "till"
    assert result.info.model_release.currency == "GBP"
    assert result.plans
    assert all(plan.forecasts[-1].units.mean > 0 for plan in result.plans)
    assert not any(plan.action.channels for plan in result.plans)
    assert result.audience
    assert not_learned(result) == [
        "products have no categories",
        "products have no brands",
        "the data have no promotions",
        "the data have no discounts",
        "the data hold 30 weeks",
    ]


def test_weekly_sales_without_users_become_plans_with_the_channels_of_their_flags(
    corner_shop: Path, triton_environment: Path, tmp_path: Path
):
    described = json.loads((corner_shop / "data" / "corner_shop" / "dataset.json").read_text(encoding="utf-8"))
    assert (described["last_week"], described["users"]) == (18, 0)
    assert "**The forecasts were not measured**" in (corner_shop / "page.md").read_text(encoding="utf-8")
    (version,) = existing(corner_shop / "releases")
    tables = corner_shop / "releases" / str(version)
    assert feather.read_table(tables / "users.arrow").num_rows == 0
    assert feather.read_table(tables / "categories.arrow").num_rows == 0
    launches = feather.read_table(tables / "launches.arrow").to_pandas()
    assert len(launches) > 5
    assert (launches["units_8w"] >= launches["units_4w"]).all()
    with served(corner_shop, tmp_path, triton_environment) as (client, product):
        result = client.plan_launch(product)
        with pytest.raises(OnshelfError, match="user"):
            client.find_audience(product)
    assert {"feature", "display"} & {use.channel_id for plan in result.plans for use in plan.action.channels}
    assert all(plan.forecasts[-1].units.mean > 0 for plan in result.plans)
    assert not result.audience
    assert not_learned(result) == [
        "the data have no users",
        "products have no categories",
        "products have no brands",
        "the data hold 18 weeks",
    ]


def test_the_same_files_again_are_neither_read_nor_trained_nor_published_again(shop):
    _, folder, command = shop
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.parquet")}
    again = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "doctor: the same files as before" in again.stderr
    assert "evaluate: the same models as before" in again.stderr
    page = (folder / "page.md").read_text(encoding="utf-8")
    assert "**The forecasts were not measured**" in page, "why stands there again"
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.parquet")} == before
    assert len(existing(folder / "releases")) == 1


def test_other_content_under_the_same_name_is_read_anew_and_a_failed_step_says_which(shop, tmp_path):
    _, shops, command = shop
    sales, folder = tmp_path / "sales", tmp_path / "shops" / "till"
    shutil.copytree(command[4], sales)
    shutil.copytree(shops, folder)
    (sales / "sales_2023_01.csv").write_text("a;b\n1;2\n", encoding="utf-8")
    moved = {command[4]: str(sales), str(shops.parent): str(folder.parent)}
    failed = subprocess.run([moved.get(word, word) for word in command], check=False, capture_output=True, text=True)
    assert failed.returncode == 2
    assert "step doctor ended with status 1" in failed.stderr
    assert len(existing(folder / "releases")) == 1, "what was published stays"
