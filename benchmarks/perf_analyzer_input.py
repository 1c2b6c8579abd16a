"""Requests for perf_analyzer: its --input-data files, filled from the tensors that a server says its models have.

Products are titles of the catalogue with their own category, brand and price. After one pass through the catalogue the
first word of a title gives way to another word of the vocabulary: ever new products of about as many tokens. What only
another model can say (an embedding, a user's vector) is drawn at random.
"""

import base64
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.feather as feather
from numpy.typing import NDArray
from tokenizers import Tokenizer

Array = NDArray[Any]
Row = dict[str, Array]
TOKEN_BUCKETS = (16, 24, 32, 64)
CANDIDATES = 1024
EVENTS = 64  # of a user's history
FILE_BYTES = 64 << 20  # of tensors in one file; perf_analyzer holds all of them in memory
LEVELS = ("department", "category", "type")
NUMBERS: dict[str, type[np.generic]] = {
    "BOOL": np.bool_,
    "INT32": np.int32,
    "INT64": np.int64,
    "FP32": np.float32,
    "FP64": np.float64,
}


@dataclass(frozen=True)
class Tensor:
    """One input without its batch dimension; -1 is any length. `optional`: it may be left out."""

    name: str
    datatype: str
    dims: tuple[int, ...]
    optional: bool = False


@dataclass(frozen=True)
class Signature:
    """The inputs of a model as its server describes them; `batched`: tensors have a batch dimension in front."""

    model: str
    inputs: tuple[Tensor, ...]
    batched: bool

    @classmethod
    def of(cls, client: Any, model: str) -> "Signature":
        """Ask a server, by tritonclient.grpc."""
        metadata = client.get_model_metadata(model)
        config = client.get_model_config(model).config
        optional = {tensor.name for tensor in config.input if tensor.optional}
        batched = config.max_batch_size > 0
        return cls(
            model,
            tuple(
                Tensor(one.name, one.datatype, tuple(one.shape)[batched:], one.name in optional)
                for one in metadata.inputs
            ),
            batched,
        )


@dataclass(frozen=True)
class Product:
    """A product of the catalogue: texts for a gateway, numbers for a model."""

    title: str
    category: str
    brand: str
    list_price: float
    ids: tuple[int, int, int, int]
    private_label: float


class Catalogue:
    """Products of a model release, each handed out once."""

    def __init__(self, release: Path, start: int = 0) -> None:
        manifest = json.loads((release / "manifest.json").read_text())
        self.columns: list[str] = manifest["candidate_columns"]
        self._pad, self._longest = int(manifest["tokenizer"]["pad_id"]), int(manifest["tokenizer"]["max_length"])
        self._tokenizer = Tokenizer.from_file(str(release / manifest["tokenizer"]["file"]))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        names = feather.read_table(release / "vocabulary.arrow", columns=["level", "id", "readable_name"]).to_pydict()
        self._names = dict(zip(zip(names["level"], names["id"], strict=True), names["readable_name"], strict=True))
        table = feather.read_table(release / "products.arrow").to_pandas()
        table = table[table["title"].str.len() > 0].drop_duplicates("title").sample(frac=1, random_state=7)
        self._rows = list(table.to_dict("records"))
        self.products = int(table["product_index"].max()) + 1
        self.profiles = np.array(
            feather.read_table(release / "users.arrow", columns=["profile"])["profile"].to_pylist(), dtype=np.float32
        )
        words = (word for word in self._tokenizer.get_vocab() if re.fullmatch("[a-z]{4,}", word))
        self._words = np.random.default_rng(7).permutation(sorted(words)).tolist()
        self._given: set[str] = set()
        self.number = start

    def take(self, count: int, bucket: int | None = None) -> list[Product]:
        """The next products, no title given before; with `bucket` those whose text fills just this many tokens."""
        found: list[Product] = []
        while len(found) < count:
            product = self._product(self.number)
            self.number += 1
            title = product.title if bucket is None else self._fitted(product.title, bucket)
            if title is not None and title not in self._given:
                self._given.add(title)
                found.append(Product(title, *list(product.__dict__.values())[1:]))
        return found

    def tokens(self, title: str, bucket: int) -> tuple[Array, Array]:
        """Token ids and mask, int64 [bucket]."""
        ids = self._tokenizer.encode(title).ids
        padded = np.full(bucket, self._pad, dtype=np.int64)
        padded[: len(ids)] = ids
        return padded, (np.arange(bucket) < len(ids)).astype(np.int64)

    def _product(self, number: int) -> Product:
        turn, place = divmod(number, len(self._rows))
        row = self._rows[place]
        title = str(row["title"])
        if turn:
            word = self._words[(place + 7919 * turn) % len(self._words)].capitalize()
            title = re.sub(r"\w+", word, title, count=1)
        ids = tuple(int(row[f"{level}_id"]) for level in (*LEVELS, "brand"))
        path = [self._names.get((level, number), "") for level, number in zip(LEVELS, ids, strict=False)]
        price = float(row["price"])
        return Product(
            title,
            " > ".join(name for name in path if name),
            self._names.get(("brand", ids[3]), ""),
            round(max(price, 0.5), 2) if price > 0 else 1.0,
            ids,  # type: ignore[arg-type]
            float(row["private_label"]),
        )

    def _fitted(self, title: str, bucket: int) -> str | None:
        """The text, made longer by other titles until its tokens need this bucket; None where it has too many."""
        least = max((size for size in TOKEN_BUCKETS if size < bucket), default=0)
        place = self.number
        while (length := len(self._tokenizer.encode(title).ids)) <= least:
            place += 1
            title = f"{title}, {self._rows[place % len(self._rows)]['title']}"
        return title if length <= min(bucket, self._longest) else None


