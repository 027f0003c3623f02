"""What the API of the organiser's desk takes and answers."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StrictInt

from datauab.web.desk_forms import ACCOUNT, STUDENTS_AT_ONCE
from datauab.web.desk_rulings import MOST_A_DAY, RulingKey

Account = Annotated[str, Field(pattern=f"^{ACCOUNT}$")]
Words = Annotated[str, Field(max_length=4000)]


class Asked(BaseModel):
    """Base of what is sent: an unknown key is an error."""

    model_config = ConfigDict(extra="forbid")


class DeskAnswer(BaseModel):
    """How a competition stands, for its organisers."""

    competition: str
    queued: int
    running: int
    scored: int
    failed: int
    failed_today: int
    platform_faults: int = Field(description="failed by the platform, waiting for somebody to retry them")
    grading_errors: list[AuditAnswer] = Field(description="errors of scoring that are the organiser's, newest first")
    oldest_wait: AwareDatetime | None = Field(description="since when the attempt waits that waits longest, in UTC")
    revealed: bool


class DeskAttemptAnswer(BaseModel):
    """One attempt as organisers see it, with its private score."""

    id: int
    member: str
    kind: str
    origin: str
    filename: str
    sha256: str
    size: int
    received_at: AwareDatetime
    phase: str | None
    late_days: int
    state: Literal["queued", "running", "scored", "failed"]
    reason: str | None
    platform_fault: bool
    public: float | None
    private: float | None
    deleted_at: AwareDatetime | None


class DeskAttemptsAnswer(BaseModel):
    """A page of attempts; `older` is the `before` of the next page."""

    attempts: list[DeskAttemptAnswer]
    older: int | None


class EndingAnswer(BaseModel):
    """How grading ended once."""

    state: Literal["scored", "failed"]
    reason: str | None
    platform_fault: bool
    worker: str | None
    finished_at: AwareDatetime


class ScoreVersionAnswer(BaseModel):
    """A score that an attempt had or has, with the hashes of what made it."""

    metric: str
    public: float
    private: float | None
    scorer_hash: str
    solution_hash: str
    scored_at: AwareDatetime
    rescore: int | None


class AttemptHistoryAnswer(BaseModel):
    """Everything that became of one attempt, oldest first."""

    attempt: DeskAttemptAnswer
    endings: list[EndingAnswer]
    scores: list[ScoreVersionAnswer]


class RetriedAnswer(BaseModel):
    """Attempts that wait again."""

    retried: list[int]


class ExtensionAsked(Asked):
    """More for one member; both None takes an earlier extension back."""

    closes: AwareDatetime | None = None
    daily_scored: int | None = Field(None, ge=1, le=MOST_A_DAY)
    note: str = Field("", max_length=500)


class ExtensionAnswer(BaseModel):
    """What one member was allowed."""

    member: str
    closes: AwareDatetime | None
    daily_scored: int | None
    note: str
    by: str
    at: AwareDatetime


class RulingAsked(Asked):
    """The value of a ruling: a time in ISO 8601 with its offset, a number, a view of the board, or None for no end."""

    value: StrictInt | AwareDatetime | Literal["public", "hidden", "blind"] | None


class RulingAnswer(BaseModel):
    """One key as ``competition.toml`` says it and as it holds."""

    key: RulingKey
    title: str
    in_file: AwareDatetime | int | str | None
    holds: AwareDatetime | int | str | None
    ruled: bool


class AnnouncementAsked(Asked):
    """What to announce."""

    text: Words


class AnnouncementAnswer(BaseModel):
    """An announcement that stands."""

    id: int
    text: str
    by: str
    at: AwareDatetime


class TaskAsked(Asked):
    """Work for the grader; the three of the preview are needed for "rescore_apply", as the preview's answer gives them.

    `students`, `failed` and `force` are for "autograde": whose notebooks run.
    """

    kind: Literal["rescore_preview", "rescore_apply", "similar", "lint", "autograde"]
    students: list[Account] = Field([], max_length=STUDENTS_AT_ONCE, description="accounts; empty for everybody")
    failed: bool = Field(False, description="only those whose last result is a failure, changed or not")
    force: bool = Field(False, description="run unchanged notebooks too")
    preview: int | None = Field(None, ge=1, lt=2**62)
    solution_hash: str = Field("", max_length=128)
    scorer_hash: str = Field("", max_length=128)


class TaskAnswer(BaseModel):
    """Work that was asked of the grader; `result` is there when it is done."""

    id: int
    kind: str
    by: str
    asked_at: AwareDatetime
    state: Literal["queued", "running", "done", "failed", "stopped"]
    parameters: dict[str, Any]
    result: dict[str, Any] | None
    reason: str | None
    finished_at: AwareDatetime | None
    progress: dict[str, Any] | None = Field(description="how far it has come, as it said last")


class AuditAnswer(BaseModel):
    """One act."""

    id: int
    at: AwareDatetime
    actor: str
    action: str
    target: str
    detail: dict[str, Any]


class AuditPageAnswer(BaseModel):
    """A page of the audit log, newest first; `older` is the `before` of the next page."""

    rows: list[AuditAnswer]
    older: int | None


DeskAnswer.model_rebuild()
