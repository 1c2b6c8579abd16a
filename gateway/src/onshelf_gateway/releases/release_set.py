"""The set of loaded model releases: by version, the one in service, and new ones as they are published."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import structlog

from onshelf_gateway.call.errors import GatewayError, refuse
from onshelf_gateway.releases.model_release import ModelRelease, ReleaseError, load_release

log = structlog.get_logger(__name__)

KEPT = 4  # newest versions that are loaded; Triton serves two


def _version(manifest: Path) -> int:
    return int(manifest.parent.name)


class ReleaseSet:
    """Model releases below one folder.

    The one in service is the highest production version whose models Triton serves, as `promote` says: a newer one
    takes over when it is ready there, without a restart, and a plan never meets models that are still loading.

    Attributes:
        changed: called after releases were loaded or dropped.
    """

    def __init__(self, root: Path, retry_after_ms: int = 1_000) -> None:
        self._root = root
        self._retry_after_ms = retry_after_ms
        self._releases: dict[int, ModelRelease] = {}
        self._refused: dict[Path, float] = {}
        self._loaded_at: dict[Path, float] = {}
        self._serving = 0
        self.changed: Callable[[], object] = lambda: None

    @property
    def loaded(self) -> Mapping[int, ModelRelease]:
        """All loaded releases by version."""
        return MappingProxyType(self._releases)

    @property
    def serving(self) -> ModelRelease | None:
        """The release in service; None before there is a production one."""
        return self._releases.get(self._serving)

    @property
    def production(self) -> list[ModelRelease]:
        """Releases for production, highest version first."""
        found = [release for release in self._releases.values() if release.manifest.role == "production"]
        return sorted(found, key=lambda release: -release.version)

    def promote(self, release: ModelRelease) -> None:
        """Put a loaded release into service."""
        if release.version != self._serving:
            self._serving = release.version
            log.info("model_release_in_service", version=release.version, as_of=release.manifest.as_of.isoformat())

    def get(self, version: int) -> ModelRelease:
        """The release of a request: by version, or the one in service for 0.

        Raises:
            GatewayError: MODEL_RELEASE_NOT_FOUND, VALUE_OUT_OF_RANGE, or MODEL_UNAVAILABLE before there is any.
        """
        if version < 0:
            raise refuse(
                "VALUE_OUT_OF_RANGE", "model_release", f"{version} is refused: a version of a model release, or 0"
            )
        if version:
            if version not in self._releases:
                known = ", ".join(map(str, sorted(self._releases))) or "none"
                raise GatewayError("MODEL_RELEASE_NOT_FOUND", f"model release {version} is not served; served: {known}")
            return self._releases[version]
        if self.serving is None:
            raise GatewayError(
                "MODEL_UNAVAILABLE",
                f"no production model release below {self._root.name!r} yet; publish one with onshelf-exporter",
                retry_after_ms=self._retry_after_ms,
            )
        return self.serving

    def refresh(self) -> list[ModelRelease]:
        """Load what appeared or changed, drop what is gone; a refused folder is logged once per change."""
        manifests = [path for path in self._root.glob("*/manifest.json") if path.parent.name.isdecimal()]
        changed_at = {path.parent: path.stat().st_mtime for path in sorted(manifests, key=_version)}
        usable = [folder for folder, changed in changed_at.items() if self._refused.get(folder) != changed]
        found = {folder: changed_at[folder] for folder in usable[-KEPT:]}
        new: list[ModelRelease] = []
        for folder, changed in sorted(found.items()):
            if self._loaded_at.get(folder) == changed:
                continue
            try:
                release = load_release(folder)
                release.warm()
            except OSError:  # the disk, not the release: look again
                raise
            except Exception as error:  # noqa: BLE001  a table of another shape must not end the watch
                self._refused[folder] = changed
                reason = str(error) if isinstance(error, ReleaseError) else repr(error)
                log.error("model_release_refused", folder=folder.name, reason=reason)
                continue
            self._loaded_at[folder] = changed
            new.append(release)
        gone = [v for v, release in self._releases.items() if release.folder not in found and v != self._serving]
        for release in new:
            log.info("model_release_loaded", version=release.version, role=release.manifest.role)
        for version in gone:
            self._loaded_at.pop(self._releases[version].folder, None)
            log.info("model_release_dropped", version=version)
        if new or gone:  # replaced as a whole: readers on the event loop never see it change
            kept = {version: release for version, release in self._releases.items() if version not in gone}
            self._releases = kept | {release.version: release for release in new}
        if self.serving is None and self.production:
            self.promote(self.production[0])
        if new or gone:
            self.changed()
        return new

    async def watch(self, interval: float) -> None:
        """Refresh every `interval` seconds, off the event loop, until cancelled."""
        while True:
            await asyncio.sleep(interval)
            try:
                await asyncio.to_thread(self.refresh)
            except OSError as error:
                log.warning("model_releases_unreadable", reason=str(error))
