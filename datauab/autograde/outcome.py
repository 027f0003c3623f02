"""What grading one submission gave: a record that one process can hand to another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from datauab.ledger import ScoreRecord

OUTCOME = "datauab_outcome"
"""Where the steps of one ``nbgrader autograde`` find the outcome among the resources that nbgrader hands on."""


class Scores(BaseModel):
    """Scores of valid predictions; the fields are those of `datauab.ledger.ScoreRecord`."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    metric: str
    public: float
    private: float
    interval_low: float
    interval_high: float
    secondary: dict[str, dict[str, float]] = Field(default_factory=dict)
    scorer_hash: str
    solution_hash: str
    author_view: dict[str, Any] | None = None


class Outcome(BaseModel):
    """What became of one submission: scored, or failed with a reason for its owner.

    Attributes
    ----------
    scores : Scores or None
        None where it failed.
    reason : str
        Why it failed; empty where it was scored.
    marks : dict
        Points by autograder cell.
    max_points : float
        Points that all autograder cells are worth together; 0 for what earns none: a predictions file, a baseline.
    late_share : float
        Share of the marks that is lost because the attempt was late, in [0, 1]; `marks` do not have it.
    predictions : bytes or None
        The checked predictions as a ``.npy`` file, so that they can be scored again; no part of the JSON.
    seconds : dict
        Wall time by stage: ``start``, ``cells``, ``export``, ``score``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    scores: Scores | None = None
    reason: str = ""
    marks: dict[str, float] = Field(default_factory=dict)
    max_points: float = 0.0
    late_share: float = Field(0.0, ge=0, le=1)
    predictions: bytes | None = Field(None, exclude=True, repr=False)
    seconds: dict[str, float] = Field(default_factory=dict)

    @property
    def points(self) -> float:
        """Points of all autograder cells, less what being late costs."""
        return sum(self.marks.values()) * (1 - self.late_share)

    def record(self) -> ScoreRecord:
        """What the ledger keeps of a scored submission."""
        if self.scores is None:
            raise ValueError("expected scores: this submission failed")
        earned = (self.points, self.max_points) if self.max_points else (None, None)
        return ScoreRecord(**self.scores.model_dump(), points=earned[0], max_points=earned[1])


def write_outcome(outcome: Outcome, path: Path) -> None:
    """Write `outcome` where the process that started this one looks for it; all of it or nothing.

    The predictions go into a file beside it, before it.
    """
    if outcome.predictions is not None:
        _beside(path).write_bytes(outcome.predictions)
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_text(outcome.model_dump_json(), encoding="utf-8")
    temporary.replace(path)


def read_outcome(path: Path) -> Outcome | None:
    """Read what `write_outcome` wrote; None where it wrote nothing."""
    try:
        found = Outcome.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    predictions = _beside(path)
    return found.model_copy(update={"predictions": predictions.read_bytes()}) if predictions.is_file() else found


def _beside(path: Path) -> Path:
    return path.with_name("predictions.npy")
