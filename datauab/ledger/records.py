"""Frozen records that the ledger gives and takes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal

from datauab.errors import LedgerError

Kind = Literal["notebook", "predictions"]
Origin = Literal["exchange", "web", "baseline", "nbgrader"]
State = Literal["queued", "running", "scored", "failed"]

MEMBER_ORIGINS: tuple[Origin, ...] = ("exchange", "web")
"""Origins of what members hand in themselves; only these use up a quota and are collected."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One thing that was handed in, and what became of it. Holds no private score.

    Attributes
    ----------
    id : int
        Number of the attempt, growing with time, never used twice.
    sha256 : str
        Of the blob, hexadecimal.
    size : int
        Of the blob, in bytes.
    received_at, finished_at : datetime
        Aware, UTC.
    state : {"queued", "running", "scored", "failed"}
        "running" while a worker's lease is valid.
    reason : str or None
        Why the attempt failed, for its owner.
    platform_fault : bool
        True where the platform failed, not the member; such an attempt uses up no quota.
    public : float or None
        The metric on the public part of the test rows.
    secondary_public : mapping of str to float
        Secondary metrics on the public part.
    interval : tuple of float or None
        95 % bootstrap interval of `public`.
    points, max_points : float or None
        Marks of the assignment.
    """

    id: int
    competition: str
    member: str
    kind: Kind
    origin: Origin
    sha256: str
    size: int
    received_at: datetime
    state: State = "queued"
    reason: str | None = None
    platform_fault: bool = False
    public: float | None = None
    secondary_public: Mapping[str, float] = field(default_factory=dict)
    interval: tuple[float, float] | None = None
    metric: str | None = None
    points: float | None = None
    max_points: float | None = None
    finished_at: datetime | None = None
    has_feedback: bool = False


@dataclass(frozen=True, slots=True)
class Lease:
    """A worker's right to grade one attempt until `until`; `token` proves it."""

    attempt: Attempt
    token: str
    until: datetime


@dataclass(frozen=True, slots=True)
class ScoreRecord:
    """The result of grading, as the grader hands it to the ledger.

    Attributes
    ----------
    public, private : float
        The metric on the two parts of the test rows; finite.
    interval_low, interval_high : float
        95 % bootstrap interval of `public`.
    secondary : mapping
        ``{metric: {"public": float, "private": float}}``.
    points, max_points : float or None
        Marks; None where the attempt earns none (a predictions file, a baseline).
    scorer_hash, solution_hash : str
        What was computed on what: a score is kept under both.
    """

    public: float
    private: float
    interval_low: float
    interval_high: float
    metric: str
    scorer_hash: str
    solution_hash: str
    secondary: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    points: float | None = None
    max_points: float | None = None

    def check_finite(self) -> None:
        """Raise `LedgerError` where a value is NaN or infinite: such a score must never reach a board."""
        values: dict[str, float | None] = {
            "public": self.public,
            "private": self.private,
            "interval_low": self.interval_low,
            "interval_high": self.interval_high,
            "points": self.points,
            "max_points": self.max_points,
        }
        for name, sides in self.secondary.items():
            values.update({f"secondary {name} {side}": value for side, value in sides.items()})
        wrong = {name: value for name, value in values.items() if value is not None and not math.isfinite(value)}
        if wrong:
            listed = ", ".join(f"{name} = {value}" for name, value in wrong.items())
            raise LedgerError(
                f"score not recorded: expected finite numbers, found {listed}; finish it as failed instead"
            )


@dataclass(frozen=True, slots=True)
class UsageToday:
    """What one member used of a competition's quotas on one day of the club's zone.

    Attributes
    ----------
    day : date
        The day in the club's zone.
    scored, pending, failed : int
        Attempts of that day that were scored, that wait or run, and that failed by their own fault.
    platform_faults : int
        Attempts that the platform failed; they cost nothing.
    resets_at : datetime
        Aware, UTC: when the next day begins in the club's zone.
    """

    day: date
    scored: int
    pending: int
    failed: int
    platform_faults: int
    resets_at: datetime

    @property
    def attempts(self) -> int:
        """All attempts of the day but those that the platform failed."""
        return self.scored + self.pending + self.failed


@dataclass(frozen=True, slots=True)
class QueueCounts:
    """The queue as an operator sees it; `oldest` is when the attempt that waits longest arrived."""

    waiting: int
    running: int
    oldest: datetime | None


@dataclass(frozen=True, slots=True)
class Release:
    """An assignment that members may fetch, as it was last released."""

    assignment: str
    sha256: str
    size: int
    released_at: datetime
    released_by: str
