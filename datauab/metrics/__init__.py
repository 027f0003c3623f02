"""Metrics by name: each a pure function of solution and predictions, with its direction, range and source.

Arrays come checked (`datauab.submission`): `solution` has shape (rows,), int64 for classes and float64 for real
numbers; `predictions` has the shape of its kind: (rows,) float64 for "real" and "probability", (rows,) int64 for
"class", (rows, classes) float64 for "scores".

A metric either has no value on a ground truth, which is the organiser's error and known before anybody hands in, or it
gives a finite number for every set of checked predictions.
"""

from __future__ import annotations

from datauab.metrics.classes import (
    POSITIVE,
    THRESHOLD,
    accuracy,
    balanced_accuracy,
    decided_hits,
    f1,
    f1_macro,
    hits,
    labels,
    mean_recall,
)
from datauab.metrics.probabilities import SMALLEST, log_loss, losses, roc_auc
from datauab.metrics.real_numbers import mae, r2, rmse, rmsle, squared_log_errors
from datauab.metrics.spec import Array, Classes, MetricSpec
from datauab.metrics.table import METRICS, find, score

__all__ = [
    "METRICS",
    "POSITIVE",
    "SMALLEST",
    "THRESHOLD",
    "Array",
    "Classes",
    "MetricSpec",
    "accuracy",
    "balanced_accuracy",
    "decided_hits",
    "f1",
    "f1_macro",
    "find",
    "hits",
    "labels",
    "log_loss",
    "losses",
    "mae",
    "mean_recall",
    "r2",
    "rmse",
    "rmsle",
    "roc_auc",
    "score",
    "squared_log_errors",
]
