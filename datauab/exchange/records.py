"""What travels between the exchange's classes and the place that keeps submissions."""

from __future__ import annotations

from datetime import datetime
from textwrap import shorten
from typing import Annotated, Literal, Protocol

from pydantic import AfterValidator, AliasChoices, BaseModel, ConfigDict, Field

TIMESTAMP_FORMAT = "%Y-%m-%d %H:%M:%S.%f UTC"
"""Form in which nbgrader writes the time of a submission, in UTC."""

MAX_NAME_BYTES = 255


def check_folder_name(name: str) -> str:
    """Return `name` where it can safely name one folder, else raise ValueError.

    Names come from a server and become folders on this machine, so a slash, a leading dot (``..`` among them) or a
    control character must never get through.
    """
    if not name or name.startswith(".") or "/" in name or "\\" in name or not name.isprintable():
        raise ValueError(f"expected the name of one folder, found {name!r}")
    if len(name.encode("utf-8", "surrogatepass")) > MAX_NAME_BYTES:
        raise ValueError(f"expected a name of at most {MAX_NAME_BYTES} bytes, found {len(name)} characters")
    return name


FolderName = Annotated[str, AfterValidator(check_folder_name)]


class _Answer(BaseModel):
    # Unknown keys pass: a student's server may be older than the web service it talks to.
    model_config = ConfigDict(extra="ignore", frozen=True)


class Release(_Answer):
    """One assignment that students may fetch."""

    assignment: FolderName = Field(validation_alias=AliasChoices("assignment", "name"))
    course: str = ""
    sha256: str = ""
    size: int = 0


class Submission(_Answer):
    """One attempt that was handed in as an assignment; times in UTC, `points` of `max_points` once graded."""

    id: int
    assignment: FolderName
    student: FolderName
    timestamp: FolderName
    received_at: datetime
    state: Literal["queued", "running", "scored", "failed"]
    reason: str | None = None
    has_feedback: bool = False
    sha256: str = ""
    kind: str = "notebook"
    points: float | None = None
    max_points: float | None = None
    public: float | None = None
    queue_position: int | None = None
    feedback_sha256: str | None = None

    def describe_state(self) -> str:
        """Say in a few words what became of the submission; the web service's page has a failure's full reason."""
        if self.state == "queued":
            return f"queued, place {self.queue_position}" if self.queue_position else "queued"
        if self.state == "running":
            return "being graded"
        if self.state == "failed":
            return f"failed: {shorten(self.reason or 'no reason given', 200, placeholder=' …')}"
        parts = ["graded"]
        if self.points is not None and self.max_points is not None:
            parts.append(f"{self.points:.4g} of {self.max_points:.4g} points")
        if self.public is not None:
            parts.append(f"public score {self.public:.4f}")
        return ", ".join(parts)


class Receipt(_Answer):
    """Proof that a submission is kept: the server's clock, the hash of what arrived, and its signed text."""

    id: int
    received_at: datetime
    timestamp: FolderName
    sha256: str
    receipt: str = ""


class Exchanger(Protocol):
    """Where releases, submissions and feedback are kept, as one signed-in member or the operator sees it."""

    where: str

    def releases(self) -> list[Release]:
        """List the released assignments."""
        ...

    def release_archive(self, assignment: str) -> bytes:
        """Give the zip of one released assignment."""
        ...

    def publish_release(self, assignment: str, archive: bytes) -> None:
        """Release `archive` (a zip) as `assignment`, in place of an earlier release."""
        ...

    def withdraw_release(self, assignment: str) -> None:
        """Take a released assignment back; submissions stay."""
        ...

    def submit(self, assignment: str, archive: bytes) -> Receipt:
        """Hand in `archive` (a zip) and return the receipt of the one attempt that it became."""
        ...

    def submissions(self, assignment: str | None = None, *, everyone: bool = False) -> list[Submission]:
        """List one's own submissions, or everyone's (instructors), oldest first."""
        ...

    def submission_archive(self, submission: int) -> bytes:
        """Give the zip that was handed in."""
        ...

    def feedback_archive(self, submission: int) -> bytes:
        """Give the zip of the feedback to one submission."""
        ...

    def publish_feedback(self, submission: int, archive: bytes) -> None:
        """Publish `archive` (a zip of HTML files) as the feedback to one submission."""
        ...
