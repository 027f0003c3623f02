"""Grading a class: each submission once, in parallel, and again only where something has changed."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import numpy as np
import pytest

from datauab import gradebook, solutions
from datauab.archive import make_archive
from datauab.errors import ConfigurationError, GradingError
from datauab.ledger import Ledger
from datauab.settings import Settings
from tests.autograde.toy_course import NAME, Toy, make_course, truth
from tests.grader.toy_class import (
    SLOW,
    Told,
    attempts,
    edit_source,
    expected,
    graded_twice,
    run,
    solved,
    submit,
)
from tests.grader.toy_queue import edit

pytestmark = pytest.mark.sandbox

MakeToy = Callable[..., Toy]


@pytest.fixture
def make_toy(tmp_path: Path) -> Iterator[MakeToy]:
    """Give courses whose kernels start cold: for a few light notebooks that takes less than loading packages."""
    with pytest.MonkeyPatch.context() as patch:

        def make(**settings: object) -> Toy:
            for key, value in {"warm": "false", **settings, "root": tmp_path}.items():
                patch.setenv(f"DATAUAB_{key.upper()}", str(value))
            return Toy(Settings(root=make_course(tmp_path).settings.root))

        yield make


def marks(toy: Toy) -> dict[str, tuple[float, float]]:
    return gradebook.assignment_points(toy.settings, NAME)


def test_everybody_is_graded_once_and_then_only_who_has_changed(make_toy: MakeToy) -> None:
    toy = make_toy()
    shifts = {f"s{number}": 0.5 * number for number in range(5)}
    for student, shift in shifts.items():
        submit(toy, student, solved(shift))
    submit(toy, "nothing", ["x = 1"])
    submit(toy, "unreadable", make_archive({f"{NAME}.ipynb": b"{"}))
    by_hand = toy.hand_in("hand", solved(1.0))

    summary, told = run(toy)
    assert {name for name, _ in summary.failed} == {"nothing", "unreadable"}
    assert (summary.graded, summary.skipped, summary.faults) == (8, 0, [])
    reasons = dict(summary.failed)
    assert "predictions: expected a variable of this name" in reasons["nothing"]
    assert "no notebook that can be read" in reasons["unreadable"] or "JSON" in reasons["unreadable"]
    found = attempts(toy)
    for student, shift in {**shifts, "hand": 1.0}.items():
        public, points = expected(toy, shift)
        assert marks(toy)[student] == (pytest.approx(points, rel=1e-12), 12.0)
        assert (found[student].public, found[student].points) == (pytest.approx(public), pytest.approx(points))
    assert marks(toy)["nothing"] == (0.0, 12.0)
    assert (found["hand"].origin, found["nothing"].state, found["unreadable"].state) == ("nbgrader", "failed", "failed")
    assert {event.text for event in told.graded if event.student == "s0"} == {"r2 = 1.0000, 12 of 12 points"}
    with Ledger.open(toy.settings) as ledger:
        assert ledger.feedback_archive(found["s1"].id)

    again, told = run(toy)
    assert (again.graded, again.skipped, told.graded) == (0, 8, [])
    assert sorted(again.without) == ["nothing", "unreadable"]

    submit(toy, "s1", solved(2.5))
    notebook = by_hand / f"{NAME}.ipynb"
    notebook.write_text(notebook.read_text(encoding="utf-8").replace("+= 1.0", "+= 3.0"), encoding="utf-8")
    changed, told = run(toy)
    assert {event.student for event in told.graded} == {"s1", "hand"}
    assert changed.skipped == 6
    assert marks(toy)["s1"][0] == pytest.approx(expected(toy, 2.5)[1])
    assert marks(toy)["hand"][0] == pytest.approx(expected(toy, 3.0)[1])

    only, _ = run(toy, students=["s0", "s2"], force=True)
    assert (only.graded, only.skipped) == (2, 0)
    again_failed, told = run(toy, failed=True)
    assert {event.student for event in told.graded} == {"nothing", "unreadable"}
    assert again_failed.skipped == 6
    assert set(graded_twice(toy)) == {found["nothing"].id, found["unreadable"].id}  # tried again, as was asked
    with pytest.raises(ConfigurationError, match=r"nothing was handed in by nobody; expected some of hand, nothing"):
        run(toy, students=["s0", "nobody"])


def test_what_decides_a_result_makes_it_run_again(make_toy: MakeToy) -> None:
    toy = make_toy()
    submit(toy, "ana", solved(1.0))
    changes: list[Callable[[], object]] = [
        lambda: None,
        lambda: edit_source(toy, "(40,)", "(40, )"),
        lambda: (toy.settings.source / NAME / "helper.py").write_text("GIVEN = 2\n", encoding="utf-8"),
        lambda: edit(toy.settings, "wall_s = 60", "wall_s = 61"),
    ]
    for change in changes:
        change()
        assert [run(toy)[0].graded, run(toy)[0].graded] == [1, 0]
    before = attempts(toy)["ana"]
    assert marks(toy)["ana"][0] == before.points
    solutions.write(toy.settings, NAME, truth() + np.arange(40) % 3, "another")
    assert [run(toy)[0].graded, run(toy)[0].graded] == [1, 0]
    # An attempt ends once: what it scored stays, until an organiser rescores; its marks are new.
    assert attempts(toy)["ana"] == before
    assert marks(toy)["ana"][0] < (before.points or 0)


def test_the_newest_attempt_counts_even_where_it_failed_or_is_the_same_again(make_toy: MakeToy) -> None:
    toy = make_toy()
    submit(toy, "ana", solved(1.0))
    submit(toy, "ben", solved(2.0))
    assert run(toy)[0].graded == 2
    submit(toy, "ana", ["x = 1"])
    same = submit(toy, "ben", solved(2.0))
    summary, _ = run(toy)
    assert (summary.graded, [name for name, _ in summary.failed]) == (2, ["ana"])
    assert marks(toy)["ana"][0] == 0
    assert attempts(toy)["ben"].id == same.id
    assert attempts(toy)["ben"].state == "scored"
    assert run(toy)[0].graded == 0


def test_stopped_in_the_middle_it_goes_on_where_it_was(make_toy: MakeToy) -> None:
    toy = make_toy()
    names = [f"a{number}" for number in range(8)]
    for number, name in enumerate(names):
        submit(toy, name, solved(float(number)))
    submit(toy, "a-slow", [SLOW])  # the first, and one alone: two could take both slots before anybody else is graded
    edit(toy.settings, "wall_s = 60", "wall_s = 900")
    told = Told(stop_after=2)
    stopped, _ = run(toy, told)
    assert stopped.interrupted
    assert 2 <= stopped.graded < len(names)
    assert stopped.faults == []
    assert "a-slow" in stopped.left
    assert {attempts(toy)[student].state for student in stopped.left} == {"queued"}
    first = {student: attempts(toy)[student] for student in (event.student for event in told.graded)}
    done, _ = run(toy, students=names)
    assert (done.skipped, done.graded) == (stopped.graded, len(names) - stopped.graded)
    assert first == {student: attempts(toy)[student] for student in first}
    assert {attempts(toy)[name].state for name in names} == {"scored"}
    assert graded_twice(toy) == []


def test_what_somebody_else_grades_is_left_to_them_and_taken_over_once_they_are_dead(make_toy: MakeToy) -> None:
    toy = make_toy(lease_s=6)
    for student in ("ana", "ben"):
        submit(toy, student, solved(1.0))
    with Ledger.open(toy.settings) as ledger:
        lease = ledger.lease("somebody", 600, attempt_id=attempts(toy)["ana"].id)
        assert lease is not None
        summary, _ = run(toy)
        assert (summary.graded, summary.elsewhere, summary.left) == (1, ["ana"], [])
        assert attempts(toy)["ana"].state == "running"
        ledger.heartbeat(lease, 3)  # the last one: now its holder dies
        summary, _ = run(toy)
        assert (summary.graded, summary.elsewhere) == (1, [])
    assert {attempt.state for attempt in attempts(toy).values()} == {"scored"}


def test_a_broken_autograder_cell_is_nobodys_loss(make_toy: MakeToy) -> None:
    toy = make_toy()
    edit_source(toy, "report(r2=r2_score(solution, predictions))", "report(r2=0.25)")
    for student in ("ana", "ben"):
        submit(toy, student, solved(1.0))
    summary, _ = run(toy)
    assert [name for name, _ in sorted(summary.faults)] == ["ana", "ben"]
    assert all("reported r2 = 0.25, but the platform's own r2 gives" in reason for _, reason in summary.faults)
    assert marks(toy) == {}
    assert all(attempt.platform_fault for attempt in attempts(toy).values())
    assert not any("0.25" in (attempt.reason or "") for attempt in attempts(toy).values())
    edit_source(toy, "report(r2=0.25)", "report(r2=r2_score(solution, predictions))")
    assert (run(toy)[0].graded, run(toy)[0].graded) == (2, 0)
    assert {attempt.state for attempt in attempts(toy).values()} == {"scored"}
    (toy.settings.solutions / NAME / "solution.npy").unlink()
    with pytest.raises(GradingError, match="solution"):
        run(toy, force=True)


HOLD = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
connection.execute("ROLLBACK")
"""


