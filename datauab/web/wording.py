"""Words in which pages explain metrics and phases."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from datauab.competition import Competition, Late, Phase
from datauab.metrics import METRICS


@dataclass(frozen=True)
class MetricWords:
    """Title and explanation of a metric; `range` and `source` are empty for one of a competition's own."""

    title: str
    text: str
    range: str = ""
    source: str = ""


_TEXTS = {
    "r2": "The share of the target's variance that the predictions explain: 1 is perfect, 0 is no better than always "
    "answering the mean, and it has no lower bound.",
    "rmse": "The root of the mean squared error, in the target's own unit. Large errors weigh more than small ones.",
    "mae": "The mean distance between prediction and truth, in the target's own unit.",
    "rmsle": "The root of the mean squared difference of the logarithms of 1 + value: what counts is by which factor a "
    "prediction is off, not by how much.",
    "accuracy": "The share of rows whose predicted class is the true one, from 0 to 1.",
    "balanced_accuracy": "The mean of the share found in each class, so that a rare class counts as much as a common "
    "one.",
    "mean_recall": "The mean of the share found in each class, so that a rare class counts as much as a common one; a "
    "row whose largest score is shared by several classes is wrong.",
    "f1": "The harmonic mean of precision and recall of the positive class: high only where both are.",
    "f1_macro": "F1 of each class by itself, averaged: a rare class counts as much as a common one.",
    "roc_auc": "The chance that a random positive row gets a higher score than a random negative one: 0.5 is guessing.",
    "log_loss": "The mean of minus the logarithm of the probability that was given to the true class: confident "
    "mistakes cost most, up to 36 for a row. Rows of class scores are divided by their sum.",
}
_OWN = {
    "metric.py": "The competition's own metric, computed by code that its organisers wrote.",
    "program": "Scored by the competition's own scoring program.",
}


def metric_words(name: str, title: str = "") -> MetricWords:
    """Words for the metric `name`; `title` is that of a competition's own metric."""
    spec = METRICS.get(name)
    if spec is None:
        plain = "Score" if name in _OWN else name.replace("_", " ")
        return MetricWords(title or plain, _OWN.get(name, f"The competition's own metric, {name}."))
    return MetricWords(spec.title, _TEXTS.get(name, spec.note), range_text(*spec.range), spec.source)


def metric_title(competition: Competition) -> str:
    """Title of the metric that ranks."""
    return metric_words(competition.metric.name, competition.metric.title).title


def range_text(low: float, high: float) -> str:
    """The values that a metric can have, as words."""
    if math.isinf(low) and math.isinf(high):
        return "any number"
    if math.isinf(low):
        return f"at most {high:g}"
    return f"at least {low:g}" if math.isinf(high) else f"{low:g} to {high:g}"


def late_text(late: Late) -> str:
    """What happens to late attempts, as a sentence."""
    days = f"{late.days:g} {'day' if late.days == 1 else 'days'}"
    cost = f"each day begun costs {100 * late.penalty_per_day:g} % of the marks" if late.penalty_per_day else ""
    ranked = "they count on the board" if late.ranked else "they do not count on the board"
    return f"Attempts are still taken for {days} after the last end; " + (
        f"{cost}, and {ranked}." if cost else ranked + "."
    )


def direction_text(competition: Competition) -> str:
    """Which scores are better, as a sentence."""
    return "More is better." if competition.metric.direction == "maximize" else "Less is better."


@dataclass(frozen=True)
class PhaseView:
    """A phase, or the whole competition, as a coloured tag: its kind and a few words.

    `board` and `quotas` say what is particular about the phase; empty where it is as the whole competition.
    """

    kind: Literal["open", "upcoming", "closed"]
    text: str
    name: str = ""
    opens: datetime | None = None
    closes: datetime | None = None
    description: str = ""
    board: str = ""
    quotas: str = ""


_BOARDS = {
    "public": "",
    "hidden": "hidden board: members see their own scores only",
    "blind": "blind: scores are shown when the phase is over",
}


def view_phase(phase: Phase, now: datetime) -> PhaseView:
    """How `phase` stands at `now`."""
    kind: Literal["open", "upcoming", "closed"] = "closed"
    if phase.contains(now):
        kind = "open"
    elif now < phase.opens:
        kind = "upcoming"
    return PhaseView(
        kind,
        kind,
        phase.name,
        phase.opens,
        phase.closes,
        phase.description,
        _BOARDS[phase.board],
        _quotas(phase),
    )


def _quotas(phase: Phase) -> str:
    parts = []
    if phase.daily_scored is not None:
        parts.append(f"{phase.daily_scored} scored attempts a day")
    if phase.daily_attempts is not None:
        parts.append(f"{phase.daily_attempts} attempts a day in all")
    if phase.total_scored is not None:
        parts.append(f"{phase.total_scored} scored attempts in the whole phase")
    return ", ".join(parts)


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


def span_text(seconds: float) -> str:
    """A length of time in the two largest units that say something."""
    if seconds < 9.95:
        return f"{max(0.0, seconds):.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if rest else f"{hours} h"


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
