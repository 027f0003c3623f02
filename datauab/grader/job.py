"""Scoring one predictions file, in a process of its own: whatever goes wrong here ends this process only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from datauab.autograde.outcome import Outcome, write_outcome
from datauab.errors import ClubError, InvalidSubmission
from datauab.grader.catalogue import Catalogue
from datauab.grader.faults import report_detail, report_fault
from datauab.grader.files import score_file
from datauab.ledger import Attempt, Ledger
from datauab.settings import Settings


@dataclass(frozen=True)
class Job:
    """One attempt and the folder that gets its ``outcome.json``."""

    attempt: Attempt
    blob: bytes
    folder: Path

    @property
    def outcome(self) -> Path:
        """File of the result."""
        return self.folder / "outcome.json"


def grade(settings: Settings, attempt_id: int, folder: Path) -> None:
    """Score one attempt and leave its result in `folder`.

    Raises
    ------
    ClubError
        Where the platform or the organiser failed; organisers find it in the audit log.
    """
    with Ledger.open(settings) as ledger:
        attempt = ledger.attempt(attempt_id)
        job = Job(attempt, ledger.blob(attempt), folder)
        try:
            write_outcome(_grade_predictions(settings, job), job.outcome)
        except InvalidSubmission as error:
            report_detail(ledger, attempt, error)
            write_outcome(Outcome(reason=str(error)), job.outcome)
        except ClubError as error:
            report_fault(ledger, attempt, error)
            raise


def _grade_predictions(settings: Settings, job: Job) -> Outcome:
    catalogue = Catalogue(settings)
    assignment = catalogue.assignment(job.attempt.competition)
    return Outcome(scores=score_file(catalogue, assignment, job.blob, job.attempt.filename)[0])
