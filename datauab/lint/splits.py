"""Whether both sides of the hidden rows can be scored, and tell good from lucky."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from datauab import metrics, scoring
from datauab.errors import GradingError
from datauab.lint.case import Case
from datauab.lint.finding import error, note, warning
from datauab.task_results import LintFinding

LEAST_ROWS, FEW_ROWS = 10, 50
"""Public rows below which a score means nothing, and below which it means little."""

FEW_OF_CLASS = 5
_PER_CLASS = ("balanced_accuracy", "mean_recall", "f1_macro")
_HALVINGS = 20
_TOML = "competition.toml: public_share"


def scorable(case: Case) -> Iterable[LintFinding]:
    """Ask whether every metric takes these predictions and has a value on both sides."""
    try:
        scoring.check_split(case.competition, case.truth, case.mask)
    except GradingError as problem:
        yield error(
            "metric-undefined",
            str(problem),
            where="competition.toml: metric",
            advice="correct it before anybody hands in",
        )
        return
    spec = case.competition.predictions
    if spec.kind in ("class", "scores"):
        strange = sorted(set(np.unique(case.truth).tolist()) - set(spec.classes))
        if strange:
            yield error(
                "unknown-class",
                f"the solution holds class {', '.join(map(str, strange))}, expected one of {list(spec.classes)}",
                where="competition.toml: predictions.classes",
                advice="list every class",
            )


def constant_sides(case: Case) -> Iterable[LintFinding]:
    """Find a side whose targets are all the same."""
    for side, rows in (("public", case.mask), ("private", ~case.mask)):
        values = np.unique(case.truth[rows])
        if len(values) == 1:
            what = "the same target" if case.is_real else "one class"
            yield error(
                "constant-side",
                f"all {rows.sum()} {side} rows have {what} ({values[0]}): every constant answer is right or nothing is",
                where=_TOML,
                advice="prepare more test rows, or change public_share",
            )


def missing_classes(case: Case) -> Iterable[LintFinding]:
    """Find classes that a side lacks, or nearly lacks."""
    if case.is_real:
        return
    classes = case.competition.predictions.classes or (0, 1)
    known = case.known[1] if case.form else np.array(classes)
    for number in classes:
        sides = {
            "public": int(np.sum(case.truth[case.mask] == number)),
            "private": int(np.sum(case.truth[~case.mask] == number)),
        }
        lacking = [side for side, rows in sides.items() if rows == 0]
        if lacking:
            yield warning(
                "class-missing",
                f"class {number} has no {' and no '.join(lacking)} row",
                where=_TOML,
                advice="prepare more test rows of it, or leave the class out of the list",
            )
        elif min(sides.values()) < FEW_OF_CLASS and case.competition.metric.name in _PER_CLASS:
            yield warning(
                "class-rare",
                f"class {number} has {sides['public']} public and {sides['private']} private rows, expected at least "
                f"{FEW_OF_CLASS}: one row moves the score by {1 / len(classes) / max(1, min(sides.values())):.3f}",
                where=_TOML,
                advice="prepare more test rows of it",
            )
        if not np.any(known == number):
            yield warning("class-not-shown", f"class {number} has no training row", where=case.competition.dataset)


def small_public_part(case: Case) -> Iterable[LintFinding]:
    """Compare the interval of a public score with the differences that matter: the range of the points."""
    rows = int(case.mask.sum())
    if rows < LEAST_ROWS:
        yield error(
            "few-public-rows",
            f"{rows} public rows, expected at least {LEAST_ROWS}",
            where=_TOML,
            advice="prepare more test rows",
        )
        return
    if rows < FEW_ROWS:
        yield warning(
            "few-public-rows",
            f"{rows} public rows, expected at least {FEW_ROWS}",
            where=_TOML,
            advice="prepare more test rows, or raise public_share",
        )
    width = interval_width(case)
    points = case.competition.points
    reach = abs(points.full - points.begin)
    if width is None or width <= reach / 2:
        return
    say = warning if width > reach * 0.75 else note
    yield say(
        "public-part-too-small",
        f"a public score at full marks is known to ±{width:.3f} ({rows} rows, 95 %), while none and all marks are "
        f"{reach:.3f} apart: luck decides marks and ranks",
        where=_TOML,
        advice='prepare more test rows, raise public_share, let points.rows = "all" decide marks, or set points wider',
    )


def interval_width(case: Case) -> float | None:
    """Half the 95 % interval of a public score near full marks; None where the metric is the competition's own."""
    name, classes = case.competition.metric.name, case.competition.predictions.classes
    if case.competition.metric.is_own:
        return None
    wanted = case.competition.points.full
    good, bad = 0.0, 0.98
    for _ in range(_HALVINGS):
        middle = (good + bad) / 2
        found = metrics.score(name, case.truth, imagined(case, middle), classes)
        better = found > wanted if case.competition.metric.direction == "maximize" else found < wanted
        good, bad = (middle, bad) if better else (good, middle)
    guess = imagined(case, good)
    low, high = scoring.interval(name, case.truth[case.mask], guess[case.mask], classes)
    return (high - low) / 2


def imagined(case: Case, noise: float) -> NDArray[np.float64]:
    """Predictions as good as the truth mixed with `noise`, from 0 (perfect) towards 1 (nothing but noise)."""
    random, truth = np.random.default_rng(5), case.truth
    kind, classes = case.competition.predictions.kind, np.array(case.competition.predictions.classes or (0, 1))
    if kind == "real":
        # errors grow with the target, as they do on prices and counts: on even targets they are about the same
        spread = np.sqrt(truth.std() * np.abs(truth - np.median(truth)))
        guess = truth + noise / (1 - noise) * spread * random.normal(size=len(truth))
        return np.asarray(guess if truth.min() < 0 else np.maximum(guess, 0.0))
    if kind == "class":
        wrong = random.random(len(truth)) < noise
        return np.where(wrong, random.choice(classes, len(truth)), truth)
    if kind == "probability":
        return np.clip(0.5 + (truth - 0.5) * (1 - noise) + noise * random.normal(size=len(truth)), 0.0, 1.0)
    right = (truth[:, None] == classes).astype(np.float64)
    mixed = np.exp(4 * ((1 - noise) * right + noise * random.normal(size=right.shape)))
    return np.asarray(mixed / mixed.sum(axis=1, keepdims=True))
