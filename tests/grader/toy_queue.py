"""What the tests of the grader do with the toy course's queue, on real parts and in this process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np

from datauab.autograde.assignment import public_rows
from datauab.grader.catalogue import Catalogue
from datauab.grader.quick import QuickSlot
from datauab.grader.tasks import do_task
from datauab.ledger import Attempt, Ledger, Task
from datauab.settings import Settings
from tests.autograde.toy_course import NAME, npy, truth


def hand_in(ledger: Ledger, member: str, content: bytes | Any, filename: str = "mine.npy", **more: Any) -> Attempt:
    """A predictions file as it comes in by the page."""
    blob = content if isinstance(content, bytes) else npy(content)
    values = {"kind": "predictions", "origin": "web", "competition": NAME, **more}
    return ledger.add_attempt(member=member, blob=blob, filename=filename, **values)


def drain(settings: Settings, ledger: Ledger, catalogue: Catalogue | None = None) -> None:
    """Let the quick path score everything that waits for it."""
    QuickSlot(ledger, catalogue or Catalogue(settings), threading.Event(), "test", once=True).run()


def score_now(settings: Settings, ledger: Ledger, member: str, content: bytes | Any, **more: Any) -> Attempt:
    """Hand in, score, and read what became of it."""
    attempt = hand_in(ledger, member, content, **more)
    drain(settings, ledger)
    return ledger.attempt(attempt.id)


def do(settings: Settings, ledger: Ledger, kind: Any, **parameters: Any) -> Task:
    """Ask for a task, do it, and read its answer."""
    task = ledger.add_task(kind, NAME, "instructor", parameters)
    lease = ledger.lease_task("test")
    assert lease is not None
    assert lease.task.id == task.id
    assert do_task(settings, task.id, lease.token) == 0
    return ledger.task(task.id)


def public_mask(settings: Settings) -> np.ndarray:
    """Which rows of the toy course are public."""
    assignment = Catalogue(settings).assignment(NAME)
    return public_rows(settings, assignment.competition, assignment.solution)


def near(shift: float) -> np.ndarray:
    """Predictions that are worse the larger `shift` is."""
    return truth() + shift


def expire(settings: Settings) -> None:
    """Let all leases run out now, as a minute without a heartbeat would."""
    from datauab.ledger.engine import Database
    from datauab.ledger.tables import queue

    database = Database(settings.database)
    with database.writing() as connection:
        past = datetime(2026, 1, 1, tzinfo=UTC)
        connection.execute(queue.update().where(queue.c.token.is_not(None)).values(leased_until=past))
    database.engine.dispose()


def edit(settings: Settings, old: str, new: str) -> None:
    """Change the toy competition's description."""
    path = settings.source / NAME / "competition.toml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def wait_for(condition: Callable[[], bool], seconds: float = 90) -> None:
    """Wait until `condition` holds, and fail where it does not in time."""
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.2)
