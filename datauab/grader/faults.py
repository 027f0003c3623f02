"""What is said, and to whom, where the platform or an organiser failed an attempt."""

from __future__ import annotations

import logging

from datauab.errors import InvalidSubmission
from datauab.ledger import Attempt, Ledger

ACTOR = "grader"
"""Who did it, in the audit log."""

_LONGEST = 4000
_LOG = logging.getLogger("datauab.grader")


def fault_reason(attempt: Attempt) -> str:
    """What the member is told: nothing of what went wrong, since that may show labels or paths."""
    return (
        "the grader could not score this attempt; it costs no quota. "
        f"Tell an instructor its number, {attempt.id}: the organiser's desk says what went wrong"
    )


def report_fault(ledger: Ledger, attempt: Attempt, error: Exception) -> None:
    """Tell operators (log) and organisers (audit log) why the platform could not score an attempt."""
    _LOG.error("attempt %d of %s: %s", attempt.id, attempt.competition, error)
    detail = {"error": str(error)[:_LONGEST], "kind": type(error).__name__}
    ledger.audit(ACTOR, "grading.error", attempt.competition, str(attempt.id), detail)


def report_detail(ledger: Ledger, attempt: Attempt, error: InvalidSubmission) -> None:
    """Keep for organisers what an own metric or a scoring program said of a file that it refused, if anything."""
    said = str(getattr(error, "detail", ""))
    if said:
        detail = {"error": str(error)[:_LONGEST], "detail": said[-_LONGEST:]}
        ledger.audit(ACTOR, "grading.refused", attempt.competition, str(attempt.id), detail)
