"""The loop around the queue: leases, heartbeats, processes, and a clean stop.

Killed at any moment, nothing is lost: an attempt that was being graded is leased until shortly after the last
heartbeat and then taken by whoever asks next; its processes die with this one.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from datauab.autograde.outcome import read_outcome
from datauab.autograde.provisioner import TEMPORARY
from datauab.autograde.record import finish
from datauab.autograde.sandbox import probe
from datauab.errors import ClubError, LedgerError
from datauab.grader.job import grade
from datauab.ledger import Lease, Ledger
from datauab.settings import Settings, load_settings

LEASE_S = 60.0
_HEARTBEAT_S = 10.0
_STALE_S = 24 * 3600.0
_IDLE_S = 0.3
_LOOK_S = 0.1
_FAILED = 3  # exit status of a job that says the platform failed; anything else is a crash
_LOG = logging.getLogger("datauab.grader")


def main(arguments: Sequence[str] = ()) -> int:
    """Run the service until SIGTERM or SIGINT; returns the exit status.

    Parameters
    ----------
    arguments : sequence of str
        ``--job ID FOLDER`` grades one attempt in this process instead; the service starts itself so.
    """
    parser = argparse.ArgumentParser(prog="python -m datauab.grader", description=__doc__)
    parser.add_argument("--job", nargs=2, metavar=("ID", "FOLDER"), help=argparse.SUPPRESS)
    parser.add_argument("--once", action="store_true", help="stop when nothing waits")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s grader %(levelname)s %(message)s")
    settings = load_settings()
    if options.job:
        return _job(settings, int(options.job[0]), Path(options.job[1]))
    try:
        _LOG.info("sandbox: %s mode; %d at one time", probe(), settings.graders)
    except ClubError as error:
        _LOG.error("%s", error)
        return 1
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    serve(settings, stop, once=options.once)
    return 0


def serve(settings: Settings, stop: threading.Event, *, once: bool = False) -> None:
    """Grade what waits, at most `settings.graders` at one time, until `stop` is set.

    Parameters
    ----------
    once : bool
        Return when nothing waits.
    """
    remove_leftovers(Path(tempfile.gettempdir()))
    with Ledger.open(settings) as ledger:
        slots = [Slot(settings, ledger, stop, number, once=once) for number in range(settings.graders)]
        for slot in slots:
            slot.start()
        for slot in slots:
            while slot.is_alive():
                slot.join(0.5)  # a join without a limit would keep signals waiting


def remove_leftovers(folder: Path, age_s: float = _STALE_S) -> None:
    """Remove what graders that were killed left in the machine's temporary folder; younger ones may be at work.

    Parameters
    ----------
    folder : Path
        The temporary folder.
    age_s : float
        Least age in seconds of what is removed; far above the wall time of any run.
    """
    for left in folder.glob(f"{TEMPORARY}*"):
        with contextlib.suppress(OSError):
            found = left.lstat()
            if found.st_uid == os.geteuid() and stat.S_ISDIR(found.st_mode) and time.time() - found.st_mtime > age_s:
                shutil.rmtree(left)


class Slot(threading.Thread):
    """One attempt after another. The thread lives as long as its jobs, which the kernel kills when it ends."""

    def __init__(
        self, settings: Settings, ledger: Ledger, stop: threading.Event, number: int, *, once: bool = False
    ) -> None:
        super().__init__(name=f"slot-{number}")
        self.settings = settings
        self.ledger = ledger
        self.halt = stop
        self.once = once
        self.worker = f"{socket.gethostname()}:{os.getpid()}:{number}"

    def run(self) -> None:
        """Take what waits until told to stop."""
        while not self.halt.is_set():
            try:
                lease = self.ledger.lease(self.worker, LEASE_S)
                if lease is not None:
                    self._work(lease)
                    continue
            except Exception:  # a database that is locked or away now is asked again
                _LOG.exception("the ledger failed; trying again")
                self.halt.wait(5)
                continue
            if self.once:
                return
            self.halt.wait(_IDLE_S)

    def _work(self, lease: Lease) -> None:
        attempt = lease.attempt
        _LOG.info("attempt %d: %s of %s", attempt.id, attempt.competition, attempt.member)
        with tempfile.TemporaryDirectory(prefix=f"{TEMPORARY}attempt-") as folder:
            try:
                status = self._run_job(lease, folder)
                if status is None:
                    self.ledger.give_up(lease)
                    _LOG.info("attempt %d: put back", attempt.id)
                else:
                    self._record(lease, status, Path(folder))
            except LedgerError as error:
                _LOG.warning("attempt %d: %s", attempt.id, error)

    def _run_job(self, lease: Lease, folder: str) -> int | None:
        """Exit status of the job; None where it was stopped because the service stops."""
        command = [sys.executable, "-m", "datauab.grader", "--job", str(lease.attempt.id), folder]
        job = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", *command], cwd=self.settings.root, stdin=subprocess.DEVNULL
        )
        waited = 0.0
        try:
            while True:
                try:
                    return job.wait(_LOOK_S)
                except subprocess.TimeoutExpired:
                    waited += _LOOK_S
                if self.halt.is_set():
                    return None
                if waited >= _HEARTBEAT_S:
                    waited = 0.0
                    self.ledger.heartbeat(lease, LEASE_S)
        finally:
            if job.poll() is None:
                job.kill()
                job.wait()

    def _record(self, lease: Lease, status: int, folder: Path) -> None:
        attempt = lease.attempt
        outcome = read_outcome(folder / "outcome.json") if status == 0 else None
        if outcome is not None:
            finish(self.ledger, lease, outcome)
            _LOG.info("attempt %d: %s", attempt.id, outcome.reason or "scored")
            feedback = folder / "feedback.zip"
            if feedback.is_file():
                self.ledger.publish_feedback(attempt.id, feedback.read_bytes())
        elif status == _FAILED:
            reason = (
                "the grader could not score this attempt; it costs no quota. "
                f"Tell an instructor its number, {attempt.id}: the grader's log says what went wrong"
            )
            self.ledger.finish_failed(lease, reason, platform=True)
        else:
            # It crashed or was killed. The lease runs out, which the ledger counts: twice it is tried again.
            _LOG.error("attempt %d: its process ended with %d; it will be tried again", attempt.id, status)


def _job(settings: Settings, attempt_id: int, folder: Path) -> int:
    try:
        grade(settings, attempt_id, folder)
    except ClubError as error:
        # For the operator's log only: it may say what students must not know.
        _LOG.error("attempt %d: %s", attempt_id, error)
        return _FAILED
    return 0
