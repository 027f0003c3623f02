"""What the API answers, as typed records; OpenAPI is made from them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel, Field

State = Literal["queued", "running", "scored", "failed"]


class PhaseAnswer(BaseModel):
    """A time in which attempts are accepted, in UTC; `closes` is None where no end is set."""

    name: str
    opens: datetime
    closes: datetime | None


class CompetitionAnswer(BaseModel):
    """One competition as anybody may see it."""

    name: str
    title: str
    summary: str
    date: date
    dataset: str
    metric: str
    direction: Literal["maximize", "minimize"]
    secondary: list[str]
    public_share: float
    state: Literal["open", "upcoming", "closed"]
    phases: list[PhaseAnswer]
    daily_scored: int
    daily_attempts: int
    stand_in: bool = Field(description="whether the data is made up, because the real data could not be had")
    members: int
    top_score: float | None
    released: bool


class BoardRowAnswer(BaseModel):
    """One row of a public leaderboard; baselines have no rank."""

    rank: int | None
    name: str
    score: float
    interval: tuple[float, float] | None = Field(description="95 % bootstrap interval of the public score")
    attempts: int
    last_improvement: datetime
    baseline: bool
    mine: bool


class BoardAnswer(BaseModel):
    """A public leaderboard, best first."""

    competition: str
    metric: str
    direction: Literal["maximize", "minimize"]
    stand_in: bool
    rows: list[BoardRowAnswer]


class AttemptAnswer(BaseModel):
    """One attempt as its owner sees it; never with a private score."""

    id: int
    competition: str
    member: str
    kind: str
    origin: str
    sha256: str
    size: int
    received_at: datetime
    state: State
    queue_position: int | None
    reason: str | None
    platform_fault: bool
    score: float | None
    interval: tuple[float, float] | None
    secondary: dict[str, float]
    points: float | None
    max_points: float | None
    finished_at: datetime | None
    has_feedback: bool
    receipt: str


class ReleaseAnswer(BaseModel):
    """An assignment that members may fetch."""

    name: str
    course: str
    sha256: str
    size: int
    released_at: datetime


class SubmissionAnswer(BaseModel):
    """One attempt as nbgrader's exchange lists it; `timestamp` is in nbgrader's own form."""

    id: int
    assignment: str
    student: str
    timestamp: str
    received_at: datetime
    state: State
    reason: str | None
    has_feedback: bool
    feedback_sha256: str | None = Field(description="hash of the newest feedback archive, to tell when it has changed")
    sha256: str
    kind: str
    points: float | None
    max_points: float | None
    public: float | None
    queue_position: int | None


class ReceiptAnswer(BaseModel):
    """The proof that an attempt arrived."""

    id: int
    received_at: datetime
    sha256: str
    receipt: str
    timestamp: str


class ProblemAnswer(BaseModel):
    """A refusal: its name, and what, expected, found and the next step."""

    error: str
    message: str
