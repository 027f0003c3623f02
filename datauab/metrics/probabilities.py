"""Metrics of probabilities and of class scores, and what they are undefined on."""

from __future__ import annotations

import numpy as np

from datauab.metrics.spec import Array, Classes

SMALLEST = float(np.finfo(np.float64).eps)
"""Probabilities are clipped to at least this and at most one less this: a certain error costs 36, not infinity."""


def roc_auc(solution: Array, predictions: Array, classes: Classes = ()) -> float:
    """Probability that a random row of class 1 is ranked above a random row of class 0, ties one half; in [0, 1].

    A constant prediction earns 0.5. Undefined where the ground truth has one class only.

    References
    ----------
    scikit-learn, ``sklearn.metrics.roc_auc_score``; Hanley and McNeil 1982, doi:10.1148/radiology.143.1.7063747.
    """
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(solution, predictions))


def log_loss(solution: Array, predictions: Array, classes: Classes = ()) -> float:
    """Mean of -log(probability that was given to the true class), natural logarithm; 0 is perfect.

    Probabilities are clipped to [eps, 1 - eps] with eps = 2.2e-16, scikit-learn's rule for 64-bit numbers, so that no
    row costs more than 36.04. Class scores are made probabilities before: negative ones count as 0, then each row is
    divided by its sum, whatever it is; a row without a positive score counts as equal probabilities. (scikit-learn
    warns of rows that do not sum to 1 and leaves them.) Defined where the ground truth has one class only, since the
    list of classes is the competition's; undefined where the truth is a class outside it.

    References
    ----------
    scikit-learn, ``sklearn.metrics.log_loss``; Good 1952, Rational decisions, doi:10.1111/j.2517-6161.1952.tb00104.x.
    """
    return float(np.mean(losses(solution, predictions, classes)))


def losses(solution: Array, predictions: Array, classes: Classes) -> Array:
    """What `log_loss` takes the mean of; shape (rows,)."""
    if predictions.ndim == 1:
        given = np.where(solution == 1, predictions, 1.0 - predictions)
    else:
        order = np.argsort(classes)
        columns = order[np.searchsorted(np.asarray(classes), solution, sorter=order)]
        scores = np.maximum(predictions, 0.0)
        scores /= np.maximum(scores.max(axis=1, keepdims=True), np.finfo(np.float64).tiny)  # so that no sum overflows
        sums = scores.sum(axis=1)
        own = scores[np.arange(len(solution)), columns]
        given = np.where(sums > 0, own / np.where(sums > 0, sums, 1.0), 1.0 / predictions.shape[1])
    found: Array = -np.log(np.clip(given, SMALLEST, 1.0 - SMALLEST))
    return found


def not_both(solution: Array, classes: Classes) -> str:
    """Why `roc_auc` has no value; empty where it has one."""
    found = np.unique(solution)
    if found.tolist() == [0, 1]:
        return ""
    return f"expected rows of class 0 and of class 1, found {', '.join(str(item) for item in found[:5]) or 'no row'}"


def unlisted_class(solution: Array, classes: Classes) -> str:
    """Why `log_loss` has no value; empty where it has one."""
    if len(solution) == 0:
        return "expected at least 1 rows, found 0"
    listed = tuple(classes) or (0, 1)
    others = np.setdiff1d(solution, listed)
    if len(others):
        return f"expected classes {', '.join(map(str, listed))} only, found {', '.join(map(str, others[:5]))}"
    return ""
