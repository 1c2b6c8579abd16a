"""A training run: its folder, its identity, the cut week of each role."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from onshelf_exporter.data.weeks import Cut
from onshelf_exporter.process.imported import code_hash
from onshelf_exporter.training.recipe import Recipe

OUTCOME_WEEKS = 8
MIN_LAUNCHES = 2  # with a complete outcome; fewer teach nothing
ROLES = ("replay", "evaluation", "production")
REPEAT = "-seed"  # "evaluation-seed2" repeats the role on the same text encoder with the recipe's seed + 2
# the modules whose code, with all that they import, is the run's and the encoder's
TRAINING = "onshelf_exporter.training.train"
ENCODER = "onshelf_exporter.training.encoder"


@dataclass(frozen=True)
class Run:
    """Where a run lives and what it is made of."""

    folder: Path
    data: Path
    dataset: dict[str, Any]
    recipe: Recipe

    @property
    def encoder_folder(self) -> Path:
        """Where the text encoder lives: named by what it alone depends on, so that runs that differ elsewhere share
        it."""
        encoder, content = dataclasses.asdict(self.recipe.encoder), dataclasses.asdict(self.recipe.content)
        parts = [
            self.dataset["data_hash"],
            encoder,
            content["id_dropout"],
            content["feature_dropout"],
            self.recipe.seed,
            int(self.encoder_cut),
        ]
        text = json.dumps([*parts, code_hash(ENCODER)], sort_keys=True)
        return self.folder.parent / f"encoder-{hashlib.sha256(text.encode()).hexdigest()[:12]}"

    @property
    def last_week(self) -> Cut:
        """The last whole week of the data."""
        return Cut(int(self.dataset["last_week"]))

    def week(self, wanted: int) -> Cut:
        """A week of a recipe, which counts back from the last week of the data where it is not positive."""
        return Cut(wanted if wanted > 0 else self.last_week + wanted)

    @property
    def encoder_cut(self) -> Cut:
        """The last week that the text encoder's fine-tuning may see; a later cut where data are too short for it."""
        wanted = min(self.week(self.recipe.encoder.cut_week), self.last_week)
        later = [wanted, self.cut_week("evaluation"), self.last_week]
        enough = [week for week in later if wanted <= week and self.complete_launches(week) >= MIN_LAUNCHES]
        return min(enough, default=self.last_week)

    def cut_week(self, role: str) -> Cut:
        """The last week that a role's model release may see."""
        release, role = self.recipe.release, role.partition(REPEAT)[0]
        return self.week(
            {"replay": release.replay_cut_week, "evaluation": release.evaluation_cut_week, "production": 0}[role]
        )

    def seed(self, role: str) -> int:
        """Seed of a role: the recipe's, counted up in a repeat of it."""
        return self.recipe.seed + int(role.partition(REPEAT)[2] or 0)

    def has_role(self, role: str) -> bool:
        """Whether launches complete by the cut can be learned from, and (but for production) 8 weeks follow it."""
        cut = self.cut_week(role)
        followed = role == "production" or cut + OUTCOME_WEEKS <= self.last_week
        return followed and self.complete_launches(cut) >= MIN_LAUNCHES

    def complete_launches(self, cut: Cut) -> int:
        """How many launches have 8 weeks of outcome by week `cut`."""
        return complete_launches(self.data, cut)

    def is_done(self, role: str) -> bool:
        """Whether the role's training is finished."""
        return (self.folder / role / "done.json").exists()

    def record(self, role: str) -> dict[str, Any]:
        """What training wrote about the role."""
        content: dict[str, Any] = json.loads((self.folder / role / "done.json").read_text(encoding="utf-8"))
        return content


def complete_launches(data: Path, cut: Cut) -> int:
    """How many launches of a prepared dataset have 8 weeks of outcome by week `cut`."""
    path = data / "features" / "launches.parquet"
    weeks = pq.read_table(path, columns=["launch_week"]).column("launch_week").to_numpy()
    return int((weeks + OUTCOME_WEEKS - 1 <= cut).sum())


def open_run(runs: Path, data: Path, dataset: dict[str, Any], recipe: Recipe) -> Run:
    """The run of this data, recipe and code; its folder may not exist yet."""
    identity = hashlib.sha256(f"{dataset['data_hash']} {recipe.hash} {code_hash(TRAINING)}".encode()).hexdigest()[:12]
    return Run(runs / f"{recipe.name}-{identity}", data, dataset, recipe)
