"""A small model release of an invented shop, as `onshelf-exporter publish` writes one; the same every time."""

import datetime as dt
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from onshelf_gateway.testing.fake_related import related_tables
from onshelf_release.calendar import WEEKS_OF_YEAR, first_day_of_week, week_of_year
from onshelf_release.candidates import CANDIDATE_COLUMNS, CHANNEL_SLOTS
from onshelf_release.signatures import SIGNATURES

SHOP = {  # department -> category -> type -> median price
    "GROCERY": {
        "BAG SNACKS": {"POTATO CHIPS": 3.49, "TORTILLA CHIPS": 2.99},
        "YOGURT": {"GREEK YOGURT": 1.29, "KIDS YOGURT": 0.99},
    },
    "PRODUCE": {"FRESH FRUIT": {"APPLES": 1.79, "BERRIES": 3.99}},
    "DRUG GM": {"HAIR CARE": {"SHAMPOO": 5.49, "HAIR COLOR": 8.99}, "TOYS": {"PUZZLES": 9.99}},
}
BRANDS = ("Acorn", "Bluebird", "Cedar Hill")
CHANNELS = (
    ("mailer_front_feature", "front page feature", "mailer", 0.4, 0.8),
    ("mailer_interior_feature", "interior page feature", "mailer", 0.5, 0.9),
    ("display_front_end_cap", "front end cap", "display", 0.2, 0.5),
    ("display_mid_aisle_end_cap", "mid-aisle end cap", "display", 0.2, 0.45),
    ("display_in_aisle", "in-aisle display", "display", 0.15, 0.4),
    ("display_store_front", "store front", "display", 0.1, 0.3),
)
FLAVOURS = ("classic", "honey", "lime", "ginger", "mint", "cherry")
LEVELS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
UNPADDED = ("product_encoder_fp32", "product_encoder_int8")  # encoders that say so in the manifest, as real ones do
USERS, LAUNCHES, FLAVOURED, HISTORY = 120, 90, len(FLAVOURS), 12


