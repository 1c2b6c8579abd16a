"""Which weeks a model learns from and which it is measured on.

For a data set of 53 weeks with a burn-in of 8 this gives: validation = launches of weeks 28-32 after training on
9-27; test = launches of weeks 40-46 after training on 9-32.
"""

import argparse
from dataclasses import dataclass
from typing import Any

from onshelf_exporter.data.weeks import Cut
from onshelf_exporter.process.errors import SettingError

OUTCOME_WEEKS = 8
WARM_WEEKS = 4
SPLITS = ("validation", "test")
CHOSEN = "chosen"  # weeks that were named on the command line


def add_weeks_argument(parser: argparse.ArgumentParser) -> None:
    """Declare the argument that names the measured weeks."""
    parser.add_argument(
        "--weeks",
        type=int,
        nargs=2,
        default=None,
        metavar=("FIRST", "LAST"),
        help="launch weeks to measure instead of the split's, for a history that is too short for it",
    )


@dataclass(frozen=True, kw_only=True)
class Split:
    """One split by time; all weeks are inclusive.

    Attributes:
        name: "validation", "test" or "chosen".
        train: first and last launch week of the training launches.
        evaluate: first and last launch week of the measured launches.
        cut: last week that a model may know when it forecasts the measured launches.
        warm_cut: last week that a model may know when it recommends to households with a history.
    """

    name: str
    train: tuple[int, int]
    evaluate: tuple[int, int]
    cut: Cut
    warm_cut: Cut

    @property
    def purged_train(self) -> tuple[int, int]:
        """The training launches whose 8 weeks of outcome end by the cut: all that could be known then."""
        return self.train[0], min(self.train[1], self.cut - OUTCOME_WEEKS + 1)

    @property
    def is_purged(self) -> bool:
        """Whether no outcome of the training launches lies after the cut."""
        return self.purged_train == self.train


def split_from(first: int, last: int, dataset: dict[str, Any]) -> Split:
    """The split that measures launches of weeks `first`..`last`, after training on all before.

    Raises:
        SettingError: the weeks are not in order, or their outcomes lie beyond the data.
    """
    begin, end = _launch_weeks(dataset)
    if not begin < first <= last <= end:
        rule = f"must be launch weeks FIRST LAST within {begin + 1} {end}, in order: later outcomes lie beyond the data"
        raise SettingError("--weeks", f"{first} {last}", rule)
    cut = Cut(first - 1)
    return Split(name=CHOSEN, train=(begin, first - 1), evaluate=(first, last), cut=cut, warm_cut=cut)


def _launch_weeks(dataset: dict[str, Any]) -> tuple[int, int]:
    """First and last week whose launches have an outcome."""
    first = int(dataset["launch_burn_in_weeks"]) + 1  # the burn-in is stated by the number of its last week
    return first, int(dataset["last_week"]) - OUTCOME_WEEKS + 1


def split_of(name: str, dataset: dict[str, Any]) -> Split:
    """The split of a prepared data set.

    Args:
        name: one of SPLITS.
        dataset: content of dataset.json.

    Raises:
        SettingError: unknown name, or the data have too few weeks.
    """
    if name not in SPLITS:
        raise SettingError("--split", name, f"must be one of {', '.join(SPLITS)}")
    first, last = _launch_weeks(dataset)[0], int(dataset["last_week"])
    if name == "validation":
        split = Split(
            name=name,
            train=(first, last - 26),
            evaluate=(last - 25, last - 21),
            cut=Cut(last - 26),
            warm_cut=Cut(last - 19),
        )
    else:
        split = Split(
            name=name,
            train=(first, last - 21),
            evaluate=(last - 13, last - 7),
            cut=Cut(last - 14),
            warm_cut=Cut(last - 14),
        )
    if split.purged_train[0] > split.purged_train[1]:
        raise SettingError("--data", dataset["dataset"], f"has {last} weeks, too few for the {name} split")
    return split