def test_a_database_that_another_process_locks_delays_marks_and_loses_none(
    make_toy: MakeToy, caplog: pytest.LogCaptureFixture
) -> None:
    toy = make_toy()
    database = toy.settings.gradebook / "gradebook.db"
    toy = Toy(toy.settings.model_copy(update={"database": f"sqlite:///{database}?timeout=1"}))
    submit(toy, "ana", solved(1.0))
    submit(toy, "ben", solved(2.0))
    holder: list[subprocess.Popen[bytes]] = []

    def lock() -> None:
        wait_for(lambda: attempts(toy)["ana"].state == "running")
        holder.append(subprocess.Popen([sys.executable, "-c", HOLD, str(database)], stdin=-1, stdout=-1))
        assert holder[0].stdout is not None
        assert holder[0].stdout.read(4) == b"held"
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            sqlite3.connect(database, timeout=0.1).execute("CREATE TABLE x (y)")
        wait_for(lambda: "nbgrader failed" in caplog.text)  # it waits for one second only
        holder[0].communicate()

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATAUAB_DATABASE", toy.settings.database)
        locking = threading.Thread(target=lock)
        locking.start()
        summary, _ = run(toy)
        locking.join()
    assert holder[0].returncode == 0
    assert "trying again in" in caplog.text
    assert (summary.graded, summary.faults, summary.failed) == (2, [], [])
    assert graded_twice(toy) == []
    assert marks(toy)["ana"][0] == pytest.approx(expected(toy, 1.0)[1])
    assert marks(toy)["ben"][0] == pytest.approx(expected(toy, 2.0)[1])


def wait_for(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.05)


def test_kernels_that_are_forked_give_the_same_marks(make_toy: MakeToy) -> None:
    toy = make_toy(warm="true")
    for number in range(3):
        submit(toy, f"s{number}", solved(float(number), "import sys; assert 'seaborn' in sys.modules"))
    notebook = nbformat.read(toy.settings.root / "release" / NAME / f"{NAME}.ipynb", as_version=4)
    summary, _ = run(toy)
    assert len(notebook.cells) > 3
    assert (summary.graded, summary.failed, summary.faults) == (3, [], [])
    for number in range(3):
        assert marks(toy)[f"s{number}"][0] == pytest.approx(expected(toy, float(number))[1], rel=1e-12)
