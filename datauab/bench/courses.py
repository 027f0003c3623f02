"""The two classes of notebooks that autograding is measured with, each as a course of the club's and of stock nbgrader.

Both courses hold the same source and the same submissions. In the stock course the autograder cell reads the labels
from a file, as it has to without a trusted kernel.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datauab.autograde.sandbox import python_env
from datauab.errors import ClubError, DataError
from datauab.settings import Settings

LINEAR, GOT = "linear", "got"
_ROWS = 200
_IMPORTS = """
import numpy as np
import pandas as pd
import sklearn
import seaborn as sns
import matplotlib.pyplot as plt
import torch
import torchvision
"""
_MODEL = f"""
from sklearn.linear_model import LinearRegression
rng = np.random.default_rng(0)
x = rng.normal(size=(1000, 5))
y = x @ np.arange(5) + rng.normal(size=1000)
model = LinearRegression().fit(x, y)
predictions = model.predict(rng.normal(size=({_ROWS}, 5)))
"""
_FIGURES = (
    "sns.scatterplot(x=x[:, 0], y=y)\nplt.title('One feature')\nplt.show()",
    "plt.hist(y - model.predict(x), bins=30)\nplt.title('Residuals')\nplt.show()",
)
_CHECK = """### BEGIN HIDDEN TESTS
from sklearn.metrics import r2_score
report(r2=r2_score(solution, predictions))
### END HIDDEN TESTS"""
_COMPETITION = f"""
title = "A linear model"
summary = "What a light notebook costs."
authors = ["Data UAB"]
date = 2026-01-01
cover = "img/cover.svg"
dataset = "{LINEAR}"
public_share = 0.5
predictions = {{kind = "real"}}
metric = {{name = "r2", direction = "maximize"}}
phases = [{{name = "open", opens = 2026-01-01T00:00:00Z}}]
quotas = {{daily_scored = 1000000, daily_attempts = 1000000}}
points = {{begin = -1.0, full = 1.0}}
"""
_CLUB = """
from datauab.autograde.config import configure_autograde
from datauab.course import configure_course
from datauab.settings import load_settings

c = get_config()
configure_course(c, load_settings())
configure_autograde(c)
"""
_STOCK = """
c = get_config()
c.CourseDirectory.course_id = "data-uab"
c.CourseDirectory.db_url = {url!r}
c.Execute.timeout = 900
"""
_STOCK_LABELS = """### BEGIN HIDDEN TESTS
import numpy as np
solution = np.load({path!r})
def report(**values): pass
"""


@dataclass(frozen=True)
class Course:
    """A course of one assignment, with its submissions.

    Attributes
    ----------
    public : Path
        Folder of public data that notebooks read.
    """

    name: str
    settings: Settings
    public: Path
    is_club: bool

    @property
    def root(self) -> Path:
        """The course's root."""
        return self.settings.root

    def run(self, *arguments: str) -> float:
        """Run ``python -m`` with `arguments` in the course; returns its wall time in seconds.

        Raises
        ------
        ClubError
            Where it ends with another status than 0.
        """
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", *arguments], cwd=self.root, env=self.environment(), capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        seconds = time.monotonic() - began
        if done.returncode != 0:
            said = (done.stdout + done.stderr)[-2000:]
            raise ClubError(f"bench: {' '.join(arguments)} ended with {done.returncode}, expected 0: {said}")
        return seconds

    def environment(self) -> dict[str, str]:
        """Environment of the course's processes."""
        passed = ("OPENBLAS_CORETYPE", "OMP_NUM_THREADS", "SLURM_CONF")
        return {
            **python_env(), **{name: os.environ[name] for name in passed if name in os.environ},
            "HOME": str(self.root), "DATAUAB_ROOT": str(self.root), "DATAUAB_PUBLIC": str(self.public),
        }  # fmt: skip

    def hand_in(self, students: int) -> None:
        """Put one notebook of each student into ``submitted/``; they differ in a comment."""
        for number in range(students):
            folder = self.root / "submitted" / f"student{number:03}" / self.name
            folder.mkdir(parents=True)
            (folder / f"{self.name}.ipynb").write_text(self.solved(number), encoding="utf-8")

    def solved(self, number: int) -> str:
        """The source with its solutions, as student `number` could have written it."""
        import nbformat

        notebook = nbformat.read(self.root / "source" / self.name / f"{self.name}.ipynb", as_version=4)
        for cell in notebook.cells:
            marked = cell.metadata.get("nbgrader", {})
            if cell.cell_type == "code" and marked.get("solution") and not marked.get("grade"):
                cell.source += f"\n# student {number}"
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
        return str(nbformat.writes(notebook))

    def graded(self) -> int:
        """How many submissions have an autograded notebook."""
        return len(list(self.root.glob(f"autograded/*/{self.name}/{self.name}.ipynb")))


