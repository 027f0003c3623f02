"""nbgrader's gradebook: its own tables, its own version, and the marks in it."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from datauab import gradebook
from datauab.ledger import Ledger
from datauab.settings import Settings


@pytest.fixture
def deployment(tmp_path: Path) -> Settings:
    settings = Settings(root=tmp_path)
    Ledger.open(settings).close()
    return settings


def test_a_student_is_added_once_by_threads_that_race(deployment):
    gradebook.ensure_course(deployment)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: gradebook.ensure_student(deployment, "ana"), range(12)))
    with gradebook.opened(deployment) as opened:
        assert [student.id for student in opened.students] == ["ana"]


def _join(root: Path, name: str) -> None:
    gradebook.ensure_student(Settings(root=root), name)


def test_processes_that_open_a_new_gradebook_at_once_all_succeed(tmp_path):
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_join, args=(tmp_path, f"m{index % 2}")) for index in range(5)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    with gradebook.opened(Settings(root=tmp_path)) as opened:
        assert sorted(student.id for student in opened.students) == ["m0", "m1"]


def test_a_students_data_survives_a_second_call(deployment):
    with gradebook.opened(deployment) as opened:
        opened.add_student("ana", first_name="Ana", email="ana@example.org")
    gradebook.ensure_student(deployment, "ana")
    with gradebook.opened(deployment) as opened:
        assert opened.find_student("ana").first_name == "Ana"


def grade(deployment: Settings, assignment: str, marks: dict[str, float]) -> None:
    with gradebook.opened(deployment) as opened:
        opened.add_assignment(assignment)
        opened.add_notebook(assignment, assignment)
        for cell in ("first", "second"):
            opened.add_grade_cell(cell, assignment, assignment, max_score=5, cell_type="code")
        for student, mark in marks.items():
            opened.update_or_create_student(student)
            opened.add_submission(assignment, student)
            found = opened.find_grade("first", assignment, assignment, student)
            found.auto_score = mark
            opened.db.commit()


def test_marks_are_read_by_assignment_by_student_and_all(deployment):
    grade(deployment, "got", {"ana": 4.5, "bo": 0.0})
    grade(deployment, "mnist", {"ana": 3.0})
    assert gradebook.points(deployment, "got", "ana") == (4.5, 10.0)
    assert gradebook.points(deployment, "mnist", "bo") is None
    assert gradebook.points(deployment, "nothing", "ana") is None
    assert gradebook.assignment_points(deployment, "got") == {"ana": (4.5, 10.0), "bo": (0.0, 10.0)}
    assert gradebook.student_points(deployment, "ana") == {"got": (4.5, 10.0), "mnist": (3.0, 10.0)}
    assert gradebook.all_points(deployment) == {
        ("got", "ana"): (4.5, 10.0),
        ("got", "bo"): (0.0, 10.0),
        ("mnist", "ana"): (3.0, 10.0),
    }


def test_nbgraders_connections_wait_for_the_ledgers_writers(deployment):
    with gradebook.opened(deployment) as opened:
        raw = opened.engine.raw_connection()
        assert raw.cursor().execute("PRAGMA busy_timeout").fetchone() == (30_000,)
        assert raw.cursor().execute("PRAGMA journal_mode").fetchone() == ("wal",)
        raw.close()


def test_an_address_that_names_its_own_wait_keeps_it(tmp_path):
    given = f"sqlite:///{tmp_path}/g.db?timeout=7"
    assert gradebook.url(Settings(root=tmp_path, database=given)) == given
    server = "postgresql://club:pass@db/club"
    assert gradebook.url(Settings(root=tmp_path, database=server)) == server


def test_nbgrader_finds_its_tables_up_to_date(deployment):
    gradebook.ensure_course(deployment)
    path = deployment.gradebook / "gradebook.db"
    copy = deployment.root / "gradebook.db"
    shutil.copy(path, copy)
    command = [sys.executable, "-m", "nbgrader", "db", "upgrade", f"--db=sqlite:///{copy}"]
    # nbgrader calls the `alembic` of its environment by name
    where = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(command, cwd=deployment.root, env=where, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with sqlite3.connect(copy) as connection:
        assert connection.execute("SELECT count(*) FROM alembic_version").fetchone() == (1,)
