"""Splits the test rows, scores both sides, and says how sure the public score is.

Runs in the grader only: nothing that faces students imports it.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datauab import metrics
from datauab.competition import Competition
from datauab.errors import GradingError

Array = NDArray[Any]
Mask = NDArray[np.bool_]

RESAMPLES = 1000
CONFIDENCE = 0.95
LEAST_ROWS = 2
"""Fewest rows on either side of the split."""

_SEED = 20180220  # fixed: the same predictions have the same interval each time
_CHUNK_VALUES = 2_000_000  # resampled values held at one time


@dataclass(frozen=True, slots=True)
class Score:
    """What one set of predictions earned.

    Attributes
    ----------
    public, private, full : float
        The metric on the public rows, on the private rows and on all test rows.
    interval : tuple of float
        95 % bootstrap percentile interval of `public`.
    secondary : mapping
        ``{metric: {"public": float, "private": float}}``.
    """

    metric: str
    public: float
    private: float
    full: float
    interval: tuple[float, float]
    secondary: Mapping[str, Mapping[str, float]]


def public_mask(rows: int, share: float, secret: bytes, name: str, solution: Array) -> Mask:
    """Choose the test rows that the public leaderboard is computed on.

    The order of a keyed hash of each row's number decides, so that the choice is the same in every process and with
    every version of numpy, and unknown without the secret. For classes (an integer solution) each class is split by
    itself: a class of two rows or more has rows on both sides.

    Parameters
    ----------
    rows : int
        Number of test rows.
    share : float
        Share of public rows, in (0, 1).
    secret : bytes
        The deployment's secret for splits.
    name : str
        Name of the competition.
    solution : ndarray
        Ground truth, shape (rows,).

    Returns
    -------
    ndarray of bool
        Shape (rows,), True for public rows; at least `LEAST_ROWS` of each.

    Raises
    ------
    GradingError
        Where the solution has another number of rows, or too few for two sides.
    """
    if len(solution) != rows:
        raise GradingError(f"competition {name}: expected a solution of {rows} rows, found {len(solution)}")
    if not 0 < share < 1 or rows < 2 * LEAST_ROWS:
        raise GradingError(
            f"competition {name}: expected a share between 0 and 1 of at least {2 * LEAST_ROWS} rows, "
            f"found {share} of {rows}"
        )
    order = np.array(sorted(range(rows), key=lambda row: _row_key(secret, name, row)), dtype=np.int64)
    mask = np.zeros(rows, dtype=bool)
    singles: list[int] = []
    for group in _groups(order, solution):
        if len(group) == 1:
            singles.append(int(group[0]))
            continue
        mask[group[: min(len(group) - 1, max(1, round(share * len(group))))]] = True
    missing = round(share * rows) - int(mask.sum())
    mask[singles[: max(0, missing)]] = True
    _keep_two_sides(mask, order, solution)
    return mask


def _row_key(secret: bytes, name: str, row: int) -> bytes:
    return hmac.digest(secret, f"public\0{name}\0{row}".encode(), "sha256")


def _groups(order: Array, solution: Array) -> Iterator[Array]:
    if solution.dtype.kind not in "bui":
        yield order
        return
    ordered = solution[order]
    for value in np.unique(solution):
        yield order[ordered == value]


def _keep_two_sides(mask: Mask, order: Array, solution: Array) -> None:
    classes = solution if solution.dtype.kind in "bui" else np.zeros(len(solution), dtype=np.int64)
    for side in (True, False):
        for row in order:
            if np.count_nonzero(mask == side) >= LEAST_ROWS:
                break
            own = classes == classes[row]
            alone = np.count_nonzero(own) > 1 and np.count_nonzero(own & (mask == mask[row])) == 1
            if mask[row] != side and not alone:  # the last row of its class on the other side stays there
                mask[row] = side


def check_split(competition: Competition, solution: Array, mask: Mask) -> None:
    """Check that every metric of the competition has a value on the public, the private and all rows.

    Raises
    ------
    GradingError
        Names metric, side and reason.
    """
    classes = competition.predictions.classes
    for name in (competition.metric.name, *competition.metric.secondary):
        spec = metrics.find(name)
        if competition.predictions.kind not in spec.kinds:
            raise GradingError(
                f"competition {competition.name}: metric {name} takes predictions of kind {', '.join(spec.kinds)}, "
                f"found kind {competition.predictions.kind}; correct competition.toml"
            )
        for side, rows in (("public", mask), ("private", ~mask)):
            problem = spec.undefined(solution[rows], classes)
            if problem:
                raise GradingError(
                    f"competition {competition.name}: metric {name} is undefined on the {side} rows: {problem}; "
                    "change public_share in competition.toml or prepare more test rows"
                )


def score(competition: Competition, solution: Array, predictions: Array, mask: Mask) -> Score:
    """Score checked predictions.

    Parameters
    ----------
    solution : ndarray
        Shape (rows,).
    predictions : ndarray
        As `datauab.submission.validate` gives them.
    mask : ndarray of bool
        Shape (rows,), as `public_mask` gives it.

    Raises
    ------
    GradingError
        Where shapes differ, or a metric has no finite value.
    """
    if len(solution) != len(predictions) or mask.shape != (len(solution),):
        raise GradingError(
            f"competition {competition.name}: expected predictions and split for {len(solution)} rows, found "
            f"{len(predictions)} and {mask.shape}"
        )
    check_split(competition, solution, mask)
    classes = competition.predictions.classes
    sides = {"public": mask, "private": ~mask}

    def on(name: str, rows: Mask) -> float:
        return metrics.score(name, solution[rows], predictions[rows], classes)

    name = competition.metric.name
    return Score(
        metric=name,
        public=on(name, mask),
        private=on(name, ~mask),
        full=metrics.score(name, solution, predictions, classes),
        interval=interval(name, solution[mask], predictions[mask], classes),
        secondary={
            other: {side: on(other, rows) for side, rows in sides.items()} for other in competition.metric.secondary
        },
    )


def interval(name: str, solution: Array, predictions: Array, classes: metrics.Classes = ()) -> tuple[float, float]:
    """Compute the 95 % bootstrap percentile interval of a metric, from `RESAMPLES` resamples with a fixed seed.

    Rows are drawn with replacement; for metrics that need every class (balanced accuracy, ROC AUC) within each class,
    so that every resample has them all. A metric that is a mean over rows of hits is drawn from the binomial
    distribution, which is the bootstrap's own distribution of it.

    Returns
    -------
    tuple of float
        Low and high; finite, and never on the wrong side of each other.

    References
    ----------
    Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapters 13 and 8.
    """
    rng = np.random.default_rng(_SEED)
    drawn = _BOOTSTRAPS[name](rng, solution, predictions, classes)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail])
    if not (np.isfinite(low) and np.isfinite(high)):
        raise GradingError(f"metric {name}: expected a finite interval, found {low} to {high}")
    return float(low), float(high)


def _resampled(rng: np.random.Generator, rows: int) -> Iterator[Array]:
    step = max(1, _CHUNK_VALUES // rows)
    for begin in range(0, RESAMPLES, step):
        yield rng.integers(0, rows, size=(min(step, RESAMPLES - begin), rows), dtype=np.int32)


def _boot_rmse(rng: np.random.Generator, solution: Array, predictions: Array, _: metrics.Classes) -> Array:
    errors = (solution - predictions) ** 2
    return np.asarray(np.sqrt(np.concatenate([errors[rows].mean(axis=1) for rows in _resampled(rng, len(errors))])))


def _boot_mae(rng: np.random.Generator, solution: Array, predictions: Array, _: metrics.Classes) -> Array:
    errors = np.abs(solution - predictions)
    return np.concatenate([errors[rows].mean(axis=1) for rows in _resampled(rng, len(errors))])


def _boot_r2(rng: np.random.Generator, solution: Array, predictions: Array, _: metrics.Classes) -> Array:
    errors, centred = (solution - predictions) ** 2, solution - solution.mean()
    values: list[Array] = []
    for rows in _resampled(rng, len(errors)):
        residual = errors[rows].sum(axis=1)
        targets = centred[rows]
        total = ((targets - targets.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
        perfect = np.where(residual == 0, 1.0, 0.0)  # scikit-learn's force_finite
        values.append(np.where(total > 0, 1 - residual / np.where(total > 0, total, 1), perfect))
    return np.concatenate(values)


def _boot_accuracy(rng: np.random.Generator, solution: Array, predictions: Array, classes: metrics.Classes) -> Array:
    hits = metrics.labels(predictions, classes) == solution
    return np.asarray(rng.binomial(len(hits), hits.mean(), size=RESAMPLES) / len(hits))


def _boot_balanced(rng: np.random.Generator, solution: Array, predictions: Array, classes: metrics.Classes) -> Array:
    hits = metrics.labels(predictions, classes) == solution
    recalls = [
        rng.binomial(len(own), own.mean(), size=RESAMPLES) / len(own)
        for own in (hits[solution == wanted] for wanted in classes)
    ]
    return np.asarray(np.mean(recalls, axis=0))


def _boot_auc(rng: np.random.Generator, solution: Array, predictions: Array, _: metrics.Classes) -> Array:
    # Each resample gives every distinct prediction a number of positives and of negatives; AUC is the share of pairs
    # of one positive and one negative in which the positive lies higher, ties one half.
    level = np.unique(predictions, return_inverse=True)[1]
    positives, negatives = level[solution == 1], level[solution == 0]
    levels = int(level.max()) + 1
    values = np.empty(RESAMPLES)
    for index in range(RESAMPLES):
        up = np.bincount(rng.choice(positives, len(positives)), minlength=levels)
        down = np.bincount(rng.choice(negatives, len(negatives)), minlength=levels)
        values[index] = up @ (np.cumsum(down) - down / 2)
    return values / (len(positives) * len(negatives))


_BOOTSTRAPS: dict[str, Callable[[np.random.Generator, Array, Array, metrics.Classes], Array]] = {
    "r2": _boot_r2,
    "rmse": _boot_rmse,
    "mae": _boot_mae,
    "accuracy": _boot_accuracy,
    "balanced_accuracy": _boot_balanced,
    "roc_auc": _boot_auc,
}


@functools.cache
def scorer_hash() -> str:
    """Hash what turns predictions into a score: the code of metrics and scoring, numpy's and scikit-learn's versions.

    Returns
    -------
    str
        SHA-256, hexadecimal.
    """
    import sklearn

    digest = hashlib.sha256()
    for part in (
        inspect.getsource(metrics),
        inspect.getsource(inspect.getmodule(scorer_hash) or metrics),
        np.__version__,
        str(sklearn.__version__),
    ):
        digest.update(hashlib.sha256(part.encode()).digest())
    return digest.hexdigest()
