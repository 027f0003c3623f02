"""Finds the columns that give a target away: alone, or as a product or ratio of a few of them."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pandas as pd

THRESHOLD = 0.999
"""R² above which a column, product or ratio counts as the target itself in other words."""

_FINITE = 0.9  # a ratio that is undefined in more than a tenth of the rows predicts nothing for them


def find_giveaways(
    frame: pd.DataFrame, target: pd.Series, most: int = 2, threshold: float = THRESHOLD
) -> dict[str, float]:
    """Find what equals the target up to a factor and an offset.

    Every column x, and for up to `most` columns every x·y, x/y, y/x, 1/(x·y) and so on, is compared with the target
    by R², the square of Pearson's correlation: that of the best line through the points.

    Parameters
    ----------
    frame : DataFrame
        Numeric columns, one row for each of `target`.
    target : Series
        What must not be given away.
    most : int
        Largest number of columns in one formula.
    threshold : float
        R² from which a formula counts.

    Returns
    -------
    dict
        R² of each formula found, such as ``{"a / b": 0.99999}``, the shortest formulas first.
    """
    columns = {name: frame[name].to_numpy(dtype=float) for name in frame.columns}
    wanted = target.to_numpy(dtype=float)
    found: dict[str, float] = {}
    for size in range(1, most + 1):
        for names in combinations(columns, size):
            for signs in product((1, -1), repeat=size):
                with np.errstate(all="ignore"):
                    values = np.prod([columns[name] ** sign for name, sign in zip(names, signs, strict=True)], axis=0)
                r2 = _r2(values, wanted)
                if r2 > threshold:
                    found[_formula(names, signs)] = r2
    return found


def _r2(values: np.ndarray, wanted: np.ndarray) -> float:
    known = np.isfinite(values)
    if known.mean() < _FINITE or np.ptp(values[known]) == 0:
        return 0.0
    return float(np.corrcoef(values[known], wanted[known])[0, 1] ** 2)


def _formula(names: tuple[str, ...], signs: tuple[int, ...]) -> str:
    above = [name for name, sign in zip(names, signs, strict=True) if sign > 0]
    below = [name for name, sign in zip(names, signs, strict=True) if sign < 0]
    return " / ".join([" * ".join(above) or "1", *below])
