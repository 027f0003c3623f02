"""The process that grades notebooks as they come in: it holds the cluster, and everything that is kept warm.

Killed at any moment, nothing is lost: attempts go back to the queue when their leases run out, and every process of the
cluster dies with this one.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from concurrent.futures import Future, ThreadPoolExecutor

from datauab.autograde.cluster import ClusterLost, open_cluster
from datauab.errors import GradingError
from datauab.grader.held import grade_held
from datauab.grader.home import MOST_THREADS, Home, Runs
from datauab.grader.leases import HeldLeases
from datauab.grader.notebooks import read_submission
from datauab.grader.slots import IDLE_S, NOTEBOOKS
from datauab.grader.submissions import Submission
from datauab.grader.warm_home import warm_home
from datauab.ledger import Lease, Ledger, Waiting
from datauab.settings import Settings

_PAUSE_S = 5.0  # after the cluster or the database failed
_LOG = logging.getLogger("datauab.grader")


def serve_notebooks(settings: Settings, stop: threading.Event, *, once: bool = False) -> None:
    """Grade notebooks until `stop` is set; what is being graded then goes back to the queue.

    Parameters
    ----------
    once : bool
        Return when nothing waits.
    """
    with Ledger.open(settings) as ledger:
        while not stop.is_set():
            if not settings.prewarm and not _wait(ledger, stop, once=once):
                return
            try:
                with warm_home(settings), open_cluster(settings, settings.cluster, settings.graders) as runs:
                    home = Home(settings, ledger, runs, stop)
                    if NotebookQueue(home, ledger, stop, runs).serve(once=once):
                        return
            except GradingError as error:
                _LOG.error("%s; trying again in %g s", error, _PAUSE_S)
            stop.wait(_PAUSE_S)


def _wait(ledger: Ledger, stop: threading.Event, *, once: bool) -> bool:
    """Wait until a notebook waits; False where there is nothing to wait for."""
    while not stop.is_set():
        if ledger.waiting(NOTEBOOKS, limit=1):
            return True
        if once:
            return False
        stop.wait(IDLE_S)
    return False


class NotebookQueue:
    """Hands attempts out fairly: of those who wait, whoever was served least recently comes next, one run a student.

    Parameters
    ----------
    runs : Runs
        Where notebooks run; workers may come and go.
    """

    def __init__(self, home: Home, ledger: Ledger, stop: threading.Event, runs: Runs) -> None:
        self.home, self.ledger, self.halt = home, ledger, stop
        self._runs = runs
        self._worker = f"{socket.gethostname()}:{os.getpid()}:notebooks"
        self._served: dict[str, int] = {}
        self._turn = 0
        self._busy: dict[tuple[str, str], Future[None]] = {}
        self._lost = threading.Event()

    def serve(self, *, once: bool = False) -> bool:
        """Grade until told to stop; False where the cluster was lost and everything has to begin anew."""
        settings = self.home.settings
        held = HeldLeases(self.ledger, settings.lease_s, settings.heartbeat_s)
        held.start()
        with ThreadPoolExecutor(MOST_THREADS, thread_name_prefix="notebook") as pool:
            try:
                while not (self.halt.is_set() or self._lost.is_set()):
                    if self._begin(pool, held):
                        continue
                    if once and not self._busy:
                        break
                    self.halt.wait(IDLE_S)
            finally:
                pool.shutdown(wait=True)
                held.end()
        return not self._lost.is_set()

    def _begin(self, pool: ThreadPoolExecutor, held: HeldLeases) -> bool:
        """Begin with the next attempt; False where there is none, or no room."""
        self._busy = {key: future for key, future in self._busy.items() if not future.done()}
        # While some run on workers, others are read, marked and written here.
        if len(self._busy) >= min(self._runs.slots + 2, MOST_THREADS):
            return False
        try:
            lease = self._take()
        except Exception:  # a database that is locked or away now is asked again
            _LOG.exception("the ledger failed; trying again")
            self.halt.wait(_PAUSE_S)
            return False
        if lease is None:
            return False
        attempt = lease.attempt
        _LOG.info("attempt %d: %s of %s", attempt.id, attempt.competition, attempt.member)
        self._busy[attempt.competition, attempt.member] = pool.submit(self._grade, lease, held)
        return True

    def _take(self) -> Lease | None:
        waiting = [item for item in self.ledger.waiting(NOTEBOOKS) if (item.competition, item.member) not in self._busy]
        for item in sorted(waiting, key=self._rank):
            lease = self.ledger.lease(self._worker, self.home.settings.lease_s, attempt_id=item.attempt_id)
            if lease is not None:
                self._turn += 1
                self._served[item.member] = self._turn
                return lease
        return None

    def _rank(self, item: Waiting) -> tuple[bool, int, int]:
        return item.origin == "baseline", self._served.get(item.member, 0), item.attempt_id

    def _grade(self, lease: Lease, held: HeldLeases) -> None:
        attempt = lease.attempt

        def read() -> Submission:
            files = read_submission(self.home.settings, attempt, self.ledger.blob(attempt))
            return Submission(attempt.competition, attempt.member, files, attempt)

        try:
            found = grade_held(self.home, held, attempt, lease, read)
        except ClusterLost as error:
            _LOG.error("%s", error)
            self._lost.set()
            return
        except Exception:  # the lease runs out, which the ledger counts: twice it is tried again
            _LOG.exception("attempt %d: not recorded", attempt.id)
            return
        _LOG.info("attempt %d: %s", attempt.id, "put back" if found is None else f"{found.state}: {found.text}")
