"""A model release as the gateway reads it: manifest, tokenizer and memory-mapped Arrow tables; immutable."""

import datetime as dt
import hashlib
import zoneinfo
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy import sparse
from tokenizers import Tokenizer

from onshelf.v1 import types_pb2
from onshelf_release.calendar import WEEKS_OF_YEAR
from onshelf_release.candidates import CHANNEL_SLOTS
from onshelf_release.channels import COUPON_KIND, Channel, read_channels
from onshelf_release.codes import CATEGORY_LEVELS, NEW_PRODUCT_WEEKS
from onshelf_release.familiarity import Familiarity, read_familiarity
from onshelf_release.life_cycle import LifeCycle, read_life_cycle
from onshelf_release.manifest import Manifest, read_manifest
from onshelf_release.related import Related, read_related
from onshelf_release.tables import COLUMNS, check_columns
from onshelf_release.vocabulary import Vocabulary, load_vocabulary

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Parsed = TypeVar("Parsed")
INTEREST = 0.05  # share of purchases that makes a category an interest
_TRAITS = (
    ("purchases_per_week", "occasional shoppers", "frequent shoppers"),
    ("price_tier", "buyers of low-priced products", "buyers of high-priced products"),
    ("promotion_sensitivity", "rarely on promotion", "promotion sensitive"),
    ("new_product_share", "slow to try new products", "quick to try new products"),
)


class ReleaseError(Exception):
    """A folder that is not a model release this gateway can serve; names the folder, the file and the rule."""


@dataclass(frozen=True)
class CategoryFacts:
    """What the history knows of a category: prices in the release's currency; seasonality [53], mean 1."""

    median_price: float
    price_p05: float
    price_p95: float
    seasonality: Floats


