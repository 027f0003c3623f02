"""What ranking takes and gives: attempts as a board sees them, the terms of a board, and its rows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Direction = Literal["maximize", "minimize"]
Policy = Literal["best", "last"]

Interval = tuple[float, float]
"""Lower and upper end of a 95 % interval."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One attempt as the board sees it.

    Attributes
    ----------
    member : str
        Account that made the attempt, its team's key (``team:<id>``), or the baseline's name.
    attempt_id : int
        The ledger's number of the attempt.
    received_at : datetime
        Aware; when the attempt arrived.
    score : float or None
        None for an attempt that waits, runs or failed.
    baseline : bool
        True for a baseline: it never shares a row with a member of the same name.
    interval : tuple of float or None
        95 % bootstrap interval of the score.
    kind : str
        ``"notebook"`` where the autograder ran the code that made the predictions.
    late : bool
        Whether it arrived after the last phase.
    deleted : bool
        Whether its author deleted it: it never ranks, but the Ladder remembers that its score was told.
    """

    member: str
    attempt_id: int
    received_at: datetime
    score: float | None
    baseline: bool = False
    interval: Interval | None = None
    kind: str = "notebook"
    late: bool = False
    deleted: bool = False

    @property
    def value(self) -> float:
        """The score, or NaN where there is no finite one."""
        return self.score if self.score is not None and math.isfinite(self.score) else math.nan

    @property
    def is_scored(self) -> bool:
        """Whether the score is a finite number: nothing else ever ranks."""
        return self.score is not None and math.isfinite(self.score)


@dataclass(frozen=True, slots=True)
class Terms:
    """How a board is made from attempts.

    Attributes
    ----------
    direction : {"maximize", "minimize"}
        Which scores are better.
    policy : {"best", "last"}
        Whether an entrant's best or newest scored attempt makes the row.
    ladder_step : float
        Above 0: the step of the Ladder mechanism, see `datauab.ranking.ladder`.
    late : bool
        Whether attempts after the last phase rank.
    tolerance : float
        Largest difference at which a notebook's score reproduces the row's.
    """

    direction: Direction
    policy: Policy = "best"
    ladder_step: float = 0.0
    late: bool = True
    tolerance: float = 1e-9


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a board: the attempt that counts for an entrant.

    Attributes
    ----------
    rank : int
        1 for the best; every row has its own rank, since ties go to the earlier attempt. 0 where not ranked yet.
    score : float
        The finite score that counts.
    attempts : int
        All attempts of the entrant that were not deleted, whatever became of them.
    last_improvement : datetime
        When the attempt with this score arrived.
    interval : tuple of float or None
        95 % bootstrap interval of the score; None under a Ladder, where it would tell more than the score does.
    verified : bool
        Whether the autograder ran a notebook of the entrant that gives this score.
    """

    rank: int
    member: str
    score: float
    attempts: int
    last_improvement: datetime
    attempt_id: int
    baseline: bool = False
    interval: Interval | None = None
    kind: str = "notebook"
    verified: bool = False

    @property
    def key(self) -> tuple[bool, str]:
        """Which entrant's row it is."""
        return self.baseline, self.member


SortKey = tuple[float, datetime, int, bool, str]


def signed(score: float, direction: Direction) -> float:
    """`score` so that less is better."""
    return -score if direction == "maximize" else score


def entry_key(entry: Entry, direction: Direction) -> tuple[float, datetime, int]:
    """Order among scored attempts: the better first, then the earlier, then the smaller number."""
    return signed(float(entry.score or 0.0), direction), entry.received_at, entry.attempt_id


def row_key(row: Row, direction: Direction) -> SortKey:
    """Order among rows: that of their attempts; total, since attempts have different numbers."""
    return signed(row.score, direction), row.last_improvement, row.attempt_id, row.baseline, row.member
