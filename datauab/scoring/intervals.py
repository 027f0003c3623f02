"""How sure a score is: bootstrap intervals of every metric."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from datauab import metrics
from datauab.errors import GradingError
from datauab.scoring.resampling import SEED, Array, counts, resamples, sums

CONFIDENCE = 0.95
_CELL_COST = 400  # one draw from a binomial distribution takes as long as this many counts


def interval(name: str, solution: Array, predictions: Array, classes: metrics.Classes = ()) -> tuple[float, float]:
    """Compute the 95 % bootstrap percentile interval of a metric, with a fixed seed.

    Rows are drawn with replacement; for metrics that need a class to be there (balanced accuracy, mean recall, both
    F1, ROC AUC) within each class, so that every resample has them all. Nothing is approximated but by the number of
    resamples (`datauab.scoring.resampling`):

    - What is a function of counts of rows (hits by class, cells of the confusion matrix) is drawn from the binomial or
      multinomial distribution, which is the bootstrap's own distribution of such counts.
    - What is a function of means over rows (R², RMSE, MAE, RMSLE, log loss) is a product of the matrix of how often
      each row was drawn with the rows' values.
    - ROC AUC counts pairs by running sums of the drawn negatives, in the order of the predictions.

    Returns
    -------
    tuple of float
        Low and high; finite, and never on the wrong side of each other.

    Raises
    ------
    GradingError
        Where an end is not finite.

    References
    ----------
    Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapters 13 and 8.
    """
    drawn = _BOOTSTRAPS[name](solution, predictions, classes)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail])
    if not (np.isfinite(low) and np.isfinite(high)):
        raise GradingError(f"metric {name}: expected a finite interval, found {low} to {high}")
    return float(low), float(high)


def _means(values: Array) -> Array:
    """Means over every resample of `values`, shape (rows,)."""
    largest = float(np.max(np.abs(values), initial=0.0)) or 1.0  # so that no sum leaves the range of float64
    found: Array = sums((values / largest)[:, np.newaxis])[:, 0] / len(values) * largest
    return found


def _rmse(solution: Array, predictions: Array, _: metrics.Classes) -> Array:
    return np.asarray(np.sqrt(_means((solution - predictions) ** 2)))


def _mae(solution: Array, predictions: Array, _: metrics.Classes) -> Array:
    return _means(np.abs(solution - predictions))


def _rmsle(solution: Array, predictions: Array, _: metrics.Classes) -> Array:
    return np.asarray(np.sqrt(_means(metrics.squared_log_errors(solution, predictions))))


def _log_loss(solution: Array, predictions: Array, classes: metrics.Classes) -> Array:
    return _means(metrics.losses(solution, predictions, classes))


def _r2(solution: Array, predictions: Array, _: metrics.Classes) -> Array:
    rows = len(solution)
    centred = solution - solution.mean()
    largest = float(np.max(np.abs(centred), initial=0.0)) or 1.0
    centred = centred / largest
    drawn = sums(np.column_stack([((solution - predictions) / largest) ** 2, centred, centred**2]))
    residual, total = drawn[:, 0], drawn[:, 2] - drawn[:, 1] ** 2 / rows
    # A resample of equal targets has a total of 0 but for rounding; scikit-learn's force_finite then decides.
    varies = total > 1e-12 * np.maximum(drawn[:, 2], 1e-300)
    return np.where(varies, 1 - residual / np.where(varies, total, 1.0), np.where(residual == 0, 1.0, 0.0))


def _accuracy(solution: Array, predictions: Array, classes: metrics.Classes) -> Array:
    return _shares(metrics.hits(solution, predictions, classes))


def _shares(found: Array) -> Array:
    return np.asarray(_generator().binomial(len(found), found.mean(), size=resamples(1)) / len(found))


def _balanced_accuracy(solution: Array, predictions: Array, classes: metrics.Classes) -> Array:
    return _recalls(solution, metrics.hits(solution, predictions, classes), classes)


def _mean_recall(solution: Array, predictions: Array, classes: metrics.Classes) -> Array:
    return _recalls(solution, metrics.decided_hits(solution, predictions, classes), classes)


def _recalls(solution: Array, found: Array, classes: metrics.Classes) -> Array:
    generator = _generator()
    total = np.zeros(resamples(len(classes)))
    for wanted in classes:
        own = found[solution == wanted]
        total += generator.binomial(len(own), own.mean(), size=len(total)) / len(own)
    return total / len(classes)


def _f1(solution: Array, predictions: Array, classes: metrics.Classes) -> Array:
    generator = _generator()
    truth = solution == metrics.POSITIVE
    guess = metrics.labels(predictions, classes) == metrics.POSITIVE
    positives = np.count_nonzero(truth)
    negatives = len(truth) - positives
    right = generator.binomial(positives, guess[truth].mean(), size=resamples(1))
    wrong = generator.binomial(negatives, guess[~truth].mean() if negatives else 0.0, size=len(right))
    return np.asarray(2 * right / (positives + right + wrong))


def _f1_macro(solution: Array, predictions: Array, classes: metrics.Classes) -> Array:
    generator = _generator()
    places = {wanted: place for place, wanted in enumerate(classes)}
    guess = metrics.labels(predictions, classes)
    # Probabilities predict class 0 or 1; one that the competition does not list is wrong and no more.
    cells = {wanted: np.unique(guess[solution == wanted], return_counts=True) for wanted in classes}
    number = resamples(_CELL_COST * sum(len(found) for found, _ in cells.values()))
    right, predicted = np.zeros((len(classes), number)), np.zeros((len(classes), number))
    for wanted, (found, times) in cells.items():
        drawn = generator.multinomial(times.sum(), times / times.sum(), size=number)
        for column, label in enumerate(found.tolist()):
            if label in places:
                predicted[places[label]] += drawn[:, column]
            if label == wanted:
                right[places[wanted]] = drawn[:, column]
    rows = np.array([[times.sum()] for _, times in cells.values()])
    return np.asarray(np.mean(2 * right / (rows + predicted), axis=0))


def _roc_auc(solution: Array, predictions: Array, _: metrics.Classes) -> Array:
    positives, negatives = np.sort(predictions[solution == 1]), np.sort(predictions[solution == 0])
    # Negatives below each positive, and those not above it: a tie counts one half.
    below, not_above = (np.searchsorted(negatives, positives, side=side) for side in ("left", "right"))
    tied = bool((below != not_above).any())
    running = np.zeros(len(negatives) + 1, dtype=np.int32)
    values: list[float] = []
    for up, down in zip(_lines(len(positives), 1), _lines(len(negatives), 2), strict=False):
        np.cumsum(down, out=running[1:], dtype=np.int32)
        lower = running.take(below) + running.take(not_above) if tied else 2 * running.take(below)
        values.append(float(up.astype(np.float64) @ lower.astype(np.float64)))
    return np.array(values) / (2.0 * len(positives) * len(negatives))


def _lines(rows: int, stream: int) -> Iterator[Array]:
    for some in counts(rows, stream):
        yield from some


def _generator() -> np.random.Generator:
    return np.random.Generator(np.random.SFC64(SEED))


_BOOTSTRAPS: dict[str, Callable[[Array, Array, metrics.Classes], Array]] = {
    "r2": _r2,
    "rmse": _rmse,
    "mae": _mae,
    "rmsle": _rmsle,
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced_accuracy,
    "mean_recall": _mean_recall,
    "f1": _f1,
    "f1_macro": _f1_macro,
    "roc_auc": _roc_auc,
    "log_loss": _log_loss,
}
