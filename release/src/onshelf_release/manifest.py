"""manifest.json of a model release: what it is, checked when it is loaded."""

import datetime as dt
from pathlib import Path
from typing import Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator, model_validator

from onshelf_release.calendar import WEEKDAYS
from onshelf_release.candidates import CANDIDATE_COLUMNS, CHANNEL_SLOTS, HORIZONS


class UnitsBasis(BaseModel):
    """The population that units refer to."""

    description: str
    users: int = Field(ge=0)


class TokenizerFile(BaseModel):
    """The tokenizer of the encoder, a file of the `tokenizers` library in the release's folder."""

    file: str = "tokenizer.json"
    max_length: int = Field(default=64, ge=8)
    unk_token: str = "[UNK]"
    pad_id: int = Field(default=0, ge=0)


class Manifest(BaseModel):
    """The fields of manifest.json that serving needs; others are kept by the file alone."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    schema_version: Literal[1]
    version: int = Field(ge=1)
    created_at: AwareDatetime
    dataset: str
    as_of: dt.date
    role: Literal["production", "evaluation", "replay"]
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    timezone: str
    week_start: str
    week_one: dt.date | None = None  # of retail week 1; a release that was published before this was stated has none
    prices_include_tax: bool | None = None
    units_basis: UnitsBasis
    horizons_weeks: tuple[int, ...]
    quantile_levels: tuple[float, ...]
    candidate_columns: tuple[str, ...]
    max_channels: int = CHANNEL_SLOTS
    tokenizer: TokenizerFile
    language: str = "en"
    not_learned: tuple[str, ...] = ()  # what the data did not say, in sentences
    decided_lift_weight: float = Field(default=0.0, ge=0)  # of a decided launch's lift in the score of a new product
    data_hash: str = ""
    git_commit: str | None = None
    models: dict[str, dict[str, object]] = Field(default_factory=dict)

    @field_validator("week_start")
    @classmethod
    def _weekday(cls, value: str) -> str:
        if value.lower() not in WEEKDAYS:
            raise ValueError(f"one of {', '.join(WEEKDAYS)}")
        return value.lower()

    @model_validator(mode="after")
    def _weeks(self) -> Self:
        """The weeks that training numbered must be those that serving counts in."""
        if self.week_one is not None and WEEKDAYS[self.week_one.weekday()] != self.week_start:
            raise ValueError(f"week_one {self.week_one} must be a {self.week_start}, as week_start says")
        return self

    @field_validator("horizons_weeks")
    @classmethod
    def _horizons(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if value != HORIZONS:
            raise ValueError(f"served are the horizons {HORIZONS}")
        return value

    @field_validator("quantile_levels")
    @classmethod
    def _ascending(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if len(value) < 3 or list(value) != sorted(set(value)) or value[0] <= 0 or value[-1] >= 1:
            raise ValueError("at least three ascending levels between 0 and 1")
        return value

    @field_validator("candidate_columns")
    @classmethod
    def _columns(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if value != CANDIDATE_COLUMNS:
            raise ValueError(f"served are the columns {CANDIDATE_COLUMNS}")
        return value


def read_manifest(folder: Path) -> Manifest:
    """Parse and check `folder`/manifest.json.

    Raises:
        pydantic.ValidationError: a field is missing or breaks its rule.
        OSError: the file cannot be read.
    """
    return Manifest.model_validate_json((folder / "manifest.json").read_bytes())
