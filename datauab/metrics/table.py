"""The table of metrics, and the one way to compute one of them."""

from __future__ import annotations

import numpy as np

from datauab.errors import GradingError
from datauab.metrics.classes import (
    accuracy,
    balanced_accuracy,
    f1,
    f1_macro,
    mean_recall,
    missing_class,
    no_positive,
)
from datauab.metrics.probabilities import log_loss, not_both, roc_auc, unlisted_class
from datauab.metrics.real_numbers import fewer_rows_than, mae, negative_target, r2, rmse, rmsle
from datauab.metrics.spec import Array, Classes, MetricSpec

_INFINITE = float("inf")
_SHARE = (0.0, 1.0)
_LOSS = (0.0, _INFINITE)
_SKLEARN = "scikit-learn, sklearn.metrics."
_REAL = ("real", "probability")
_CLASS = ("class", "probability", "scores")
_LABELS = "probabilities of at least 0.5 predict class 1, scores the largest class, the first of equal ones"
_ALL_CLASSES = "undefined: every class of the list needs a row"

METRICS: dict[str, MetricSpec] = {
    spec.name: spec
    for spec in (
        MetricSpec(
            name="r2",
            title="R²",
            function=r2,
            undefined=fewer_rows_than(2),
            direction="maximize",
            best=1.0,
            range=(-_INFINITE, 1.0),
            kinds=_REAL,
            on_constant="1 where every prediction is exact, else 0",
            note="0 is as good as the mean of the truth; undefined below two rows",
            source=_SKLEARN + "r2_score",
        ),
        MetricSpec(
            name="rmse",
            title="RMSE",
            function=rmse,
            undefined=fewer_rows_than(1),
            direction="minimize",
            best=0.0,
            range=_LOSS,
            kinds=_REAL,
            on_constant="defined",
            note="in the target's unit",
            source=_SKLEARN + "root_mean_squared_error",
        ),
        MetricSpec(
            name="mae",
            title="MAE",
            function=mae,
            undefined=fewer_rows_than(1),
            direction="minimize",
            best=0.0,
            range=_LOSS,
            kinds=_REAL,
            on_constant="defined",
            note="in the target's unit",
            source=_SKLEARN + "mean_absolute_error",
        ),
        MetricSpec(
            name="rmsle",
            title="RMSLE",
            function=rmsle,
            undefined=negative_target,
            direction="minimize",
            best=0.0,
            range=_LOSS,
            kinds=_REAL,
            on_constant="defined",
            note="a negative prediction counts as 0; undefined where a target is negative",
            source=_SKLEARN + "root_mean_squared_log_error",
        ),
        MetricSpec(
            name="accuracy",
            title="Accuracy",
            function=accuracy,
            undefined=fewer_rows_than(1),
            direction="maximize",
            best=1.0,
            range=_SHARE,
            kinds=_CLASS,
            on_constant="defined",
            note=_LABELS,
            source=_SKLEARN + "accuracy_score",
        ),
        MetricSpec(
            name="balanced_accuracy",
            title="Balanced accuracy",
            function=balanced_accuracy,
            undefined=missing_class,
            direction="maximize",
            best=1.0,
            range=_SHARE,
            kinds=_CLASS,
            on_constant=_ALL_CLASSES,
            note="a constant prediction earns 1 / number of classes; " + _LABELS,
            source=_SKLEARN + "balanced_accuracy_score",
        ),
        MetricSpec(
            name="mean_recall",
            title="Mean recall",
            function=mean_recall,
            undefined=missing_class,
            direction="maximize",
            best=1.0,
            range=_SHARE,
            kinds=("scores", "class"),
            on_constant=_ALL_CLASSES,
            note="balanced accuracy, but a row whose largest score is shared by several classes is wrong",
            source="ISIC 2018 Task 3, arXiv:1902.03368",
        ),
        MetricSpec(
            name="f1",
            title="F1",
            function=f1,
            undefined=no_positive,
            direction="maximize",
            best=1.0,
            range=_SHARE,
            kinds=_CLASS,
            on_constant="defined where all rows are of class 1, undefined where none is",
            note="of class 1; 0 where class 1 is never predicted; " + _LABELS,
            source=_SKLEARN + "f1_score",
        ),
        MetricSpec(
            name="f1_macro",
            title="Macro F1",
            function=f1_macro,
            undefined=missing_class,
            direction="maximize",
            best=1.0,
            range=_SHARE,
            kinds=_CLASS,
            on_constant=_ALL_CLASSES,
            note="mean of each class's F1; a class that is never predicted has 0; " + _LABELS,
            source=_SKLEARN + 'f1_score, average="macro"',
        ),
        MetricSpec(
            name="roc_auc",
            title="ROC AUC",
            function=roc_auc,
            undefined=not_both,
            direction="maximize",
            best=1.0,
            range=_SHARE,
            kinds=("probability",),
            on_constant="undefined: both classes need a row",
            note="ties count one half; a constant prediction earns 0.5",
            source=_SKLEARN + "roc_auc_score",
        ),
        MetricSpec(
            name="log_loss",
            title="Log loss",
            function=log_loss,
            undefined=unlisted_class,
            direction="minimize",
            best=0.0,
            range=_LOSS,
            kinds=("probability", "scores"),
            on_constant="defined",
            note=(
                "clipped to [eps, 1 - eps], eps = 2.2e-16; negative scores count as 0, each row of scores is divided "
                "by its sum, and a row without a positive score counts as equal probabilities"
            ),
            source=_SKLEARN + "log_loss",
        ),
    )
}


def find(name: str) -> MetricSpec:
    """Look a metric up, or raise `GradingError` with the names there are."""
    try:
        return METRICS[name]
    except KeyError:
        raise GradingError(f"metric {name!r}: unknown; expected one of {', '.join(METRICS)}") from None


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
        The competition's fixed list of classes; needed by means over classes and by predictions of kind "scores".

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