def linear_course(root: Path, *, club: bool) -> Course:
    """Notebooks that import the course's packages, fit a linear model and draw two figures, in an empty folder."""
    source = root / "source" / LINEAR
    source.mkdir(parents=True)
    (source / "competition.toml").write_text(_COMPETITION, encoding="utf-8")
    (source / f"{LINEAR}.ipynb").write_text(_linear_source(), encoding="utf-8")
    course = Course(LINEAR, Settings(root=root), root / ".club" / "public", club)
    (course.public / LINEAR).mkdir(parents=True)
    described = {"title": LINEAR, "stand_in": False, "rows": {"test": _ROWS}}
    (course.public / LINEAR / "dataset.json").write_text(json.dumps(described), encoding="utf-8")
    _begin(course, np.random.default_rng(1).normal(size=_ROWS), "bench")
    return course


def got_course(root: Path, settings: Settings, *, club: Course | None = None) -> Course:
    """The reference notebook of Game of Thrones on real data, in an empty folder.

    Parameters
    ----------
    settings : Settings
        Of the deployment whose source and raw data are used.
    club : Course, optional
        The club's course, beside which a stock course is made with the same data.

    Raises
    ------
    DataError
        Where the raw data is not at hand: a stand-in has another size.
    """
    from datauab import datasets, solutions

    shutil.copytree(settings.source / GOT, root / "source" / GOT)
    if club is not None:
        course = Course(GOT, Settings(root=root), club.public, is_club=False)
        _begin(course, solutions.read(club.settings, GOT).array, "bench")
        return course
    own = Settings(root=root, raw=settings.raw)
    own.gradebook.mkdir(mode=0o700)
    secret = solutions.ensure_secret(own, "split")
    prepared = datasets.prepare(own, GOT, secret, lambda *_: None, stand_in=False, download=False)
    if prepared.stand_in:
        raise DataError(
            "bench autograde: expected the raw data of Game of Thrones, found none; set DATAUAB_RAW to its folder"
        )
    course = Course(GOT, own, own.public, is_club=True)
    _begin(course, prepared.solution, prepared.fingerprint)
    return course


def _begin(course: Course, truth: NDArray[Any], fingerprint: str) -> None:
    from datauab import solutions

    settings = course.settings
    settings.gradebook.mkdir(mode=0o700, exist_ok=True)
    if course.is_club:
        config = _CLUB
        solutions.write(settings, course.name, truth, fingerprint)
    else:
        config = _STOCK.format(url=settings.database)
        labels = course.root / "labels.npy"
        np.save(labels, truth)
        _read_labels(course, labels)
    (course.root / "nbgrader_config.py").write_text(config, encoding="utf-8")
    course.run("nbgrader", "generate_assignment", course.name)


def _read_labels(course: Course, labels: Path) -> None:
    path = course.root / "source" / course.name / f"{course.name}.ipynb"
    text = path.read_text(encoding="utf-8")
    begins = json.dumps(_STOCK_LABELS.format(path=str(labels)))[1:-1]
    marker = json.dumps("### BEGIN HIDDEN TESTS\n")[1:-1]
    if marker not in text:
        raise ClubError(f"{path}: expected an autograder cell with hidden tests, found none")
    path.write_text(text.replace(marker, begins), encoding="utf-8")


def _linear_source() -> str:
    import nbformat
    from nbformat.v4 import new_code_cell, new_notebook

    shared: Mapping[str, Any] = {"schema_version": 3, "task": False, "cell_type": "code"}
    solved = new_code_cell(f"### BEGIN SOLUTION{_MODEL}### END SOLUTION")
    solved.metadata.nbgrader = {**shared, "grade_id": "model", "grade": False, "solution": True, "locked": False}
    graded = new_code_cell(_CHECK)
    graded.metadata.nbgrader = {
        **shared, "grade_id": "score", "grade": True, "solution": False, "locked": True, "points": 10,
    }  # fmt: skip
    cells = [new_code_cell(_IMPORTS), solved, *map(new_code_cell, _FIGURES), graded]
    return str(nbformat.writes(new_notebook(cells=cells)))