def write_fake_release(
    root: Path,
    version: int = 1,
    role: str = "production",
    as_of: dt.date = dt.date(2018, 1, 1),
    currency: str = "USD",
    prices_include_tax: bool | None = False,
    week_start: str = "monday",
    models: Iterable[str] = tuple(SIGNATURES),
    familiarity: bool = True,
    related: bool = True,
    lead_time_days: int | None = None,
    decided_lift_weight: float = 1.0,
) -> Path:
    """Write a release below `root`; returns its folder. The folder appears complete, by one rename.

    `models` are those that its manifest names; older releases have fewer, and no tables `familiarity` and `related`.
    `lead_time_days` is that of every channel. In releases from before it, `decided_lift_weight` is 0.
    """
    staging, folder = root / f".staging-{version}", root / str(version)
    staging.mkdir(parents=True)
    shop = _Shop(as_of, week_start)
    tables = shop.tables() | ({"familiarity": _familiarity()} if familiarity else {})
    if related:
        tables |= related_tables(tables["products"], _tokenizer())
    if lead_time_days is not None:
        column = pa.array([lead_time_days] * tables["channels"].num_rows)
        tables["channels"] = tables["channels"].append_column("lead_time_days", column)
    for name, table in tables.items():
        with pa.OSFile(str(staging / f"{name}.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
    _tokenizer().save(str(staging / "tokenizer.json"))
    manifest: dict[str, Any] = {
        "schema_version": 1,
        "version": version,
        "created_at": "2018-01-02T03:04:05+00:00",
        "dataset": "invented_shop",
        "as_of": as_of.isoformat(),
        "as_of_week": 54,
        "cut_week": 54,
        "role": role,
        "currency": currency,
        "timezone": "America/New_York",
        "week_start": week_start,
        "week_one": first_day_of_week(as_of - dt.timedelta(weeks=53), week_start).isoformat(),
        "prices_include_tax": prices_include_tax,
        "units_basis": {"description": f"panel of {USERS} households", "users": USERS},
        "horizons_weeks": [4, 8],
        "quantile_levels": LEVELS,
        "candidate_columns": CANDIDATE_COLUMNS,
        "decided_lift_weight": decided_lift_weight,
        "embedding_dim": 128,
        "vector_dim": 64,
        "max_channels": CHANNEL_SLOTS,
        "tokenizer": {"file": "tokenizer.json", "max_length": 64, "unk_token": "[UNK]", "pad_id": 0},
        "language": "en",
        "models": {
            name: {"file": f"{name}/{version}/model.onnx"} | ({"unpadded": True} if name in UNPADDED else {})
            for name in models
        },
    }
    (staging / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    staging.rename(folder)
    return folder


def _tokenizer() -> Tokenizer:
    """Word pieces that spell every word of ASCII letters and digits; any other script is unknown."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    words = sorted({word for words in _names() for word in words.lower().replace(",", " ").split()} | set(FLAVOURS))
    tokens = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        *words,
        *letters,
        *(f"##{letter}" for letter in letters),
        *",.()&%:'-",
    ]
    vocabulary = {token: number for number, token in enumerate(dict.fromkeys(tokens))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=10_000))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    ends = [("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    return tokenizer


def _familiarity() -> pa.Table:
    """Letters of ASCII are usual, but for q, x and z; words of the shop cost less than their letters."""
    words = sorted({word for name in _names() for word in name.lower().split()} | set(FLAVOURS))
    letters = {letter: 9.0 if letter in "qxz" else 3.0 for letter in "abcdefghijklmnopqrstuvwxyz\x03"}
    limits = {"order": "1", "other_bits": "1.0", "typical": "3.0", "notice": "6.0", "refuse": "20.0"}
    return pa.table(
        {
            "kind": ["word"] * len(words) + ["letters"] * (len(letters) + 1),
            "text": [*words, *letters, ""],
            "bits": pa.array([8.0] * len(words) + [*letters.values(), None], pa.float64()),
            "unseen_bits": pa.array([None] * (len(words) + len(letters)) + [15.0], pa.float64()),
        }
    ).replace_schema_metadata(limits)


def _names() -> list[str]:
    return [
        name for categories in SHOP.values() for category, types in categories.items() for name in (category, *types)
    ]


class _Shop:
    """The tables, drawn with a fixed seed."""

    def __init__(self, as_of: dt.date, week_start: str) -> None:
        self.week_start = week_start
        self.as_of = as_of
        self.random = np.random.default_rng(7)
        self.paths = [(d, c, t) for d, categories in SHOP.items() for c, types in categories.items() for t in types]
        self.departments = list(SHOP)
        self.categories = list(dict.fromkeys((d, c) for d, c, _ in self.paths))

    def ids(self, path: tuple[str, str, str]) -> tuple[int, int, int]:
        department, category, _ = path
        return (
            self.departments.index(department) + 1,
            self.categories.index((department, category)) + 1,
            self.paths.index(path) + 1,
        )

    def tables(self) -> dict[str, pa.Table]:
        return {
            "vocabulary": self._vocabulary(),
            "categories": self._categories(),
            "channels": self._channels(),
            "products": self._products(),
            "users": self._users(),
            "launches": self._launches(),
            "life_cycle": self._life_cycle(),
        }

    def _vocabulary(self) -> pa.Table:
        rows = [("department", n, name, 0) for n, name in enumerate(self.departments, 1)]
        rows += [("category", n, c, self.departments.index(d) + 1) for n, (d, c) in enumerate(self.categories, 1)]
        rows += [("type", n, path[2], self.ids(path)[1]) for n, path in enumerate(self.paths, 1)]
        rows += [("brand", n, name, 0) for n, name in enumerate(BRANDS, 1)]
        names = ("level", "id", "name", "parent_id")
        columns: dict[str, Any] = {name: [row[n] for row in rows] for n, name in enumerate(names)}
        columns["readable_name"] = [row[2] if row[0] == "brand" else row[2].capitalize() for row in rows]
        columns["n_products"] = [10] * len(rows)
        return pa.table(columns)

    def _categories(self) -> pa.Table:
        groups: dict[tuple[str, int], list[float]] = {}
        for path in self.paths:
            price = SHOP[path[0]][path[1]][path[2]]
            for level, number in zip(("department", "category", "type"), self.ids(path), strict=True):
                groups.setdefault((level, number), []).append(price)
        weeks = np.arange(WEEKS_OF_YEAR)
        season = {
            n: 1 + 0.3 * np.sin(2 * np.pi * (weeks - 18 * n) / WEEKS_OF_YEAR) for n in range(len(self.departments) + 1)
        }
        owner = {("department", n): n for n in range(1, len(self.departments) + 1)}
        for path in self.paths:
            owner |= {
                ("category", self.ids(path)[1]): self.ids(path)[0],
                ("type", self.ids(path)[2]): self.ids(path)[0],
            }
        rows = [(level, number, float(np.median(prices))) for (level, number), prices in groups.items()]
        return pa.table(
            {
                "level": [row[0] for row in rows],
                "id": [row[1] for row in rows],
                "median_price": [row[2] for row in rows],
                "price_p05": [row[2] * 0.4 for row in rows],
                "price_p25": [row[2] * 0.8 for row in rows],
                "price_p75": [row[2] * 1.3 for row in rows],
                "price_p95": [row[2] * 2.5 for row in rows],
                "seasonality": [season[owner[row[0], row[1]]].tolist() for row in rows],
                "n_launches": [10] * len(rows),
                "launch_units_8w_median": [4.0] * len(rows),
                "launch_units_8w_mean": [6.0] * len(rows),
                "discount_median": [0.1] * len(rows),
            }
        )

    def _life_cycle(self) -> pa.Table:
        """The shop, one department and one category, which start slower than the shop does."""
        keys = [("all", 0, 0.9), ("department", 1, 1.0), ("category", 1, 1.1)]
        rows = [(level, number, promoted, rate) for level, number, rate in keys for promoted in (0, 1)]
        shares = np.array([[(rate - 0.15 * promoted) ** week for week in range(8)] for _, _, promoted, rate in rows])
        shares /= shares.sum(axis=1, keepdims=True)
        columns: dict[str, Any] = {name: [row[n] for row in rows] for n, name in enumerate(("level", "id", "promoted"))}
        columns["launches"] = [40] * len(rows)
        columns |= {f"share_w{n + 1}": shares[:, n] for n in range(8)}
        columns |= {f"evidence_w{n}": [0.5 + 0.05 * n] * len(rows) for n in range(1, 8)}
        columns |= {f"size_w{n}": [2.0 + n] * len(rows) for n in range(1, 8)}
        return pa.table(columns)

    def _channels(self) -> pa.Table:
        rows = [*CHANNELS, ("coupon_campaign", "coupon campaign", "coupon", 1.0, 1.0)]
        return pa.table(
            {
                "channel_slot": list(range(len(rows))),
                "channel_id": [row[0] for row in rows],
                "name": [row[1] for row in rows],
                "kind": [row[2] for row in rows],
                "typical_coverage": [row[3] for row in rows],
                "broad_coverage": [row[4] for row in rows],
                "n_launches": [30] * len(rows),
            }
        )

    def _products(self) -> pa.Table:
        rows = [(path, flavour) for path in self.paths for flavour in FLAVOURS]
        ids = np.array([self.ids(path) for path, _ in rows])
        count = len(rows)
        launched = [
            (self.as_of - dt.timedelta(weeks=3)).isoformat() if n % FLAVOURED == 0 else None for n in range(count)
        ]
        return pa.table(
            {
                "product_index": list(range(count)),
                "product_id": [f"P{n:04d}" for n in range(count)],
                "title": [f"{path[2].capitalize()}, {path[1].lower()}, {flavour}" for path, flavour in rows],
                "brand": [BRANDS[n % len(BRANDS)] for n in range(count)],
                "department_id": ids[:, 0],
                "category_id": ids[:, 1],
                "type_id": ids[:, 2],
                "brand_id": [n % len(BRANDS) + 1 for n in range(count)],
                "price": [SHOP[p[0]][p[1]][p[2]] for p, _ in rows],
                "first_week": [1] * count,
                "launch_date": pa.array(launched, pa.string()),
                "popularity": self.random.gamma(2.0, 5.0, count),
                "popularity_trend": np.zeros(count),
                "price_band": np.full(count, 0.5),
            }
        )

    def _users(self) -> pa.Table:
        count = len(self.paths) * FLAVOURED
        favourite = self.random.integers(0, len(self.paths), USERS)
        mine = favourite[:, None] * FLAVOURED + self.random.integers(0, FLAVOURED, (USERS, HISTORY))
        any_product = self.random.integers(0, count, (USERS, HISTORY))
        history = np.where(self.random.random((USERS, HISTORY)) < 0.6, mine, any_product)
        ages = np.sort(self.random.uniform(0, 40, (USERS, HISTORY)), axis=1)
        category = np.array([self.ids(path)[1] for path in self.paths])
        interests = []
        for row in category[history // FLAVOURED]:
            numbers, times = np.unique(row, return_counts=True)
            interests.append(
                [{"category_id": int(n), "share": float(t) / HISTORY} for n, t in zip(numbers, times, strict=True)]
            )
        struct = pa.struct([("category_id", pa.int64()), ("share", pa.float64())])
        return pa.table(
            {
                "user_index": list(range(USERS)),
                "user_id": [f"H{n:05d}" for n in range(USERS)],
                "history_products": (history + 1).tolist(),
                "history_ages": ages.tolist(),
                "history_quantities": np.ones((USERS, HISTORY)).tolist(),
                "history_kinds": np.ones((USERS, HISTORY), dtype=int).tolist(),
                "profile": self.random.random((USERS, 16)).tolist(),
                "purchases_per_week": self.random.gamma(2.0, 1.0, USERS),
                "recency_weeks": ages[:, 0],
                "price_tier": self.random.random(USERS),
                "promotion_sensitivity": self.random.random(USERS),
                "new_product_share": self.random.random(USERS) / 5,
                "interests": pa.array(interests, pa.list_(struct)),
                "bought": [sorted(set(row)) for row in history.tolist()],
            }
        )

    def _launches(self) -> pa.Table:
        chosen = self.random.integers(0, len(self.paths), LAUNCHES)
        paths = [self.paths[n] for n in chosen]
        ids = np.array([self.ids(path) for path in paths])
        days = [self.as_of - dt.timedelta(weeks=int(n)) for n in self.random.integers(9, 45, LAUNCHES)]
        ratio = np.exp(self.random.normal(0, 0.2, LAUNCHES))
        coverage = np.zeros((LAUNCHES, CHANNEL_SLOTS))
        used = self.random.random((LAUNCHES, len(CHANNELS))) < 0.35
        coverage[:, : len(CHANNELS)] = used * np.array([channel[3] for channel in CHANNELS])
        units = self.random.negative_binomial(1, 0.15, LAUNCHES).astype(float)
        return pa.table(
            {
                "launch_index": list(range(LAUNCHES)),
                "product_id": [f"L{n:04d}" for n in range(LAUNCHES)],
                "title": [
                    f"{path[2].capitalize()}, {path[1].lower()}, {FLAVOURS[n % FLAVOURED]}"
                    for n, path in enumerate(paths)
                ],
                "department_id": ids[:, 0],
                "category_id": ids[:, 1],
                "type_id": ids[:, 2],
                "launch_date": [day.isoformat() for day in days],
                "week_of_year": [week_of_year(day, self.week_start) for day in days],
                "channels": [[CHANNELS[n][0] for n in np.flatnonzero(row)] for row in used],
                "coverage": coverage.tolist(),
                "discount": np.round(self.random.choice([0.0, 0.1, 0.2, 0.3], LAUNCHES), 2),
                "coupon": self.random.integers(0, 2, LAUNCHES),
                "price": [round(SHOP[p[0]][p[1]][p[2]] * r, 2) for p, r in zip(paths, ratio, strict=True)],
                "price_ratio": ratio,
                "units_4w": np.floor(units * 0.6),
                "units_8w": units,
                "buyers_8w": np.floor(units * 0.8),
                "is_promotion_first": used.any(axis=1),
            }
        )


def forget_users(folder: Path) -> None:
    """Make a release one that was learned from data without users."""
    path = folder / "users.arrow"
    with pa.OSFile(str(path)) as source:
        table = pa.ipc.open_file(source).read_all().slice(0, 0)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    manifest = folder / "manifest.json"
    content = json.loads(manifest.read_text(encoding="utf-8"))
    content["units_basis"]["users"] = 0
    manifest.write_text(json.dumps(content), encoding="utf-8")
