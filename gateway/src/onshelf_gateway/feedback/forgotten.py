"""Who asked to be forgotten, as every process knows it: what a model release still knows of them is not used."""

import asyncio
from collections.abc import Callable

import numpy as np
import structlog
from numpy.typing import NDArray

from onshelf_gateway.inference.outputs import Retrieved
from onshelf_gateway.releases.model_release import ModelRelease
from onshelf_gateway.releases.release_set import ReleaseSet
from onshelf_gateway.store.database import Store, StoreError
from onshelf_gateway.store.events import count_forgotten, forgotten_users
from onshelf_release.forgotten_users import ForgottenUsers, starts_of

log = structlog.get_logger(__name__)
Marks = NDArray[np.bool_]
POLL_SECONDS = 0.5  # from one look into the store to the next: another process may have forgotten somebody
NOBODY: Marks = np.zeros(0, dtype=bool)


class Forgotten:
    """Which rows of the model releases' tables are forgotten users'.

    A release's users are hashed once, in a thread, and only where somebody was forgotten.

    Args:
        store: the database, open.
        releases: those that are loaded.

    Attributes:
        changed: called after this process learned of somebody.
    """

    def __init__(self, store: Store, releases: ReleaseSet) -> None:
        self._store = store
        self._releases = releases
        self._users = ForgottenUsers()
        self._receipts = 0
        self._starts: dict[str, NDArray[np.uint64]] = {}  # of the users' hashes, by release
        self._marks: dict[str, Marks] = {}
        self._finding = asyncio.Lock()
        self._silent = False
        self.changed: Callable[[], object] = lambda: None

    @property
    def receipts(self) -> int:
        """How many receipts this process knows of."""
        return self._receipts

    async def refresh(self) -> None:
        """Read the store, where somebody was forgotten since.

        Raises:
            StoreError: the database failed.
        """
        receipts = await asyncio.to_thread(self._count)
        if receipts == self._receipts:
            return
        users = await asyncio.to_thread(self._read)
        self._users, self._receipts, self._marks = users, receipts, {}
        self.changed()
        for release in self._releases.loaded.values():
            await self.marks(release)

    async def run(self) -> None:
        """Keep up until cancelled; while the store is silent, those that are known stay forgotten."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            try:
                await self.refresh()
                self._silent = False
            except StoreError as error:
                if not self._silent:
                    log.error("store_failed", reason=str(error))
                self._silent = True

    async def marks(self, release: ModelRelease) -> Marks:
        """Whether each user of users.arrow asked to be forgotten; empty where none of them did."""
        while self._users.hashes:
            users = self._users
            found = self._marks.get(release.fingerprint)
            if found is not None:
                return found
            async with self._finding:
                found = await asyncio.to_thread(self._find, users, release)
            if users is self._users:  # otherwise somebody was forgotten meanwhile
                self._marks[release.fingerprint] = found
        return NOBODY

    async def user_row(self, release: ModelRelease, user_id: str) -> int | None:
        """The row of a user in users.arrow; None where the user is unknown, or asked to be forgotten."""
        row = release.user_rows.get(user_id)
        gone = await self.marks(release)
        return None if row is None or (len(gone) and gone[row]) else row

    async def without(self, release: ModelRelease, found: Retrieved) -> Retrieved:
        """Users that were found, without the forgotten."""
        gone = await self.marks(release)
        return found.take(np.flatnonzero(~gone[found.indices])) if len(gone) else found

    def holding(self, user_id: str) -> list[int]:
        """Versions of the loaded releases that know a user, rising."""
        return sorted(version for version, release in self._releases.loaded.items() if user_id in release.user_rows)

    def _find(self, users: ForgottenUsers, release: ModelRelease) -> Marks:
        kept = {one.fingerprint for one in self._releases.loaded.values()}
        self._starts = {name: starts for name, starts in self._starts.items() if name in kept}
        if release.fingerprint not in self._starts:
            self._starts[release.fingerprint] = starts_of(users.key, release.user_names)
        rows = users.among(release.user_names, self._starts[release.fingerprint])
        if not len(rows):
            return NOBODY
        marks = np.zeros(len(release.user_names), dtype=bool)
        marks[rows] = True
        return marks

    def _count(self) -> int:
        with self._store.reading() as connection:
            return count_forgotten(connection)

    def _read(self) -> ForgottenUsers:
        with self._store.reading() as connection:
            return forgotten_users(connection)
