"""Words in which pages explain metrics and phases."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from datauab.competition import Competition, Phase


@dataclass(frozen=True)
class MetricWords:
    """Title and one-paragraph explanation of a metric."""

    title: str
    text: str


_METRICS = {
    "r2": MetricWords(
        "R²",
        "The share of the target's variance that the predictions explain: 1 is perfect, 0 is no better than always "
        "answering the mean, and it has no lower bound.",
    ),
    "rmse": MetricWords(
        "RMSE",
        "The root of the mean squared error, in the target's own unit. Large errors weigh more than small ones.",
    ),
    "mae": MetricWords("MAE", "The mean distance between prediction and truth, in the target's own unit."),
    "accuracy": MetricWords("Accuracy", "The share of rows whose predicted class is the true one, from 0 to 1."),
    "balanced_accuracy": MetricWords(
        "Balanced accuracy",
        "The mean of the share found in each class, so that a rare class counts as much as a common one.",
    ),
    "roc_auc": MetricWords(
        "ROC AUC",
        "The chance that a random positive row gets a higher score than a random negative one: 0.5 is guessing.",
    ),
}


def metric_words(name: str) -> MetricWords:
    """Words for the metric `name`; its plain name where none are written."""
    return _METRICS.get(name) or MetricWords(name.replace("_", " "), f"The competition's own metric, {name}.")


def direction_text(competition: Competition) -> str:
    """Which scores are better, as a sentence."""
    return "More is better." if competition.metric.direction == "maximize" else "Less is better."


@dataclass(frozen=True)
class PhaseView:
    """A phase, or the whole competition, as a coloured tag: its kind and a few words."""

    kind: Literal["open", "upcoming", "closed"]
    text: str
    name: str = ""
    opens: datetime | None = None
    closes: datetime | None = None


def view_phase(phase: Phase, now: datetime) -> PhaseView:
    """How `phase` stands at `now`."""
    if phase.contains(now):
        return PhaseView("open", "open", phase.name, phase.opens, phase.closes)
    if now < phase.opens:
        return PhaseView("upcoming", "upcoming", phase.name, phase.opens, phase.closes)
    return PhaseView("closed", "closed", phase.name, phase.opens, phase.closes)


def view_state(competition: Competition, now: datetime) -> PhaseView:
    """How the whole competition stands at `now`: its open phase, else the next one, else closed."""
    current = competition.phase_at(now)
    if current:
        text = "open" if len(competition.phases) == 1 else f"open: {current.name}"
        return PhaseView("open", text, current.name, current.opens, current.closes)
    upcoming = [phase for phase in competition.phases if phase.opens > now]
    if upcoming:
        return PhaseView("upcoming", "not open yet")
    return PhaseView("closed", "closed")


def waiting_time(oldest: datetime | None, now: datetime) -> str:
    """How long something has waited, in words short enough for a tile."""
    if oldest is None:
        return "–"
    seconds = max(0, int((now - oldest).total_seconds()))
    if seconds < 120:
        return f"{seconds} s"
    if seconds < 7200:
        return f"{seconds // 60} min"
    return f"{seconds // 3600} h"
