"""Grading one submission while its attempt is held, and how that ends for everybody concerned."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

from datauab.autograde.cluster import ClusterLost
from datauab.autograde.outcome import Outcome
from datauab.doorbell import WEB, ring
from datauab.errors import InvalidSubmission, LedgerError
from datauab.grader.faults import fault_reason, report_detail, report_fault
from datauab.grader.home import Halted, Home
from datauab.grader.leases import HeldLeases
from datauab.grader.submissions import Submission
from datauab.ledger import Attempt, Lease

_LOG = logging.getLogger("datauab.grader")


@dataclass(frozen=True)
class Result:
    """How it ended.

    Attributes
    ----------
    state : {"scored", "failed", "fault"}
        "fault" where the platform or the organiser failed, not the student.
    text : str
        The score, or the reason, for organisers.
    seconds : dict
        Wall time by stage.
    """

    state: Literal["scored", "failed", "fault"]
    text: str
    seconds: dict[str, float] = field(default_factory=dict)


def grade_held(
    home: Home, held: HeldLeases, attempt: Attempt | None, lease: Lease | None, read: Callable[[], Submission]
) -> Result | None:
    """Grade what `read` gives; its lease is kept alive meanwhile and ends with it.

    Returns
    -------
    Result or None
        None where it was told to stop: the attempt is back in the queue then.

    Raises
    ------
    ClusterLost
        Where nothing more can run; the attempt is back in the queue.
    """
    if lease is not None:
        held.hold([lease])
    try:
        return _grade(home, attempt, lease, read)
    except Halted:
        _put_back(home, lease)
        return None
    except ClusterLost:
        _put_back(home, lease)
        raise
    finally:
        if lease is not None:
            held.drop([lease])


def _grade(home: Home, attempt: Attempt | None, lease: Lease | None, read: Callable[[], Submission]) -> Result:
    try:
        submission = read()
        ending = home.grade(
            Submission(submission.competition, submission.student, submission.files, submission.attempt, lease)
        )
    except (Halted, ClusterLost):
        raise
    except LedgerError as error:  # the lease was lost: whoever has it now ends the attempt
        _LOG.warning("%s", error)
        return Result("fault", str(error))
    except InvalidSubmission as error:
        if attempt is not None:
            report_detail(home.ledger, attempt, error)
        if lease is not None:
            home.ledger.finish_failed(lease, str(error), platform=False)
            ring(home.settings.state, WEB)
        if attempt is not None:
            home.remember_unreadable(attempt)
        return Result("failed", str(error))
    except Exception as error:
        _LOG.exception("no result")
        if attempt is not None:
            report_fault(home.ledger, attempt, error)
        if attempt is not None and lease is not None:
            home.ledger.finish_failed(lease, fault_reason(attempt), platform=True)
            ring(home.settings.state, WEB)
        return Result("fault", str(error) or type(error).__name__)
    return Result("scored" if ending.outcome.scores else "failed", _words(ending.outcome), ending.seconds)


def _words(outcome: Outcome) -> str:
    if outcome.scores is None:
        return outcome.reason
    marks = f", {outcome.points:g} of {outcome.max_points:g} points" if outcome.max_points else ""
    return f"{outcome.scores.metric} = {outcome.scores.public:.4f}{marks}"


def _put_back(home: Home, lease: Lease | None) -> None:
    if lease is not None:
        with suppress(LedgerError):  # lost meanwhile: it is somebody else's
            home.ledger.give_up(lease)
