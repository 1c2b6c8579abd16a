"""Launches as the policy studies see them: covariates known before the launch, the action, the outcome.

Four actions of the first two weeks are told apart on launches that entered by a promotion (PF): display narrow, display
broad (above the median coverage of the training launches), mailer only, display and mailer.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from onshelf_exporter.process.errors import ExporterError
from onshelf_exporter.training.context import context_table
from onshelf_exporter.training.history import History
from onshelf_research.data.dataset import Dataset, LaunchRows
from onshelf_research.evaluation.release import MeasuredRelease

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

ACTIONS = ("display_narrow", "display_broad", "mailer_only", "display_and_mailer")
MOST_UNITS = 50.0  # units of 8 weeks are winsorised there: single best-sellers decide no policy
DEEP_DISCOUNT = 0.1
CATEGORICAL = (0, 1)  # columns of the covariates that are ids


class PolicyError(ExporterError):
    """The data do not hold what a study of policies needs."""


@dataclass(frozen=True, kw_only=True)
class PolicyStudy:
    """Some PF launches.

    Attributes:
        rows: the launches.
        x: float64 [n, covariates], known before the launch; the first two columns are ids of department and category.
        department, category: int64 [n] ids of the data up to the cut, 0 unknown.
        display, mailer: float64 [n], sums of coverage over the channels of that kind in weeks L..L+1.
        units: float64 [n], of 8 weeks, at most MOST_UNITS.
    """

    rows: LaunchRows
    x: Floats
    department: Ints
    category: Ints
    display: Floats
    mailer: Floats
    units: Floats

    def __len__(self) -> int:
        return len(self.rows)

    def treatments(self) -> dict[str, Mask]:
        """Which launches had which promotion; a display is broad above the median coverage of those that had one."""
        shown = self.display[self.display > 0]
        return {
            "any display": self.display > 0,
            "broad display": self.display > (float(np.median(shown)) if len(shown) else 0.0),
            "any mailer": self.mailer > 0,
            "coupon": self.rows.numbers("coupon") > 0,
            "discount of 10 % or more": self.rows.numbers("discount") >= DEEP_DISCOUNT,
        }

    def actions(self, broad_above: float) -> Ints:
        """Number in ACTIONS of each launch's action, int64 [n]."""
        both = (self.display > 0) & (self.mailer > 0)
        broad = np.where(self.display > broad_above, 1, 0)
        return np.where(both, 3, np.where(self.mailer > 0, 2, broad)).astype(np.int64)


def kinds_of(data: Dataset, kind: str) -> Ints:
    """Channel slots of one kind."""
    slots: Ints = np.flatnonzero(data.channels["kind"].to_numpy() == kind).astype(np.int64)
    return slots


def promotion_first(data: Dataset, release: MeasuredRelease, history: History, weeks: tuple[int, int]) -> PolicyStudy:
    """The PF launches of some weeks.

    Args:
        data: prepared data.
        release: gives propensities as covariates.
        history: the same data up to the cut of the split: covariates come from it.
        weeks: first and last launch week.

    Raises:
        PolicyError: there is none.
    """
    rows = data.launched(weeks)
    rows = rows.take(rows.frame["is_promotion_first"].to_numpy(dtype=bool))
    promoted = rows.coverage[:, np.concatenate([kinds_of(data, "display"), kinds_of(data, "mailer")])].sum(axis=1) > 0
    rows = rows.take(promoted)
    if not len(rows):
        raise PolicyError(f"launch weeks {weeks[0]}-{weeks[1]}: no launch entered by a promotion")
    ids = history.ids[rows.product]
    return PolicyStudy(
        rows=rows,
        x=covariates(release, data, history, rows),
        department=ids[:, 0],
        category=ids[:, 1],
        display=rows.coverage[:, kinds_of(data, "display")].sum(axis=1),
        mailer=rows.coverage[:, kinds_of(data, "mailer")].sum(axis=1),
        units=np.minimum(rows.numbers("units_8w"), MOST_UNITS),
    )


def covariates(release: MeasuredRelease, data: Dataset, history: History, rows: LaunchRows) -> Floats:
    """Department and category ids, price, price relative to the category, private label, what the category sells, and
    how likely practice is to use display, mailer and coupon for such products: float64 [n, 12]."""
    ids = history.ids[rows.product]
    with torch.no_grad():
        context = context_table(history)(torch.from_numpy(ids)).numpy().astype(np.float64)
    price = np.log(np.maximum(np.nan_to_num(rows.numbers("price")), 0.01))
    label = rows.frame["private_label"].fillna(-1).to_numpy(dtype=np.float64)
    propensity = served_propensity(release, data, rows)
    practice = [propensity[:, kinds_of(data, kind)].sum(axis=1) for kind in ("display", "mailer", "coupon")]
    parts = [ids[:, 0], ids[:, 1], price, price - context[:, 0], label, *context[:, 1:].T, *practice]
    return np.stack([np.asarray(part, dtype=np.float64) for part in parts], axis=1)


def served_propensity(release: MeasuredRelease, data: Dataset, rows: LaunchRows) -> Floats:
    """What the served encoder says of each channel of the data, float64 [n, channels]; 0 for channels it does not
    know or where it serves none."""
    encoded = release.encode(rows.frame)
    result = np.zeros((len(rows), len(data.channels)))
    if "channel_propensity" not in encoded:
        return result
    slots = release.table("channels").set_index("channel_id")["channel_slot"]
    here = data.channels["channel_id"].map(slots)
    known = here.notna().to_numpy()
    result[:, known] = encoded["channel_propensity"][:, here[known].to_numpy(dtype=np.int64)]
    return result
