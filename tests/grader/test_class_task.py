"""A class run that an organiser asks for: done by the grader, with its progress told while it goes on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from sqlalchemy import select

from datauab import gradebook
from datauab.archive import make_archive
from datauab.errors import LedgerError
from datauab.grader.slots import CLASS_RUNS, TaskSlot
from datauab.grader.tasks import do_task
from datauab.ledger import Ledger, Task
from datauab.ledger.engine import Database
from datauab.ledger.tables_desk import task_progress
from datauab.settings import Settings
from datauab.task_results import ClassDone, ClassProgress
from tests.autograde.toy_course import NAME, Toy, make_course
from tests.grader.toy_queue import do, wait_for

pytestmark = pytest.mark.sandbox

RIGHT = "predictions = np.arange(40) * 1.25 + 7.0625"
BROKEN = "predictions = mistyped"


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Toy:
    toy = make_course(tmp_path)
    monkeypatch.setenv("DATAUAB_ROOT", str(toy.settings.root))
    return toy


@pytest.fixture
def settings(toy: Toy) -> Settings:
    return toy.settings


@pytest.fixture
def ledger(settings: Settings) -> Iterator[Ledger]:
    with Ledger.open(settings) as opened:
        yield opened


def hand_in(settings: Settings, ledger: Ledger, student: str, source: str) -> int:
    found = nbformat.read(settings.root / "release" / NAME / f"{NAME}.ipynb", as_version=4)
    found.cells[2].source = source
    blob = make_archive({f"{NAME}.ipynb": nbformat.writes(found).encode()})
    return ledger.add_attempt(competition=NAME, member=student, blob=blob).id


def answer(task: Task) -> ClassDone:
    assert task.state == "done", task.reason
    return ClassDone.model_validate(task.result)


def told(settings: Settings, task: Task) -> list[ClassProgress]:
    """Everything that a task said of its progress, in its order."""
    database = Database(settings.database)
    query = select(task_progress.c.progress).where(task_progress.c.task_id == task.id).order_by(task_progress.c.id)
    with database.reading() as connection:
        found = [ClassProgress.model_validate(row.progress) for row in connection.execute(query)]
    database.engine.dispose()
    return found


def test_a_class_is_graded_once_with_its_progress_and_then_only_what_is_asked_for(
    toy: Toy, settings: Settings, ledger: Ledger
) -> None:
    ana = hand_in(settings, ledger, "ana", RIGHT)
    ben = hand_in(settings, ledger, "ben", BROKEN)
    toy.hand_in("cid", [RIGHT])
    task = do(settings, ledger, "autograde", students=[], failed=False, force=False)
    first = answer(task)
    assert (first.graded, first.skipped, first.faults) == (3, 0, ())
    assert [student for student, _ in first.failed] == ["ben"]
    assert "mistyped" in first.failed[0][1]
    assert first.stages.keys() >= {"prepare", "start", "cells", "export", "score", "autograder", "write", "whole"}
    assert 0 < first.stages["cells"] <= first.stages["whole"]
    assert (ledger.attempt(ana).state, ledger.attempt(ben).state) == ("scored", "failed")
    marks = gradebook.assignment_points(settings, NAME)
    assert marks == {"ana": (pytest.approx(12), 12.0), "ben": (0.0, 12.0), "cid": (pytest.approx(12), 12.0)}
    assert ledger.audit_log(NAME)[0].action == "autograde.done"

    said = told(settings, task)
    assert [one.done for one in said] == sorted(one.done for one in said)
    assert {one.total for one in said} == {3}
    assert (said[0].done, said[0].seconds_left, said[0].newest) == (0, None, ())
    assert (said[-1].done, said[-1].failed, said[-1].seconds_left) == (3, 1, 0.0)
    last = {one.student: one for one in said[-1].newest}
    assert {student: (one.attempt, one.state) for student, one in last.items()} == {
        "ana": (ana, "scored"), "ben": (ben, "failed"), "cid": (None, "scored"),
    }  # fmt: skip
    assert "12 of 12 points" in last["ana"].text
    assert ledger.task(task.id).progress == said[-1].model_dump(mode="json"), "the newest is what the desk shows"

    again = answer(do(settings, ledger, "autograde"))
    assert (again.graded, again.skipped) == (0, 3)
    named = answer(do(settings, ledger, "autograde", students=["ana", "ben"], failed=True, force=True))
    assert (named.graded, named.skipped) == (1, 1), "only those that failed, whatever else is asked for"
    assert [student for student, _ in named.failed] == ["ben"]


def test_a_student_who_handed_nothing_in_fails_the_task_by_name(settings: Settings, ledger: Ledger) -> None:
    hand_in(settings, ledger, "ana", RIGHT)
    task = do(settings, ledger, "autograde", students=["ana", "zoe"])
    assert task.state == "failed"
    assert "zoe" in (task.reason or "")
    assert ledger.attempts(competition=NAME)[0].state == "queued", "nobody was graded"
    assert ledger.audit_log(NAME)[0].action == "autograde.failed"


def test_a_grader_that_is_told_to_stop_leaves_the_task_to_the_next_one(settings: Settings, ledger: Ledger) -> None:
    number = hand_in(settings, ledger, "ana", f"import time; time.sleep(40)\n{RIGHT}")
    task = ledger.add_task("autograde", NAME, "instructor")
    stop = threading.Event()
    slot = TaskSlot(settings, ledger, stop, "test", CLASS_RUNS)
    slot.start()
    wait_for(lambda: ledger.attempt(number).state == "running")
    stop.set()
    slot.join(60)
    assert not slot.is_alive()
    assert (ledger.task(task.id).state, ledger.attempt(number).state) == ("queued", "queued")


def test_a_run_that_an_organiser_stops_puts_back_what_runs(
    toy: Toy, settings: Settings, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATAUAB_LEASE_S", "6")
    number = hand_in(settings, ledger, "ana", f"import time; time.sleep(40)\n{RIGHT}")
    task = ledger.add_task("autograde", NAME, "instructor")
    slot = TaskSlot(
        settings.model_copy(update={"lease_s": 6.0}), ledger, threading.Event(), "test", CLASS_RUNS, once=True
    )
    slot.start()
    wait_for(lambda: ledger.attempt(number).state == "running")
    assert ledger.stop_task(task.id, "instructor")
    slot.join(60)
    assert not slot.is_alive()
    ended = ledger.task(task.id)
    assert (ended.state, ended.reason, ended.result) == ("stopped", "stopped by instructor", None)
    assert ledger.attempt(number).state == "queued"
    assert not ledger.stop_task(task.id, "instructor")


def test_who_lost_the_lease_grades_nobody(settings: Settings, ledger: Ledger) -> None:
    number = hand_in(settings, ledger, "ana", RIGHT)
    task = ledger.add_task("autograde", NAME, "instructor")
    lease = ledger.lease_task("slow")
    assert lease is not None
    assert do_task(settings, task.id, "of somebody else") == 0
    assert (ledger.task(task.id).state, ledger.attempt(number).state) == ("running", "queued")
    assert told(settings, task) == []
    ledger.fail_task(lease, "stopped")
    with pytest.raises(LedgerError, match="the lease is lost"):
        ledger.report_task(lease, {})
