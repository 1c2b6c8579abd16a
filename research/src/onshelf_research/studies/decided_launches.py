"""How should a decided action speak in recommendations? Ways to add its forecast to the scores of launches.

    onshelf-exporter study decided_launches

Each window has a model release of its own, cut before its launches, through the exported graphs.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from onshelf_exporter.data.weeks import Cut
from onshelf_exporter.evaluation.bootstrap import mean
from onshelf_exporter.release.export import export
from onshelf_exporter.training.train import train
from onshelf_research.data import dataset
from onshelf_research.data.dataset import Dataset
from onshelf_research.evaluation import decided, recommend, served
from onshelf_research.evaluation.recommend import ColdTask
from onshelf_research.evaluation.release import exported_release
from onshelf_research.studies.inputs import LAST_WEEK, Setting
from onshelf_research.studies.table import Table

WINDOWS = ((20, (21, 27)), (24, (25, 31)), (27, (28, 32)))  # cut, launch weeks; outcomes end by LAST_WEEK
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Window:
    """Launches after a cut: scores [launches, users of the task]; expected buyers with and without promotion [n, 1]."""

    task: ColdTask
    scores: Floats
    buyers: Floats
    without: Floats

    @property
    def level(self) -> Floats:
        """Log of the mean odds over the users [n, 1]."""
        return np.asarray(np.log(np.exp(self.scores).mean(axis=1, keepdims=True)))


class Form(NamedTuple):
    """A way to score: s less `level` times m, plus `buyers` times log B, plus `without` times log B0."""

    name: str
    level: float = 0.0
    buyers: float = 0.0
    without: float = 0.0

    def of(self, one: Window) -> Floats:
        """Scores [launches, users]."""
        forecast = self.buyers * np.log(one.buyers) + self.without * np.log(one.without)
        return np.asarray(one.scores - self.level * one.level + forecast)


FORMS = (
    Form("s, as without decisions"),
    *(Form(f"s + {weight} log B", buyers=weight) for weight in (0.25, 0.5)),
    *(Form(f"s + {w} log B / B0", buyers=w, without=-w) for w in (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0)),
    Form("s + log B / B0 + .25 log B0", buyers=1.0, without=-0.75),
    *(Form(f"s - .5 m + {weight} log B", level=0.5, buyers=weight) for weight in (0.0, 0.5, 0.75)),
)


def study(setting: Setting) -> Table:
    """One row per form: N@10 of all launches of each window, then of those that a promotion brought in."""
    table = Table(
        title="Decided launches in recommendations",
        question="How should the forecast of a decided action speak in recommendations of new products?",
        columns=["score", *(f"{name} {a}-{b}" for name in ("all", "PF") for _, (a, b) in WINDOWS), "all", "PF"],
        remarks=[
            "N@10; B: buyers expected under the action that was planned, B0: without promotion, coupon and discount; "
            "m: log of the mean of exp s over users. Whether a launch entered by a sale is not told. PF: launches that "
            "entered by a promotion, among themselves.",
        ],
    )
    data = dataset.load(setting.data)
    windows = [window(setting, data, Cut(cut), weeks) for cut, weeks in WINDOWS]
    both = [windows, [promoted_first(one) for one in windows]]
    for form in FORMS:
        found = [[gain(one, form.of(one)) for one in part] for part in both]
        table.add(form.name, *found[0], *found[1], *(float(np.mean(part)) for part in found))
    return table


def window(setting: Setting, data: Dataset, cut: Cut, weeks: tuple[int, int]) -> Window:
    """The launches of some weeks after a cut, scored by a model release of that cut.

    Raises:
        ValueError: outcomes would reach into the test period.
    """
    if weeks[1] + 7 > LAST_WEEK:
        raise ValueError(f"launches of weeks {weeks}: their outcomes end after week {LAST_WEEK}")
    recipe = replace(setting.recipe, release=replace(setting.recipe.release, replay_cut_week=int(cut)))
    folder = export(train(setting.data, recipe, setting.runs, ["replay"]), "replay")
    release = exported_release(folder, weeks[0])
    task = recommend.cold_task(data, data.launched(weeks), cut)
    buyers, without = decided.expected_buyers(release, data, task.rows)
    return Window(task, served.audiences(release, data, task), buyers[:, None], without[:, None])


def promoted_first(one: Window) -> Window:
    """The launches whose entry does not depend on a sale."""
    kept = one.task.rows.frame["is_promotion_first"].to_numpy(bool)
    task = replace(one.task, rows=one.task.rows.take(kept), bought=one.task.bought[kept])
    return Window(task, one.scores[kept], one.buyers[kept], one.without[kept])


def gain(one: Window, scores: Floats) -> float:
    """N@10 of the households that bought one of the launches."""
    return mean(recommend.measure_cold(one.task, scores)["rec_n10"])
