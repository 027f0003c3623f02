"""nbgrader's gradebook, through its public API; the only module that imports it.

nbgrader keeps the marks; the ledger keeps attempts and scores in the same database.
"""

from __future__ import annotations

import functools
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DatabaseError, SAWarning

from datauab.settings import Settings

_TRIES = 5

Points = tuple[float, float]
"""Marks earned, and marks that can be earned."""


def url(settings: Settings) -> str:
    """Database URL for nbgrader: as in the settings, and on SQLite with a longer wait for other writers.

    nbgrader opens connections of its own; without this they give up after five seconds.
    """
    parsed = make_url(settings.database)
    if parsed.get_backend_name() == "sqlite" and "timeout" not in parsed.query:
        parsed = parsed.update_query_dict({"timeout": "30"})
    return parsed.render_as_string(hide_password=False)


@contextmanager
def opened(settings: Settings) -> Iterator[Any]:
    """Open nbgrader's ``Gradebook`` of the course; makes its tables and the course where they are missing."""
    address = url(settings)
    parsed = make_url(address)
    if parsed.get_backend_name() == "sqlite" and parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    with _open(address, settings.course) as gradebook:
        yield gradebook


@contextmanager
def at(address: str) -> Iterator[Any]:
    """Open nbgrader's ``Gradebook`` at a database URL that nbgrader itself handed on, as to a preprocessor."""
    from nbgrader.api import Gradebook

    with Gradebook(address) as gradebook:
        yield gradebook


@functools.cache
def share_engines() -> None:
    """Let all gradebooks that nbgrader opens in this process share one engine for each database, without its warnings.

    A conversion opens a dozen of them. Each would compile its statements anew, which takes as long as everything else
    that nbgrader does; it leaves no other place to say so.
    """
    from nbgrader import api

    api.create_engine = functools.cache(api.create_engine)
    # Of nbgrader's own way to add a submission, once for each; nobody here can heed them.
    warnings.filterwarnings("ignore", category=SAWarning, module=r"nbgrader\.")


def ensure_course(settings: Settings) -> None:
    """Make nbgrader's tables and the course's row, where they are missing."""
    with opened(settings):
        pass


def ensure_student(settings: Settings, name: str) -> None:
    """Add a student to the gradebook, where missing; what is known of one who is there stays."""
    from nbgrader.api import InvalidEntry, MissingEntry

    with opened(settings) as gradebook:
        try:
            gradebook.find_student(name)
        except MissingEntry:
            try:
                gradebook.add_student(name)
            except InvalidEntry:  # another process was faster; anything else raises in the next line
                gradebook.find_student(name)


def points(settings: Settings, assignment: str, student: str) -> Points | None:
    """Marks of one student for one assignment; None where nothing of theirs was graded."""
    return assignment_points(settings, assignment).get(student)


def assignment_points(settings: Settings, assignment: str) -> dict[str, Points]:
    """Marks of every student whose work on `assignment` was graded, by student."""
    with opened(settings) as gradebook:
        return {student: marks for (name, student), marks in _marks(gradebook) if name == assignment}


def student_points(settings: Settings, student: str) -> dict[str, Points]:
    """Marks of one student, by assignment."""
    with opened(settings) as gradebook:
        return {name: marks for (name, who), marks in _marks(gradebook) if who == student}


def all_points(settings: Settings) -> dict[tuple[str, str], Points]:
    """All marks of the course, by assignment and student."""
    with opened(settings) as gradebook:
        return dict(_marks(gradebook))


def _marks(gradebook: Any) -> Iterator[tuple[tuple[str, str], Points]]:
    for assignment in gradebook.assignments:
        for submission in gradebook.assignment_submissions(assignment.name):
            key = (str(assignment.name), str(submission.student_id))
            earned = float(submission.score or 0) - float(submission.late_submission_penalty or 0)
            yield key, (max(0.0, earned), float(submission.max_score or 0))


def set_late_share(address: str, assignment: str, notebook: str, student: str, share: float) -> None:
    """Take `share` of a graded notebook's marks off, as nbgrader's penalty for late work.

    Parameters
    ----------
    address : str
        Database URL.
    share : float
        In [0, 1].
    """
    with at(address) as gradebook:
        found = gradebook.find_submission_notebook(notebook, assignment, student)
        found.late_submission_penalty = share * float(found.score or 0) if share else None
        gradebook.db.commit()


def renew_mark(
    settings: Settings, assignment: str, student: str, cell: str, mark: float, *, late_share: float = 0.0
) -> bool:
    """Give an autograder cell of a graded notebook another mark; one that somebody gave by hand stays.

    Returns
    -------
    bool
        False where nothing of the student's was graded.
    """
    from nbgrader.api import MissingEntry

    with opened(settings) as gradebook:
        try:
            grade = gradebook.find_grade(cell, assignment, assignment, student)
        except MissingEntry:
            return False
        grade.auto_score = mark
        grade.needs_manual_grade = grade.manual_score is not None
        gradebook.db.commit()
    if late_share:
        set_late_share(url(settings), assignment, assignment, student, late_share)
    return True


def _open(address: str, course: str) -> Any:
    from nbgrader.api import Gradebook, InvalidEntry

    for left in reversed(range(_TRIES)):
        try:
            _record_version(address)
            return Gradebook(address, course_id=course)
        except (DatabaseError, InvalidEntry):  # nbgrader makes tables and course unguarded; another process was faster
            if not left:
                raise
            time.sleep(0.2)
    raise AssertionError("unreachable")


def _record_version(address: str) -> None:
    # nbgrader notes the version of its tables only where it finds an empty database, which the ledger's tables prevent;
    # without the note `nbgrader db upgrade` would try every migration again.
    engine = create_engine(address)
    try:
        with engine.connect() as connection:
            if engine.dialect.name == "sqlite":
                # Python's driver would commit the table before its row; a kill between them would leave it empty.
                connection.connection.driver_connection.isolation_level = None  # type: ignore[union-attr]
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            names = inspect(connection).get_table_names()
            if "alembic_version" in names or "assignment" in names:
                return
            connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"))
            connection.execute(text("INSERT INTO alembic_version (version_num) VALUES (:head)"), {"head": _head()})
            connection.commit()
    finally:
        engine.dispose()


def _head() -> str:
    import nbgrader
    from alembic.script import ScriptDirectory

    return str(ScriptDirectory(str(Path(nbgrader.__file__).parent / "alembic")).get_current_head())
