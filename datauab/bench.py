"""Measurements, side by side with what the club replaces."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from datauab.autograde.sandbox import python_env
from datauab.errors import ClubError
from datauab.settings import Settings

_NAME = "linear"
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
{check}
### END HIDDEN TESTS"""
_COMPETITION = """
title = "A linear model"
summary = "What a light notebook costs."
authors = ["Data UAB"]
date = 2026-01-01
cover = "img/cover.svg"
dataset = "linear"
public_share = 0.5
predictions = {kind = "real"}
metric = {name = "r2", direction = "maximize"}
phases = [{name = "open", opens = 2026-01-01T00:00:00Z}]
points = {begin = -1.0, full = 1.0}
"""
_CLUB = """
from datauab.autograde.config import configure_autograde
c = get_config()
c.CourseDirectory.course_id = "data-uab"
c.CourseDirectory.db_url = {url!r}
configure_autograde(c)
"""
_STOCK = """
c = get_config()
c.CourseDirectory.course_id = "data-uab"
c.CourseDirectory.db_url = {url!r}
c.Execute.timeout = 300
"""


@dataclass(frozen=True)
class Figure:
    """One number of a benchmark."""

    name: str
    value: float
    unit: str


def bench_autograde(submissions: int = 8) -> list[Figure]:
    """Grade a class of light notebooks through both kernels and through stock ``nbgrader autograde``, one by one.

    Each notebook imports numpy, pandas, scikit-learn, seaborn, matplotlib, torch and torchvision, fits a linear model
    and draws two figures.

    Parameters
    ----------
    submissions : int
        Notebooks of the class.

    Returns
    -------
    list of Figure
        Seconds a submission on either path, ``linear.ratio`` (throughput over stock's), and the mean seconds of each
        stage of this path.

    Raises
    ------
    ClubError
        Where either path fails to grade the class.
    """
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        club, log = _time_course(Path(folder) / "club", submissions, club=True)
        stock, _ = _time_course(Path(folder) / "stock", submissions, club=False)
    stages = [json.loads(found) for found in re.findall(r"Seconds by stage: (\{.*\})", log)]
    if len(stages) != submissions:
        raise ClubError(f"bench autograde: expected {submissions} graded notebooks, found {len(stages)}: {log[-2000:]}")
    figures = [
        Figure("linear.club", club / submissions, "s/submission"),
        Figure("linear.stock", stock / submissions, "s/submission"),
        Figure("linear.ratio", stock / club, "times stock's throughput"),
    ]
    inside = sum(stage.get("whole", 0.0) for stage in stages) / submissions
    for name in ("start", "cells", "export", "score", "autograder"):
        figures.append(Figure(f"linear.stage.{name}", sum(stage.get(name, 0.0) for stage in stages) / submissions, "s"))
    figures.append(Figure("linear.stage.convert", club / submissions - inside, "s"))
    return figures


def _time_course(root: Path, submissions: int, *, club: bool) -> tuple[float, str]:
    settings = _make_course(root, club=club)
    _nbgrader(root, "generate_assignment", _NAME)
    released = root / "release" / _NAME / f"{_NAME}.ipynb"
    for number in range(submissions):
        folder = root / "submitted" / f"student{number}" / _NAME
        folder.mkdir(parents=True)
        (folder / released.name).write_text(_solved(released.read_text(encoding="utf-8")), encoding="utf-8")
    began = time.monotonic()
    log = _nbgrader(root, "autograde", _NAME)
    seconds = time.monotonic() - began
    graded = len(list((settings.root / "autograded").glob(f"*/{_NAME}/{_NAME}.ipynb")))
    if graded != submissions:
        raise ClubError(f"bench autograde: expected {submissions} graded notebooks, found {graded}: {log[-2000:]}")
    return seconds, log


def _make_course(root: Path, *, club: bool) -> Settings:
    from datauab import solutions

    source = root / "source" / _NAME
    source.mkdir(parents=True)
    settings = Settings(root=root)
    settings.gradebook.mkdir(mode=0o700)
    truth = np.random.default_rng(1).normal(size=_ROWS)
    check = "report(r2=r2_score(solution, predictions))"
    if not club:
        labels = root / "labels.npy"
        np.save(labels, truth)
        check = f"assert r2_score(np.load({str(labels)!r}), predictions) > -100"
    solutions.write(settings, _NAME, truth, "bench")
    (source / "competition.toml").write_text(_COMPETITION, encoding="utf-8")
    (source / f"{_NAME}.ipynb").write_text(_source(check), encoding="utf-8")
    config = (_CLUB if club else _STOCK).format(url=settings.database)
    (root / "nbgrader_config.py").write_text(config, encoding="utf-8")
    return settings


def _source(check: str) -> str:
    import nbformat
    from nbformat.v4 import new_code_cell, new_notebook

    shared: Mapping[str, Any] = {"schema_version": 3, "task": False, "cell_type": "code"}
    solved = new_code_cell(f"### BEGIN SOLUTION{_MODEL}### END SOLUTION")
    solved.metadata.nbgrader = {**shared, "grade_id": "model", "grade": False, "solution": True, "locked": False}
    graded = new_code_cell(_CHECK.format(check=check))
    graded.metadata.nbgrader = {
        **shared, "grade_id": "score", "grade": True, "solution": False, "locked": True, "points": 10,
    }  # fmt: skip
    cells = [new_code_cell(_IMPORTS), solved, *map(new_code_cell, _FIGURES), graded]
    return str(nbformat.writes(new_notebook(cells=cells)))


def _solved(released: str) -> str:
    import nbformat

    notebook = nbformat.reads(released, as_version=4)
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("grade_id") == "model":
            cell.source = _MODEL
    return str(nbformat.writes(notebook))


def _nbgrader(root: Path, *arguments: str) -> str:
    env = {**python_env(), "HOME": str(root), "DATAUAB_ROOT": str(root)}
    done = subprocess.run(
        [sys.executable, "-m", "nbgrader", *arguments], cwd=root, env=env, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise ClubError(f"bench: nbgrader {' '.join(arguments)} failed: {done.stderr[-2000:]}")
    return done.stderr
