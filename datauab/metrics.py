"""Metrics by name: each a pure function of solution and predictions, with its direction, range and source.

Arrays come checked (`datauab.submission`): `solution` has shape (rows,), int64 for classes and float64 for real
numbers; `predictions` has the shape of its kind: (rows,) float64 for "real" and "probability", (rows,) int64 for
"class", (rows, classes) float64 for "scores".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from datauab.errors import GradingError

Array = NDArray[Any]
Classes = Sequence[int]

THRESHOLD = 0.5
"""A probability of at least this much predicts class 1."""


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """What a metric is and where it comes from.

    Attributes
    ----------
    function : callable
        ``(solution, predictions, classes) -> float``.
    undefined : callable
        ``(solution, classes) -> str``: why the metric has no value on this ground truth; empty where it has one.
    best : float
        The value of perfect predictions.
    range : tuple of float
        Smallest and largest value; infinite where there is no bound.
    kinds : tuple of str
        Kinds of predictions (`datauab.competition.Predictions`) that the metric takes.
    source : str
        Where the formula is from.
    """

    name: str
    title: str
    function: Callable[[Array, Array, Classes], float]
    undefined: Callable[[Array, Classes], str]
    direction: Literal["maximize", "minimize"]
    best: float
    range: tuple[float, float]
    kinds: tuple[str, ...]
    source: str


def score(name: str, solution: Array, predictions: Array, classes: Classes = ()) -> float:
    """Compute one metric.

    Parameters
    ----------
    name : str
        A key of `METRICS`.
    solution : ndarray
        Ground truth, shape (rows,).
    predictions : ndarray
        Checked predictions for the same rows.
    classes : sequence of int
        The competition's fixed list of classes; needed by ``balanced_accuracy`` and by predictions of kind "scores".

    Returns
    -------
    float
        Finite.

    Raises
    ------
    GradingError
        Where the metric is unknown, has no value on this ground truth, or is not finite.
    """
    spec = find(name)
    if len(solution) != len(predictions):
        raise GradingError(f"metric {name}: expected predictions for {len(solution)} rows, found {len(predictions)}")
    problem = spec.undefined(solution, classes)
    if problem:
        raise GradingError(f"metric {name} is undefined here: {problem}")
    value = float(spec.function(solution, predictions, classes))
    if not np.isfinite(value):
        raise GradingError(f"metric {name}: expected a finite value, found {value}")
    return value


def find(name: str) -> MetricSpec:
    """Look a metric up, or raise `GradingError` with the names there are."""
    try:
        return METRICS[name]
    except KeyError:
        raise GradingError(f"metric {name!r}: unknown; expected one of {', '.join(METRICS)}") from None


def labels(predictions: Array, classes: Classes) -> Array:
    """Turn predictions into classes: probabilities at `THRESHOLD`, scores by the largest (ties: the first class)."""
    if predictions.ndim == 2:
        chosen: Array = np.asarray(classes)[predictions.argmax(axis=1)]
        return chosen
    if predictions.dtype.kind == "f":
        return (predictions >= THRESHOLD).astype(np.int64)
    return predictions


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


def accuracy(solution: Array, predictions: Array, classes: Classes = ()) -> float:
    """Share of rows whose class is right, in [0, 1]; defined on one class as well.

    References
    ----------
    scikit-learn, ``sklearn.metrics.accuracy_score``.
    """
    return float(np.mean(labels(predictions, classes) == solution))


def balanced_accuracy(solution: Array, predictions: Array, classes: Classes = ()) -> float:
    """Mean over the competition's fixed classes of the share of each class's rows that were found, in [0, 1].

    Every class weighs the same however rare it is; a constant prediction earns 1 / number of classes. Undefined where
    a class of the list has no row: leaving it out in silence would change what is measured.

    References
    ----------
    ISIC 2018 Task 3 (Codella et al. 2019, arXiv:1902.03368), "balanced multi-class accuracy"; equal to
    ``sklearn.metrics.balanced_accuracy_score`` where all classes are present.
    """
    hits = labels(predictions, classes) == solution
    return float(np.mean([hits[solution == wanted].mean() for wanted in classes]))


def roc_auc(solution: Array, predictions: Array, classes: Classes = ()) -> float:
    """Probability that a random row of class 1 is ranked above a random row of class 0, ties one half; in [0, 1].

    A constant prediction earns 0.5. Undefined where the ground truth has one class only.

    References
    ----------
    scikit-learn, ``sklearn.metrics.roc_auc_score``; Hanley and McNeil 1982, doi:10.1148/radiology.143.1.7063747.
    """
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(solution, predictions))


def _rows(least: int) -> Callable[[Array, Classes], str]:
    def undefined(solution: Array, classes: Classes) -> str:
        return "" if len(solution) >= least else f"expected at least {least} rows, found {len(solution)}"

    return undefined


def _missing_class(solution: Array, classes: Classes) -> str:
    if not classes:
        return "the competition lists no classes"
    missing = [str(wanted) for wanted in classes if not np.any(solution == wanted)]
    return f"no row of class {', '.join(missing)}" if missing else ""


def _not_both(solution: Array, classes: Classes) -> str:
    found = np.unique(solution)
    if found.tolist() == [0, 1]:
        return ""
    return f"expected rows of class 0 and of class 1, found {', '.join(str(item) for item in found[:5]) or 'no row'}"


_INFINITE = float("inf")
_SKLEARN = "scikit-learn, sklearn.metrics."
_REAL = ("real", "probability")
_CLASS = ("class", "probability", "scores")

METRICS: dict[str, MetricSpec] = {
    spec.name: spec
    for spec in (
        MetricSpec("r2", "R²", r2, _rows(2), "maximize", 1.0, (-_INFINITE, 1.0), _REAL, _SKLEARN + "r2_score"),
        MetricSpec(
            "rmse",
            "RMSE",
            rmse,
            _rows(1),
            "minimize",
            0.0,
            (0.0, _INFINITE),
            _REAL,
            _SKLEARN + "root_mean_squared_error",
        ),
        MetricSpec(
            "mae", "MAE", mae, _rows(1), "minimize", 0.0, (0.0, _INFINITE), _REAL, _SKLEARN + "mean_absolute_error"
        ),
        MetricSpec(
            "accuracy",
            "accuracy",
            accuracy,
            _rows(1),
            "maximize",
            1.0,
            (0.0, 1.0),
            _CLASS,
            _SKLEARN + "accuracy_score",
        ),
        MetricSpec(
            "balanced_accuracy",
            "balanced accuracy",
            balanced_accuracy,
            _missing_class,
            "maximize",
            1.0,
            (0.0, 1.0),
            _CLASS,
            "ISIC 2018 Task 3, arXiv:1902.03368",
        ),
        MetricSpec(
            "roc_auc",
            "ROC AUC",
            roc_auc,
            _not_both,
            "maximize",
            1.0,
            (0.0, 1.0),
            ("probability",),
            _SKLEARN + "roc_auc_score",
        ),
    )
}
