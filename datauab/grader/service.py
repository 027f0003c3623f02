"""The service: its slots around the queue, and a clean stop.

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
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from datauab.autograde.provisioner import TEMPORARY
from datauab.autograde.sandbox import probe
from datauab.errors import ClubError
from datauab.grader.catalogue import Catalogue
from datauab.grader.job import grade
from datauab.grader.process import FAILED
from datauab.grader.quick import QuickSlot
from datauab.grader.slots import CLASS_RUNS, PREDICTIONS, SHORT_TASKS, JobSlot, NotebookSlot, TaskSlot
from datauab.ledger import Lease, Ledger
from datauab.settings import Settings, load_settings

_NICER = 5  # of tasks: members who wait for a score come first
_STALE_S = 24 * 3600.0
_LOG = logging.getLogger("datauab.grader")


def main(arguments: Sequence[str] = ()) -> int:
    """Run the service until SIGTERM or SIGINT; returns the exit status.

    Parameters
    ----------
    arguments : sequence of str
        ``--job ID FOLDER`` scores one attempt in this process instead, ``--task ID`` does one task, and
        ``--notebooks`` grades notebooks; the service starts itself so.
    """
    parser = argparse.ArgumentParser(prog="python -m datauab.grader", description=__doc__)
    parser.add_argument("--job", nargs=2, metavar=("ID", "FOLDER"), help=argparse.SUPPRESS)
    parser.add_argument("--task", type=int, metavar="ID", help=argparse.SUPPRESS)
    parser.add_argument("--notebooks", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--once", action="store_true", help="stop when nothing waits")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s grader %(levelname)s %(message)s")
    settings = load_settings()
    if options.job:
        return _job(settings, int(options.job[0]), Path(options.job[1]))
    if options.task is not None:
        from datauab.grader.tasks import do_task

        os.nice(_NICER)
        return do_task(settings, options.task, sys.stdin.readline().strip())
    try:
        _LOG.info(
            "sandbox: %s mode; %s notebooks at one time", probe(), settings.graders or "as many as there are cores"
        )
    except ClubError as error:
        _LOG.error("%s", error)
        return 1
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    if options.notebooks:
        from datauab.grader.notebook_queue import serve_notebooks  # loads what grades notebooks

        serve_notebooks(settings, stop, once=options.once)
    else:
        serve(settings, stop, once=options.once)
    return 0


def serve(settings: Settings, stop: threading.Event, *, once: bool = False) -> None:
    """Grade what waits until `stop` is set: notebooks as many as `settings.graders` says, predictions at once.

    Parameters
    ----------
    once : bool
        Return when nothing waits.
    """
    remove_leftovers(Path(tempfile.gettempdir()))
    catalogue = Catalogue(settings)
    own = f"{socket.gethostname()}:{os.getpid()}"
    with Ledger.open(settings) as ledger:

        def heavy(worker: str) -> Lease | None:
            names = catalogue.heavy()
            return ledger.lease(worker, settings.lease_s, kinds=PREDICTIONS, competitions=names) if names else None

        slots = [
            QuickSlot(ledger, catalogue, stop, f"{own}:quick", once=once),
            JobSlot(settings, ledger, stop, f"{own}:heavy", heavy, once=once),
            TaskSlot(settings, ledger, stop, f"{own}:task", SHORT_TASKS, once=once),
            TaskSlot(settings, ledger, stop, f"{own}:class", CLASS_RUNS, once=once),
            NotebookSlot(settings, ledger, stop, f"{own}:notebooks", once=once),
        ]
        for slot in slots:
            slot.start()
        while alive := [slot for slot in slots if slot.is_alive()]:
            if len(alive) < len(slots) and not once and not stop.is_set():
                _LOG.error("a slot ended by itself; the grader stops, so that it is started anew as a whole")
                stop.set()
            alive[0].join(0.5)  # a join without a limit would keep signals waiting


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


def _job(settings: Settings, attempt_id: int, folder: Path) -> int:
    try:
        grade(settings, attempt_id, folder)
    except ClubError as error:
        # For organisers and operators only: it may say what students must not know.
        _LOG.error("attempt %d: %s", attempt_id, error)
        return FAILED
    return 0
