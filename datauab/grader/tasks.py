"""What organisers ask of the grader, because it needs solutions: one task, in a process of its own."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from datauab.errors import ClubError, LedgerError
from datauab.grader import rescoring
from datauab.grader.faults import ACTOR
from datauab.grader.similar import similar
from datauab.ledger import Ledger, TaskLease
from datauab.settings import Settings

_LOG = logging.getLogger("datauab.grader")

Work = Callable[[Settings, Ledger, TaskLease], None]
"""Does a task and ends it, in one transaction with whatever it changes; raises `ClubError` where it cannot."""


def do_task(settings: Settings, number: int, token: str) -> int:
    """Do the task `number`, which the process that started this one has leased and keeps alive.

    Interrupted at any moment, nothing is half done: the lease runs out and the task is done again.

    Parameters
    ----------
    token : str
        Of the lease.

    Returns
    -------
    int
        Exit status.
    """
    with Ledger.open(settings) as ledger:
        lease = TaskLease(ledger.task(number), token, datetime.now(UTC))
        task = lease.task
        try:
            WORK[task.kind](settings, ledger, lease)
        except ClubError as error:
            _LOG.warning("task %d: %s", number, error)
            try:
                ledger.fail_task(lease, str(error))
            except LedgerError:  # it was the lease that was lost; whoever has it now ends the task
                return 0
            ledger.audit(ACTOR, f"{task.kind}.failed", task.competition, str(number), {"error": str(error)[:4000]})
    return 0


def _lint(settings: Settings, ledger: Ledger, lease: TaskLease) -> None:
    from datauab.lint import lint

    found = lint(settings, lease.task.competition)
    ledger.finish_task(lease, found.model_dump(mode="json"))
    detail = {"findings": [finding.code for finding in found.findings]}
    ledger.audit(ACTOR, "lint.done", lease.task.competition, str(lease.task.id), detail)


def _autograde(settings: Settings, ledger: Ledger, lease: TaskLease) -> None:
    from datauab.grader.class_task import autograde

    autograde(settings, ledger, lease)


WORK: Mapping[str, Work] = {
    "rescore_preview": rescoring.preview,
    "rescore_apply": rescoring.apply,
    "similar": similar,
    "lint": _lint,
    "autograde": _autograde,
}
"""What does each kind of task."""
