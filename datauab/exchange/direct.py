"""The exchange in the operator's own shell: the ledger itself, without the web service."""

from __future__ import annotations

from datetime import UTC
from typing import NoReturn

from datauab.errors import ClubError
from datauab.exchange.records import TIMESTAMP_FORMAT, Receipt, Release, Submission
from datauab.ledger import Attempt, Ledger
from datauab.settings import Settings


class LedgerExchange:
    """The exchange of a person who may read the deployment's files; sees everyone and is nobody in particular."""

    def __init__(self, settings: Settings) -> None:
        self.where = str(settings.gradebook)
        self._course = settings.course
        self._ledger = Ledger.open(settings)

    def releases(self) -> list[Release]:
        """List the released assignments."""
        return [
            Release(assignment=item.assignment, course=self._course, sha256=item.sha256, size=item.size)
            for item in self._ledger.releases()
        ]

    def release_archive(self, assignment: str) -> bytes:
        """Give the zip of one released assignment."""
        return self._ledger.release_archive(assignment)

    def publish_release(self, assignment: str, archive: bytes) -> None:
        """Release `archive` as `assignment`."""
        self._ledger.publish_release(assignment, archive, by="operator")

    def withdraw_release(self, assignment: str) -> None:
        """Take a released assignment back; submissions stay."""
        self._ledger.withdraw_release(assignment, by="operator")

    def submissions(self, assignment: str | None = None, *, everyone: bool = False) -> list[Submission]:
        """List everyone's submissions, oldest first; nobody has own ones here."""
        if not everyone:
            self._refuse("own submissions")
        found = self._ledger.attempts(competition=assignment)
        notebooks = [_submission(item) for item in found if item.kind == "notebook" and item.origin != "baseline"]
        return sorted(notebooks, key=lambda item: (item.received_at, item.id))

    def submission_archive(self, submission: int) -> bytes:
        """Give the zip that was handed in."""
        return self._ledger.blob(self._ledger.attempt(submission))

    def feedback_archive(self, submission: int) -> bytes:
        """Give the zip of the feedback to one submission."""
        archive = self._ledger.feedback_archive(submission)
        if archive is None:
            raise ClubError(f"submission {submission}: expected feedback, found none; generate and release it first")
        return archive

    def publish_feedback(self, submission: int, archive: bytes) -> None:
        """Publish `archive` as the feedback to one submission."""
        self._ledger.publish_feedback(submission, archive)

    def submit(self, assignment: str, archive: bytes) -> Receipt:
        """Refuse: a submission belongs to somebody, and this shell is nobody."""
        self._refuse(f"a name to submit {assignment!r} under")

    def _refuse(self, what: str) -> NoReturn:
        raise ClubError(
            f"This shell has no hub's token, so there is nobody whose work this is: expected {what}, found none. "
            "Open a terminal in JupyterLab on the hub, or upload on the competition's page."
        )


def _submission(attempt: Attempt) -> Submission:
    received = attempt.received_at.astimezone(UTC)
    return Submission(
        id=attempt.id,
        assignment=attempt.competition,
        student=attempt.member,
        timestamp=received.strftime(TIMESTAMP_FORMAT),
        received_at=received,
        state=attempt.state,
        reason=attempt.reason,
        has_feedback=attempt.has_feedback,
        sha256=attempt.sha256,
        kind=attempt.kind,
        points=attempt.points,
        max_points=attempt.max_points,
        public=attempt.public,
    )
