"""Scores checked predictions on both sides of the split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from datauab import metrics
from datauab.competition import Competition
from datauab.errors import GradingError
from datauab.scoring.intervals import interval
from datauab.scoring.splits import Array, Mask, check_split


@dataclass(frozen=True, slots=True)
class Score:
    """What one set of predictions earned.

    Attributes
    ----------
    public, private, full : float
        The metric on the public rows, on the private rows and on all test rows.
    interval : tuple of float
        95 % bootstrap percentile interval of `public`.
    secondary : mapping
        ``{metric: {"public": float, "private": float}}``.
    """

    metric: str
    public: float
    private: float
    full: float
    interval: tuple[float, float]
    secondary: Mapping[str, Mapping[str, float]]


def score(competition: Competition, solution: Array, predictions: Array, mask: Mask) -> Score:
    """Score checked predictions.

    Parameters
    ----------
    solution : ndarray
        Shape (rows,).
    predictions : ndarray
        As `datauab.submission.validate` gives them.
    mask : ndarray of bool
        Shape (rows,), as `public_mask` gives it.

    Raises
    ------
    GradingError
        Where shapes differ, or a metric has no finite value.
    """
    name, classes = competition.metric.name, competition.predictions.classes
    if competition.metric.is_own:
        raise GradingError(f"competition {competition.name}: expected a metric of the club, found its own ({name})")
    beside = secondary(competition, solution, predictions, mask)
    return Score(
        metric=name,
        public=metrics.score(name, solution[mask], predictions[mask], classes),
        private=metrics.score(name, solution[~mask], predictions[~mask], classes),
        full=metrics.score(name, solution, predictions, classes),
        interval=interval(name, solution[mask], predictions[mask], classes),
        secondary=beside,
    )


def secondary(competition: Competition, solution: Array, predictions: Array, mask: Mask) -> dict[str, dict[str, float]]:
    """Compute the metrics shown beside the one that ranks: ``{metric: {"public": float, "private": float}}``.

    Parameters and errors are those of `score`; the metric that ranks may be the competition's own here.
    """
    if len(solution) != len(predictions) or mask.shape != (len(solution),):
        raise GradingError(
            f"competition {competition.name}: expected predictions and split for {len(solution)} rows, found "
            f"{len(predictions)} and {mask.shape}"
        )
    check_split(competition, solution, mask)
    classes = competition.predictions.classes
    sides = {"public": mask, "private": ~mask}
    return {
        name: {side: metrics.score(name, solution[rows], predictions[rows], classes) for side, rows in sides.items()}
        for name in competition.metric.secondary
    }
