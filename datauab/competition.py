"""Frozen models of ``competition.toml``: what a competition asks for, when, and how it is scored."""

from __future__ import annotations

import tomllib
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from datauab.errors import ConfigurationError
from datauab.settings import Limits


class Record(BaseModel):
    """Base of the models below: frozen, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Predictions(Record):
    """What a submission must contain: one prediction for each row of the public test features, in their order.

    ``real``: one number a row. ``class``: one of `classes` a row. ``probability``: one number in [0, 1] a row, the
    probability of class 1. ``scores``: one number for each of `classes` and row, shape (rows, classes).
    """

    kind: Literal["real", "class", "probability", "scores"]
    variable: str = Field("predictions", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    classes: tuple[int, ...] = ()
    class_names: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _classes_where_needed(self) -> Predictions:
        if self.kind in ("class", "scores") and len(self.classes) < 2:
            raise ValueError(f"kind {self.kind!r} needs `classes` with at least two entries")
        if self.class_names and len(self.class_names) != len(self.classes):
            raise ValueError(f"expected {len(self.classes)} class_names, found {len(self.class_names)}")
        return self


class Metric(Record):
    """The metric that ranks, by its name in `datauab.metrics`, and those shown beside it."""

    name: str
    direction: Literal["maximize", "minimize"]
    secondary: tuple[str, ...] = ()
    digits: int = Field(4, ge=0, le=10, description="digits shown; ranking uses full precision")


class Phase(Record):
    """A time in which attempts are accepted; both ends in UTC, the end excluded."""

    name: str
    opens: datetime
    closes: datetime | None = None

    @field_validator("opens", "closes")
    @classmethod
    def _aware(cls, value: datetime | None) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("expected a time with its offset, such as 2026-09-14T08:00:00Z")
        return value and value.astimezone(UTC)

    def contains(self, moment: datetime) -> bool:
        """Whether attempts are accepted at `moment` (aware)."""
        return self.opens <= moment and (self.closes is None or moment < self.closes)


class Quotas(Record):
    """How many attempts one member may make a day (the day of the club's zone), and how large each may be."""

    daily_scored: int = Field(5, ge=1)
    daily_attempts: int = Field(20, ge=1)


class Points(Record):
    """Marks for a score: none at `begin`, all at `full`, linear between; `begin` > `full` where less is better."""

    begin: float
    full: float

    @model_validator(mode="after")
    def _differ(self) -> Points:
        if self.begin == self.full:
            raise ValueError("begin and full must differ")
        return self

    def share(self, score: float) -> float:
        """Share of the points, in [0, 1], that `score` earns."""
        return min(1.0, max(0.0, (score - self.begin) / (self.full - self.begin)))


class Baseline(Record):
    """A row of the leaderboard that no member made.

    ``mean``, ``median``, ``majority``, ``prior`` predict one constant learnt from the training targets; ``reference``
    runs the post's own notebook through the whole grading path.
    """

    name: str
    strategy: Literal["mean", "median", "majority", "prior", "reference"]


class RunLimits(Record):
    """Limits of a graded run where they differ from the deployment's; see `datauab.settings.Limits`."""

    memory_mb: int | None = Field(None, ge=256)
    processes: int | None = Field(None, ge=16)
    file_mb: int | None = Field(None, ge=1)
    scratch_mb: int | None = Field(None, ge=16)
    cpu_s: int | None = Field(None, ge=1)
    wall_s: int | None = Field(None, ge=1)
    predictions_mb: int | None = Field(None, ge=1)
    gpu: bool = False

    def over(self, limits: Limits) -> Limits:
        """The deployment's `limits` with those replaced that the competition names."""
        return limits.model_copy(update=self.model_dump(exclude_none=True, exclude={"gpu"}))


class Competition(Record):
    """One competition, as its ``competition.toml`` tells; `name` is the name of its folder."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    title: str
    summary: str
    authors: tuple[str, ...] = Field(min_length=1)
    date: date
    categories: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    cover: str
    dataset: str
    public_share: float = Field(gt=0, lt=1)
    predictions: Predictions
    metric: Metric
    phases: tuple[Phase, ...] = Field(min_length=1)
    quotas: Quotas = Quotas()
    points: Points
    baselines: tuple[Baseline, ...] = ()
    run: RunLimits = RunLimits()

    def phase_at(self, moment: datetime) -> Phase | None:
        """The phase that accepts attempts at `moment`, or None."""
        return next((phase for phase in self.phases if phase.contains(moment)), None)


def load_competition(folder: Path) -> Competition:
    """Read ``competition.toml`` of an assignment's source folder.

    Raises
    ------
    ConfigurationError
        Where the file is missing, is no TOML, or has a wrong, missing or unknown key: names file, key, expected
        and found.
    """
    path = folder / "competition.toml"
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigurationError(f"{path}: no such file; every folder of source/ needs one") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: not valid TOML: {error}") from error
    if "name" in raw:
        raise ConfigurationError(f"{path}: key name: expected none (the folder's name is used), found {raw['name']!r}")
    try:
        return Competition(name=folder.name, **raw)
    except ValidationError as error:
        lines = [_describe(item) for item in error.errors()]
        raise ConfigurationError(f"{path}: " + "; ".join(lines)) from error


def load_competitions(source: Path) -> dict[str, Competition]:
    """Read every competition below `source`, by name, in the order of their dates."""
    folders = [path.parent for path in sorted(source.glob("*/competition.toml"))]
    found = sorted((load_competition(folder) for folder in folders), key=lambda item: (item.date, item.name))
    return {competition.name: competition for competition in found}


def _describe(item: ErrorDetails) -> str:
    key = ".".join(str(part) for part in item["loc"]) or "(whole file)"
    if item["type"] == "missing":
        return f"key {key}: expected a value, found nothing"
    if item["type"] == "extra_forbidden":
        return f"key {key}: expected no such key, found {item['input']!r}"
    return f"key {key}: expected: {item['msg']}, found {item['input']!r}"