@dataclass(frozen=True, kw_only=True)
class ModelRelease:
    """One model release.

    Attributes:
        manifest: what it is.
        channels: those of the history, by id.
        products, users, launches: Arrow tables, a row's number is its index in the models' answers.
        familiarity: how strange titles read; None in a release from before there was such a table.
        related: complements and substitutes; likewise.
    """

    folder: Path
    manifest: Manifest
    tokenizer: Tokenizer
    vocabulary: Vocabulary
    channels: dict[str, Channel]
    products: pa.Table
    users: pa.Table
    launches: pa.Table
    life_cycle: LifeCycle
    familiarity: Familiarity | None
    related: Related | None
    _categories: dict[tuple[str, int], CategoryFacts]

    @property
    def version(self) -> int:
        """The version number that all its models carry."""
        return self.manifest.version

    @cached_property
    def has_users(self) -> bool:
        """Whether it knows users; without them there are no recommendations, audiences and buyers."""
        return bool(self.users.num_rows > 0)

    @cached_property
    def fingerprint(self) -> str:
        """Version and content of its models: a version that is published anew with others is another release."""
        content = hashlib.sha256(repr(sorted(self.manifest.models.items())).encode()).hexdigest()[:16]
        return f"{self.version}:{content}"

    @cached_property
    def plannable(self) -> list[Channel]:
        """Channels that a plan chooses by coverage, by slot; coupon campaigns are a flag of the action instead."""
        return sorted((c for c in self.channels.values() if c.kind != COUPON_KIND), key=lambda c: c.slot)

    @cached_property
    def coupon_channels(self) -> list[Channel]:
        """Channels that stand for coupon campaigns."""
        return [c for c in self.channels.values() if c.kind == COUPON_KIND]

    def category_facts(self, ids: tuple[int, int, int]) -> CategoryFacts:
        """Facts of the narrowest known of (department, category, type); of the shop where none is known."""
        for position in range(len(CATEGORY_LEVELS) - 1, -1, -1):
            facts = self._categories.get((CATEGORY_LEVELS[position], ids[position]))
            if ids[position] and facts is not None:
                return facts
        return self._shop

    @cached_property
    def _shop(self) -> CategoryFacts:
        weights = self.vocabulary.levels[CATEGORY_LEVELS[0]].products[1:].astype(float)
        rows = [self._categories.get((CATEGORY_LEVELS[0], number)) for number in range(1, len(weights) + 1)]
        known = [
            (facts, weight) for facts, weight in zip(rows, weights, strict=True) if facts is not None and weight > 0
        ]
        if not known:
            return CategoryFacts(0.0, 0.0, np.inf, np.ones(WEEKS_OF_YEAR))
        share = np.array([weight for _, weight in known]) / sum(weight for _, weight in known)
        prices = np.array([[f.median_price, f.price_p05, f.price_p95] for f, _ in known])
        seasonality = share @ np.stack([f.seasonality for f, _ in known])
        return CategoryFacts(
            float(np.median(prices[:, 0])), float(prices[:, 1].min()), float(prices[:, 2].max()), seasonality
        )

    @cached_property
    def product_rows(self) -> dict[str, int]:
        """Row of each product id."""
        return {product_id: row for row, product_id in enumerate(self.products["product_id"].to_pylist())}

    @cached_property
    def user_rows(self) -> dict[str, int]:
        """Row of each user id."""
        return {user_id: row for row, user_id in enumerate(self.users["user_id"].to_pylist())}

    @cached_property
    def product_names(self) -> list[str]:
        """Product id of each row."""
        return list(self.product_rows)

    @cached_property
    def user_names(self) -> list[str]:
        """User id of each row."""
        return list(self.user_rows)

    @cached_property
    def product_ids(self) -> Ints:
        """Category and brand ids of the products: [products, 4] (department, category, type, brand)."""
        names = ("department_id", "category_id", "type_id", "brand_id")
        return np.stack([column(self.products, name).astype(np.int64) for name in names], axis=1)

    @cached_property
    def new_products(self) -> NDArray[np.bool_]:
        """Which products were launched in the last 8 weeks before `as_of`, or later: [products]."""
        since = self.manifest.as_of - dt.timedelta(weeks=NEW_PRODUCT_WEEKS)
        dates = pc.cast(self.products["launch_date"], pa.string())
        result = pc.fill_null(pc.greater_equal(dates, since.isoformat()), fill_value=False)
        return np.asarray(result.to_numpy(zero_copy_only=False), dtype=bool)

    @cached_property
    def known_products(self) -> NDArray[np.bool_]:
        """Which products the data knew before `as_of`: [products]; a replay release lists later ones too."""
        return np.asarray(pc.is_valid(self.products["first_week"]).to_numpy(zero_copy_only=False), dtype=bool)

    @cached_property
    def interest_shares(self) -> sparse.csr_array:
        """Share of each category in each user's purchases: [users, category ids], few of them above 0."""
        size = (self.users.num_rows, len(self.vocabulary.levels["category"].names))
        interests = self.users["interests"].combine_chunks()
        if not len(interests):
            return sparse.csr_array(size)
        flat = interests.flatten()
        categories = flat.field("category_id").to_numpy(zero_copy_only=False).astype(np.int64)
        values = flat.field("share").to_numpy(zero_copy_only=False).astype(np.float64)
        return sparse.csr_array((values, (interests.value_parent_indices().to_numpy(), categories)), shape=size)

    @cached_property
    def interest_average(self) -> Floats:
        """Share of each category in the purchases of an average user: [category ids]."""
        return np.asarray(self.interest_shares.sum(axis=0) / max(1, self.users.num_rows))

    @cached_property
    def user_interests(self) -> sparse.csr_array:
        """1 where a category makes up at least 5 % of a user's purchases: [users, category ids]."""
        marks = sparse.csr_array(self.interest_shares >= INTEREST, dtype=np.float32)
        marks.eliminate_zeros()
        return marks

    def shares_of(self, row: int) -> Floats:
        """`interest_shares` of one user: [category ids]."""
        return np.asarray(self.interest_shares[[row]].toarray()[0])

    @cached_property
    def interest_frequency(self) -> Floats:
        """Share of users with each interest: [category ids]."""
        return np.asarray(self.user_interests.sum(axis=0) / max(1, self.users.num_rows))

    @cached_property
    def user_traits(self) -> tuple[list[str], list[NDArray[np.bool_]]]:
        """Traits for people and the users that have them [users]: the lowest and the highest third of each figure."""
        names: list[str] = []
        masks: list[NDArray[np.bool_]] = []
        for field, low, high in _TRAITS:
            values = column(self.users, field)
            known = values[np.isfinite(values)]
            ends = np.quantile(known, (1 / 3, 2 / 3)) if len(known) else np.zeros(2)
            if ends[0] < ends[1]:
                names += [low, high]
                masks += [values <= ends[0], values >= ends[1]]
        return names, masks

    @cached_property
    def launch_numbers(self) -> dict[str, NDArray[np.float64]]:
        """Numeric columns of the launches as arrays [launches]; nulls become NaN."""
        names = ("department_id", "category_id", "type_id", "price_ratio", "discount", "coupon", "units_8w")
        return {name: column(self.launches, name) for name in names}

    @cached_property
    def _launch_arrays(self) -> dict[str, pa.Array]:
        """The launches' columns, each in one piece: single rows are read fast."""
        return {name: self.launches[name].combine_chunks() for name in COLUMNS["launches"]}

    def launch_row(self, row: int) -> dict[str, Any]:
        """One launch by column."""
        return {name: values[row].as_py() for name, values in self._launch_arrays.items()}

    @cached_property
    def channel_words(self) -> dict[int, str]:
        """Name within a sentence by channel slot: "front end cap display" for "Display, front end cap"."""
        words = {}
        for channel in self.channels.values():
            kind, comma, rest = channel.name.partition(", ")
            same = comma and kind.casefold() == channel.kind.casefold()
            words[channel.slot] = f"{rest} {kind.lower()}" if same else channel.name
        return words

    @cached_property
    def trait_marks(self) -> NDArray[np.float32]:
        """The masks of `user_traits` as 0 and 1: [traits, users]."""
        masks = self.user_traits[1]
        return np.array(masks, dtype=np.float32).reshape(len(masks), self.users.num_rows)

    @cached_property
    def info(self) -> types_pb2.ModelReleaseInfo:
        """What answers say of the release; not to be changed."""
        manifest = self.manifest
        tax = {True: types_pb2.PRICE_TAX_INCLUDED, False: types_pb2.PRICE_TAX_EXCLUDED}
        info = types_pb2.ModelReleaseInfo(
            version=manifest.version,
            as_of=manifest.as_of.isoformat(),
            role=manifest.role,
            dataset=manifest.dataset,
            currency=manifest.currency,
            time_zone=manifest.timezone,
            price_tax=types_pb2.PRICE_TAX_UNSPECIFIED
            if manifest.prices_include_tax is None
            else tax[manifest.prices_include_tax],
        )
        info.created_at.FromDatetime(manifest.created_at)
        return info

    @cached_property
    def zone(self) -> zoneinfo.ZoneInfo:
        """The zone of the retailer's local dates."""
        return zoneinfo.ZoneInfo(self.manifest.timezone)

    @cached_property
    def trait_frequency(self) -> Floats:
        """Share of users with each trait: [traits]."""
        return np.asarray(self.trait_marks.sum(axis=1) / max(1, self.users.num_rows), dtype=np.float64)

    @cached_property
    def interest_trait_frequency(self) -> Floats:
        """Share of users with an interest and a trait: [category ids, traits]."""
        both = self.user_interests.T @ self.trait_marks.T
        return np.asarray(both / max(1, self.users.num_rows), dtype=np.float64)

    @cached_property
    def launch_coverage(self) -> Floats:
        """Coverage by channel slot of the launches: [launches, 32]."""
        flat = self.launches["coverage"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        return np.asarray(flat, dtype=np.float64).reshape(-1, CHANNEL_SLOTS)

    def warm(self) -> None:
        """Compute all that is derived from the tables, so that no request pays for it."""
        for name, value in vars(type(self)).items():
            if isinstance(value, cached_property):
                getattr(self, name)


def column(table: pa.Table, name: str) -> Floats:
    """A numeric or boolean column as float64 [rows]; nulls become NaN."""
    values = pc.cast(table[name], pa.float64())
    return np.asarray(values.to_numpy(zero_copy_only=False), dtype=np.float64)


def _table(folder: Path, name: str) -> pa.Table:
    path = folder / f"{name}.arrow"
    try:
        with pa.memory_map(str(path)) as source:
            table = pa.ipc.open_file(source).read_all()
    except (OSError, pa.ArrowInvalid) as error:
        raise ReleaseError(f"{path}: cannot be read as an Arrow file: {error}") from error
    try:
        check_columns(name, table)
    except ValueError as error:
        raise ReleaseError(f"{path}: {error}") from error
    return table


def _named(folder: Path, name: str, id_column: str) -> pa.Table:
    """A table whose rows are found by their id."""
    table = _table(folder, name)
    twice = table.num_rows - pc.count_distinct(table[id_column], mode="all").as_py()
    if twice:
        raise ReleaseError(f"{folder / name}.arrow: {id_column} must be unique; rows that repeat one: {twice}")
    return table


def _facts(table: pa.Table, path: Path) -> dict[tuple[str, int], CategoryFacts]:
    rows = table.select(list(COLUMNS["categories"])).to_pydict()
    seasonality = np.array(rows["seasonality"], dtype=np.float64)
    if seasonality.size and seasonality.shape[1] != WEEKS_OF_YEAR:
        raise ReleaseError(f"{path}: seasonality must have {WEEKS_OF_YEAR} values a row, got {seasonality.shape[1]}")
    return {
        (level, number): CategoryFacts(median, low, high, season)
        for level, number, median, low, high, season in zip(
            rows["level"],
            rows["id"],
            rows["median_price"],
            rows["price_p05"],
            rows["price_p95"],
            seasonality,
            strict=True,
        )
    }


def _parsed(folder: Path, name: str, read: Callable[[pa.Table], Parsed]) -> Parsed:
    try:
        return read(_table(folder, name))
    except ValueError as error:
        raise ReleaseError(f"{folder / name}.arrow: {error}") from error


def _related(folder: Path) -> Related | None:
    if not (folder / "related.arrow").exists():
        return None
    return _parsed(folder, "related", lambda table: read_related(table, _table(folder, "related_products")))


def load_release(folder: Path) -> ModelRelease:
    """Load the model release in `folder`.

    Raises:
        ReleaseError: a file is missing, or breaks its rule; says which.
    """
    try:
        manifest = read_manifest(folder)
    except (OSError, ValueError) as error:
        raise ReleaseError(f"{folder / 'manifest.json'}: {error}") from error
    if folder.name != str(manifest.version):
        other = ", and another folder has it" if (folder.parent / str(manifest.version)).exists() else ""
        raise ReleaseError(
            f"{folder / 'manifest.json'}: version {manifest.version} must be the name of its folder, which is "
            f"{folder.name}{other}"
        )
    try:
        tokenizer = Tokenizer.from_file(str(folder / manifest.tokenizer.file))
        vocabulary = load_vocabulary(_table(folder, "vocabulary"))
    except ReleaseError:
        raise
    except Exception as error:  # tokenizers raises plain Exception
        raise ReleaseError(f"{folder}: tokenizer or vocabulary: {error}") from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return ModelRelease(
        folder=folder,
        manifest=manifest,
        tokenizer=tokenizer,
        vocabulary=vocabulary,
        channels=_parsed(folder, "channels", read_channels),
        products=_named(folder, "products", "product_id"),
        users=_named(folder, "users", "user_id"),
        launches=_table(folder, "launches"),
        life_cycle=_parsed(folder, "life_cycle", read_life_cycle),
        familiarity=_parsed(folder, "familiarity", read_familiarity)
        if (folder / "familiarity.arrow").exists()
        else None,
        related=_related(folder),
        _categories=_facts(_table(folder, "categories"), folder / "categories.arrow"),
    )
