"""The store of decisions and events joins a retailer's history: a real gateway wrote it, SQLite and PostgreSQL."""

import datetime as dt
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pandas as pd
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.money_pb2 import Money
from holding import holding
from shops import change_table, write_sales

from onshelf.v1 import (
    catalog_pb2,
    catalog_pb2_grpc,
    feedback_pb2,
    feedback_pb2_grpc,
    launch_pb2,
    launch_pb2_grpc,
    recommendation_pb2,
    types_pb2,
)
from onshelf_exporter.data.prepare import prepare
from onshelf_exporter.process.errors import SettingError, SourceError
from onshelf_gateway.testing import running_gateway, write_fake_release

F, L, T = feedback_pb2, launch_pb2, types_pb2
KINDS = {name.removeprefix("EVENT_KIND_").lower(): number for name, number in recommendation_pb2.EventKind.items()}
SETTINGS = {"currency": "USD", "timezone": "America/New_York", "launches": {"burn_in_weeks": 2}}
SOLD = (*(f"chips-{n}" for n in range(4)), "soap")  # one of each every day, to the users in turn
FIRST, LAST = dt.date(2017, 10, 2), dt.date(2017, 12, 31)
LAUNCH = dt.date(2018, 1, 8)
GONE = "erased-77"  # who asks to be forgotten


@dataclass
class Answered:
    """A store as a gateway left it, and the history beside it."""

    store: str
    source: Path


def money(amount: float) -> Money:
    return Money(currency_code="USD", units=int(amount), nanos=round(amount % 1 * 1e9))


def at(day: dt.date, hour: int = 17) -> Timestamp:
    time = Timestamp()
    time.FromDatetime(dt.datetime.combine(day, dt.time(hour), dt.UTC))
    return time


def event(name: str, kind: str, user: str, product: str, day: dt.date, **fields: Any) -> F.Event:
    return F.Event(event_id=name, kind=KINDS[kind], user_id=user, product_id=product, time=at(day), **fields)


EVENTS = (
    event("sale", "purchase", "u1", "chips-1", dt.date(2018, 1, 2), quantity=2, revenue=money(5), discount=money(1)),
    event("night", "purchase", "u1", "chips-1", dt.date(2018, 1, 3), quantity=1, revenue=money(3)),
    event("again", "purchase", "u2", "chips-1", dt.date(2017, 12, 20), quantity=1, revenue=money(3)),
    event("h-3", "purchase", "u2", "chips-1", dt.date(2018, 1, 4), quantity=1, revenue=money(3)),
    event("looked", "view", "u2", "chips-1", dt.date(2017, 12, 20)),
    event("long-ago", "view", "u2", "chips-1", dt.date(2016, 1, 4)),
    event("offered", "impression", "u2", "chips-1", dt.date(2018, 1, 4)),
    event("back", "return", "u2", "chips-1", dt.date(2018, 1, 5), quantity=1, revenue=money(3)),
    event("said", "review", "u3", "chips-1", dt.date(2018, 1, 5), rating=4, text="crisp"),
    event("guest", "purchase", "", "soap", dt.date(2018, 1, 6), quantity=3, revenue=money(9)),
    event("first", "purchase", "u4", "lime-1", dt.date(2018, 1, 9), quantity=2, revenue=money(4)),
    event("plain", "purchase", "u5", "lime-1", dt.date(2018, 1, 10), quantity=1),
    event("later", "purchase", "u5", "lime-1", dt.date(2018, 2, 1), quantity=1, revenue=money(2.5)),
    event("stranger", "purchase", "u5", "nobody-knows", dt.date(2018, 1, 10), quantity=1, revenue=money(1)),
    event("gone", "purchase", GONE, "lime-1", dt.date(2018, 1, 10), quantity=5, revenue=money(10)),
    event("end", "click", "u1", "soap", dt.date(2018, 3, 6)),
)


