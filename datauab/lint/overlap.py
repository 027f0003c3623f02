"""Test rows that stand among the training rows as well, or nearly."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from datauab.lint import pictures
from datauab.lint.case import MOST_ASKED, MOST_KNOWN, Case, draw
from datauab.lint.features import filled
from datauab.lint.finding import error, note, warning
from datauab.task_results import LintFinding

NEAR = 0.01
"""A row is near another one where their distance is this share of the usual distance to the nearest row."""

SOME = 0.01
"""Share of the test rows from which twins are told."""

NEAR_BITS = 6
NEAR_GREY = 2.5
"""Differing bits of the hashes, and mean difference of grey values (0 to 255), of images that count as alike."""

_FAR = 20.0
_ADVICE = "remove repeated rows before the split, or keep what belongs together on one side (group in [data])"


def repeated_rows(case: Case) -> Iterable[LintFinding]:
    """Find test rows that are equal to a training row in every feature."""
    if case.form != "tables" or not case.shared:
        return
    known, target = case.known
    known_marks, asked_marks = _marks(known, case.asked)
    twins = np.isin(asked_marks, known_marks)
    share = float(twins.mean())
    counts = pd.Series(known_marks).value_counts()
    usual = float((pd.Series(known_marks).map(counts) > 1).mean())  # the table repeats itself this often anyway
    if share <= SOME and twins.sum() < 3:
        return
    right = _right(known_marks, target, asked_marks[twins], case.truth[twins])
    message = (
        f"{twins.sum()} of {len(twins)} test rows ({share:.1%}) equal a training row in all {len(case.shared)} features"
        f"; its target is right for {right:.0%} of them. {usual:.1%} of the training rows repeat one another"
    )
    where = f"{case.competition.dataset}/test.csv"
    if share > max(SOME, 1.5 * usual):
        yield error("rows-on-both-sides", message, where=where, advice=_ADVICE)
    elif share > SOME:
        yield note(
            "rows-repeated", message, where=where, advice="the features are coarse; drop repeated rows to be sure"
        )


def _marks(known: pd.DataFrame, asked: pd.DataFrame) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """One number for each row: equal rows have equal numbers on both sides."""
    both = pd.concat([known, asked], ignore_index=True)
    marks = np.asarray(pd.util.hash_pandas_object(both.astype(str), index=False), dtype=np.uint64)
    return marks[: len(known)], marks[len(known) :]


def _right(known: NDArray[Any], target: NDArray[Any], asked: NDArray[Any], truth: NDArray[Any]) -> float:
    """Share of the rows `asked` whose truth is the target of the first training row that equals them."""
    first = pd.Series(target, index=known)
    first = first[~first.index.duplicated()]
    return float(np.mean(first.reindex(asked).to_numpy(dtype=np.float64) == truth)) if len(asked) else 0.0


def near_rows(case: Case) -> Iterable[LintFinding]:
    """Find test rows that are a training row but for rounding or a little noise."""
    from sklearn.neighbors import NearestNeighbors

    if case.form != "tables" or not case.shared:
        return
    known, _ = case.known
    rows = draw(len(known), MOST_KNOWN)
    both = _scaled(filled(pd.concat([known.iloc[rows], case.asked], ignore_index=True)))
    some, asked = both[: len(rows)], both[len(rows) :][draw(len(case.asked), MOST_ASKED)]
    finder = NearestNeighbors(n_neighbors=2).fit(some)
    among = finder.kneighbors(some)[0][:, 1]
    distance = finder.kneighbors(asked, n_neighbors=1)[0][:, 0]
    usual = float(np.median(among))
    if usual == 0:
        return  # most rows have an equal: `repeated_rows` tells
    near = (distance > 0) & (distance < NEAR * usual)
    expected = float(np.mean((among > 0) & (among < NEAR * usual)))
    if near.mean() > SOME + 2 * expected:
        yield warning(
            "near-rows",
            f"{near.mean():.1%} of the test rows lie at less than {NEAR:.0%} of the usual distance from a training row"
            f" ({expected:.1%} of the training rows do among themselves)",
            where=f"{case.competition.dataset}/test.csv",
            advice=_ADVICE,
        )


def _scaled(frame: pd.DataFrame) -> NDArray[np.float64]:
    """Columns by their median and the spread of their middle half; wild values count as merely far."""
    values = frame.to_numpy(dtype=np.float64)
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75], axis=0)
    spread = np.where(high > low, high - low, np.maximum(values.std(axis=0), 1e-12))
    return np.asarray(np.clip((values - middle) / spread, -_FAR, _FAR))


def repeated_images(case: Case) -> Iterable[LintFinding]:
    """Find test images that are a training image, byte for byte."""
    if not case.asked_pictures:
        return
    known: dict[bytes, str] = {}
    among = 0
    for one in case.known_pictures:
        digest = one.digest
        among += digest in known
        known[digest] = one.name
    twins = [(one.name, known[digest]) for one in case.asked_pictures if (digest := one.digest) in known]
    share = len(twins) / len(case.asked_pictures)
    if not twins:
        return
    message = (
        f"{len(twins)} of {len(case.asked_pictures)} test images are training images too, such as {twins[0][0]} and "
        f"{twins[0][1]}; {among} training images repeat one another"
    )
    say, code = (error, "images-on-both-sides") if share > SOME else (note, "images-repeated")
    yield say(code, message, where=case.competition.dataset, advice=_ADVICE)


def near_images(case: Case) -> Iterable[LintFinding]:
    """Find test images that are a training image but for compression, size or a little light."""
    if not case.asked_pictures:
        return
    known = [case.known_pictures[row] for row in draw(len(case.known_pictures), MOST_KNOWN)]
    asked = [case.asked_pictures[row] for row in draw(len(case.asked_pictures), MOST_ASKED)]
    known_grey, asked_grey = pictures.small_grey(known), pictures.small_grey(asked)
    pairs = [(asked[row], known[other]) for row, other in _alike(asked_grey, known_grey)]
    pairs = [(one, other) for one, other in pairs if one.digest != other.digest]
    even = np.arange(len(known)) % 2 == 0  # as many training images look alike anyway: lines, dots, empty pictures
    usual = len(_alike(known_grey[even], known_grey[~even])) / max(1, even.sum())
    share = len(pairs) / len(asked)
    if share > SOME + 4 * usual:  # one half finds about half as many among the other
        yield warning(
            "near-images",
            f"{len(pairs)} of {len(asked)} test images look like a training image, such as {pairs[0][0].name} and "
            f"{pairs[0][1].name}; so do {usual:.1%} of the training images among themselves",
            where=case.competition.dataset,
            advice=_ADVICE,
        )


def _alike(asked: NDArray[np.float64], known: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Rows of `asked` that look like one of `known`, each with that one's row."""
    marks = pictures.hashes(known)
    pairs = []
    for row, mark in enumerate(pictures.hashes(asked)):
        likely = np.flatnonzero(np.bitwise_count(marks ^ mark) <= NEAR_BITS)
        if len(likely):
            apart = np.abs(known[likely] - asked[row]).mean(axis=(1, 2))
            if apart.min() < NEAR_GREY:
                pairs.append((row, int(likely[apart.argmin()])))
    return pairs
