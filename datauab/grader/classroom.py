"""Grading a whole class: every submission once, in parallel, and what is unchanged not at all."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Collection
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from dataclasses import replace

from datauab.autograde.cluster import Cluster, ClusterLost, begun_cluster
from datauab.errors import InvalidSubmission, LedgerError
from datauab.grader.candidates import Candidate, candidates
from datauab.grader.classroom_events import Begun, Event, Graded, Summary
from datauab.grader.held import Result, grade_held
from datauab.grader.home import MOST_THREADS, Home
from datauab.grader.leases import HeldLeases
from datauab.grader.submissions import Opened, Submission, grading_key
from datauab.grader.warm_home import warm_home
from datauab.ledger import Attempt, Lease, Ledger
from datauab.settings import Settings

ACTOR = "club autograde"
"""Who retries an attempt that had failed, in the audit log."""

_CLUSTERS = 3
"""How often a cluster is opened for one class, where one is lost after another."""

_LOOK_S = 0.5
_LOG = logging.getLogger("datauab.grader")

Tell = Callable[[Event], None]


def ignore(_: Event) -> None:
    """Tell nobody."""


def autograde_class(
    settings: Settings,
    name: str,
    *,
    students: Collection[str] = (),
    failed: bool = False,
    force: bool = False,
    workers: int | None = None,
    cluster: str = "local",
    begun: Cluster | None = None,
    tell: Tell = ignore,
    stop: threading.Event | None = None,
) -> Summary:
    """Autograde the newest submission of each student of one assignment.

    Killed or stopped at any moment, a second call goes on where this one was: what is graded is recorded one by one,
    and a submission is run again only where it, the source, the solution or the environment has changed.

    Parameters
    ----------
    students : collection of str
        Only these; everybody where it is empty.
    failed : bool
        Only those whose last result is a failure, changed or not.
    force : bool
        Run unchanged ones too.
    workers : int, optional
        Runs at one time on this machine, or jobs on a cluster.
    cluster : str
        As for `datauab.autograde.cluster.open_cluster`.
    begun : Cluster, optional
        Such a cluster that was begun already; another one is opened only where it is lost.
    tell : callable
        Told of every event, from any thread but one at a time.
    stop : Event, optional
        Where it is set, nothing new begins and what runs is put back.

    Raises
    ------
    ConfigurationError
        Where there is no such assignment or student.
    GradingError
        Where the assignment cannot be graded at all, or the cluster was lost.
    """
    stop = stop or threading.Event()
    with Ledger.open(settings) as ledger:
        run = _ClassRun(settings, ledger, name, tell, stop)
        wanted = run.choose(candidates(settings, ledger, name, students), failed=failed, force=force)
        if wanted and not stop.is_set():
            with warm_home(settings):
                run.grade_all(wanted, begun, lambda: begun_cluster(settings, cluster, workers))
        else:
            tell(Begun(total=0, skipped=len(run.skipped), slots=0))
        return run.summary(wanted)


class _Elsewhere(Exception):
    """Somebody else grades the attempt now."""


class _Overtaken(Exception):
    """Somebody else has graded the attempt meanwhile."""


class _ClassRun:
    """One call of `autograde_class`."""

    def __init__(self, settings: Settings, ledger: Ledger, name: str, tell: Tell, stop: threading.Event) -> None:
        self.settings, self.ledger, self.name, self.stop = settings, ledger, name, stop
        self.skipped: list[str] = []
        self._without: list[str] = []
        self._tell = tell
        self._telling = threading.Lock()
        self._began = time.monotonic()
        self._worker = f"{socket.gethostname()}:{os.getpid()}:autograde"
        self._done: dict[str, Graded] = {}
        self._total = 0
        self._elsewhere: dict[str, Candidate] = {}
        self._overtaken: list[str] = []
        self._lost: ClusterLost | None = None

    def choose(self, found: list[Candidate], *, failed: bool, force: bool) -> list[Candidate]:
        """Those that have to run."""
        opened = Opened.read(self.settings, self.name)
        fingerprint = opened.fingerprint()
        graded = self.ledger.newest_gradings(self.name)
        chosen = []
        for candidate in found:
            last = graded.get(candidate.student)
            is_failed = _has_failed(candidate.attempt, None if last is None else last.state)
            unchanged = last is not None and last.key == self._key(fingerprint, candidate)
            if is_failed if failed else force or not unchanged or candidate.is_open:
                chosen.append(candidate)
            else:
                self.skipped.append(candidate.student)
                self._without += [candidate.student] if is_failed else []
        return chosen

    def _key(self, fingerprint: str, candidate: Candidate) -> str:
        if candidate.attempt is not None:  # its blob's hash is known without reading it
            return grading_key(fingerprint, Submission(self.name, candidate.student, {}, candidate.attempt))
        try:
            return grading_key(fingerprint, candidate.read(self.settings, self.ledger, self.name))
        except InvalidSubmission:
            return ""

    def grade_all(
        self,
        wanted: list[Candidate],
        begun: Cluster | None,
        open_runs: Callable[[], contextlib.AbstractContextManager[Cluster]],
    ) -> None:
        """Grade `wanted`; returns when all are done, or the run was stopped.

        Raises
        ------
        ClusterLost
            Where one cluster after another is lost.
        """
        for number in range(1, _CLUSTERS + 1):
            with open_runs() if begun is None or number > 1 else contextlib.nullcontext(begun) as runs:
                runs.wait_ready(self.stop)
                if self.stop.is_set():
                    return
                if number == 1:
                    self._total = len(wanted)
                    self._say(Begun(total=len(wanted), skipped=len(self.skipped), slots=runs.slots))
                lost = self._go([candidate for candidate in wanted if candidate.student not in self._done], runs)
            if lost is None or self.stop.is_set():
                return
            if number == _CLUSTERS:
                raise lost
            _LOG.warning("%s; another one is opened for what is left", lost)

    def _go(self, wanted: list[Candidate], runs: Cluster) -> ClusterLost | None:
        """Grade on one cluster until all are done or the run was stopped; says why the cluster was lost, if so."""
        self._lost = None
        home = Home(self.settings, self.ledger, runs, self.stop)
        held = HeldLeases(self.ledger, self.settings.lease_s, self.settings.heartbeat_s)
        held.start()
        with ThreadPoolExecutor(MOST_THREADS, thread_name_prefix="class") as pool:

            def grade(candidates: list[Candidate]) -> None:
                _each(pool, runs, lambda candidate: self._grade(home, held, candidate), candidates)

            try:
                grade(wanted)
                # Who was killed holds leases until they run out; who lives goes on holding them.
                ends = time.monotonic() + self.settings.lease_s + self.settings.heartbeat_s
                while self._elsewhere and not self._is_over and time.monotonic() < ends:
                    self.stop.wait(_LOOK_S)
                    grade(list(self._elsewhere.values()))
            except BaseException:
                self.stop.set()
                raise
            finally:
                pool.shutdown(wait=True, cancel_futures=True)
                held.end()
        return self._lost

    @property
    def _is_over(self) -> bool:
        return self.stop.is_set() or self._lost is not None

    def summary(self, wanted: list[Candidate]) -> Summary:
        """What became of the class."""
        done = self._done
        elsewhere = sorted([*self._elsewhere, *self._overtaken])
        stages: dict[str, float] = {}
        for graded in done.values():
            for stage, seconds in graded.seconds.items():
                stages[stage] = stages.get(stage, 0.0) + seconds
        return Summary(
            graded=len(done),
            skipped=len(self.skipped),
            without=self._without,
            elsewhere=elsewhere,
            failed=[(item.student, item.text) for item in done.values() if item.state == "failed"],
            faults=[(item.student, item.text) for item in done.values() if item.state == "fault"],
            left=[item.student for item in wanted if item.student not in done and item.student not in elsewhere],
            seconds=time.monotonic() - self._began,
            stages=stages,
            interrupted=self.stop.is_set(),
        )

    def _grade(self, home: Home, held: HeldLeases, candidate: Candidate) -> None:
        if self._is_over:
            return
        try:
            lease = None if candidate.attempt is None else self._lease(candidate.attempt)
            self._elsewhere.pop(candidate.student, None)
            if lease is not None:
                candidate = replace(candidate, attempt=lease.attempt)
            found = grade_held(
                home, held, candidate.attempt, lease, lambda: candidate.read(self.settings, self.ledger, self.name)
            )
        except _Elsewhere:
            self._elsewhere[candidate.student] = candidate
            return
        except _Overtaken:
            self._elsewhere.pop(candidate.student, None)
            self._overtaken.append(candidate.student)
            return
        except ClusterLost as error:
            self._lost = error
            return
        except LedgerError as error:
            _LOG.exception("%s of %s", self.name, candidate.student)
            found = Result("fault", str(error))
        if found is not None:
            self._note(candidate, found)

    def _lease(self, attempt: Attempt) -> Lease | None:
        """Take the attempt, where its result is open; an attempt that has a score keeps it, and gets new marks."""
        now = self.ledger.attempt(attempt.id)
        if now.state == "scored" == attempt.state:
            return None
        if now.state == "scored" or (now.state == "failed" != attempt.state and not now.platform_fault):
            raise _Overtaken
        if now.state == "failed":
            self.ledger.retry(attempt.id, ACTOR)
        lease = self.ledger.lease(self._worker, self.settings.lease_s, attempt_id=attempt.id)
        if lease is None:
            raise _Elsewhere
        return lease

    def _note(self, candidate: Candidate, found: Result) -> None:
        with self._telling:
            number = None if candidate.attempt is None else candidate.attempt.id
            event = Graded(
                student=candidate.student,
                attempt=number,
                state=found.state,
                text=found.text,
                seconds=found.seconds,
                done=len(self._done) + 1,
                total=self._total - len(self._elsewhere) - len(self._overtaken),
            )
            self._done[candidate.student] = event
            self._tell(event)

    def _say(self, event: Event) -> None:
        with self._telling:
            self._tell(event)


def _each(pool: Executor, runs: Cluster, do: Callable[[Candidate], None], candidates: list[Candidate]) -> None:
    """Do it for each, as many at one time as workers, which may come and go, can use."""
    waiting = deque(candidates)
    going: set[Future[None]] = set()
    while waiting or going:
        # While some run on workers, others are read, marked and written here.
        while waiting and len(going) < min(2 * runs.slots + 2, MOST_THREADS):
            going.add(pool.submit(do, waiting.popleft()))
        done, going = wait(going, timeout=_LOOK_S, return_when=FIRST_COMPLETED)
        for future in done:
            future.result()


def _has_failed(attempt: Attempt | None, graded: str | None) -> bool:
    return attempt.state == "failed" if attempt is not None else graded == "failed"
