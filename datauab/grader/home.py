"""Where the labels are: prepares submissions, has workers run them, marks what comes back, and alone writes it down."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Protocol

from datauab.archive import check_notebook
from datauab.autograde.outcome import Outcome
from datauab.autograde.record import finish
from datauab.autograde.request import RunRequest, RunResult
from datauab.autograde.run import Finished, mark, refused
from datauab.doorbell import WEB, ring
from datauab.errors import GradingError, InvalidSubmission, LedgerError
from datauab.grader.notebooks import make_feedback, place, read_submission, turn, write_marks
from datauab.grader.submissions import Opened, Prepared, Submission, grading_key, prepared
from datauab.ledger import Attempt, Ledger
from datauab.settings import Settings

MOST_THREADS = 256
"""Threads of one process that grade at one time, however many workers there are."""

_FRESH_S = 5.0  # so that a source that is generated again is noticed
_LOOK_S = 0.1
_TRIES = 3
_WAIT_S = 5.0  # between tries to write, beyond what the database itself waits for another writer
_MOST_REPORTS = 1000
_LOG = logging.getLogger("datauab.grader")


class Halted(Exception):
    """Grading was told to stop before this submission was done; nothing of it is written."""


class Runs(Protocol):
    """What runs notebooks; see `datauab.autograde.cluster.Cluster`."""

    @property
    def slots(self) -> int:
        """Runs at one time."""

    def submit(self, request: RunRequest, *, priority: int = 0) -> Future[RunResult]:
        """Begin a run."""


@dataclass
class Ending:
    """How grading one submission ended.

    Attributes
    ----------
    key : str
        Of the grading; see `datauab.grader.submissions.grading_key`.
    seconds : dict
        Wall time by stage.
    """

    outcome: Outcome
    key: str
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def state(self) -> str:
        """Either "scored" or "failed"."""
        return "scored" if self.outcome.scores else "failed"


class Home:
    """Grades submissions; threads may share it. At most as many runs as the cluster has slots go on at one time.

    Parameters
    ----------
    halt : Event
        Where it is set, submissions that are not yet written end with `Halted`.
    """

    def __init__(self, settings: Settings, ledger: Ledger, runs: Runs, halt: threading.Event) -> None:
        self.settings, self.ledger, self.halt = settings, ledger, halt
        self._runs = runs
        self._running = 0
        self._turn = threading.Condition()
        self._opened: dict[str, tuple[float, Opened, str]] = {}
        self._opening = threading.Lock()
        self._writing = threading.Lock()
        self._reported: set[str] = set()

    def opened(self, name: str) -> Opened:
        """The assignment `name` as it was a few seconds ago at the latest."""
        return self._open(name)[0]

    def key(self, submission: Submission) -> str:
        """The grading's key; see `datauab.grader.submissions.grading_key`."""
        return grading_key(self._open(submission.competition)[1], submission)

    def grade(self, submission: Submission, priority: int = 0) -> Ending:
        """Run, mark and write one submission; returns when it is in the gradebook and the ledger.

        Raises
        ------
        GradingError
            Where the platform or the organiser's cells fail; nothing is written then.
        Halted
            Where it was told to stop.
        """
        began = time.monotonic()
        seconds: dict[str, float] = {}
        opened = self.opened(submission.competition)
        key = self.key(submission)
        finished: Finished | None = None
        try:
            made = prepared(opened, submission)
            seconds["prepare"] = time.monotonic() - began
            finished = self._run(made, priority, seconds)
            outcome = finished.outcome
        except InvalidSubmission as error:
            outcome = refused(opened.assignment, error)
        if submission.is_baseline:
            outcome = outcome.model_copy(update={"marks": {}, "max_points": 0.0})
        since = time.monotonic()
        with self._writing:
            seconds["wait"] = time.monotonic() - since
            since = time.monotonic()
            outcome = self._write(submission, finished, outcome)
            seconds["write"] = time.monotonic() - since
            seconds["whole"] = time.monotonic() - began
            ending = Ending(outcome, key, {**outcome.seconds, **seconds})
            self._record(submission, ending)
        return ending

    def remember_unreadable(self, attempt: Attempt) -> None:
        """Keep in mind that `attempt` cannot be read, so that a class run does not try it again as it is."""
        with suppress(GradingError, LedgerError):  # then it is tried again
            self._remember(
                attempt, self.key(Submission(attempt.competition, attempt.member, {}, attempt)), "failed", {}
            )

    def _open(self, name: str) -> tuple[Opened, str]:
        with self._opening:
            kept = self._opened.get(name)
            if kept is None or time.monotonic() - kept[0] > _FRESH_S:
                opened = Opened.read(self.settings, name)
                kept = (time.monotonic(), opened, opened.fingerprint())
                self._opened[name] = kept
            return kept[1], kept[2]

    def _run(self, made: Prepared, priority: int, seconds: dict[str, float]) -> Finished:
        digest = made.request.digest()
        with self._slot():
            began = time.monotonic()
            future = self._runs.submit(made.request, priority=priority)
            try:
                while not wait([future], timeout=_LOOK_S).done:
                    self._check_halt()
            finally:
                future.cancel()
            result = future.result()
            seconds["transfer"] = max(0.0, time.monotonic() - began - result.seconds.get("run", 0.0))
        outcome = mark(
            made.notebook, made.opened.assignment, made.request, result, report=self._report, late_share=made.late_share
        )
        return Finished(digest, result, outcome)

    def _report(self, text: str) -> None:
        """Tell operators what an autograder cell said, once for a whole class."""
        if text not in self._reported and len(self._reported) < _MOST_REPORTS:
            self._reported.add(text)
            _LOG.error(text)

    @contextmanager
    def _slot(self) -> Iterator[None]:
        with self._turn:
            while self._running >= max(1, self._runs.slots):
                self._check_halt()
                self._turn.wait(_LOOK_S)
            self._check_halt()
            self._running += 1
        try:
            yield
        finally:
            with self._turn:
                self._running -= 1
                self._turn.notify()

    def _check_halt(self) -> None:
        if self.halt.is_set():
            raise Halted

    def _write(self, submission: Submission, finished: Finished | None, outcome: Outcome) -> Outcome:
        """Marks into the gradebook, where the submission earns any."""
        if submission.is_baseline or (finished is None and not _is_placeable(submission)):
            return outcome
        for number in range(1, _TRIES + 1):
            try:
                return self._write_marks(submission, finished) or outcome
            except GradingError as error:
                if number == _TRIES:
                    raise
                _LOG.warning("%s: %s; trying again in %g s", submission.place, error, _WAIT_S)
                self.halt.wait(_WAIT_S)
        raise AssertionError("the loop returns or raises")

    def _write_marks(self, submission: Submission, finished: Finished | None) -> Outcome | None:
        student, name, attempt = submission.student, submission.competition, submission.attempt
        with turn(self.settings, student, name):
            if attempt is not None:
                place(self.settings, attempt, submission.files)
            return write_marks(self.settings, student, name, finished, record=attempt is None)

    def _record(self, submission: Submission, ending: Ending) -> None:
        attempt = submission.attempt
        if submission.lease is not None:
            finish(self.ledger, submission.lease, ending.outcome)
            ring(self.settings.state, WEB)
        if attempt is None:
            attempt = self.newest(submission)
        if attempt is None or submission.is_baseline:
            return
        self._remember(attempt, ending.key, ending.state, ending.seconds)
        if submission.attempt is not None:
            self._give_feedback(submission, attempt)

    def _remember(self, attempt: Attempt, key: str, state: str, seconds: dict[str, float]) -> None:
        self.ledger.record_grading(
            competition=attempt.competition, member=attempt.member, attempt_id=attempt.id, key=key, state=state,
            seconds=seconds,
        )  # fmt: skip

    def _give_feedback(self, submission: Submission, attempt: Attempt) -> None:
        feedback = make_feedback(self.settings, submission.student, submission.competition)
        if feedback is not None:
            self.ledger.publish_feedback(attempt.id, feedback)
        newer = self._newest_ended(attempt)
        if newer is None:
            return
        # nbgrader keeps one submission a student: the newest, also where an older one had to be graded again.
        with suppress(InvalidSubmission):
            files = read_submission(self.settings, newer, self.ledger.blob(newer))
            self._write_marks(Submission(newer.competition, newer.member, files, newer), None)

    def newest(self, submission: Submission) -> Attempt | None:
        """The student's newest attempt with a notebook."""
        found = self.ledger.attempts(competition=submission.competition, member=submission.student)
        return next((attempt for attempt in found if attempt.kind == "notebook"), None)

    def _newest_ended(self, attempt: Attempt) -> Attempt | None:
        ended = [
            other
            for other in self.ledger.attempts(
                competition=attempt.competition, member=attempt.member, states=["scored", "failed"]
            )
            if other.id > attempt.id and other.kind == "notebook" and not other.platform_fault
        ]
        return max(ended, key=lambda other: other.id, default=None)


def _is_placeable(submission: Submission) -> bool:
    """Whether nbgrader can read the notebook at all."""
    name = f"{submission.competition}.ipynb"
    try:
        check_notebook(submission.files[name], name)
    except (InvalidSubmission, KeyError):
        return False
    return True