def rows(
    signature: Signature, catalogue: Catalogue, products: Iterable[Product], bucket: int | None, seed: int = 7
) -> Iterator[Row]:
    """One request for each product: its inputs by name, without a batch dimension.

    Raises:
        ValueError: the model requires an input that is not known here.
    """
    makers = _makers(catalogue, bucket or TOKEN_BUCKETS[0], np.random.default_rng(seed))
    for tensor in signature.inputs:
        if tensor.name not in makers and not tensor.optional:
            raise ValueError(
                f"{signature.model} requires the input {tensor.name!r} ({tensor.datatype}, {list(tensor.dims)}), which "
                f"is not known: teach it to {Path(__file__).name}"
            )
    chosen = [tensor for tensor in signature.inputs if tensor.name in makers]
    for product in products:
        yield {tensor.name: _shaped(tensor, makers[tensor.name](product)) for tensor in chosen}


def _makers(catalogue: Catalogue, bucket: int, draw: np.random.Generator) -> dict[str, Callable[[Product], Any]]:
    """How to fill an input, by its name."""

    def unit(width: int) -> Array:
        vector = draw.standard_normal(width)
        return vector / np.linalg.norm(vector)

    def candidates(product: Product) -> Array:
        table = {
            name: (draw.random(CANDIDATES) < 0.1).astype(float) for name in catalogue.columns
        }  # coverage of channels
        table["week_of_year"] = draw.integers(1, 53, CANDIDATES).astype(float)
        table["discount"] = draw.choice([0.0, 0.1, 0.2, 0.3], CANDIDATES)
        table["price"] = product.list_price * (1 - table["discount"])
        return np.stack([table[name] for name in catalogue.columns], axis=1)

    return {
        "title": lambda product: product.title,
        "text": lambda product: product.title,
        "category": lambda product: product.category,
        "brand": lambda product: product.brand,
        "list_price": lambda product: product.list_price,
        "input_ids": lambda product: catalogue.tokens(product.title, bucket)[0],
        "attention_mask": lambda product: catalogue.tokens(product.title, bucket)[1],
        "categorical_ids": lambda product: product.ids,
        "attributes": lambda product: (product.list_price, product.private_label),
        "embedding": lambda _: unit(128),
        "product_vector": lambda _: unit(64),
        "user_vector": lambda _: unit(64),
        "candidates": candidates,
        "profile": lambda _: catalogue.profiles[draw.integers(len(catalogue.profiles))],
        "history_products": lambda _: 1 + draw.integers(catalogue.products, size=EVENTS),
        "history_ages": lambda _: np.sort(draw.uniform(0, 52, EVENTS)),
        "history_quantities": lambda _: draw.integers(1, 4, EVENTS),
        "history_kinds": lambda _: np.ones(EVENTS),  # purchases
        "repeat_weights": lambda _: draw.standard_normal(EVENTS),
        "event_weights": lambda _: draw.dirichlet(np.ones(EVENTS), size=4).T,  # shares
        "new_product_share": lambda _: 0.5,
    }


def _shaped(tensor: Tensor, value: Any) -> Array:
    """The value as the tensor has it. Raises ValueError where its shape does not fit."""
    array: Array = np.asarray(value, dtype=object if tensor.datatype == "BYTES" else NUMBERS[tensor.datatype])
    if array.ndim == 0:
        array = np.full([max(size, 1) for size in tensor.dims], array[()], dtype=array.dtype)
    fits = len(array.shape) == len(tensor.dims) and all(
        want in (-1, have) for have, want in zip(array.shape, tensor.dims, strict=True)
    )
    if not fits:
        raise ValueError(f"input {tensor.name!r} is {list(tensor.dims)}, made was {list(array.shape)}")
    return array


def most_rows(row: Row) -> int:
    """How many such rows one file may have."""
    return max(16, FILE_BYTES // sum(array.nbytes for array in row.values()))


def write(requests: Iterable[Row], path: Path) -> int:
    """Write an --input-data file; returns its number of rows."""
    data = [{name: _content(array) for name, array in row.items()} for row in requests]
    path.write_text(json.dumps({"data": data}, ensure_ascii=False), encoding="utf-8")
    return len(data)


def _content(array: Array) -> dict[str, Any]:
    values = array.reshape(-1)
    content = values.tolist() if array.dtype == object else {"b64": base64.b64encode(values.tobytes()).decode()}
    return {"content": content, "shape": list(array.shape)}
