"""Frozen records that the ledger gives and takes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal

from datauab.errors import LedgerError

Kind = Literal["notebook", "predictions"]
Origin = Literal["exchange", "web", "api", "baseline", "nbgrader"]
State = Literal["queued", "running", "scored", "failed"]

MEMBER_ORIGINS: tuple[Origin, ...] = ("exchange", "web", "api")
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
    filename: str = ""
    phase: str | None = None
    late_days: int = 0
    deleted_at: datetime | None = None


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
    author_view : mapping or None
        Errors on the public rows for the author alone (`datauab.scoring.author_view`); None where not asked for.
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
    author_view: Mapping[str, Any] | None = None

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
    total_scored : int
        Scored attempts and those that wait, since the phase opened.
    entrant : str
        Who has the quota: the member, or ``team:<id>``.
    members : tuple of str
        Whose attempts were counted together.
    """

    day: date
    scored: int
    pending: int
    failed: int
    platform_faults: int
    resets_at: datetime
    total_scored: int = 0
    entrant: str = ""
    members: tuple[str, ...] = ()

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


@dataclass(frozen=True, slots=True)
class Ending:
    """How grading of an attempt ended once; an attempt that was retried has several, the newest counts."""

    state: Literal["scored", "failed"]
    reason: str | None
    platform_fault: bool
    worker: str | None
    finished_at: datetime


@dataclass(frozen=True, slots=True)
class ScoreVersion:
    """One score that an attempt had or has, with what made it; the newest counts. For organisers: it is private.

    Attributes
    ----------
    rescore : int or None
        Number of the task that recomputed it; None for the first score.
    """

    metric: str
    public: float
    private: float | None
    scorer_hash: str
    solution_hash: str
    scored_at: datetime
    rescore: int | None = None


@dataclass(frozen=True, slots=True)
class BestEntry:
    """The attempt that counts of one member (or baseline), as one query finds it; deleted ones take no part.

    Attributes
    ----------
    score : float
        The public score.
    low, high : float
        95 % bootstrap interval of `score`.
    attempts : int
        The member's attempts that were not deleted and not the platform's fault.
    """

    member: str
    attempt_id: int
    received_at: datetime
    score: float
    low: float
    high: float
    attempts: int
    baseline: bool
    kind: Kind


@dataclass(frozen=True, slots=True)
class Change:
    """Something changed a board: of `member`, or of everybody where that is None."""

    id: int
    member: str | None


@dataclass(frozen=True, slots=True)
class Team:
    """A team as it is now; `members` are in the order in which they joined, the captain among them."""

    id: int
    competition: str
    name: str
    captain: str
    members: tuple[str, ...]
    made_at: datetime

    @property
    def entrant(self) -> str:
        """The team's key on boards and in quotas."""
        return f"team:{self.id}"


@dataclass(frozen=True, slots=True)
class Invitation:
    """An invitation into a team that waits for its answer."""

    id: int
    team_id: int
    competition: str
    member: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class MergeRequest:
    """Team `team_id` asks team `other_id` to become one team with it; it waits for the other captain's answer."""

    id: int
    team_id: int
    other_id: int
    competition: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Extension:
    """What an organiser allowed one member alone; the newest counts.

    Attributes
    ----------
    closes : datetime or None
        Until when the last phase is open for the member (aware, UTC); None for the end that everybody has.
    daily_scored : int or None
        Scored attempts a day; None for what everybody has.
    note : str
        Why; for organisers.
    """

    competition: str
    member: str
    closes: datetime | None
    daily_scored: int | None
    note: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Announcement:
    """What an organiser tells everybody who takes part."""

    id: int
    competition: str
    text: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One act of an organiser (or of the operator's command line).

    Attributes
    ----------
    action : str
        Such as ``rescore.apply`` or ``quota.extend``.
    target : str
        What it was done to: an attempt's number, a member, a file; may be empty.
    detail : mapping
        Plain values, ready for JSON.
    """

    id: int
    at: datetime
    actor: str
    action: str
    competition: str
    target: str
    detail: Mapping[str, Any]


TaskKind = Literal["rescore_preview", "rescore_apply", "similar", "lint", "autograde"]
TaskState = Literal["queued", "running", "done", "failed", "stopped"]


@dataclass(frozen=True, slots=True)
class Task:
    """Work that an organiser asks of the grader, because it needs solutions.

    Attributes
    ----------
    parameters : mapping
        What it was asked with; ready for JSON.
    result : mapping or None
        The answer of a task that is done, one of `datauab.task_results`; ready for JSON.
    reason : str or None
        Why it failed or was stopped, for the organiser.
    progress : mapping or None
        How far it has come, as it said last; ready for JSON.
    """

    id: int
    kind: TaskKind
    competition: str
    by: str
    parameters: Mapping[str, Any]
    asked_at: datetime
    state: TaskState = "queued"
    result: Mapping[str, Any] | None = None
    reason: str | None = None
    finished_at: datetime | None = None
    progress: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class TaskLease:
    """A grader's right to work on one task until `until`; `token` proves it."""

    task: Task
    token: str
    until: datetime
