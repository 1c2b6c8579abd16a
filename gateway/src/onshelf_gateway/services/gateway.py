"""What the services share: settings, model releases, models, permits, the catalog, answers, who is forgotten."""

import asyncio
import datetime as dt
import zoneinfo
from dataclasses import dataclass, field

from onshelf.v1 import launch_pb2
from onshelf_gateway.call.call import Call
from onshelf_gateway.call.idempotency import Answers, Shared
from onshelf_gateway.call.permits import Permits
from onshelf_gateway.catalog.catalog import Catalog
from onshelf_gateway.catalog.search_index import SearchIndex
from onshelf_gateway.feedback.daily_sales import DailySales
from onshelf_gateway.feedback.forgotten import Forgotten
from onshelf_gateway.feedback.holdout import Holdout
from onshelf_gateway.feedback.memory import Memory
from onshelf_gateway.inference.models import Models
from onshelf_gateway.releases.model_release import ModelRelease
from onshelf_gateway.releases.release_set import ReleaseSet
from onshelf_gateway.reviews.reading import Reader
from onshelf_gateway.settings import Settings


@dataclass(kw_only=True)
class Gateway:
    """The parts that answer calls."""

    settings: Settings
    releases: ReleaseSet
    models: Models
    permits: Permits
    catalog: Catalog
    memory: Memory
    forgotten: Forgotten
    holdout: Holdout
    answers: Answers[launch_pb2.PlanLaunchResponse] = field(init=False)
    shared: Shared[launch_pb2.PlanLaunchResponse] = field(init=False, default_factory=Shared)
    reader: Reader = field(init=False)
    search_indexes: dict[str, asyncio.Task[SearchIndex]] = field(init=False, default_factory=dict)
    upserted_index: tuple[tuple[str, int, int], asyncio.Task[SearchIndex]] | None = field(init=False, default=None)
    daily_sales: DailySales = field(init=False, default_factory=DailySales)
    draining: asyncio.Event = field(init=False, default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.answers = Answers(self.settings.idempotency_entries, self.settings.idempotency_mib << 20)
        self.forgotten.changed = self.answers.clear  # plans kept for a repeated request id have audiences, too
        self.reader = Reader(self.models)

    def release(self, call: Call, version: int) -> ModelRelease:
        """The model release of a call; every model call and table of it comes from this one."""
        release = self.releases.get(version)
        call.release_version = release.version
        return release

    def today(self, release: ModelRelease) -> dt.date:
        """The first day that may be launched on: the release's `as_of`, or the wall clock where that is set."""
        as_of = release.manifest.as_of
        if self.settings.clock == "as_of":
            return as_of
        return max(as_of, dt.datetime.now(zoneinfo.ZoneInfo(release.manifest.timezone)).date())
