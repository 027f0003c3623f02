"""Splits that depend on the deployment's secret, and on nothing that is published."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray


def generator(secret: bytes, dataset: str, purpose: str) -> np.random.Generator:
    """Give the random numbers of one purpose.

    The seed is HMAC-SHA256 (RFC 2104) of dataset and purpose under `secret`: who lacks the secret cannot repeat them,
    and each purpose has a stream of its own, so that a change in one leaves the others as they were.
    """
    digest = hmac.new(secret, f"{dataset}/{purpose}".encode(), hashlib.sha256).digest()
    return np.random.default_rng(int.from_bytes(digest, "big"))


def take_share(
    labels: NDArray[np.int64],
    share: float,
    random: np.random.Generator,
    groups: NDArray[np.int64] | None = None,
    rounding: Callable[[float], int] = round,
) -> NDArray[np.bool_]:
    """Draw a share of each class, never a part of a group.

    Parameters
    ----------
    labels : ndarray, shape (n,)
        Class of each row.
    share : float
        Share of each class to draw, in (0, 1).
    random : Generator
        Decides which rows.
    groups : ndarray, shape (n,), optional
        Rows of one group are drawn all or none; each row is a group of its own by default. The class of a group is
        the class of its first row.
    rounding : callable
        Makes a whole number of rows of ``share * rows of the class``.

    Returns
    -------
    ndarray of bool, shape (n,)
        The rows drawn. Each class has the rounded number of rows, or as many fewer as its groups do not fit in.
    """
    own = np.arange(len(labels)) if groups is None else groups
    _, first, member = np.unique(own, return_index=True, return_inverse=True)
    sizes = np.bincount(member)
    group_labels = labels[first]
    drawn = np.zeros(len(first), dtype=bool)
    for label in np.unique(group_labels):
        candidates = random.permutation(np.flatnonzero(group_labels == label))
        room = rounding(share * int(sizes[candidates].sum()))
        for group in candidates:
            if sizes[group] <= room:
                drawn[group] = True
                room -= int(sizes[group])
    return np.asarray(drawn[member])


def shuffled(rows: NDArray[np.bool_], random: np.random.Generator) -> NDArray[np.int64]:
    """Give the indices of the rows marked, in random order."""
    return random.permutation(np.flatnonzero(rows)).astype(np.int64)


def constants(targets: NDArray[np.float64]) -> dict[str, float]:
    """Give the constant predictions that training targets of a regression suggest."""
    return {"mean": float(targets.mean()), "median": float(np.median(targets))}


def majority(targets: NDArray[np.int64]) -> int:
    """Give the most frequent class, the smallest of several."""
    return int(np.bincount(targets).argmax())
