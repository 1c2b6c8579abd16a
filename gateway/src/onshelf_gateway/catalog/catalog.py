"""The catalog of this process: what the store says, as shelves of the model releases; kept up with other processes.

A change is written to the store, then applied here, then answered. Others ask the store for the number of the last
change again and again and fetch what is new to them. Encodings come with the changes; a release whose models have not
read a product yet gets it read in the background, and answers say so until then.
"""

import asyncio
import contextlib
import datetime as dt
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import structlog

from onshelf.v1 import types_pb2
from onshelf_gateway.call import metrics
from onshelf_gateway.call.call import Call
from onshelf_gateway.call.errors import GatewayError
from onshelf_gateway.catalog.decided import decided_launch
from onshelf_gateway.catalog.read_products import AT_ONCE, read_products
from onshelf_gateway.catalog.shelf import Entry, Shelf
from onshelf_gateway.inference.models import Models
from onshelf_gateway.releases.model_release import ModelRelease
from onshelf_gateway.releases.release_set import ReleaseSet
from onshelf_gateway.settings import Settings
from onshelf_gateway.store.database import Store, StoreError
from onshelf_gateway.store.products import CatalogFullError, CatalogStore, ProductChange, Written

log = structlog.get_logger(__name__)
T = TypeVar("T")
FETCHED = 500  # changes that are fetched and applied at a time
LOOKED_UP = 1_000  # encodings that are looked up at a time
READ_SECONDS = 30.0  # for reading AT_ONCE products in the background
PATIENCE = 1.0  # s between attempts to read what could not be read, and after which a silent store is told of


