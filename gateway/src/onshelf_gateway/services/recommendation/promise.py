"""What a decided launch promises, for the reason of a recommendation."""

import math

from onshelf_gateway.catalog.decided import DecidedLaunch
from onshelf_gateway.releases.model_release import ModelRelease

WORTH_SAYING = math.log(1.1)  # a tenth more buyers than without promotion
NAMED = 2  # channels


def promise(release: ModelRelease, launch: DecidedLaunch | None) -> str:
    """The beginning of a reason: how the launch is promoted, and for how many buyers; empty where that does not speak.

    Args:
        release: whose scores the launch lifts.
        launch: of the product; None where none is decided.
    """
    if launch is None or not release.manifest.decided_lift_weight or launch.lift < WORTH_SAYING:
        return ""
    action = launch.action
    used = [release.channels[one.channel_id] for one in action.channels if one.channel_id in release.channels]
    parts = [release.channel_words[channel.slot] for channel in used[:NAMED]]
    if action.discount > 0:
        parts.append(f"{action.discount:.0%} off")
    if action.coupon:
        parts.append("a coupon")
    how = f"{', '.join(parts)}, " if parts else ""
    return f"expected to sell well: {how}{round(launch.buyers):,} buyers; "