async def answered(store: str, folder: Path) -> Answered:
    """A history of 13 weeks, and a gateway that takes the events, decides two launches and forgets a user."""
    days = [FIRST + dt.timedelta(days=n) for n in range((LAST - FIRST).days + 1)]
    users = ["u1", "u2", "h1", GONE]
    rows = [
        {"product_id": product, "day": day, "user_id": users[(n + m) % 4], "quantity": 1.0, "revenue": 3.0}
        for n, day in enumerate(days)
        for m, product in enumerate(SOLD)
    ]
    rows = [row | {"event_id": f"h-{n}", "discount": 0.0} for n, row in enumerate(rows)]
    source = write_sales(folder / "source", rows, SETTINGS)
    change_table(
        source,
        "products",
        category_path=lambda old: [None] * len(old) and ["GROCERY > BAG SNACKS > CHIPS"] * 4 + ["HOME > SOAP"],
        category_path_readable=["Grocery > Bag snacks > Chips"] * 4 + ["Home > Soap"],
    )
    campaigns = {
        "campaign_id": ["all", "some", "one"],
        "start_date": [FIRST] * 3,
        "end_date": [LAST] * 3,
        "audience": [None, ["u2", GONE, "u1"], [GONE]],
    }
    pq.write_table(pa.table(campaigns), source / "campaigns.parquet")
    write_fake_release(folder / "releases", 3)
    async with (
        running_gateway(folder / "releases", store=store) as (server, _),
        grpc.aio.insecure_channel(server.address) as channel,
    ):
        launch, feedback = launch_pb2_grpc.LaunchServiceStub(channel), feedback_pb2_grpc.FeedbackServiceStub(channel)
        catalog = catalog_pb2_grpc.CatalogServiceStub(channel)
        for name, kind, day in (
            ("lime-1", "CHANGED", LAUNCH),
            ("late-1", "ACCEPTED", None),
            ("no-1", "REJECTED", None),
        ):
            product = T.Product(title="Lime chips", category_path=["Grocery", "Bag snacks"], list_price=money(2.5))
            plan = await launch.PlanLaunch(L.PlanLaunchRequest(product=product))
            decision = L.LaunchDecision(
                kind=getattr(L, f"DECISION_KIND_{kind}"), decided_by="ann", reason=L.DECISION_REASON_TIMING
            )
            if kind != "REJECTED":
                decision.product_id = name
            if day is not None:
                decision.executed_action.CopyFrom(
                    T.Action(
                        launch_date=day.isoformat(),
                        channels=[T.ChannelUse(channel_id="display_in_aisle", coverage=0.25)],
                        discount=0.2,
                        list_price=money(2.5),
                    )
                )
            await launch.DecideLaunch(L.DecideLaunchRequest(plan_id=plan.plan_id, decision=decision))
        products = [
            T.Product(product_id="upserted-1", title="Ginger chips", category_path=["grocery"], brand="Casa"),
            T.Product(product_id="soap", title="Another title of the soap"),
            T.Product(product_id="deleted-1", title="Deleted chips"),
        ]
        await catalog.UpsertProducts(catalog_pb2.UpsertProductsRequest(products=products))
        await catalog.DeleteProducts(catalog_pb2.DeleteProductsRequest(product_ids=["deleted-1"]))
        taken = await feedback.RecordEvents(F.RecordEventsRequest(events=EVENTS))
        assert (taken.stored, list(taken.errors)) == (len(EVENTS), [])
        await feedback.ForgetUser(F.ForgetUserRequest(user_id=GONE))
    return Answered(store, source)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
async def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Answered:
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "sqlite":
        return await answered(f"sqlite:///{folder / 'store.db'}", folder)
    url = sa.make_url(request.getfixturevalue("postgresql"))
    with psycopg.connect(url.set(drivername="postgresql").render_as_string(False), autocommit=True) as connection:
        connection.execute("CREATE DATABASE of_the_exporter")
    return await answered(url.set(database="of_the_exporter").render_as_string(hide_password=False), folder)


