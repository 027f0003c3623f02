"""Whether the target follows from one feature, or from two of them by plain arithmetic."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations

import numpy as np

from datauab.lint.case import MOST_KNOWN, Case, draw
from datauab.lint.features import Values, numbers, ranks, squared_correlation
from datauab.lint.finding import error
from datauab.task_results import LintFinding

THRESHOLD = 0.999
"""R² from which a target counts as derived: of the best line, or of ranks for any other growing function."""

MOST_COLUMNS = 40
"""Columns, those most alike to the target, whose pairs are tried."""

_LEAST_KNOWN = 0.5  # share of rows in which a formula must have a value
_MOST_TOLD = 5
_ADVICE = "leave the column out of the test rows (withheld in [data]), or ask for another target"


def derived_numbers(case: Case) -> Iterable[LintFinding]:
    """Find features, and products, ratios and weighted sums of two, that give a numeric target away."""
    if not case.is_real or case.form != "tables":
        return
    frame, target = case.known
    rows = draw(len(frame), MOST_KNOWN)
    columns = numbers(frame.iloc[rows])
    wanted = target[rows].astype(np.float64)
    found = sorted(_formulas(columns, wanted), key=lambda one: (one[1], -one[2]))
    singles = {formula for formula, size, _ in found if size == 1}
    told = [
        one for one in found if one[1] == 1 or not any(name in one[0].split(" ") for name in singles)
    ]  # with a column that tells everything by itself any pair does
    for formula, _, r2 in told[:_MOST_TOLD]:
        yield error(
            "target-derived",
            f"{case.manifest.target} follows from {formula}: R² = {r2:.6f}; expected below {THRESHOLD}",
            where=f"{case.competition.dataset}/test.csv",
            advice=_ADVICE,
        )


def _formulas(columns: dict[str, Values], wanted: Values) -> Iterator[tuple[str, int, float]]:
    """Formulas above the threshold: their text, number of columns, and R²."""
    wanted_ranks = ranks(wanted)
    alike: dict[str, float] = {}
    for name, values in columns.items():
        line, order = squared_correlation(values, wanted), squared_correlation(ranks(values), wanted_ranks)
        alike[name] = max(line, order)
        if np.isfinite(values).mean() >= _LEAST_KNOWN:
            if line > THRESHOLD:
                yield name, 1, line
            elif order > THRESHOLD:
                yield f"{name} (the order of its values)", 1, order
    chosen = set(sorted(alike, key=lambda name: -alike[name])[:MOST_COLUMNS])
    for first, second in combinations([name for name in columns if name in chosen], 2):
        yield from _of_two((first, second), columns[first], columns[second], wanted, wanted_ranks)


def _of_two(
    names: tuple[str, str], a: Values, b: Values, wanted: Values, wanted_ranks: Values
) -> Iterator[tuple[str, int, float]]:
    first, second = names
    with np.errstate(all="ignore"):
        tried = ((f"{first} * {second}", a * b), (f"{first} / {second}", a / b), (f"{second} / {first}", b / a))
    for formula, values in tried:
        if np.isfinite(values).mean() < _LEAST_KNOWN:
            continue
        r2 = squared_correlation(values, wanted)
        if r2 <= THRESHOLD:
            r2 = squared_correlation(ranks(np.where(np.isfinite(values), values, np.nan)), wanted_ranks)
        if r2 > THRESHOLD:
            yield formula, 2, r2
    r2 = _weighted_sum(a, b, wanted)
    if r2 > THRESHOLD:
        yield f"{first} + {second} (weighted)", 2, r2


def _weighted_sum(a: Values, b: Values, wanted: Values) -> float:
    """R² of the least-squares fit of the target by two columns and a constant, on rows where both are known."""
    known = np.isfinite(a) & np.isfinite(b)
    if known.mean() < _LEAST_KNOWN or np.ptp(wanted[known]) == 0:
        return 0.0
    a, b, wanted = (values[known] - values[known].mean() for values in (a, b, wanted))
    aa, bb, ab, ay, by, yy = a @ a, b @ b, a @ b, a @ wanted, b @ wanted, wanted @ wanted
    determinant = aa * bb - ab * ab
    if determinant <= 1e-12 * aa * bb:  # one column is the other in other units
        return 0.0
    return float((ay * ay * bb - 2 * ay * by * ab + by * by * aa) / (determinant * yy))
