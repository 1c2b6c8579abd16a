"""From a title to token ids: the encoder's text, padding to a bucket, and how much of it the vocabulary knows."""

import unicodedata
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding

from onshelf_gateway.releases.model_release import ModelRelease
from onshelf_gateway.requests.questions import ProductQuestion
from onshelf_release.signatures import TOKEN_BUCKETS


@dataclass(frozen=True)
class Tokens:
    """Padded ids and mask, int64 [bucket], and the share of the title's tokens that the vocabulary does not know."""

    input_ids: NDArray[np.int64]
    mask: NDArray[np.int64]
    unknown_share: float


def encoder_text(product: ProductQuestion) -> str:
    """The title, then the size where the title lacks it, then attributes as "name: value"."""
    parts = [product.title]
    if product.package_size and product.package_size.casefold() not in product.title.casefold():
        parts.append(product.package_size)
    parts += [f"{name}: {value}" for name, value in product.attributes]
    return ", ".join(parts)


def tokenize(release: ModelRelease, product: ProductQuestion) -> Tokens:
    """Tokenise, cut at the encoder's length (its closing token kept), pad to 16, 24, 32 or 64.

    The unknown share is counted over the words of the title: a word that holds any unknown token counts as unknown, a
        sign that is neither letter nor digit (an emoji, a bullet) does not count.
    """
    rule = release.manifest.tokenizer
    text = encoder_text(product)
    encoding = release.tokenizer.encode(text)
    ids = encoding.ids
    if len(ids) > rule.max_length:
        ids = [*ids[: rule.max_length - 1], ids[-1]]
    size = next((bucket for bucket in TOKEN_BUCKETS if bucket >= len(ids)), rule.max_length)
    input_ids = np.full(size, rule.pad_id, dtype=np.int64)
    input_ids[: len(ids)] = ids
    mask = (np.arange(size) < len(ids)).astype(np.int64)
    if text != product.title:
        encoding = release.tokenizer.encode(product.title, add_special_tokens=False)
    return Tokens(input_ids, mask, unknown_share(release, product.title, encoding))


def unknown_share(release: ModelRelease, title: str, encoding: Encoding) -> float:
    """Share of the words of a text that hold a token which the vocabulary does not know; 1 where it has no words."""
    unknown_id = release.tokenizer.token_to_id(release.manifest.tokenizer.unk_token)
    words: dict[int, bool] = {}
    for word, token, (start, end) in zip(encoding.word_ids, encoding.ids, encoding.offsets, strict=True):
        if word is not None and any(unicodedata.category(char)[0] in "LN" for char in title[start:end]):
            words[word] = words.get(word, False) or token == unknown_id
    if not words:
        return 1.0
    return sum(words.values()) / len(words)
