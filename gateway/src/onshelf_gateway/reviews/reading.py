"""The sentiment of sentences, by the model of the release; what was read is kept."""

import asyncio
import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from onshelf_gateway.call.call import Call
from onshelf_gateway.call.recent import Recent
from onshelf_gateway.inference.models import Models
from onshelf_gateway.product.text import unknown_share
from onshelf_gateway.releases.model_release import ModelRelease
from onshelf_release.signatures import SENTENCES_AT_ONCE, TOKEN_BUCKETS, bucket

Floats = NDArray[np.float64]
Key = tuple[str, bytes]  # fingerprint of the release, hash of the text
KEPT = 100_000  # sentences, and texts; each takes about 200 bytes
STRANGE = 0.2  # share of words that the vocabulary does not know, from which on a text is not read
READING = 0.3  # of the time that the call has left; what a report adds besides may take half of it


class Reader:
    """Reads sentences in batches and keeps what it read, by a hash of the text."""

    def __init__(self, models: Models) -> None:
        self._models = models
        self._kept: Recent[Key, Floats] = Recent(KEPT)
        self._strange: Recent[Key, bool] = Recent(KEPT)

    async def read(self, call: Call, release: ModelRelease, sentences: Sequence[str], share: float = READING) -> Floats:
        """Probabilities [n, 3] of negative, neutral, positive; NaN for those that there was no time for.

        The first sentences are read first. Reading takes at most a `share` of the time that is left.
        """
        until = call.remaining() * (1 - share)
        keys = [_key(release, text) for text in sentences]
        wanted = [n for n, key in enumerate(keys) if self._kept.get(key) is None]
        encoded = await asyncio.to_thread(_encoded, release, [sentences[n] for n in wanted])
        for start in range(0, len(wanted), SENTENCES_AT_ONCE * 4):
            # of what is next, texts of like length go together
            part = sorted(range(start, min(len(wanted), start + SENTENCES_AT_ONCE * 4)), key=lambda k: len(encoded[k]))
            for first in range(0, len(part), SENTENCES_AT_ONCE):
                if call.remaining() <= until:
                    break
                rows = part[first : first + SENTENCES_AT_ONCE]
                said = await self._models.read_sentences(call, release, *_padded(release, [encoded[k] for k in rows]))
                for k, probabilities in zip(rows, said, strict=True):
                    self._kept.put(keys[wanted[k]], probabilities)
        unread = np.full(3, np.nan)
        found = [kept if (kept := self._kept.get(key)) is not None else unread for key in keys]
        return np.array(found).reshape(-1, 3)

    async def strange(self, release: ModelRelease, texts: Sequence[str]) -> list[bool]:
        """Whether the release's vocabulary does not know each text's words, as those of another language."""
        keys = [_key(release, text) for text in texts]
        new = [n for n, key in enumerate(keys) if self._strange.get(key) is None]
        said = dict(zip(new, await asyncio.to_thread(_are_strange, release, [texts[n] for n in new]), strict=True))
        for n, strange in said.items():
            self._strange.put(keys[n], strange)
        return [said[n] if n in said else bool(self._strange.get(key)) for n, key in enumerate(keys)]


def _key(release: ModelRelease, text: str) -> Key:
    return release.fingerprint, hashlib.blake2b(text.encode(), digest_size=16).digest()


def _encoded(release: ModelRelease, texts: Sequence[str]) -> list[list[int]]:
    return [encoding.ids for encoding in release.tokenizer.encode_batch(list(texts))]


def _are_strange(release: ModelRelease, texts: Sequence[str]) -> list[bool]:
    encoded = release.tokenizer.encode_batch(list(texts), add_special_tokens=False)
    return [unknown_share(release, text, one) > STRANGE for text, one in zip(texts, encoded, strict=True)]


def _padded(release: ModelRelease, encoded: Sequence[list[int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Ids and mask [rows, bucket]; what is longer than the last bucket is cut, its closing token kept."""
    rule = release.manifest.tokenizer
    most = min(rule.max_length, TOKEN_BUCKETS[-1])
    rows = [[*ids[: most - 1], ids[-1]] if len(ids) > most else ids for ids in encoded]
    lengths = np.array([len(ids) for ids in rows])
    ids = np.full((len(rows), bucket(int(lengths.max()), TOKEN_BUCKETS)), rule.pad_id, dtype=np.int64)
    mask = np.arange(ids.shape[1]) < lengths[:, None]
    ids[mask] = np.concatenate(rows)
    return ids, mask.astype(np.int64)
