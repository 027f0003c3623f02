"""nbgrader's gradebook, through its public API; the only module that imports it.

nbgrader keeps the marks; the ledger keeps attempts and scores in the same database.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, inspect, text
from sqlalchemy.engine import make_url

from datauab.settings import Settings

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
    from nbgrader.api import Gradebook

    address = url(settings)
    parsed = make_url(address)
    if parsed.get_backend_name() == "sqlite" and parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    _record_version(address)
    with Gradebook(address, course_id=settings.course) as gradebook:
        yield gradebook


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
            yield key, (float(submission.score or 0), float(submission.max_score or 0))


def _record_version(address: str) -> None:
    # nbgrader notes the version of its tables only where it finds an empty database, which the ledger's tables prevent;
    # without the note `nbgrader db upgrade` would try every migration again.
    engine = create_engine(address)
    try:
        with engine.begin() as connection:
            if inspect(connection).has_table("alembic_version"):
                return
            if inspect(connection).has_table("assignment"):
                return
            connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"))
            connection.execute(text("INSERT INTO alembic_version (version_num) VALUES (:head)"), {"head": _head()})
    finally:
        engine.dispose()


def _head() -> str:
    import nbgrader
    from alembic.script import ScriptDirectory

    return str(ScriptDirectory(str(Path(nbgrader.__file__).parent / "alembic")).get_current_head())
