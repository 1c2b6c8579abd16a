"""An invented shop and a model release of it, by hand: small enough to know every number."""

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import pyarrow as pa
from onnx import TensorProto, helper, numpy_helper
from pyarrow import feather
from tokenizers import Tokenizer, models, pre_tokenizers

from onshelf_release.candidates import CANDIDATE_COLUMNS
from onshelf_research.evaluation.release import ENCODER

PRODUCTS, USERS, WEEKS, BURN_IN = 240, 90, 53, 8
CHANNELS = ("display_front", "mailer_page", "coupon_campaign")
LEVELS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
SUPPORT = (0.0, 2.0, 4.0, 8.0, 16.0, 64.0)


def write_shop(folder: Path, seed: int = 0) -> Path:
    """Prepared data as the `data` stage leaves them: users buy one type each, launches in weeks 9-46."""
    rng = np.random.default_rng(seed)
    index = np.arange(PRODUCTS)
    kind = index % 6
    launched = index >= 80
    launch_week = np.where(launched, 9 + (index * 7) % 38, 1)
    price = np.round(rng.uniform(1, 9, PRODUCTS), 2)
    products = pd.DataFrame(
        {
            "product_id": [str(1000 + i) for i in index],
            "product_index": index,
            "title": [f"kind {k} size {i % 5}" for i, k in zip(index, kind, strict=True)],
            "brand": [f"maker {i % 9}" for i in index],
            "private_label": (index % 3 == 0).astype(np.int8),
            "department": np.where(kind < 3, "FOOD", "HOME"),
            "category": [f"C{k // 2}" for k in kind],
            "type": [f"T{k}" for k in kind],
            "first_week": launch_week,
        }
    )
    week, user, product = (
        a.ravel() for a in np.meshgrid(np.arange(1, WEEKS + 1), np.arange(USERS), index, indexing="ij")
    )
    liked = np.where(user % 6 == kind[product], 0.05, 0.002) * (1 + user % 4)
    bought = (rng.random(len(week)) < liked) & (week >= launch_week[product])
    events = pd.DataFrame({"user_index": user[bought], "product_index": product[bought], "week": week[bought]})
    events = events.assign(kind="purchase", quantity=1.0, revenue=price[events["product_index"]], discount=0.0)
    sales = events.groupby(["product_index", "week"], as_index=False).agg(
        units=("quantity", "sum"),
        revenue=("revenue", "sum"),
        discount=("discount", "sum"),
        buyers=("user_index", "nunique"),
    )
    sales = sales.assign(price=sales["revenue"] / sales["units"])
    after = events["week"] - launch_week[events["product_index"]]

    def outcome(weeks: int, unique: bool) -> np.ndarray:
        part = events[(after >= 0) & (after < weeks)].groupby("product_index")["user_index"]
        counted = part.nunique() if unique else part.size()
        return counted.reindex(index[launched]).fillna(0).to_numpy(dtype=float)

    first = index[launched] % 2 == 0
    launches = pd.DataFrame(
        {
            "product_id": products["product_id"][launched],
            "product_index": index[launched],
            "launch_week": launch_week[launched],
            "is_promotion_first": first,
            "is_food": kind[launched] < 3,
            "entered_by_sale": (~first).astype(np.int8),
            **{f"units_{w}w": outcome(w, False) for w in (4, 8)},
            **{f"revenue_{w}w": outcome(w, False) * price[launched] for w in (4, 8)},
            **{f"buyers_{w}w": outcome(w, True) for w in (4, 8)},
            "repeat_buyers_8w": np.minimum(outcome(8, False) - outcome(8, True), outcome(8, True)),
            "price": price[launched],
            "price_imputed": False,
            "discount": 0.0,
            "discount_imputed": False,
            "coupon": (index[launched] % 5 == 0).astype(np.int8),
        }
    )
    covered = launches[launches["is_promotion_first"]]
    launch_channels = pd.DataFrame(
        {
            "product_id": covered["product_id"],
            "product_index": covered["product_index"],
            "channel_id": np.array(CHANNELS)[covered["product_index"] // 2 % 2],
            "coverage_plan": 0.5,
            "coverage_4w": 0.25,
        }
    )
    promoted = launch_channels[["product_id", "product_index", "channel_id"]]
    promotion_weeks = pd.concat([promoted.assign(week=launch_week[promoted["product_index"]] + k) for k in (0, 1)])
    tables = {
        "products": products,
        "promotion_weeks": promotion_weeks.assign(coverage=0.5),
        "users": pd.DataFrame({"user_id": [f"u{i}" for i in range(USERS)], "user_index": np.arange(USERS)}),
        "channels": pd.DataFrame(
            {
                "channel_id": CHANNELS,
                "channel_slot": np.arange(3, dtype=np.int32),
                "kind": ("display", "mailer", "coupon"),
            }
        ),
        "user_product_weeks": events,
        "product_weeks": sales,
        "launches": launches,
        "launch_channels": launch_channels,
    }
    features = folder / "features"
    features.mkdir(parents=True)
    for name, table in tables.items():
        table.to_parquet(features / f"{name}.parquet", index=False)
    described = {
        "dataset": "invented",
        "data_hash": f"invented-{seed}",
        "first_week": 1,
        "first_whole_week": 1,
        "first_day": "2016-12-26",
        "last_week": WEEKS,
        "launch_burn_in_weeks": BURN_IN,
        "week_one": "2016-12-26",
        "as_of": "2018-01-01",
        "week_start": "monday",
        "units_basis": "units bought by invented users",
    }
    (folder / "dataset.json").write_text(json.dumps(described))
    return folder


def write_release(releases: Path, repository: Path, cut_week: int, version: int = 1, dataset: str = "invented") -> Path:
    """A model release of the shop whose outputs are simple functions of what goes in (see `graphs`)."""
    folder = releases / str(version)
    folder.mkdir(parents=True)
    known = np.arange(PRODUCTS)
    tables = {
        "vocabulary": vocabulary(),
        "channels": pa.table({"channel_slot": pa.array([2, 0, 1], pa.int64()), "channel_id": list(CHANNELS)}),
        "products": pa.table({"product_index": known, "product_id": [str(1000 + i) for i in known[::-1]]}),
        "users": pa.table(
            {
                "user_id": [f"u{i}" for i in range(USERS - 2)],  # two users are unknown to the model release
                "history_products": pa.array([[i + 1, 0][: 1 + i % 2] for i in range(USERS - 2)], pa.list_(pa.int64())),
                "history_ages": pa.array([[1.0, 2.0][: 1 + i % 2] for i in range(USERS - 2)], pa.list_(pa.float32())),
                "history_quantities": pa.array(
                    [[1.0, 0.0][: 1 + i % 2] for i in range(USERS - 2)], pa.list_(pa.float32())
                ),
                "history_kinds": pa.array([[1, 0][: 1 + i % 2] for i in range(USERS - 2)], pa.list_(pa.int64())),
                "profile": pa.array([[float(i % 6)] + [0.0] * 15 for i in range(USERS - 2)], pa.list_(pa.float32())),
            }
        ),
    }
    tables["life_cycle"] = life_cycle()
    for name, table in tables.items():
        feather.write_feather(table, str(folder / f"{name}.arrow"), compression="uncompressed")
    words = ["[UNK]", "[PAD]", "kind", "size", *(str(i) for i in range(10))]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    described = {}
    for name, model in graphs().items():
        path = repository / name / str(version) / "model.onnx"
        path.parent.mkdir(parents=True)
        path.write_bytes(model.SerializeToString())
        described[name] = {"file": f"{name}.onnx", "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    manifest = {
        "version": version,
        "dataset": dataset,
        "role": "replay",
        "cut_week": cut_week,
        "as_of": "2017-07-03",
        "recipe": "test",
        "data_hash": "invented-0",
        "git_commit": "none",
        "horizons_weeks": [4, 8],
        "quantile_levels": list(LEVELS),
        "units_support": list(SUPPORT),
        "candidate_columns": list(CANDIDATE_COLUMNS),
        "decided_lift_weight": 1.0,
        "tokenizer": {"file": "tokenizer.json", "max_length": 64, "pad_id": 1},
        "models": described,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def vocabulary() -> pa.Table:
    """Ids by name: two departments, three categories and six types below them, nine brands."""
    rows = [("department", i + 1, name, 0) for i, name in enumerate(("FOOD", "HOME"))]
    rows += [
        ("category", i + 1, name, parent)
        for i, (name, parent) in enumerate((("C0", 1), ("C1", 1), ("C1", 2), ("C2", 2)))
    ]
    rows += [("type", k + 1, f"T{k}", (1, 1, 2, 3, 4, 4)[k]) for k in range(6)]
    rows += [("brand", i + 1, f"maker {i}", 0) for i in range(9)]
    level, number, name, parent = zip(*rows, strict=True)
    return pa.table(
        {
            "level": list(level),
            "id": pa.array(number, pa.int64()),
            "name": list(name),
            "readable_name": list(name),
            "parent_id": pa.array(parent, pa.int64()),
            "n_products": pa.array([1] * len(rows), pa.int64()),
        }
    )


def life_cycle() -> pa.Table:
    """Shares of the weeks for all launches and for the first department; half evidence, dispersion 2."""
    weeks = range(1, 9)
    rows = [("all", 0, 0), ("all", 0, 1), ("department", 1, 0), ("department", 1, 1)]
    shares = np.array([[1 / 8] * 8, [2 / 9] + [1 / 9] * 7, [0.3] + [0.1] * 7, [0.09] * 7 + [0.37]])
    level, number, promoted = zip(*rows, strict=True)
    return pa.table(
        {
            "level": list(level),
            "id": pa.array(number, pa.int64()),
            "promoted": pa.array(promoted, pa.int64()),
            "launches": pa.array([9] * 4, pa.int64()),
            **{f"share_w{week}": shares[:, week - 1] for week in weeks},
            **{f"evidence_w{week}": [0.5] * 4 for week in weeks if week < 8},
            **{f"size_w{week}": [2.0] * 4 for week in weeks if week < 8},
        }
    )


def graphs() -> dict[str, onnx.ModelProto]:
    """The five graphs that an evaluation runs.

    units_mean at 8 weeks = 1 + price column + 10 * coverage_02 (display_front), at 4 weeks half of it; quantiles =
    mean * 2 * level; the distribution at SUPPORT is 1 - exp(-(count + 1) / mean); product_vector = (type id, 1, 0,
    ...); a user's score for a product with type id t is t * (u % 5); product_retrieval ranks rows by their number from
    high to low, after the history.
    """
    mean = np.zeros((37, 2), dtype=np.float32)
    mean[1] = mean[7] = (0.5, 1.0)
    mean[7] *= 10
    pick = np.zeros((4, 64), dtype=np.float32)
    pick[2, 0] = 1
    users = np.zeros((64, USERS - 2), dtype=np.float32)
    users[0] = np.arange(USERS - 2) % 5
    rank = np.zeros((64, PRODUCTS), dtype=np.float32)
    rank[1] = np.arange(PRODUCTS) / PRODUCTS
    ids, texts = ["n", 4], ["n", "t"]
    return {
        ENCODER: _model(
            {"input_ids": (TensorProto.INT64, texts), "attention_mask": (TensorProto.INT64, texts)}
            | {"categorical_ids": (TensorProto.INT64, ids), "attributes": (TensorProto.FLOAT, ["n", 2])},
            {"embedding": (TensorProto.FLOAT, ["n", 64]), "product_vector": (TensorProto.FLOAT, ["n", 64])}
            | {"completed_ids": (TensorProto.INT64, ids)},
            [
                helper.make_node("Cast", ["categorical_ids"], ["as_float"], to=TensorProto.FLOAT),
                helper.make_node("MatMul", ["as_float", "pick"], ["product_vector"]),
                helper.make_node("Identity", ["product_vector"], ["embedding"]),
                helper.make_node("Identity", ["categorical_ids"], ["completed_ids"]),
            ],
            {"pick": pick},
        ),
        "launch_outcome": _model(
            {"embedding": (TensorProto.FLOAT, ["n", 64]), "categorical_ids": (TensorProto.INT64, ids)}
            | {"attributes": (TensorProto.FLOAT, ["n", 2]), "candidates": (TensorProto.FLOAT, ["n", "c", 37])},
            dict.fromkeys(("units_mean", "units_dispersion", "units_quantiles"), (TensorProto.FLOAT, None))
            | dict.fromkeys(("buyers_mean", "repeat_rate"), (TensorProto.FLOAT, None))
            | dict.fromkeys(("units_distribution", "buyers_median"), (TensorProto.FLOAT, None)),
            [
                helper.make_node("MatMul", ["candidates", "mean"], ["response"]),
                helper.make_node("Add", ["response", "one"], ["units_mean"]),
                helper.make_node("Mul", ["units_mean", "zero"], ["nothing"]),
                helper.make_node("Add", ["nothing", "one"], ["units_dispersion"]),
                helper.make_node("Unsqueeze", ["units_mean", "last"], ["wide"]),
                helper.make_node("Mul", ["wide", "factors"], ["units_quantiles"]),
                helper.make_node("Mul", ["units_mean", "half"], ["buyers_mean"]),
                helper.make_node("Mul", ["units_mean", "third"], ["buyers_median"]),
                helper.make_node("Div", ["counts", "wide"], ["scaled"]),
                helper.make_node("Exp", ["scaled"], ["survival"]),
                helper.make_node("Sub", ["whole", "survival"], ["units_distribution"]),
                helper.make_node("ReduceMean", ["nothing", "minus"], ["flat"]),
                helper.make_node("Add", ["flat", "half"], ["repeat_rate"]),
            ],
            {
                "mean": mean,
                "one": np.array([0.5, 1.0], np.float32),
                "zero": np.array(0, np.float32),
                "half": np.array(0.5, np.float32),
                "third": np.array(1 / 3, np.float32),
                "whole": np.array(1, np.float32),
                "counts": -1 - np.array(SUPPORT, np.float32),
                "last": np.array([3], np.int64),
                "minus": np.array([2], np.int64),
                "factors": 2 * np.array(LEVELS, np.float32),
            },
        ),
        "user_encoder": _model(
            dict.fromkeys(("history_products", "history_kinds"), (TensorProto.INT64, texts))
            | dict.fromkeys(("history_ages", "history_quantities"), (TensorProto.FLOAT, texts))
            | {"profile": (TensorProto.FLOAT, ["n", 16])},
            {"user_vector": (TensorProto.FLOAT, ["n", 64]), "repeat_weights": (TensorProto.FLOAT, texts)}
            | {"event_weights": (TensorProto.FLOAT, ["n", "t", 1])},
            [
                helper.make_node("MatMul", ["profile", "none"], ["empty"]),
                helper.make_node("Add", ["empty", "unit"], ["user_vector"]),
                helper.make_node("Identity", ["history_quantities"], ["repeat_weights"]),
                helper.make_node("Unsqueeze", ["history_quantities", "last"], ["event_weights"]),
            ],
            {
                "last": np.array([2], np.int64),
                "none": np.zeros((16, 64), np.float32),
                "unit": np.eye(64, dtype=np.float32)[1],
            },
        ),
        "product_retrieval": _model(
            {"user_vector": (TensorProto.FLOAT, ["n", 64]), "history_products": (TensorProto.INT64, texts)}
            | {"repeat_weights": (TensorProto.FLOAT, texts), "event_weights": (TensorProto.FLOAT, ["n", "t", 1])}
            | {"profile": (TensorProto.FLOAT, ["n", 16]), "new_product_share": (TensorProto.FLOAT, ["n", 1])},
            {"product_indices": (TensorProto.INT64, None), "scores": (TensorProto.FLOAT, None)},
            [
                helper.make_node("MatMul", ["user_vector", "rank"], ["dot"]),
                helper.make_node("Sub", ["history_products", "first"], ["place"]),
                helper.make_node("Clip", ["place", "floor"], ["kept"]),
                helper.make_node(
                    "ScatterElements", ["dot", "kept", "repeat_weights"], ["all"], axis=1, reduction="add"
                ),
                helper.make_node("TopK", ["all", "k"], ["scores", "product_indices"]),
            ],
            {
                "rank": rank,
                "first": np.array(1, np.int64),
                "floor": np.array(0, np.int64),
                "k": np.array([60], np.int64),
            },
        ),
        "audience_retrieval": _model(
            {"embedding": (TensorProto.FLOAT, ["n", 64]), "product_vector": (TensorProto.FLOAT, ["n", 64])}
            | {"categorical_ids": (TensorProto.INT64, ids)},
            {"user_indices": (TensorProto.INT64, None), "scores": (TensorProto.FLOAT, None)},
            [
                helper.make_node("MatMul", ["product_vector", "users"], ["dot"]),
                helper.make_node("TopK", ["dot", "k"], ["scores", "user_indices"]),
            ],
            {"users": users, "k": np.array([USERS - 2], np.int64)},
        ),
    }


def _model(inputs: dict, outputs: dict, nodes: list, constants: dict[str, np.ndarray]) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "by_hand",
        [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in inputs.items()],
        [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in outputs.items()],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
