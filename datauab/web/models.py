"""What the API answers, as typed records; OpenAPI is made from them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

State = Literal["queued", "running", "scored", "failed"]

IntervalAnswer = Annotated[Sequence[float], Field(min_length=2, max_length=2)]
"""Lower and upper end; a list of two, which programs that read OpenAPI know better than a tuple."""


class PhaseAnswer(BaseModel):
    """A time in which attempts are accepted, in UTC; `closes` is None where no end is set."""

    name: str
    opens: datetime
    closes: datetime | None


class ReceiptKeyAnswer(BaseModel):
    """The public key of the club's receipts: ``ed25519:`` and 32 bytes in URL-safe base64."""

    key: str


class AttemptAnswer(BaseModel):
    """One attempt as the viewer may see it; with a private score after the reveal only."""

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
    interval: IntervalAnswer | None
    secondary: dict[str, float]
    points: float | None
    max_points: float | None
    finished_at: datetime | None
    has_feedback: bool
    receipt: str
    filename: str = Field(description="how its sender called the file")
    phase: str | None = Field(description="the phase in which it was accepted; none where it is late")
    late_days: int = Field(description="how many days late it is, each day begun counted; 0 in time")
    deleted_at: datetime | None = Field(description="when its author deleted it")
    private: float | None = Field(description="score on the private rows, after the reveal")
    note: str = Field(description="why something is not shown; empty where everything is")
    metric: str | None
    digits: int = Field(description="digits in which scores are shown; ranking uses full precision")
    rank: int | None = Field(None, description="place on the public board of who handed it in")
    entrants: int | None = Field(None, description="how many are on the public board")
    left_today: int | None = Field(None, description="scored attempts left today; none where there is no limit")


class AnnouncementAnswer(BaseModel):
    """What the organisers tell everybody who takes part."""

    id: int
    text: str
    at: datetime


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
