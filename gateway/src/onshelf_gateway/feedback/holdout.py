"""Who is held out for good: users that targeting does not reach, so that its effect can be measured.

A user's place is a keyed hash of the id in [0, 1); the key is the store's, so that all processes and restarts agree.
Users below the share are held out. A larger share only adds users, a smaller one only lets some go.
"""

import asyncio
import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from onshelf_gateway.inference.outputs import Retrieved
from onshelf_gateway.releases.model_release import ModelRelease
from onshelf_gateway.store.database import Store
from onshelf_gateway.store.events import user_hash_key

Floats = NDArray[np.float64]
POLICY = "holdout"  # of recommendations to users who are held out
PERSON = b"holdout"  # parts these hashes from those of forgotten users, which have the same key
MOST_RELEASES = 4  # whose users' places are kept


class Holdout:
    """Places of users.

    Args:
        store: the database, open when `start` is called.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._key = b""
        self._places: dict[str, Floats] = {}
        self._hashing: dict[str, asyncio.Task[None]] = {}

    async def start(self) -> None:
        """Read the key.

        Raises:
            StoreError: the database failed.
        """
        self._key = await asyncio.to_thread(self._read)

    def held(self, user_id: str, share: float) -> bool:
        """Whether a user is held out; nobody without an id is."""
        return share > 0 and user_id != "" and self.place(user_id) < share

    async def without(self, release: ModelRelease, found: Retrieved, share: float) -> Retrieved:
        """Users that were found, without those who are held out."""
        if share <= 0:
            return found
        return found.take(np.flatnonzero((await self.places(release))[found.indices] >= share))

    async def places(self, release: ModelRelease) -> Floats:
        """Places of all users of a release, in the order of users.arrow; hashed once, in a thread."""
        name = release.fingerprint
        while (found := self._places.get(name)) is None:
            if name not in self._hashing:
                self._hashing[name] = asyncio.create_task(self._hash(name, release.user_names))
            await asyncio.shield(self._hashing[name])  # it goes on for the next who asks
        return found

    def place(self, user_id: str) -> float:
        """A user's place in [0, 1)."""
        digest = hashlib.blake2b(user_id.encode(), key=self._key, digest_size=8, person=PERSON).digest()
        return (int.from_bytes(digest, "big") >> 11) / (1 << 53)

    async def _hash(self, name: str, users: Sequence[str]) -> None:
        try:
            found = await asyncio.to_thread(self._all, users)
            while len(self._places) >= MOST_RELEASES:
                del self._places[next(iter(self._places))]
            self._places[name] = found
        finally:
            del self._hashing[name]

    def _all(self, names: Sequence[str]) -> Floats:
        return np.array([self.place(name) for name in names], dtype=np.float64)

    def _read(self) -> bytes:
        with self._store.reading() as connection:
            return user_hash_key(connection).encode()
