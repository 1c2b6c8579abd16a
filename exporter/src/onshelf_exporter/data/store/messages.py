"""The contract's messages in the store as tables: upserted products, and what was decided for launches."""

import datetime as dt
import json
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from onshelf.v1 import launch_pb2, types_pb2

LABELS = {types_pb2.BRAND_CLASS_NATIONAL: False, types_pb2.BRAND_CLASS_PRIVATE_LABEL: True}
TEXTS = ("product_id", "title", "brand", "package_size", "seller_id")
PRODUCTS = pa.schema(
    [
        *((name, pa.string()) for name in ("product_id", "title", "brand")),
        ("private_label", pa.bool_()),
        ("category_path", pa.list_(pa.string())),
        *((name, pa.string()) for name in ("package_size", "attributes")),
        *((name, pa.float64()) for name in ("list_price", "unit_cost")),
        ("launch_date", pa.date32()),
        ("seller_id", pa.string()),
    ]
)
PLANS = pa.schema(
    [
        *((name, pa.string()) for name in ("plan_id", "product_id")),
        ("launch_date", pa.date32()),
        ("channel_id", pa.string()),
        *((name, pa.float64()) for name in ("coverage", "discount", "list_price")),
        ("coupon", pa.bool_()),
    ]
)
Planned = Mapping[str, dict[str, Any]]  # products of decided launches by id, as rows


def plans(decided: Iterable[dict[str, Any]]) -> tuple[pa.Table, Planned]:
    """A row for each decided launch and channel of its executed action, and the launched products by id.

    Of several plans of one product the one that was decided last counts.

    Args:
        decided: rows of decisions, oldest first, with question and answer.
    """
    last = {row["product_id"]: row for row in decided}
    rows: list[dict[str, Any]] = []
    products: dict[str, dict[str, Any]] = {}
    for product_id, row in sorted(last.items()):
        action, product, path = _executed(row)
        launch_date = dt.date.fromisoformat(action.launch_date)
        about = {
            "plan_id": row["plan_id"],
            "product_id": product_id,
            "launch_date": launch_date,
            "discount": action.discount,
            "list_price": _amount(action, "list_price") or _amount(product, "list_price"),
            "coupon": action.coupon,
        }
        used = [{"channel_id": one.channel_id, "coverage": one.coverage} for one in action.channels]
        rows += [{**about, **use} for use in used or [{"channel_id": None, "coverage": None}]]
        products[product_id] = _product(product) | {
            "product_id": product_id,
            "launch_date": launch_date,
            "category_path": path,
            "list_price": about["list_price"],
        }
    return pa.Table.from_pylist(rows, PLANS), products


def products(upserted: Iterable[bytes], planned: Planned) -> pa.Table:
    """Upserted products; those of decided launches with their date, price and category, in the catalog or not."""
    rows = {row["product_id"]: row for row in map(_product, map(types_pb2.Product.FromString, upserted))}
    for product_id, row in planned.items():
        others = rows.get(product_id, {}).items()
        rows[product_id] = row | {name: value for name, value in others if value and not row[name]}
    return pa.Table.from_pylist([rows[name] for name in sorted(rows)], PRODUCTS)


def _executed(row: dict[str, Any]) -> tuple[types_pb2.Action, types_pb2.Product, list[str]]:
    """The executed action, with what the models filled in, the product, and its category as it was understood."""
    plan = launch_pb2.LaunchPlan.FromString(row["plan"])
    decision = launch_pb2.LaunchDecision.FromString(row["decision"])
    asks_for_plans = row["asked"] == "plan"
    question: Any = launch_pb2.PlanLaunchRequest if asks_for_plans else launch_pb2.EvaluatePlanRequest
    answer: Any = launch_pb2.PlanLaunchResponse if asks_for_plans else launch_pb2.EvaluatePlanResponse
    action = plan.action if plan.HasField("action") else decision.executed_action
    product = question.FromString(row["request"]).product
    understood = list(answer.FromString(row["response"]).category.category_path)
    return action, product, understood or list(product.category_path)


def _product(product: types_pb2.Product) -> dict[str, Any]:
    others = dict(sorted(product.attributes.items()))
    return {
        **{name: getattr(product, name) or None for name in TEXTS},
        "private_label": LABELS.get(product.brand_class),
        "category_path": list(product.category_path),
        "attributes": json.dumps(others, ensure_ascii=False) if others else None,
        "list_price": _amount(product, "list_price"),
        "unit_cost": _amount(product, "unit_cost"),
        "launch_date": None,
    }


def _amount(message: Any, name: str) -> float | None:
    if not message.HasField(name):
        return None
    money = getattr(message, name)
    return float(money.units + money.nanos / 1e9)
