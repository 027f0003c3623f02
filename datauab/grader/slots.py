"""Slots for what is graded in a process of its own: own metrics, and what organisers ask for."""

from __future__ import annotations

import abc
import logging
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from datauab.autograde.outcome import read_outcome
from datauab.autograde.provisioner import TEMPORARY
from datauab.autograde.record import finish
from datauab.doorbell import WEB, ring
from datauab.errors import LedgerError
from datauab.grader.faults import fault_reason
from datauab.grader.process import FAILED, run_child
from datauab.ledger import Kind, Lease, Ledger, TaskKind, TaskLease
from datauab.settings import Settings

IDLE_S = 0.3
_PATIENCE_S = 20.0  # for the cluster of a process that is told to stop
NOTEBOOKS: tuple[Kind, ...] = ("notebook",)
PREDICTIONS: tuple[Kind, ...] = ("predictions",)
CLASS_RUNS: tuple[TaskKind, ...] = ("autograde",)
SHORT_TASKS: tuple[TaskKind, ...] = ("rescore_preview", "rescore_apply", "similar", "lint")
_LOG = logging.getLogger("datauab.grader")


class Slot(threading.Thread, abc.ABC):
    """One piece of work after another. The thread lives as long as its processes, which the kernel ends with it."""

    def __init__(
        self, settings: Settings, ledger: Ledger, stop: threading.Event, worker: str, *, once: bool = False
    ) -> None:
        super().__init__(name=worker.rpartition(":")[2])
        self.settings, self.ledger, self.halt, self.worker, self.once = settings, ledger, stop, worker, once

    def run(self) -> None:
        """Take what waits until told to stop."""
        while not self.halt.is_set():
            try:
                if self.step():
                    continue
            except Exception:  # a database that is locked or away now is asked again
                _LOG.exception("the ledger failed; trying again")
                self.halt.wait(5)
                continue
            if self.once:
                return
            self.halt.wait(IDLE_S)

    @abc.abstractmethod
    def step(self) -> bool:
        """Do one piece of work; False where nothing waits."""


class JobSlot(Slot):
    """Grades one attempt at a time in a process of its own.

    Parameters
    ----------
    take : callable
        Leases the next attempt that this slot is for.
    """

    def __init__(
        self,
        settings: Settings,
        ledger: Ledger,
        stop: threading.Event,
        worker: str,
        take: Callable[[str], Lease | None],
        *,
        once: bool = False,
    ) -> None:
        super().__init__(settings, ledger, stop, worker, once=once)
        self._take = take

    def step(self) -> bool:
        """Grade the next attempt."""
        lease = self._take(self.worker)
        if lease is None:
            return False
        attempt = lease.attempt
        _LOG.info("attempt %d: %s of %s", attempt.id, attempt.competition, attempt.member)
        with tempfile.TemporaryDirectory(prefix=f"{TEMPORARY}attempt-") as folder:
            try:
                status = run_child(
                    self.settings,
                    ("--job", str(attempt.id), folder),
                    self.halt,
                    lambda: self.ledger.heartbeat(lease, self.settings.lease_s),
                )
                if status is None:
                    self.ledger.give_up(lease)
                    _LOG.info("attempt %d: put back", attempt.id)
                else:
                    self._record(lease, status, Path(folder))
            except LedgerError as error:
                _LOG.warning("attempt %d: %s", attempt.id, error)
        return True

    def _record(self, lease: Lease, status: int, folder: Path) -> None:
        attempt = lease.attempt
        outcome = read_outcome(folder / "outcome.json") if status == 0 else None
        if outcome is not None:
            finish(self.ledger, lease, outcome)
            _LOG.info("attempt %d: %s", attempt.id, outcome.reason or "scored")
        elif status == FAILED:
            self.ledger.finish_failed(lease, fault_reason(attempt), platform=True)
        else:
            # It crashed or was killed. The lease runs out, which the ledger counts: twice it is tried again.
            _LOG.error("attempt %d: its process ended with %d; it will be tried again", attempt.id, status)
        ring(self.settings.state, WEB)


class TaskSlot(Slot):
    """Does what organisers ask for, one task at a time; the task's process ends the task itself.

    Parameters
    ----------
    kinds : tuple of str
        Which tasks it takes.
    """

    def __init__(
        self,
        settings: Settings,
        ledger: Ledger,
        stop: threading.Event,
        worker: str,
        kinds: tuple[TaskKind, ...],
        *,
        once: bool = False,
    ) -> None:
        super().__init__(settings, ledger, stop, worker, once=once)
        self._kinds = kinds

    def step(self) -> bool:
        """Do the next task."""
        lease = self.ledger.lease_task(self.worker, self.settings.lease_s, kinds=self._kinds)
        if lease is None:
            return False
        _LOG.info("task %d: %s of %s", lease.task.id, lease.task.kind, lease.task.competition)
        try:
            self._do(lease)
        except LedgerError as error:
            _LOG.warning("task %d: %s", lease.task.id, error)
        ring(self.settings.state, WEB)
        return True

    def _do(self, lease: TaskLease) -> None:
        # The token goes by a pipe: command lines can be read by every account of the machine.
        status = run_child(
            self.settings,
            ("--task", str(lease.task.id)),
            self.halt,
            lambda: self.ledger.heartbeat_task(lease, self.settings.lease_s),
            given=lease.token.encode("ascii"),
            patience_s=_PATIENCE_S if lease.task.kind in CLASS_RUNS else 0.0,
        )
        if status is None:
            self.ledger.give_up_task(lease)
            _LOG.info("task %d: put back", lease.task.id)
        elif status != 0:
            _LOG.error("task %d: its process ended with %d; it will be tried again", lease.task.id, status)


class NotebookSlot(Slot):
    """Keeps the process running that grades notebooks; see `datauab.grader.notebook_queue`."""

    def step(self) -> bool:
        """Run it until it ends; where it failed, it is started anew after a pause."""
        arguments = ("--notebooks", "--once") if self.once else ("--notebooks",)
        status = run_child(self.settings, arguments, self.halt, _no_beat, patience_s=_PATIENCE_S)
        if status not in (0, None):
            _LOG.error("the process that grades notebooks ended with %d; it is started anew", status)
            self.halt.wait(IDLE_S * 10)
        return False


def _no_beat() -> None:
    """The process keeps its leases itself."""
