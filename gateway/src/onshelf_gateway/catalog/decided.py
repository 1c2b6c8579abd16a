"""What was decided about an upserted product: what the executed launch promises beyond the same without promotion."""

import datetime as dt
import math
from dataclasses import dataclass

from onshelf.v1 import launch_pb2, types_pb2

WEEKS = 8  # of a launch, in which the decided action counts
NEVER = 0  # as the ordinal of a day


@dataclass(frozen=True, kw_only=True)
class DecidedLaunch:
    """The executed launch of a product, as it was forecast when it was decided.

    Attributes:
        buyers: expected within 8 weeks under the executed action.
        without_promotion: the same if it had neither promotion nor coupon nor discount; 0 where that was not forecast.
        ends: ordinal of the day after its 8 weeks.
    """

    action: types_pb2.Action
    buyers: float
    without_promotion: float
    ends: int

    @property
    def lift(self) -> float:
        """Logarithm of how many times more buyers the executed action promises; 0 where that is not known."""
        if self.buyers <= 0 or self.without_promotion <= 0:
            return 0.0
        return math.log(self.buyers / self.without_promotion)


def decided_launch(executed: bytes) -> DecidedLaunch | None:
    """The launch of a stored plan; None where nothing is executed.

    Args:
        executed: onshelf.v1.LaunchPlan, serialized; may be empty.
    """
    if not executed:
        return None
    plan = launch_pb2.LaunchPlan.FromString(executed)
    start = dt.date.fromisoformat(plan.action.launch_date)
    return DecidedLaunch(
        action=plan.action,
        buyers=next((one.buyers for one in plan.forecasts if one.horizon_weeks == WEEKS), 0.0),
        without_promotion=plan.buyers_without_promotion,
        ends=start.toordinal() + 7 * WEEKS,
    )
