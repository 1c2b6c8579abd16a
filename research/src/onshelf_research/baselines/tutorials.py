"""The tutorials' models, as they are usually written, so that the distance to them is seen.

seed_embedding: an embedding of 128 for the user and one for the product, concatenated, one dense unit with a sigmoid,
    binary
cross-entropy. The dense unit is linear in the concatenation, so the score is a user's term plus a product's term:
every user gets the same list. seed_linear: linear regression of the launch week on category and price by gradient
descent. seed_bert: one sigmoid on BERT for the launch week, scaled to 0..1, text padded to 128 tokens.

Two remarks on "as written". The mask makes padding inert, so seed_bert runs at the length of its texts: the same
numbers, several times sooner. The launch models say nothing about units; where a table needs units, they forecast the
mean of the training launches of the week that they predict.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor, nn

from onshelf_research.baselines.forecast import Floats, Forecast, single
from onshelf_research.data.dataset import LaunchRows

WIDTH = 128
PADDED_TOKENS = 128
Advance = Callable[[int], None]


@dataclass(frozen=True)
class EmbeddingScores:
    """seed_embedding after training: the logit is user [users] + product [products]."""

    user: Floats
    product: Floats


def seed_embedding(
    bought: sparse.csr_array, advance: Advance, epochs: int = 3, batch: int = 16384, seed: int = 1
) -> EmbeddingScores:
    """Train on pairs of user and product that were bought, each with one product drawn at random as a negative.

    Args:
        bought: [users, products], nonzero where the user bought the product.
        advance: told how many epochs are done.
        epochs: passes over the pairs.
        batch: positives in a batch.
        seed: of initial weights, order and negatives.
    """
    pairs = bought.tocoo()
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    users, products = nn.Embedding(bought.shape[0], WIDTH), nn.Embedding(bought.shape[1], WIDTH)
    dense = nn.Linear(2 * WIDTH, 1)
    optimizer = torch.optim.Adam([*users.parameters(), *products.parameters(), *dense.parameters()], lr=0.01)
    loss_of = nn.BCEWithLogitsLoss()
    for _ in range(epochs):
        order = rng.permutation(pairs.nnz)
        for start in range(0, pairs.nnz, batch):
            part = order[start : start + batch]
            user = torch.from_numpy(np.tile(pairs.row[part].astype(np.int64), 2))
            drawn = rng.integers(bought.shape[1], size=len(part))
            product = torch.from_numpy(np.concatenate([pairs.col[part].astype(np.int64), drawn]))
            label = torch.cat([torch.ones(len(part)), torch.zeros(len(part))])
            logit = dense(torch.cat([users(user), products(product)], dim=1)).squeeze(1)
            loss = loss_of(logit, label)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
        advance(1)
    with torch.no_grad():
        weight = dense.weight[0]
        return EmbeddingScores(
            user=(users.weight @ weight[:WIDTH]).double().numpy(),
            product=(products.weight @ weight[WIDTH:] + dense.bias).double().numpy(),
        )


def seed_linear(train: LaunchRows, rows: LaunchRows, steps: int = 2000, rate: float = 0.1) -> Floats:
    """Launch week of each row by linear regression on category (one column each) and price, by gradient descent."""
    names, code = np.unique(
        np.concatenate([part.frame["category"].to_numpy(str) for part in (train, rows)]), return_inverse=True
    )
    price = np.concatenate([part.numbers("price") for part in (train, rows)])
    known = slice(0, len(train))
    scaled = (price - price[known].mean()) / max(float(price[known].std()), 1e-9)
    columns = sparse.coo_array((np.ones(len(code)), (np.arange(len(code)), code)), shape=(len(code), len(names)))
    inputs = sparse.hstack([columns, scaled[:, None], np.ones((len(code), 1))]).tocsr()
    low, high = _range(train)
    target = (train.week - low) / (high - low)
    seen, weights = inputs[known], np.zeros(inputs.shape[1])
    for _ in range(steps):
        gradient = seen.T @ (seen @ weights - target) / len(train)
        weights -= rate * gradient
    predicted: Floats = low + np.asarray(inputs[len(train) :] @ weights) * (high - low)
    return predicted


def seed_bert(
    train: LaunchRows,
    rows: LaunchRows,
    folder: Path,
    advance: Advance,
    epochs: int = 2,
    batch: int = 32,
    rate: float = 2e-5,
    seed: int = 1,
) -> Floats:
    """Launch week of each row by one sigmoid on BERT's first token, all layers trained with binary cross-entropy.

    Args:
        train: launches to learn from.
        rows: launches to predict.
        folder: of the pretrained encoder and its tokenizer.
        advance: told how many launches are done, epochs * len(train) in all.
        epochs: passes over the training launches.
        batch: launches in a batch.
        rate: learning rate.
        seed: of the order and of dropout.
    """
    from tokenizers import Tokenizer
    from transformers import AutoModel
    from transformers.utils import logging

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(PADDED_TOKENS)
    tokenizer.enable_padding()
    torch.manual_seed(seed)
    logging.disable_progress_bar()
    bert = AutoModel.from_pretrained(str(folder))
    head = nn.Linear(int(bert.config.hidden_size), 1)
    optimizer = torch.optim.AdamW([*bert.parameters(), *head.parameters()], lr=rate)
    low, high = _range(train)
    target = torch.from_numpy((train.week - low) / (high - low)).float()
    loss_of = nn.BCEWithLogitsLoss()
    rng = np.random.default_rng(seed)
    titles = train.frame["title"].to_numpy(dtype=object)

    def logits(texts: list[str]) -> Tensor:
        encoded = tokenizer.encode_batch(texts)
        ids = torch.tensor([e.ids for e in encoded])
        mask = torch.tensor([e.attention_mask for e in encoded])
        hidden = bert(input_ids=ids, attention_mask=mask).last_hidden_state
        result: Tensor = head(hidden[:, 0]).squeeze(1)
        return result

    bert.train()
    for _ in range(epochs):
        order = rng.permutation(len(train))
        for start in range(0, len(train), batch):
            part = order[start : start + batch]
            loss = loss_of(logits([str(title) for title in titles[part]]), target[part])
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            advance(len(part))
    bert.eval()
    texts, row_of = np.unique(rows.frame["title"].to_numpy(str), return_inverse=True)
    with torch.no_grad():
        parts = [torch.sigmoid(logits([str(t) for t in texts[i : i + 128]])) for i in range(0, len(texts), 128)]
    predicted: Floats = low + torch.cat(parts).double().numpy()[row_of] * (high - low)
    return predicted


def units_of_week(train: LaunchRows, predicted_week: Floats, outcome: str) -> Forecast:
    """Units by a model that predicts only a week: the mean of the training launches of the nearest week."""
    by_week = pd.Series(train.numbers(outcome)).groupby(train.week).mean()
    weeks: NDArray[np.int64] = by_week.index.to_numpy(dtype=np.int64)
    nearest = np.abs(predicted_week[:, None] - weeks[None, :]).argmin(axis=1)
    return single(by_week.to_numpy(dtype=np.float64)[nearest])


def _range(train: LaunchRows) -> tuple[int, int]:
    low, high = int(train.week.min()), int(train.week.max())
    return low, max(high, low + 1)
