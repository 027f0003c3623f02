"""The resamples of the bootstrap: how often each row is drawn, kept between calls.

A resample of n rows is n draws with replacement, and all that a metric needs of it is how often each row was drawn.
These counts do not depend on what is resampled, so they are drawn once for each number of rows, with a fixed seed; a
sum over every resample is then one product of the matrix of counts with the rows' values.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

RESAMPLES = 1000
"""Resamples of up to `MOST_COUNTS` / `RESAMPLES` rows; of more rows fewer are drawn, but at least `LEAST_RESAMPLES`."""

LEAST_RESAMPLES = 200
MOST_COUNTS = 16_000_000
"""Counts that are drawn for one number of rows, and bytes that they take."""

SEED = 20180220  # fixed: the same predictions have the same interval each time
_CHUNK_VALUES = 250_000  # counts turned into floating point at one time: they stay in the processor's cache


def resamples(size: int) -> int:
    """Resamples that are drawn where one of them takes `size` random numbers."""
    return max(LEAST_RESAMPLES, min(RESAMPLES, MOST_COUNTS // max(1, size)))


def counts(rows: int, stream: int = 0) -> Iterator[Array]:
    """How often each of `rows` rows is in each resample, some resamples at a time.

    Parameters
    ----------
    stream : int
        Resamples of different streams are independent of each other.

    Yields
    ------
    ndarray of uint8
        Shape (some, rows); each line sums to `rows`.
    """
    number = resamples(rows)
    if number * rows > MOST_COUNTS:
        generator = _generator(rows, stream)
        for _ in range(number):
            yield _draw(generator, rows)[np.newaxis]
        return
    kept = _kept(rows, stream)
    step = max(1, _CHUNK_VALUES // rows)
    for begin in range(0, number, step):
        yield kept[begin : begin + step]


def sums(values: Array, stream: int = 0) -> Array:
    """Sums over every resample of the columns of `values`, shape (rows, columns); gives (resamples, columns)."""
    return np.concatenate([some.astype(np.float64) @ values for some in counts(len(values), stream)])


@functools.lru_cache(maxsize=6)  # at most 6 * MOST_COUNTS bytes; an ROC AUC takes two
def _kept(rows: int, stream: int) -> Array:
    generator = _generator(rows, stream)
    drawn = np.empty((resamples(rows), rows), dtype=np.uint8)
    for line in drawn:
        line[:] = _draw(generator, rows)
    drawn.flags.writeable = False
    return drawn


def _generator(rows: int, stream: int) -> np.random.Generator:
    return np.random.Generator(np.random.SFC64([SEED, rows, stream]))


def _draw(generator: np.random.Generator, rows: int) -> Array:
    # Narrow numbers are drawn several at a time. No row is drawn 256 times: the chance is below 1e-500 for any size.
    kind: Any = np.uint16 if rows <= 65536 else np.uint32
    drawn = np.bincount(generator.integers(0, rows, size=rows, dtype=kind), minlength=rows)
    return np.minimum(drawn, 255).astype(np.uint8)
