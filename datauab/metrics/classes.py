"""Metrics of predicted classes over a fixed list of classes, and what they are undefined on."""

from __future__ import annotations

import numpy as np

from datauab.metrics.spec import Array, Classes

THRESHOLD = 0.5
"""A probability of at least this much predicts class 1."""

POSITIVE = 1
"""The class that `f1` looks for."""


def labels(predictions: Array, classes: Classes) -> Array:
    """Turn predictions into classes: probabilities at `THRESHOLD`, scores by the largest (ties: the first class)."""
    if predictions.ndim == 2:
        chosen: Array = np.asarray(classes)[predictions.argmax(axis=1)]
        return chosen
    if predictions.dtype.kind == "f":
        return (predictions >= THRESHOLD).astype(np.int64)
    return predictions


def hits(solution: Array, predictions: Array, classes: Classes) -> Array:
    """Which rows have the right class; boolean, shape (rows,)."""
    found: Array = labels(predictions, classes) == solution
    return found


def decided_hits(solution: Array, predictions: Array, classes: Classes) -> Array:
    """Like `hits`, but a row whose largest score is shared by several classes is decided for none, so it is wrong."""
    found = hits(solution, predictions, classes)
    if predictions.ndim == 2:
        largest = predictions.max(axis=1, keepdims=True)
        found &= np.count_nonzero(predictions == largest, axis=1) == 1
    return found


def recalls(solution: Array, found: Array, classes: Classes) -> Array:
    """Share of each class's rows that were found; shape (classes,)."""
    return np.array([found[solution == wanted].mean() for wanted in classes])


def accuracy(solution: Array, predictions: Array, classes: Classes = ()) -> float:
    """Share of rows whose class is right, in [0, 1]; defined on one class as well.

    References
    ----------
    scikit-learn, ``sklearn.metrics.accuracy_score``.
    """
    return float(np.mean(hits(solution, predictions, classes)))


def balanced_accuracy(solution: Array, predictions: Array, classes: Classes = ()) -> float:
    """Mean over the competition's fixed classes of the share of each class's rows that were found, in [0, 1].

    Every class weighs the same however rare it is; a constant prediction earns 1 / number of classes. Undefined where
    a class of the list has no row: leaving it out in silence would change what is measured.

    References
    ----------
    Equal to ``sklearn.metrics.balanced_accuracy_score`` where all classes are present.
    """
    return float(np.mean(recalls(solution, hits(solution, predictions, classes), classes)))


def mean_recall(solution: Array, predictions: Array, classes: Classes = ()) -> float:
    """Mean over the competition's fixed classes of the share of each class's rows that were found, in [0, 1].

    The goal of ISIC 2018 Task 3, there called balanced multi-class accuracy. It differs from `balanced_accuracy` in
    ties alone: a row whose largest score is shared by several classes is undecided, which is wrong whatever the truth
    is, where `balanced_accuracy` takes the first of them. Equal scores in all rows thus earn 0, and predicted classes,
    which have no ties, the same number from both. Undefined where a class of the list has no row.

    References
    ----------
    Codella et al. 2019, arXiv:1902.03368, and the challenge's own scoring code (isic-challenge-scoring).
    """
    return float(np.mean(recalls(solution, decided_hits(solution, predictions, classes), classes)))


def f1(solution: Array, predictions: Array, classes: Classes = ()) -> float:
    """Harmonic mean of precision and recall of class 1: 2 TP / (2 TP + FP + FN), in [0, 1].

    0 where no row of class 1 is found, also where none is predicted. Undefined where no row is of class 1.

    References
    ----------
    scikit-learn, ``sklearn.metrics.f1_score``; van Rijsbergen 1979, Information Retrieval, chapter 7.
    """
    truth, guess = solution == POSITIVE, labels(predictions, classes) == POSITIVE
    return float(2 * np.count_nonzero(truth & guess) / (np.count_nonzero(truth) + np.count_nonzero(guess)))


def f1_macro(solution: Array, predictions: Array, classes: Classes = ()) -> float:
    """Mean over the competition's fixed classes of each class's F1, in [0, 1].

    A class that is never predicted has an F1 of 0. Undefined where a class of the list has no row.

    References
    ----------
    scikit-learn, ``sklearn.metrics.f1_score`` with ``average="macro"``; the mean of F1 values, not the F1 of means
    (Opitz and Burst 2019, arXiv:1911.03347).
    """
    guess = labels(predictions, classes)
    right = guess == solution
    return float(
        np.mean(
            [
                2
                * np.count_nonzero(right & (solution == wanted))
                / (np.count_nonzero(solution == wanted) + np.count_nonzero(guess == wanted))
                for wanted in classes
            ]
        )
    )


def missing_class(solution: Array, classes: Classes) -> str:
    """Why a mean over the list of classes has no value; empty where it has one."""
    if not classes:
        return "the competition lists no classes"
    missing = [str(wanted) for wanted in classes if not np.any(solution == wanted)]
    return f"no row of class {', '.join(missing)}" if missing else ""


def no_positive(solution: Array, classes: Classes) -> str:
    """Why `f1` has no value; empty where it has one."""
    if classes and POSITIVE not in classes:
        return f"expected class {POSITIVE} among the competition's classes, found {', '.join(map(str, classes))}"
    return "" if np.any(solution == POSITIVE) else f"no row of class {POSITIVE}"
