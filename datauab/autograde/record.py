"""Results of ``nbgrader autograde`` and the formgrader into the ledger, so that every way of grading ends the same.

The submitted folder's ``.attempt`` names the attempt. What happens then:

- it waits in the queue: it is leased, and ends with this result;
- the grader service works on it: its own result will count, this one only gave marks;
- it has ended: its result stays, since an attempt ends once; grading again only renews nbgrader's marks;
- there is none (a folder that was put there by hand): one with origin "nbgrader" is made and ends with this result.
"""

from __future__ import annotations

from logging import Logger
from pathlib import Path

from datauab.archive import make_archive
from datauab.autograde.outcome import Outcome
from datauab.doorbell import WEB, ring
from datauab.ledger import Attempt, Lease, Ledger
from datauab.settings import Settings

ATTEMPT_FILE = ".attempt"
_WORKER = "nbgrader autograde"


def record_outcome(settings: Settings, assignment: str, student: str, outcome: Outcome, log: Logger) -> None:
    """Record what a run by hand gave; see the module's text."""
    folder = settings.root / "submitted" / student / assignment
    with Ledger.open(settings) as ledger:
        attempt = named_attempt(ledger, folder, assignment, student)
        if attempt is None:
            attempt = ledger.add_attempt(
                competition=assignment, member=student, kind="notebook", origin="nbgrader", blob=_pack(folder)
            )
            _write_name(folder, attempt)
        lease = ledger.lease(_WORKER, attempt_id=attempt.id) if attempt.state == "queued" else None
        if lease is not None:
            finish(ledger, lease, outcome)
            ring(settings.state, WEB)
            return
        log.info("Attempt %d is %s: its own result stays; the marks are new", attempt.id, attempt.state)


def finish(ledger: Ledger, lease: Lease, outcome: Outcome) -> None:
    """End a leased attempt with `outcome`."""
    if outcome.scores is None:
        ledger.finish_failed(lease, outcome.reason or "the notebook could not be scored", platform=False)
    else:
        ledger.finish_scored(lease, outcome.record(), predictions=outcome.predictions)


def named_attempt(ledger: Ledger, folder: Path, assignment: str, student: str) -> Attempt | None:
    """The attempt that a folder of ``submitted/`` says it is; None where it names none of this student's own."""
    path = folder / ATTEMPT_FILE
    if path.is_symlink() or not path.is_file():
        return None
    text = path.read_text(encoding="ascii", errors="replace").strip()
    # Only a number of this student's own attempt at this assignment counts; a folder may have been copied.
    mine = ledger.attempts(competition=assignment, member=student) if text.isdecimal() else []
    return next((attempt for attempt in mine if attempt.id == int(text)), None)


def _pack(folder: Path) -> bytes:
    files: dict[str, bytes] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink() and path.name not in (ATTEMPT_FILE, "timestamp.txt"):
            files[path.relative_to(folder).as_posix()] = path.read_bytes()
    return make_archive(files)


def _write_name(folder: Path, attempt: Attempt) -> None:
    path = folder / ATTEMPT_FILE
    path.unlink(missing_ok=True)
    path.write_text(str(attempt.id), encoding="ascii")
