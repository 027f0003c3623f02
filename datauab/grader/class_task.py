"""A class run that an organiser asked for at the desk."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator

from datauab.errors import LedgerError
from datauab.grader.classroom import autograde_class
from datauab.grader.classroom_events import Begun, Event, Graded
from datauab.grader.faults import ACTOR
from datauab.ledger import Ledger, TaskLease
from datauab.settings import Settings
from datauab.task_results import ClassDone, ClassGraded, ClassProgress

_EVERY_S = 1.0
_SHOWN = 20


def autograde(settings: Settings, ledger: Ledger, lease: TaskLease) -> None:
    """Do a task "autograde": its parameters are the options of ``club autograde``.

    Told to end by SIGTERM, it puts back what runs and leaves the task to whoever takes it next.
    """
    task = lease.task
    report = _Report(ledger, lease)
    given = task.parameters
    with _stopped_by_sigterm(report.stop):
        summary = autograde_class(
            settings,
            task.competition,
            students=[str(name) for name in given.get("students", ())],
            failed=bool(given.get("failed", False)),
            force=bool(given.get("force", False)),
            workers=settings.graders,
            cluster=settings.cluster,
            tell=report.take,
            stop=report.stop,
        )
    if report.stop.is_set():
        return
    answer = ClassDone(
        graded=summary.graded,
        skipped=summary.skipped,
        failed=tuple(summary.failed),
        faults=tuple(summary.faults),
        seconds=summary.seconds,
        stages=summary.stages,
    )
    ledger.finish_task(lease, answer.model_dump(mode="json"))
    detail = {"graded": summary.graded, "skipped": summary.skipped, "failed": len(summary.failed)}
    ledger.audit(ACTOR, "autograde.done", task.competition, str(task.id), {**detail, "faults": len(summary.faults)})


@contextlib.contextmanager
def _stopped_by_sigterm(stop: threading.Event) -> Iterator[None]:
    before = signal.signal(signal.SIGTERM, lambda *_: stop.set())
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class _Report:
    """Writes down how far a class run has come, at most once a second."""

    def __init__(self, ledger: Ledger, lease: TaskLease) -> None:
        self._ledger, self._lease = ledger, lease
        self.stop = threading.Event()
        self._began = time.monotonic()
        self._next = 0.0
        self._skipped = self._failed = 0
        self._newest: list[ClassGraded] = []

    def take(self, event: Event) -> None:
        """Take one event of the run."""
        now = time.monotonic()
        if isinstance(event, Begun):
            self._skipped, self._began = event.skipped, now
            self._say(0, event.total)
            return
        self._failed += event.state != "scored"
        self._newest = [_line(event), *self._newest][:_SHOWN]
        if now >= self._next or event.done == event.total:
            self._next = now + _EVERY_S
            self._say(event.done, event.total)

    def _say(self, done: int, total: int) -> None:
        spent = time.monotonic() - self._began
        left = spent / done * (total - done) if done else None
        progress = ClassProgress(
            done=done, total=total, skipped=self._skipped, failed=self._failed, seconds_left=left,
            newest=tuple(self._newest),
        )  # fmt: skip
        try:
            self._ledger.report_task(self._lease, progress.model_dump(mode="json"))
        except LedgerError:  # whoever has the lease now does the rest
            self.stop.set()


def _line(event: Graded) -> ClassGraded:
    return ClassGraded(student=event.student, attempt=event.attempt, state=event.state, text=event.text[:300])
