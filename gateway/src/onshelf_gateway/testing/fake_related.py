"""Related products of the invented shop: yogurt with berries, shampoo with hair color, chips instead of chips."""

import numpy as np
import pyarrow as pa
from tokenizers import Tokenizer

from onshelf_gateway.testing.fake_words import EMBEDDING, embed
from onshelf_release.related import COMPLEMENT, SUBSTITUTE

TOGETHER = {"Greek yogurt": "Berries", "Shampoo": "Hair color"}
INSTEAD = {"Potato chips": "Tortilla chips", "Greek yogurt": "Kids yogurt"}
LIFT = {COMPLEMENT: 2.0, SUBSTITUTE: 3.0}  # a little more between products of one flavour
ALIKE = 1.25


def related_tables(products: pa.Table, tokenizer: Tokenizer) -> dict[str, pa.Table]:
    """The tables `related` and `related_products`; products that are new have no relations yet."""
    kinds = [title.split(",")[0] for title in products["title"].to_pylist()]
    flavours = [title.split(", ")[-1] for title in products["title"].to_pylist()]
    sold = [n for n, launched in enumerate(products["launch_date"].to_pylist()) if launched is None]
    rows = [
        (a, b, kind, LIFT[kind] * (ALIKE if flavours[a] == flavours[b] else 1.0))
        for a in sold
        for kind, pairs in ((COMPLEMENT, TOGETHER), (SUBSTITUTE, INSTEAD))
        for b in sold
        if kinds[b] in (pairs.get(kinds[a]), {v: k for k, v in pairs.items()}.get(kinds[a]))
    ]
    index, other, kind, lift = (np.array(column) for column in zip(*rows, strict=True))
    known = np.unique(index)
    tokens = [tokenizer.encode(products["title"][int(n)].as_py()).ids for n in known]
    vectors = np.concatenate([embed(np.array([ids]), np.ones((1, len(ids)))) for ids in tokens])
    related = {
        "product_index": index,
        "related_index": other,
        "kind": kind,
        "lift": lift,
        "lift_low": 0.8 * lift,
        "lift_high": 1.25 * lift,
        "baskets": np.full(len(rows), 40),
        "users": np.full(len(rows), 30),
        "expected": 40 / lift,
    }
    assert vectors.shape[1] == EMBEDDING
    return {
        "related": pa.table(related),
        "related_products": pa.table({"product_index": known, "embedding": list(vectors.astype(np.float32))}),
    }
