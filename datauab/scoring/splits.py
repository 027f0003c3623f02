"""Splits the test rows into a public and a private side, and checks that every metric has a value on both."""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datauab import metrics
from datauab.competition import Competition
from datauab.errors import GradingError

Array = NDArray[Any]
Mask = NDArray[np.bool_]

LEAST_ROWS = 2
"""Fewest rows on either side of the split."""


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
    """Check that every metric of the club that the competition names has a value on its public and private rows.

    A metric of the competition's own is not among them: what it is defined on only its code tells.

    Raises
    ------
    GradingError
        Names metric, side and reason.
    """
    primary, predictions = competition.metric, competition.predictions
    for name in named_metrics(competition):
        spec = metrics.find(name)
        if predictions.kind not in spec.kinds:
            raise GradingError(
                f"competition {competition.name}: metric {name} takes predictions of kind {', '.join(spec.kinds)}, "
                f"found kind {predictions.kind}; correct competition.toml"
            )
        if name == primary.name and primary.direction != spec.direction:
            raise GradingError(
                f"competition {competition.name}: metric {name}: expected direction {spec.direction}, "
                f"found {primary.direction}; correct competition.toml"
            )
        for side, rows in (("public", mask), ("private", ~mask)):
            problem = spec.undefined(solution[rows], predictions.classes)
            if problem:
                raise GradingError(
                    f"competition {competition.name}: metric {name} is undefined on the {side} rows: {problem}; "
                    "change public_share in competition.toml or prepare more test rows"
                )


def named_metrics(competition: Competition) -> tuple[str, ...]:
    """Metrics of the club that the competition names: the one that ranks, unless it is its own, and those beside it."""
    metric = competition.metric
    return metric.secondary if metric.is_own else (metric.name, *metric.secondary)
