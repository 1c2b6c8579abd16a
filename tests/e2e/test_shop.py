"""A retailer's own folder of Parquet files becomes a plan."""

from pathlib import Path

import pytest
from shops import CHANNELS
from small_release import SmallRelease
from stack import Gateway, healthy, wait_until

from onshelf import Client, Money, Product
from onshelf_local_triton import LocalTriton


@pytest.fixture(scope="module")
def shop(shop_in_service: SmallRelease, triton_environment: Path, tmp_path_factory):
    """The invented shop, trained, served and asked."""
    folder = tmp_path_factory.mktemp("shop-system")
    release = shop_in_service
    with LocalTriton(release.repository, folder / "triton", venv=triton_environment) as triton:
        gateway = Gateway(release.releases, triton.grpc_url, folder / "gateway")
        with Client(gateway.address, timeout=30) as client:
            wait_until(lambda: healthy(client), "the gateway to serve")
            yield client
        gateway.stop()


def test_three_parquet_files_of_an_invented_shop_give_a_plan(shop):
    product = Product(
        title="Sencha from Uji, loose leaf", category_path=("Kitchen", "tea"), list_price=Money("7.90", "EUR")
    )
    result = shop.plan_launch(product)
    assert result.plans
    assert result.info.model_release.dataset == "shop"
    assert result.info.model_release.currency == "EUR"
    assert all(plan.forecasts[-1].units.mean > 0 for plan in result.plans)
    assert result.category.category_path == ("Kitchen", "Tea")
    used = {use.channel_id for plan in result.plans for use in plan.action.channels}
    used |= {use.channel_id for point in result.frontier for use in point.action.channels}
    assert used
    assert used <= set(CHANNELS)
    assert result.audience