class Catalog:
    """Upserted and deleted products. Used on one event loop; the store is asked in threads of its own."""

    def __init__(self, settings: Settings, models: Models, releases: ReleaseSet, store: Store) -> None:
        self._settings = settings
        self._models = models
        self._releases = releases
        self._store = CatalogStore(store, settings.catalog_entries)
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="store")
        self._writing = asyncio.Lock()
        self._entries: dict[str, Entry] = {}
        self._live = 0
        self._shelves: dict[str, Shelf] = {}
        self._seen = 0
        self._silent_since: float | None = None
        self._work = asyncio.Event()  # something may have to be read

    async def start(self) -> None:
        """Load what the store, which is open, holds.

        Raises:
            StoreError: it cannot be used.
        """
        self._activate_production()
        await self._fetch()
        log.info("catalog_loaded", entries=self._live, last_change=self._seen)

    async def run(self) -> None:
        """Keep up until cancelled."""
        reading = asyncio.create_task(self._read_missing())
        try:
            while True:
                await asyncio.sleep(self._settings.catalog_poll_ms / 1000)
                await self._poll()
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def close(self) -> None:
        """Wait for what is being written."""
        await asyncio.to_thread(self._threads.shutdown)

    # For calls.

    def shelf(self, call: Call, release: ModelRelease) -> Shelf:
        """The shelf of a release; what it lacks becomes remarks of the call."""
        shelf = self._shelf(release)
        if self._silent_since is not None and time.monotonic() - self._silent_since > PATIENCE:
            _incomplete(call, "the catalog's store does not answer; changes made elsewhere may be missing")
        if self._live and not shelf.supported:
            _incomplete(
                call,
                f"model release {release.version} has no models for upserted products; {self._live} are missing",
            )
        elif shelf.missing:
            _incomplete(
                call,
                f"{len(shelf.missing)} of {self._live} upserted products are being read by model release "
                f"{release.version} and are missing, or stand as they were before",
            )
        if shelf.refused:
            example = next(iter(shelf.refused.values()))
            _incomplete(
                call,
                f"{len(shelf.refused)} upserted products cannot be read by model release {release.version}, for "
                f"example: {example}",
            )
        return shelf

    def check_room(self, names: set[str]) -> None:
        """Refuse products that there is no room for, before any work is spent on them.

        Raises:
            GatewayError: CATALOG_FULL.
        """
        more = sum(name not in self._entries or self._entries[name].product is None for name in names)
        if self._live + more > self._settings.catalog_entries:
            raise self._full(self._live, more)

    async def upsert(self, release: ModelRelease, rows: Sequence[tuple[types_pb2.Product, bytes]]) -> Written:
        """Write products with distinct ids and their encodings, and apply them.

        Raises:
            GatewayError: CATALOG_FULL or STORE_UNAVAILABLE; nothing was written.
        """
        shelf = self._shelf(release)
        values = [(product.product_id, product.SerializeToString(), encoding) for product, encoding in rows]
        models, known = self._key(release), _known(release)
        written = await self._write(lambda: self._store.upsert(values, models, release.version, known), shelf)
        metrics.catalog_upserts.inc(len(rows))
        return written

    async def delete(self, release: ModelRelease, names: Sequence[str]) -> Written:
        """Delete products by distinct ids, and apply it.

        Raises:
            GatewayError: STORE_UNAVAILABLE; nothing was written.
        """
        known = _known(release)
        written = await self._write(lambda: self._store.delete(names, known), self._shelf(release))
        metrics.catalog_deletes.inc(written.known)
        return written

    async def redecide(self, release: ModelRelease, names: Sequence[str]) -> None:
        """Have every process read anew what was decided about upserted products; others are left alone.

        Raises:
            GatewayError: STORE_UNAVAILABLE; nothing was written.
        """
        models = self._key(release)
        await self._write(lambda: self._store.touch(names, models), self._shelf(release))

    async def _write(self, work: Callable[[], Written], shelf: Shelf) -> Written:
        async def write() -> Written:  # goes on when its call has gone: what is durable must be applied
            async with self._writing:
                try:
                    written = await self._in_thread(work)
                except CatalogFullError as error:
                    raise self._full(error.entries, error.more) from error
                except StoreError as error:
                    log.error("store_failed", reason=str(error))
                    raise GatewayError(
                        "STORE_UNAVAILABLE",
                        "the catalog's store did not take the change; nothing was changed",
                        retry_after_ms=self._settings.retry_after_ms,
                    ) from error
                key = self._key(shelf.release)
                self._apply([(change, {key: change.encoding} if change.encoding else {}) for change in written.changes])
                if written.changes and written.changes[0].number == self._seen + 1:
                    self._seen = written.changes[-1].number
                return written

        return await asyncio.shield(asyncio.create_task(write()))

    def _full(self, entries: int, more: int) -> GatewayError:
        return GatewayError(
            "CATALOG_FULL",
            f"{entries} upserted products and {more} more are beyond --catalog-entries "
            f"({self._settings.catalog_entries}); delete some, or train a model release that has them",
        )

    # Keeping up.

    async def _poll(self) -> None:
        self._activate_production()
        try:
            if await self._in_thread(self._store.last_change) > self._seen:
                await self._fetch(lag=True)
            if self._silent_since is not None:
                log.info("store_answers_again", seconds=round(time.monotonic() - self._silent_since, 1))
            self._silent_since = None
        except StoreError as error:
            if self._silent_since is None:
                self._silent_since = time.monotonic()
                log.error("store_failed", reason=str(error))
        except Exception:  # a row that cannot be read must not end the watch; the store counts as silent
            self._silent_since = self._silent_since or time.monotonic()
            log.exception("catalog_poll_failed")

    async def _fetch(self, lag: bool = False) -> None:
        """Apply all changes that are new to this process."""
        while True:
            models = [key for key, shelf in self._shelves.items() if shelf.supported]
            rows = await self._in_thread(self._store.changes_after, self._seen, models, FETCHED)
            if rows:
                self._apply(rows, lag)
                self._seen = max(self._seen, rows[-1][0].number)
            if len(rows) < FETCHED:
                return

    def _apply(self, rows: Sequence[tuple[ProductChange, dict[str, bytes]]], lag: bool = False) -> None:
        fresh = []
        now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
        for change, encodings in rows:
            before = self._entries.get(change.product_id)
            if before is not None and before.number >= change.number:
                continue
            product = None if change.deleted else types_pb2.Product.FromString(change.product)
            self._live += (product is not None) - (before is not None and before.product is not None)
            self._entries[change.product_id] = Entry(change.number, product, decided_launch(change.executed))
            fresh.append((change, encodings))
            if lag:
                metrics.catalog_lag.observe(max(0.0, (now - change.changed_at).total_seconds()))
        for key, shelf in self._shelves.items():
            shelf.apply([_with_encoding(change, encodings.get(key)) for change, encodings in fresh])
        self._tell()

    def _tell(self) -> None:
        serving = self._releases.serving
        shelf = None if serving is None else self._shelves.get(self._key(serving))
        metrics.catalog_entries.set(self._live)
        metrics.catalog_missing.set(0 if shelf is None else len(shelf.missing))
        metrics.catalog_bytes.set(sum(shelf.delta.nbytes for shelf in self._shelves.values()))
        if any(shelf.missing and shelf.supported for shelf in self._shelves.values()):
            self._work.set()

    # Shelves.

    def _key(self, release: ModelRelease) -> str:
        return f"{release.fingerprint}:{self._models.encoders.of(release)}"

    def _shelf(self, release: ModelRelease) -> Shelf:
        key = self._key(release)
        if key not in self._shelves:
            shelf = self._shelves[key] = Shelf(release, self._entries)
            epoch = dt.datetime.min
            shelf.apply(
                [
                    ProductChange(
                        product_id=name, number=e.number, deleted=e.product is None, product=b"", changed_at=epoch
                    )
                    for name, e in self._entries.items()
                ]
            )
            self._tell()
        return self._shelves[key]

    def _activate_production(self) -> None:
        """A shelf for the release in service and for the newest one, which will be; none for releases that are gone."""
        serving = self._releases.serving
        for release in {id(r): r for r in (serving, *self._releases.production[:1]) if r is not None}.values():
            self._shelf(release)
        loaded = {self._key(release) for release in self._releases.loaded.values()}
        for key in [key for key in self._shelves if key not in loaded]:
            del self._shelves[key]
            oldest = min(self._releases.loaded, default=0)
            task = asyncio.ensure_future(self._in_thread(self._store.forget_releases, oldest))
            task.add_done_callback(_log_failure)

    async def _read_missing(self) -> None:
        """Get products read that came without an encoding for some release."""
        while True:
            await self._work.wait()
            self._work.clear()
            for key, shelf in list(self._shelves.items()):
                if not shelf.supported:
                    continue
                try:
                    await self._read_shelf(key, shelf)
                except (GatewayError, StoreError) as error:
                    log.warning("catalog_not_read", model_release=shelf.release.version, reason=str(error))
                except Exception:  # it must go on with the next release, and try again
                    log.exception("catalog_not_read", model_release=shelf.release.version)
            self._tell()
            if self._work.is_set():
                await asyncio.sleep(PATIENCE)

    async def _read_shelf(self, key: str, shelf: Shelf) -> None:
        names = list(shelf.missing)
        for start in range(0, len(names), LOOKED_UP):  # most were read by the process that took them
            await self._look_up(key, shelf, names[start : start + LOOKED_UP])
        names = list(shelf.missing)
        random.shuffle(names)  # several processes that read the same products meet seldom
        for start in range(0, len(names), AT_ONCE):
            if self._shelves.get(key) is not shelf:
                return
            some = await self._look_up(key, shelf, names[start : start + AT_ONCE])
            wanted = [(name, entry) for name in some if (entry := self._entries[name]).product is not None]
            products = [entry.product for _, entry in wanted if entry.product is not None]
            if not products:
                continue
            call = Call(call_id="catalog", deadline=time.monotonic() + READ_SECONDS, caller_deadline=False)
            readings = await read_products(call, shelf.release, self._models, self._settings, products)
            if self._key(shelf.release) != key:  # another encoder was chosen before it read them
                return
            read = []
            for (name, entry), reading in zip(wanted, readings, strict=True):
                if reading.problem is None:
                    read.append((name, entry.number, reading.encoding))
                else:
                    shelf.refuse(name, entry.number, f"{reading.problem.field}: {reading.problem.message}")
            await self._in_thread(self._store.add_encodings, key, shelf.release.version, sorted(read))
            shelf.add(read)
            self._tell()

    async def _look_up(self, key: str, shelf: Shelf, names: Sequence[str]) -> list[str]:
        """Take over what others have read meanwhile; returns the names that are still missing."""
        wanted = [name for name in names if name in shelf.missing]
        if wanted:
            found = await self._in_thread(self._store.encodings, key, wanted)
            shelf.add([(name, number, encoding) for name, (number, encoding) in found.items()])
        return [name for name in wanted if name in shelf.missing]

    async def _in_thread(self, work: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)


def _known(release: ModelRelease) -> Callable[[str], bool]:
    """Whether a product is in the release's own catalog, as far as its data knew it."""

    def known(name: str) -> bool:
        row = release.product_rows.get(name)
        return row is not None and bool(release.known_products[row])

    return known


def _with_encoding(change: ProductChange, encoding: bytes | None) -> ProductChange:
    return ProductChange(
        product_id=change.product_id,
        number=change.number,
        deleted=change.deleted,
        product=change.product,
        changed_at=change.changed_at,
        encoding=encoding,
    )


def _incomplete(call: Call, message: str) -> None:
    call.notice(types_pb2.NOTICE_CODE_CATALOG_INCOMPLETE, message)


def _log_failure(task: "asyncio.Future[None]") -> None:
    with contextlib.suppress(asyncio.CancelledError):
        error = task.exception()
        if error is not None:
            log.warning("store_failed", reason=str(error))
