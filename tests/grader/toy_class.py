"""A class on the toy course, and what the tests of class runs do with it; real clusters, sandboxes and gradebooks."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import nbformat
import numpy as np
from nbformat.v4 import new_code_cell
from sqlalchemy import func, select

from datauab import course
from datauab.archive import make_archive
from datauab.competition import load_competition
from datauab.grader.classroom import autograde_class
from datauab.grader.classroom_events import Begun, Graded, Summary
from datauab.ledger import Attempt, Ledger, tables
from datauab.solutions import read
from tests.autograde.toy_course import NAME, Toy, source_notebook
from tests.grader.toy_queue import public_mask

SLOW = "import time; time.sleep(600)"


def solved(shift: float, *more: str) -> list[str]:
    """Cells of a student who is wrong by `shift` of every second row."""
    return [*more, f"predictions = np.arange(40) * 1.25 + 7.0625\npredictions[::2] += {shift!r}"]


def archive(toy: Toy, cells: Sequence[str], **files: bytes) -> bytes:
    """What a student hands in whose own cells are `cells`."""
    notebook = nbformat.read(toy.settings.root / "release" / NAME / f"{NAME}.ipynb", as_version=4)
    notebook.cells = [*notebook.cells[:2], *map(new_code_cell, cells), *notebook.cells[3:]]
    return make_archive({f"{NAME}.ipynb": nbformat.writes(notebook).encode(), **files})


def submit(toy: Toy, student: str, cells: Sequence[str] | bytes, **files: bytes) -> Attempt:
    """Hand in, as the exchange does; a raw archive goes as it is."""
    blob = cells if isinstance(cells, bytes) else archive(toy, cells, **files)
    with Ledger.open(toy.settings) as ledger:
        return ledger.add_attempt(competition=NAME, member=student, blob=blob)


def expected(toy: Toy, shift: float) -> tuple[float, float]:
    """Public score and marks of `solved(shift)`, from the metric's own formula."""
    truth = read(toy.settings, NAME).array
    guess = truth.copy()
    guess[::2] += shift
    mask = public_mask(toy.settings)
    wrong, spread = (guess - truth)[mask], truth[mask]
    public = 1 - float((wrong**2).sum()) / float(((spread - spread.mean()) ** 2).sum())
    return public, 10 * float(np.clip(public, 0, 1)) + 2


@dataclass
class Told:
    """Keeps what a run tells, and stops it where a test wants that."""

    events: list[Begun | Graded] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    stop_after: int = -1

    def __call__(self, event: Begun | Graded) -> None:
        self.events.append(event)
        if len(self.graded) == self.stop_after:
            self.stop.set()

    @property
    def graded(self) -> list[Graded]:
        return [event for event in self.events if isinstance(event, Graded)]


def run(toy: Toy, told: Told | None = None, **options: Any) -> tuple[Summary, Told]:
    """Autograde the class; what it tells must fit what it sums up."""
    told = told or Told()
    summary = autograde_class(toy.settings, NAME, tell=told, stop=told.stop, workers=2, **options)
    begun = told.events[0]
    assert isinstance(begun, Begun)
    assert [event for event in told.events if isinstance(event, Begun)] == [begun]
    students = [event.student for event in told.graded]
    assert len(set(students)) == len(students) == summary.graded
    assert [event.done for event in told.graded] == list(range(1, len(students) + 1))
    assert all(event.done <= event.total <= begun.total for event in told.graded)
    assert begun.total == summary.graded + len(summary.left) + len(summary.elsewhere)
    assert begun.skipped == summary.skipped
    without = {name for name, _ in summary.failed + summary.faults}
    assert without == {event.student for event in told.graded if event.state != "scored"}
    assert all(reason for _, reason in summary.failed + summary.faults)
    assert not set(summary.left) & set(students)
    return summary, told


def attempts(toy: Toy) -> dict[str, Attempt]:
    """The newest attempt of each student."""
    with Ledger.open(toy.settings) as ledger:
        return {attempt.member: attempt for attempt in reversed(ledger.attempts(competition=NAME))}


def graded_twice(toy: Toy) -> list[int]:
    """Attempts with more than one score or more than one ending."""
    found: list[int] = []
    with Ledger.open(toy.settings) as ledger, ledger._database.reading() as connection:
        for table in (tables.score, tables.ending):
            column = table.c.attempt_id
            twice = select(column).group_by(column).having(func.count() > 1)
            found += [number for (number,) in connection.execute(twice)]
    return found


def edit_source(toy: Toy, old: str, new: str) -> None:
    """Change the source notebook's cells and generate the assignment again, as an instructor does."""
    path = toy.settings.source / NAME / f"{NAME}.ipynb"
    text = nbformat.writes(source_notebook()) if not path.is_file() else path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    load_competition(toy.settings.source / NAME)
    course.generate(toy.settings, NAME)
