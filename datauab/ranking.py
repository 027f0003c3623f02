"""Pure ranking of attempts: no database, no clock, no settings.

A board is computed from all attempts each time it is read, so it cannot disagree with them.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Direction = Literal["maximize", "minimize"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One attempt as the board sees it.

    Attributes
    ----------
    member : str
        Account that made the attempt, or the baseline's name.
    attempt_id : int
        The ledger's number of the attempt.
    received_at : datetime
        Aware; when the attempt arrived.
    score : float or None
        None for an attempt that waits, runs or failed.
    baseline : bool
        True for a baseline: it never shares a row with a member of the same name.
    """

    member: str
    attempt_id: int
    received_at: datetime
    score: float | None
    baseline: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a board: a member's best attempt.

    Attributes
    ----------
    rank : int
        1 for the best; every row has its own rank, since ties go to the earlier attempt.
    score : float
        The best finite score of the member.
    attempts : int
        All attempts of the member, whatever became of them.
    last_improvement : datetime
        When the attempt with the best score arrived.
    """

    rank: int
    member: str
    score: float
    attempts: int
    last_improvement: datetime
    attempt_id: int
    baseline: bool = False


@dataclass(frozen=True, slots=True)
class Improvement:
    """A moment at which the best score of the whole board changed for the better."""

    received_at: datetime
    score: float
    member: str
    attempt_id: int


def rank(entries: Iterable[Entry], direction: Direction) -> list[Row]:
    """Rank the best finite score of each member; ties go to the attempt that arrived earlier, then to its number.

    The result does not depend on the order of `entries`. Members without a finite score have no row.

    Parameters
    ----------
    entries : iterable of Entry
        All attempts of one competition.
    direction : {"maximize", "minimize"}
        Which scores are better.

    Returns
    -------
    list of Row
        Best first.
    """
    attempts: dict[tuple[bool, str], int] = defaultdict(int)
    best: dict[tuple[bool, str], Entry] = {}
    for entry in entries:
        key = (entry.baseline, entry.member)
        attempts[key] += 1
        if _is_scored(entry) and (key not in best or _order(entry, direction) < _order(best[key], direction)):
            best[key] = entry
    ordered = sorted(best.values(), key=lambda entry: (*_order(entry, direction), entry.baseline, entry.member))
    return [
        Row(
            rank=place,
            member=entry.member,
            score=float(entry.score or 0.0),
            attempts=attempts[entry.baseline, entry.member],
            last_improvement=entry.received_at,
            attempt_id=entry.attempt_id,
            baseline=entry.baseline,
        )
        for place, entry in enumerate(ordered, start=1)
    ]


def best_over_time(entries: Iterable[Entry], direction: Direction, *, baselines: bool = False) -> list[Improvement]:
    """List the moments at which the best score so far improved, oldest first: the steps of the board's chart.

    Parameters
    ----------
    entries : iterable of Entry
        All attempts of one competition, or of one member for that member's own curve.
    direction : {"maximize", "minimize"}
        Which scores are better.
    baselines : bool
        Whether baselines count as well.
    """
    scored = [entry for entry in entries if _is_scored(entry) and (baselines or not entry.baseline)]
    steps: list[Improvement] = []
    for entry in sorted(scored, key=lambda item: (item.received_at, item.attempt_id)):
        score = float(entry.score or 0.0)
        if not steps or _key(score, direction) < _key(steps[-1].score, direction):
            steps.append(Improvement(entry.received_at, score, entry.member, entry.attempt_id))
    return steps


def _is_scored(entry: Entry) -> bool:
    return entry.score is not None and math.isfinite(entry.score)


def _order(entry: Entry, direction: Direction) -> tuple[float, datetime, int]:
    return _key(float(entry.score or 0.0), direction), entry.received_at, entry.attempt_id


def _key(score: float, direction: Direction) -> float:
    return -score if direction == "maximize" else score
