"""Users that asked to be forgotten: the keyed hashes by which the store, the gateway and the exporter know them."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DIGEST = 32  # bytes


def hash_user(key: str, user_id: str) -> str:
    """The hash that stands for a user: BLAKE2b-256 of the id, without white space around it, with the store's key."""
    return hashlib.blake2b(user_id.strip().encode(), key=key.encode(), digest_size=DIGEST).hexdigest()


def starts_of(key: str, user_ids: Iterable[str]) -> NDArray[np.uint64]:
    """The first 8 bytes of the hash of each user [users]: what is compared before the whole hash is."""
    keyed = hashlib.blake2b(key=key.encode(), digest_size=DIGEST)

    def start(user_id: str) -> bytes:
        one = keyed.copy()
        one.update(user_id.strip().encode())
        return one.digest()[:8]

    return np.frombuffer(b"".join(map(start, user_ids)), dtype=">u8").astype(np.uint64)


@dataclass(frozen=True)
class ForgottenUsers:
    """The hashes of a store's forgotten users, and the key they were made with."""

    key: str = ""
    hashes: frozenset[str] = frozenset()

    @property
    def digest(self) -> str:
        """What tells this set from another; the same whatever the order in which users were forgotten."""
        return hashlib.sha256("\n".join(sorted(self.hashes)).encode()).hexdigest()

    def among(self, user_ids: list[str], starts: NDArray[np.uint64] | None = None) -> NDArray[np.int64]:
        """Positions of the forgotten users in a list of ids, rising.

        Args:
            user_ids: the list.
            starts: `starts_of` these ids, where they are known already.
        """
        if not self.hashes:
            return np.zeros(0, dtype=np.int64)
        if starts is None:
            starts = starts_of(self.key, user_ids)
        wanted = np.array([int(one[:16], 16) for one in self.hashes], dtype=np.uint64)
        likely = np.flatnonzero(np.isin(starts, wanted))
        sure = [row for row in likely.tolist() if hash_user(self.key, user_ids[row]) in self.hashes]
        return np.array(sure, dtype=np.int64)
