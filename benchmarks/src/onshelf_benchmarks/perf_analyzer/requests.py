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
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.feather as feather
from numpy.typing import NDArray
from tokenizers import Tokenizer

Array = NDArray[Any]
Row = dict[str, Array]
TOKENS = 16  # of a text for an encoder, padded
CANDIDATES = 1024
EVENTS = 64  # of a user's history
FILE_BYTES = 64 << 20  # of tensors in one file; perf_analyzer holds all of them in memory
LEVELS = ("department", "category", "type", "brand")
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
        config = client.get_model_config(model).config
        optional = {tensor.name for tensor in config.input if tensor.optional}
        batched = config.max_batch_size > 0
        inputs = (
            Tensor(one.name, one.datatype, tuple(one.shape)[batched:], one.name in optional)
            for one in client.get_model_metadata(model).inputs
        )
        return cls(model, tuple(inputs), batched)


@dataclass(frozen=True, kw_only=True)
class Product:
    """A product of the catalogue: texts for a gateway, numbers for a model."""

    title: str
    category: str
    brand: str
    list_price: float
    ids: tuple[int, ...]
    private_label: float


class Catalogue:
    """Products of a model release, each handed out once."""

    def __init__(self, release: Path, start: int = 0) -> None:
        manifest = json.loads((release / "manifest.json").read_text())
        self.columns: list[str] = manifest["candidate_columns"]
        self._pad = int(manifest["tokenizer"]["pad_id"])
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

    def take(self, count: int, tokens: int | None = None) -> list[Product]:
        """The next products, no title given before; with `tokens` those whose text has at most so many."""
        found: list[Product] = []
        while len(found) < count:
            product = self._product(self.number)
            self.number += 1
            fits = tokens is None or len(self._tokenizer.encode(product.title).ids) <= tokens
            if fits and product.title not in self._given:
                self._given.add(product.title)
                found.append(product)
        return found

    def tokens(self, title: str) -> tuple[Array, Array]:
        """Token ids and mask, int64 [TOKENS]."""
        ids = self._tokenizer.encode(title).ids
        padded = np.full(TOKENS, self._pad, dtype=np.int64)
        padded[: len(ids)] = ids
        return padded, (np.arange(TOKENS) < len(ids)).astype(np.int64)

    def _product(self, number: int) -> Product:
        turn, place = divmod(number, len(self._rows))
        row = self._rows[place]
        title = str(row["title"])
        if turn:
            word = self._words[(place + 7919 * turn) % len(self._words)].capitalize()
            title = re.sub(r"\w+", word, title, count=1)
        ids = tuple(int(row[f"{level}_id"]) for level in LEVELS)
        *path, brand = (self._names.get(key, "") for key in zip(LEVELS, ids, strict=True))
        price = float(row["price"])
        return Product(
            title=title,
            category=" > ".join(filter(None, path)),
            brand=brand,
            list_price=round(max(price, 0.5), 2) if price > 0 else 1.0,
            ids=ids,
            private_label=float(row["private_label"]),
        )


def rows(signature: Signature, catalogue: Catalogue, products: Iterable[Product], seed: int = 7) -> Iterator[Row]:
    """One request for each product: its inputs by name, without a batch dimension.

    Raises:
        ValueError: the model requires an input that is not known here.
    """
    makers = _makers(catalogue, np.random.default_rng(seed))
    for tensor in signature.inputs:
        if tensor.name not in makers and not tensor.optional:
            raise ValueError(
                f"{signature.model} requires the input {tensor.name!r} ({tensor.datatype}, {list(tensor.dims)}), which "
                f"is not known: teach it to {Path(__file__).name}"
            )
    chosen = [tensor for tensor in signature.inputs if tensor.name in makers]
    for product in products:
        yield {tensor.name: _shaped(tensor, makers[tensor.name](product)) for tensor in chosen}


def _makers(catalogue: Catalogue, draw: np.random.Generator) -> dict[str, Callable[[Product], Any]]:
    """How to fill an input, by its name."""

    def unit(width: int) -> Array:
        vector = draw.standard_normal(width)
        return vector / np.linalg.norm(vector)

    def candidates(product: Product) -> Array:
        table = {name: (draw.random(CANDIDATES) < 0.1).astype(float) for name in catalogue.columns}  # channels
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
        "input_ids": lambda product: catalogue.tokens(product.title)[0],
        "attention_mask": lambda product: catalogue.tokens(product.title)[1],
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
    wanted = tuple(have if want == -1 else want for want, have in zip(tensor.dims, array.shape, strict=False))
    if array.shape != wanted or array.ndim != len(tensor.dims):
        raise ValueError(f"input {tensor.name!r} is {list(tensor.dims)}, made was {list(array.shape)}")
    return array


def write(requests: Iterator[Row], path: Path) -> int:
    """Write an --input-data file of at most FILE_BYTES; returns its number of rows."""
    first = next(requests)
    most = max(16, FILE_BYTES // sum(array.nbytes for array in first.values()))
    data = [{name: _content(array) for name, array in row.items()} for row in islice(chain((first,), requests), most)]
    path.write_text(json.dumps({"data": data}, ensure_ascii=False), encoding="utf-8")
    return len(data)


def _content(array: Array) -> dict[str, Any]:
    values = array.reshape(-1)
    content = values.tolist() if array.dtype == object else {"b64": base64.b64encode(values.tobytes()).decode()}
    return {"content": content, "shape": list(array.shape)}
