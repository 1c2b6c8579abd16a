"""Requests for perf_analyzer: its --input-data files, filled from the inputs that a server says its models have.

Products are those of the catalog. What only another model can say (an embedding, a user's vector) is drawn at random.
"""

import base64
import json
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc.model_config_pb2 import DataType, ModelConfig
from tritonclient.utils import triton_to_np_dtype

from onshelf_benchmarks.products import Catalog, CatalogProduct

Array = NDArray[Any]
Row = dict[str, Array]
CANDIDATES = 1024
EVENTS = 64  # of a user's history
FILE_BYTES = 64 << 20  # of tensors in one file; perf_analyzer holds all of them in memory


def datatype(tensor: Any) -> str:
    """Of an input of a model's configuration, as the protocol names it: FP32, INT64, BYTES."""
    name: str = DataType.Name(tensor.data_type).removeprefix("TYPE_")
    return "BYTES" if name == "STRING" else name


def rows(config: ModelConfig, catalog: Catalog, products: Iterable[CatalogProduct], seed: int = 7) -> Iterator[Row]:
    """One request for each product: its inputs by name, without a batch dimension.

    Raises:
        ValueError: the model requires an input that is not known here.
    """
    makers = _makers(catalog, np.random.default_rng(seed))
    for tensor in config.input:
        if tensor.name not in makers and not tensor.optional:
            raise ValueError(
                f"{config.name} requires the input {tensor.name!r} ({datatype(tensor)}, {list(tensor.dims)}), which "
                f"is not known: teach it to {Path(__file__).name}"
            )
    chosen = [tensor for tensor in config.input if tensor.name in makers]
    for product in products:
        yield {tensor.name: _shaped(tensor, makers[tensor.name](product)) for tensor in chosen}


def _makers(catalog: Catalog, draw: np.random.Generator) -> dict[str, Callable[[CatalogProduct], Any]]:
    """How to fill an input, by its name."""

    def unit(width: int) -> Array:
        vector = draw.standard_normal(width)
        return vector / np.linalg.norm(vector)

    def candidates(product: CatalogProduct) -> Array:
        table = {name: (draw.random(CANDIDATES) < 0.1).astype(float) for name in catalog.columns}  # channels
        table["week_of_year"] = draw.integers(1, 53, CANDIDATES).astype(float)
        table["discount"] = draw.choice([0.0, 0.1, 0.2, 0.3], CANDIDATES)
        table["price"] = product.list_price * (1 - table["discount"])
        return np.stack([table[name] for name in catalog.columns], axis=1)

    return {
        "title": lambda product: product.title,
        "text": lambda product: product.title,
        "category": lambda product: product.category,
        "brand": lambda product: product.brand,
        "list_price": lambda product: product.list_price,
        "input_ids": lambda product: catalog.tokens(product.title)[0],
        "attention_mask": lambda product: catalog.tokens(product.title)[1],
        "categorical_ids": lambda product: product.ids,
        "attributes": lambda product: (product.list_price, product.private_label),
        "embedding": lambda _: unit(128),
        "product_vector": lambda _: unit(64),
        "user_vector": lambda _: unit(64),
        "candidates": candidates,
        "profile": lambda _: catalog.profiles[draw.integers(len(catalog.profiles))],
        "history_products": lambda _: 1 + draw.integers(catalog.products, size=EVENTS),
        "history_ages": lambda _: np.sort(draw.uniform(0, 52, EVENTS)),
        "history_quantities": lambda _: draw.integers(1, 4, EVENTS),
        "history_kinds": lambda _: np.ones(EVENTS),  # purchases
        "repeat_weights": lambda _: draw.standard_normal(EVENTS),
        "event_weights": lambda _: draw.dirichlet(np.ones(EVENTS), size=4).T,  # shares
        "new_product_share": lambda _: 0.5,
    }


def _shaped(tensor: Any, value: Any) -> Array:
    """The value as the tensor has it. Raises ValueError where its shape does not fit."""
    array: Array = np.asarray(value, dtype=triton_to_np_dtype(datatype(tensor)))
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
