"""Metrics of real numbers, and what they are undefined on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from datauab.metrics.spec import Array, Classes


def r2(solution: Array, predictions: Array, classes: Classes = ()) -> float:
    """Coefficient of determination: 1 - sum((y - p)^2) / sum((y - mean(y))^2).

    1 is perfect, 0 as good as the mean of the ground truth, with no lower bound. On a constant target it is 1 where
    the predictions are exact, else 0 (scikit-learn's ``force_finite``). Undefined below two rows.

    References
    ----------
    scikit-learn, ``sklearn.metrics.r2_score``.
    """
    from sklearn.metrics import r2_score

    return float(r2_score(solution, predictions, force_finite=True))


def rmse(solution: Array, predictions: Array, classes: Classes = ()) -> float:
    """Root of the mean squared error, in the target's unit; 0 is perfect, no upper bound.

    References
    ----------
    scikit-learn, ``sklearn.metrics.root_mean_squared_error``.
    """
    from sklearn.metrics import root_mean_squared_error

    return float(root_mean_squared_error(solution, predictions))


def mae(solution: Array, predictions: Array, classes: Classes = ()) -> float:
    """Mean absolute error, in the target's unit; 0 is perfect, no upper bound.

    References
    ----------
    scikit-learn, ``sklearn.metrics.mean_absolute_error``.
    """
    from sklearn.metrics import mean_absolute_error

    return float(mean_absolute_error(solution, predictions))


def rmsle(solution: Array, predictions: Array, classes: Classes = ()) -> float:
    """Root of the mean squared difference of log(1 + p) and log(1 + y); 0 is perfect, no upper bound.

    For targets that are never negative, and whose relative errors matter. A negative prediction counts as 0, so that
    every finite prediction has a score. Undefined where a target is negative.

    References
    ----------
    scikit-learn, ``sklearn.metrics.root_mean_squared_log_error``.
    """
    return float(np.sqrt(np.mean(squared_log_errors(solution, predictions))))


def squared_log_errors(solution: Array, predictions: Array) -> Array:
    """What `rmsle` takes the mean of; shape (rows,)."""
    found: Array = (np.log1p(np.maximum(predictions, 0.0)) - np.log1p(solution)) ** 2
    return found


def fewer_rows_than(least: int) -> Callable[[Array, Classes], str]:
    """Make the check that there are at least `least` rows."""

    def undefined(solution: Array, classes: Classes) -> str:
        return "" if len(solution) >= least else f"expected at least {least} rows, found {len(solution)}"

    return undefined


def negative_target(solution: Array, classes: Classes) -> str:
    """Why `rmsle` has no value; empty where it has one."""
    if len(solution) == 0:
        return "expected at least 1 rows, found 0"
    rows = np.flatnonzero(solution < 0)
    return f"expected targets of at least 0, found {solution[rows[0]]} in its row {rows[0]}" if len(rows) else ""
