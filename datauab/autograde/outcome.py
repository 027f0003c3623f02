"""What grading one submission gave: a record that one process can hand to another."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from datauab.ledger import ScoreRecord


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
    seconds : dict
        Wall time by stage: ``start``, ``cells``, ``export``, ``score``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    scores: Scores | None = None
    reason: str = ""
    marks: dict[str, float] = Field(default_factory=dict)
    max_points: float = 0.0
    seconds: dict[str, float] = Field(default_factory=dict)

    @property
    def points(self) -> float:
        """Points of all autograder cells."""
        return sum(self.marks.values())

    def record(self) -> ScoreRecord:
        """What the ledger keeps of a scored submission."""
        if self.scores is None:
            raise ValueError("expected scores: this submission failed")
        earned = (self.points, self.max_points) if self.max_points else (None, None)
        return ScoreRecord(**self.scores.model_dump(), points=earned[0], max_points=earned[1])


def write_outcome(outcome: Outcome, path: Path) -> None:
    """Write `outcome` where the process that started this one looks for it; all of it or nothing."""
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_text(outcome.model_dump_json(), encoding="utf-8")
    temporary.replace(path)


def read_outcome(path: Path) -> Outcome | None:
    """Read what `write_outcome` wrote; None where it wrote nothing."""
    try:
        return Outcome.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