@pytest.fixture(scope="module")
def prepared(shop: Answered, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare("shop", tmp_path_factory.mktemp("data"), source=shop.source, store=shop.store)


def table(folder: Path, name: str) -> pd.DataFrame:
    return pq.read_table(folder / f"{name}.parquet").to_pandas()


def report(folder: Path) -> dict[tuple[str, str], int]:
    rows = json.loads((folder / "report.json").read_text())["cleaning"]
    return {(row["table"], row["rule"]): row["rows"] for row in rows}


def test_events_become_interactions_once(prepared: Path):
    lines = table(prepared, "canonical/interactions")
    new = lines[~lines["event_id"].str.startswith("h-")].set_index("event_id")
    assert set(new.index) == {"sale", "night", "looked", "back", "said", "guest", "first", "plain", "later", "end"}
    assert new.loc["sale", ["user_id", "kind", "quantity", "revenue", "discount"]].tolist() == [
        "u1", "purchase", 2.0, 5.0, 1.0,
    ]  # fmt: skip
    assert new.loc["sale", "time"] == pd.Timestamp("2018-01-02 12:00")
    assert new.loc["said", ["rating", "text"]].tolist() == [4.0, "crisp"]
    assert pd.isna(new.loc["guest", "user_id"])
    found = report(prepared)
    assert found[("interactions", "event_in_history")] == 1
    assert found[("interactions", "day_in_history")] == 1
    assert found[("interactions", "before_history")] == 1
    assert found[("interactions", "store")] == 11
    assert found[("interactions", "unknown_product")] == 1
    assert lines["event_id"].is_unique


def test_the_forgotten_user_is_nowhere(shop: Answered, prepared: Path):
    history = table(shop.source, "interactions")
    assert report(prepared)[("interactions", "forgotten_user")] == (history["user_id"] == GONE).sum()
    assert not holding(prepared, GONE)
    users = table(prepared, "features/users")["user_id"].tolist()
    assert users == ["h1", "u1", "u2", "u3", "u4", "u5"]
    stated = json.loads((prepared / "dataset.json").read_text())
    assert (stated["users"], stated["store"]["forgotten_users"]) == (6, 1)


def test_campaigns_leave_the_forgotten_user_out(prepared: Path):
    campaigns = table(prepared, "canonical/campaigns").set_index("campaign_id")
    assert set(campaigns.index) == {"all", "some"}, "one that addressed the user alone would address everybody"
    assert list(campaigns.loc["some", "audience"]) == ["u1", "u2"]
    assert campaigns.loc["all", "audience"] is None


async def test_an_empty_store_adds_and_leaves_out_nothing(tmp_path: Path, shop: Answered):
    write_fake_release(tmp_path / "releases", 3)
    async with running_gateway(tmp_path / "releases", store=f"sqlite:///{tmp_path / 'empty.db'}"):
        pass
    both = [
        prepare(name, tmp_path / "data", source=shop.source, store=store)
        for name, store in (("with", str(tmp_path / "empty.db")), ("without", None))
    ]
    for name in ("canonical/interactions", "canonical/products", "features/launches", "features/promotion_weeks"):
        one, other = (table(folder, name) for folder in both)
        order = list(one.columns[:3])
        pd.testing.assert_frame_equal(
            one.sort_values(order, ignore_index=True), other.sort_values(order, ignore_index=True)
        )
    assert not (both[0] / "canonical" / "launch_plans.parquet").exists()


def test_products_of_the_store_join_the_history(prepared: Path):
    products = table(prepared, "canonical/products").set_index("product_id")
    assert set(products.index) == {*SOLD, "lime-1", "late-1", "upserted-1"}
    assert products.loc["soap", "title"] == "soap"
    assert products.loc["upserted-1", ["category_path", "brand"]].tolist() == ["GROCERY", "Casa"]
    assert products.loc["lime-1", "category_path"] == "GROCERY > BAG SNACKS"
    assert products.loc["lime-1", "category_path_readable"] == "Grocery > Bag snacks"
    assert products.loc["lime-1", ["list_price", "launch_date"]].tolist() == [2.5, LAUNCH]


def test_a_decided_launch_is_a_launch_with_its_executed_action(prepared: Path):
    plans = table(prepared, "canonical/launch_plans").set_index("product_id")
    assert plans.loc[
        ["lime-1"], ["launch_date", "channel_id", "coverage", "discount", "list_price"]
    ].values.tolist() == [[LAUNCH, "display_in_aisle", 0.25, 0.2, 2.5]]
    assert "late-1" in plans.index
    assert "no-1" not in plans.index
    stated = json.loads((prepared / "dataset.json").read_text())
    week = (LAUNCH - dt.date.fromisoformat(stated["week_one"])).days // 7 + 1
    promoted = table(prepared, "features/promotion_weeks")
    promoted = promoted[promoted["product_id"] == "lime-1"]
    assert promoted[["week", "channel_id", "coverage"]].values.tolist() == [
        [week, "display_in_aisle", 0.25],
        [week + 1, "display_in_aisle", 0.25],
    ]
    launches = table(prepared, "features/launches").set_index("product_id")
    one = launches.loc["lime-1"]
    assert (one["launch_week"], one["units_4w"], one["units_8w"], one["buyers_8w"]) == (week, 4.0, 4.0, 2)
    assert one["discount"] == pytest.approx(0.2)
    assert not one["discount_imputed"]
    covered = table(prepared, "features/launch_channels").set_index("product_id").loc[["lime-1"]]
    assert covered[["channel_id", "coverage_plan", "coverage_4w"]].values.tolist() == [
        ["display_in_aisle", 0.25, 0.125]
    ]


def test_unstated_discounts_of_a_decided_launch_are_as_decided(prepared: Path):
    lines = table(prepared, "canonical/interactions").set_index("event_id")
    assert lines.loc["first", ["revenue", "discount"]].tolist() == pytest.approx([4.0, 1.0])
    assert lines.loc["plain", ["revenue", "discount"]].tolist() == pytest.approx([2.0, 0.5])
    assert lines.loc["later", ["revenue", "discount"]].tolist() == [2.5, 0.0]
    assert report(prepared)[("interactions", "plan_discount")] == 2


def test_the_data_end_with_the_day_before_the_newest_event(prepared: Path):
    stated = json.loads((prepared / "dataset.json").read_text())
    assert (stated["last_day"], stated["as_of"]) == ("2018-03-05", "2018-03-05")
    warnings = json.loads((prepared / "report.json").read_text())["warnings"]
    assert any("units a day" in warning and "--without-events" in warning for warning in warnings)


def test_nothing_is_prepared_twice_and_without_events_the_history_ends_the_data(shop: Answered, tmp_path: Path):
    folder = prepare("shop", tmp_path, source=shop.source, store=shop.store, with_events=False)
    stated = json.loads((folder / "dataset.json").read_text())
    assert (stated["as_of"], stated["store"]["events"]) == ("2018-01-01", 0)
    assert GONE not in set(table(folder, "canonical/interactions")["user_id"])
    assert "lime-1" in set(table(folder, "canonical/products")["product_id"])
    before = (folder / "report.json").stat().st_mtime_ns
    prepare("shop", tmp_path, source=shop.source, store=shop.store, with_events=False)
    assert (folder / "report.json").stat().st_mtime_ns == before
    with pytest.raises(SettingError, match="prepared without 1 users who asked to be forgotten"):
        prepare("shop", tmp_path, source=shop.source)
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize(
    ("store", "error", "says"),
    [
        ("mysql://host/name", SettingError, "must be sqlite:///"),
        ("sqlite:///nowhere.db", SourceError, "no such file"),
        ("postgresql://nobody@127.0.0.1:1/x", SourceError, "refused"),
    ],
)
def test_a_store_that_is_none_is_refused(shop: Answered, store: str, error: type[Exception], says: str, tmp_path: Path):
    with pytest.raises(error, match=says):
        prepare("shop", tmp_path, source=shop.source, store=store)
    assert not list(tmp_path.iterdir())
