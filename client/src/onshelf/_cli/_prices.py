"""The model release that will answer, and amounts of money in its currency."""

import functools
from decimal import Decimal
from typing import Any, TypeVar, overload

from onshelf._client import Client
from onshelf._enums import ErrorReason, ServingState
from onshelf._errors import NotFound, Unavailable
from onshelf._money import Money
from onshelf._results import ModelReleaseInfo

T = TypeVar("T")


def release_info(client: Client, version: int | None) -> ModelReleaseInfo:
    """The model release with a version, or the one in service for None and 0."""
    releases = client.list_model_releases().releases
    for release in releases:
        if release.info.version == version if version else release.state is ServingState.SERVING:
            return release.info
    if not version:
        raise Unavailable("no model release is in service", reason=ErrorReason.MODEL_UNAVAILABLE)
    known = ", ".join(str(release.info.version) for release in releases) or "none"
    raise NotFound(
        f"{version} is not served; served: {known}", reason=ErrorReason.MODEL_RELEASE_NOT_FOUND, field="model_release"
    )


class Prices:
    """Turns amounts into money: of the currency given, or of the model release that will answer, which is asked for
    once, when the first amount comes.
    """

    def __init__(self, client: Client, currency: str | None = None, model_release: int | None = None) -> None:
        self._client, self._currency, self._version = client, currency, model_release

    @functools.cached_property
    def release(self) -> ModelReleaseInfo:
        """The model release that will answer."""
        return release_info(self._client, self._version)

    @property
    def currency(self) -> str:
        """The currency of amounts without one."""
        return self._currency or self.release.currency

    @overload
    def __call__(self, amount: Decimal) -> Money: ...

    @overload
    def __call__(self, amount: Decimal | None) -> Money | None: ...

    def __call__(self, amount: Decimal | None) -> Money | None:
        return None if amount is None else Money(amount, self.currency)

    def filled(self, kind: type[T], **given: Any) -> T | None:
        """A value of a kind, with amounts as money; None where nothing is given."""
        if not any(value not in (None, ()) for value in given.values()):
            return None
        return kind(**{name: self(value) if isinstance(value, Decimal) else value for name, value in given.items()})
