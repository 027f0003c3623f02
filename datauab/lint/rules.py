"""Whether classes follow from one feature, or from two of them by plain arithmetic, by a rule of two cuts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from datauab.lint.case import Case, draw
from datauab.lint.features import Values, numbers, squared_correlation, words
from datauab.lint.finding import error, warning
from datauab.task_results import LintFinding

REDUCTION = 0.95
"""Share of the errors of always naming the most frequent class that a rule must save to be told."""

MOST_ROWS = 3000
MOST_COLUMNS = 24
LEAST_ROWS = 40
LEAST_OTHERS = 10
"""Rows that a rule must speak about, and rows among them that are not of the most frequent class."""

_SOME = 0.5  # share of rows from which a rule is an error
_MOST_TOLD = 5
_ADVICE = "leave one of the columns out of the test rows (withheld in [data]), or make them tell less"


@dataclass(frozen=True)
class Rule:
    """A rule that tells the class: how many columns it has, its accuracy, and for which share of rows."""

    text: str
    size: int
    accuracy: float
    share: float


def derived_classes(case: Case) -> Iterable[LintFinding]:
    """Find features, and sums, differences, products and ratios of two, that give the class away."""
    if case.is_real or case.form is None:
        return
    frame, target = case.known
    rows = draw(len(frame), MOST_ROWS)
    frame, labels = frame.iloc[rows].reset_index(drop=True), pd.factorize(target[rows])[0]
    found = [*_of_words(frame, labels), *_of_numbers(numbers(frame), labels)]
    singles = [rule.text.split(" ")[0] for rule in found if rule.size == 1 and rule.share > _SOME]
    found = [rule for rule in found if rule.size == 1 or not any(name in rule.text.split(" ") for name in singles)]
    for rule in sorted(found, key=lambda one: (-one.share, one.size, -one.accuracy))[:_MOST_TOLD]:
        say = error if rule.share > _SOME else warning
        yield say(
            "class-derived",
            f"{rule.text} tells the class of {rule.share:.0%} of the rows: right in {rule.accuracy:.1%} of them",
            where=f"{case.competition.dataset}: training rows",
            advice=_ADVICE,
        )


def _of_words(frame: pd.DataFrame, labels: NDArray[Any]) -> Iterator[Rule]:
    """Rules that name a class for each value of a text column, learnt on one half and judged on the other."""
    half = np.arange(len(frame)) % 2 == 0
    for name in words(frame):
        column = frame[name]
        told = np.full(len(frame), -1)
        for learnt in (half, ~half):
            best = pd.Series(labels[learnt]).groupby(column[learnt].to_numpy()).agg(lambda rows: rows.mode().iloc[0])
            told[~learnt] = column[~learnt].map(best).fillna(-1).to_numpy(dtype=np.int64)
        judged = _judged(f"{name} (its values)", 1, told[told >= 0], labels[told >= 0], len(labels))
        if judged:
            yield judged


def _of_numbers(columns: dict[str, Values], labels: NDArray[Any]) -> Iterator[Rule]:
    for name, values in columns.items():
        yield from _cut(name, 1, values, labels)
        gaps = np.isnan(values)
        if 0 < gaps.sum() < len(gaps):
            yield from _cut(f"{name} (whether it is missing)", 1, gaps.astype(np.float64), labels)
    some = sorted(columns, key=lambda name: -squared_correlation(columns[name], labels.astype(np.float64)))
    chosen = set(some[:MOST_COLUMNS])
    for first, second in combinations([name for name in columns if name in chosen], 2):
        a, b = columns[first], columns[second]
        if min(len(np.unique(a[~np.isnan(a)])), len(np.unique(b[~np.isnan(b)]))) < 3:
            continue  # with a column of two values arithmetic gives nothing new
        with np.errstate(all="ignore"):
            yield from _cut(f"{first} + {second}", 2, a + b, labels)
            yield from _cut(f"{first} - {second}", 2, a - b, labels)
            yield from _cut(f"{first} * {second}", 2, a * b, labels)
            yield from _cut(f"{first} / {second}", 2, a / b, labels)


def _cut(text: str, size: int, values: Values, labels: NDArray[Any]) -> Iterator[Rule]:
    """The best rule of few cuts, on the rows where the value is known."""
    from sklearn.tree import DecisionTreeClassifier

    known = np.isfinite(values) & (np.abs(values) < 1e30)
    if known.sum() < LEAST_ROWS:
        return
    leaves = max(3, 2 * len(np.unique(labels[known])))
    tree = DecisionTreeClassifier(max_leaf_nodes=leaves, min_samples_leaf=5, random_state=0)
    column = values[known].reshape(-1, 1)
    told = tree.fit(column, labels[known]).predict(column)
    judged = _judged(text, size, told, labels[known], len(labels))
    if judged:
        yield judged


def _judged(text: str, size: int, told: NDArray[Any], labels: NDArray[Any], rows: int) -> Rule | None:
    if len(labels) < LEAST_ROWS:
        return None
    others = len(labels) - np.bincount(labels).max()
    wrong = np.count_nonzero(told != labels)
    if others < LEAST_OTHERS or wrong > (1 - REDUCTION) * others:
        return None
    return Rule(text, size, 1 - wrong / len(labels), len(labels) / rows)
