"""What the service answers about draws, tests and holdouts."""

import dataclasses

from onshelf._enums import HoldoutVerdict


@dataclasses.dataclass(frozen=True, kw_only=True)
class NearTie:
    """A plan that could not be told from the best one: its place, and its probability to stand first."""

    rank: int
    objective_value: float = 0.0
    probability: float = 0.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Exploration:
    """How the plan that stands first was drawn among near-ties, best first, whose probabilities add up to 1.

    drawn: this product is among the share that is drawn; otherwise the best plan stands first.
    """

    policy: str = ""
    share: float = 0.0
    margin: float = 0.0
    seed: int = 0
    drawn: bool = False
    near_ties: tuple[NearTie, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class HoldoutEffect:
    """Buyers among users who could be targeted beside those who were held out, and the difference of their shares with
    its 95 % interval. words says what can be said, or that it is underpowered.
    """

    share: float = 0.0
    users: int = 0
    buyers: int = 0
    held_out_users: int = 0
    held_out_buyers: int = 0
    difference: float = 0.0
    difference_low: float = 0.0
    difference_high: float = 0.0
    visible_difference: float = 0.0
    verdict: HoldoutVerdict = HoldoutVerdict.UNKNOWN
    words: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PowerWeek:
    """What a test of so many weeks can see: first and second are a user's or site's outcome under each plan.

    needed is 0 where no number sees the difference; visible_difference is a share of first, 0 where none is seen.
    """

    week: int
    needed: int = 0
    visible_difference: float = 0.0
    first: float = 0.0
    second: float = 0.0
