"""A real course of one small competition, whose runs need numpy only."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from datauab import course, gradebook, solutions
from datauab.ledger import Attempt, Ledger
from datauab.settings import Settings

NAME = "toy"
ROWS = 40
CHECK = """### BEGIN HIDDEN TESTS
from sklearn.metrics import r2_score
HIDDEN_WORD = "mellon"
report(r2=r2_score(solution, predictions))
### END HIDDEN TESTS"""
COMPETITION = """
title = "Toy"
summary = "A line."
authors = ["A"]
date = 2026-01-01
cover = "img/cover.svg"
dataset = "toy"
public_share = 0.5
[predictions]
kind = "real"
[metric]
name = "r2"
direction = "maximize"
secondary = ["rmse"]
[[phases]]
name = "open"
opens = 2026-01-01T00:00:00Z
[points]
begin = 0.0
full = 1.0
[run]
memory_mb = 600
processes = 64
scratch_mb = 64
file_mb = 16
wall_s = 60
cpu_s = 30
predictions_mb = 1
"""
CONFIG = """
from datauab.autograde.config import configure_autograde
from datauab.course import configure_course
from datauab.settings import load_settings

c = get_config()
configure_course(c, load_settings())
configure_autograde(c)
"""


def truth() -> np.ndarray:
    return np.arange(ROWS) * 1.25 + 7.0625


def graded(name: str, points: float, source: str, *, solution: bool = False) -> Any:
    cell = new_code_cell(source)
    cell.metadata.nbgrader = {
        "schema_version": 3, "grade": not solution, "grade_id": name, "locked": not solution, "solution": solution,
        "task": False, "points": points, "cell_type": "code",
    }  # fmt: skip
    if solution:
        del cell.metadata.nbgrader["points"]
    return cell


def source_notebook() -> Any:
    return new_notebook(
        cells=[
            new_markdown_cell("# Toy"),
            new_code_cell("import numpy as np"),
            graded(
                "model", 0, "### BEGIN SOLUTION\npredictions = np.arange(40) * 1.25\n### END SOLUTION", solution=True
            ),
            graded("score", 10, CHECK),
            graded("shape", 2, "### BEGIN HIDDEN TESTS\nassert predictions.shape == (40,)\n### END HIDDEN TESTS"),
        ]
    )


@dataclass(frozen=True)
class Toy:
    """The course and what a test does with it."""

    settings: Settings

    def hand_in(self, student: str, cells: Sequence[str | Any], **files: bytes) -> Path:
        """Put the released notebook with its middle replaced by `cells` into ``submitted/``."""
        folder = self.settings.root / "submitted" / student / NAME
        folder.mkdir(parents=True)
        notebook = nbformat.read(self.settings.root / "release" / NAME / f"{NAME}.ipynb", as_version=4)
        own = [new_code_cell(cell) if isinstance(cell, str) else cell for cell in cells]
        notebook.cells = [*notebook.cells[:2], *own, *notebook.cells[2:]]
        (folder / f"{NAME}.ipynb").write_text(nbformat.writes(notebook), encoding="utf-8")
        for name, content in files.items():
            (folder / name).write_bytes(content)
        return folder

    def autograde(self, student: str, *, force: bool = False) -> Any:
        """What ``nbgrader autograde`` does; returns the autograded notebook."""
        from nbgrader.converters import Autograde

        return self._convert(Autograde, student, force).joinpath("autograded", student, NAME, f"{NAME}.ipynb")

    def grade(self, student: str, cells: Sequence[str | Any], **files: bytes) -> Any:
        """Hand in and autograde; returns the autograded notebook, read."""
        self.hand_in(student, cells, **files)
        return nbformat.read(self.autograde(student), as_version=4)

    def feedback(self, student: str) -> str:
        """What ``nbgrader generate_feedback`` writes."""
        from nbgrader.converters import GenerateFeedback

        root = self._convert(GenerateFeedback, student, True)
        return (root / "feedback" / student / NAME / f"{NAME}.html").read_text(encoding="utf-8")

    def points(self, student: str) -> tuple[float, float] | None:
        """Marks in nbgrader's gradebook."""
        return gradebook.points(self.settings, NAME, student)

    def attempt(self, student: str) -> Attempt:
        """The student's newest attempt in the ledger."""
        with Ledger.open(self.settings) as ledger:
            return ledger.attempts(competition=NAME, member=student)[0]

    def _convert(self, kind: Any, student: str, force: bool) -> Path:
        from nbgrader.coursedir import CourseDirectory

        config = course.course_config(self.settings)
        config.CourseDirectory.assignment_id = NAME
        config.CourseDirectory.student_id = student
        converter = kind(coursedir=CourseDirectory(config=config), config=config)
        converter.force = force
        with pytest.MonkeyPatch.context() as patch:  # a fixture of another module may have named another course
            patch.setenv("DATAUAB_ROOT", str(self.settings.root))
            converter.start()
        return self.settings.root


def make_course(root: Path) -> Toy:
    """Write, generate and release the toy competition below `root`."""
    folder = root / "source" / NAME
    folder.mkdir(parents=True)
    (root / "nbgrader_config.py").write_text(CONFIG, encoding="utf-8")
    (folder / "competition.toml").write_text(COMPETITION, encoding="utf-8")
    (folder / "helper.py").write_text("GIVEN = 1\n", encoding="utf-8")
    (folder / f"{NAME}.ipynb").write_text(nbformat.writes(source_notebook()), encoding="utf-8")
    settings = Settings(root=root)
    public = settings.public / NAME
    public.mkdir(parents=True)
    (public / "test.csv").write_text("x\n" + "\n".join(map(str, range(ROWS))), encoding="utf-8")
    (public / "dataset.json").write_text(json.dumps({"name": NAME, "rows": {"test": ROWS}}), encoding="utf-8")
    settings.gradebook.mkdir(mode=0o700)
    solutions.write(settings, NAME, truth(), "fingerprint")
    gradebook.ensure_course(settings)
    course.generate(settings, NAME)
    return Toy(settings)


def npy(array: Any) -> bytes:
    """`array` as a ``.npy`` file."""
    target = io.BytesIO()
    np.save(target, array, allow_pickle=False)
    return target.getvalue()
