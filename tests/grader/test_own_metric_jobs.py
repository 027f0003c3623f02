"""A competition's own metric is run in a process of its own, by the service, and rescored when its file changes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_notebook

from datauab.autograde.assignment import AutograderCell
from datauab.autograde.run import run_notebook
from datauab.grader.catalogue import Catalogue
from datauab.grader.service import serve
from datauab.ledger import Ledger
from datauab.settings import Settings
from datauab.task_results import RescorePreview
from tests.autograde.toy_course import NAME, graded, make_course
from tests.grader.toy_queue import do, edit, hand_in, near

pytestmark = pytest.mark.sandbox

METRIC = """
import numpy as np


def score(solution, predictions):
    if predictions[0] > 900:
        raise ValueError(f"label {solution[0]}")
    return float(np.abs(solution - predictions).mean())
"""


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    settings = make_course(tmp_path).settings
    edit(settings, 'name = "r2"\ndirection = "maximize"', 'name = "metric.py"\ndirection = "minimize"')
    (settings.source / NAME / "metric.py").write_text(METRIC, encoding="utf-8")
    monkeypatch.setenv("DATAUAB_ROOT", str(settings.root))
    return settings


@pytest.fixture
def ledger(settings: Settings) -> Iterator[Ledger]:
    with Ledger.open(settings) as opened:
        yield opened


def test_own_metrics_score_fail_and_are_rescored(settings: Settings, ledger: Ledger) -> None:
    good = hand_in(ledger, "ana", near(2))
    crash = hand_in(ledger, "ben", near(1000))
    serve(settings, threading.Event(), once=True)
    found = ledger.attempt(good.id)
    assert (found.state, found.public, found.metric) == ("scored", pytest.approx(2), "metric.py")
    failed = ledger.attempt(crash.id)
    assert (failed.state, failed.platform_fault) == ("failed", True)
    assert "label" not in (failed.reason or "")
    (told,) = ledger.audit_log(NAME)
    assert "label" in told.detail["error"]

    (settings.source / NAME / "metric.py").write_text(METRIC.replace(".mean()", ".sum()"), encoding="utf-8")
    task = do(settings, ledger, "rescore_preview")
    seen = RescorePreview.model_validate(task.result)
    assert seen.why == ("metric",)
    assert [move.attempt for move in seen.moves] == [good.id]
    ledger.add_task("rescore_apply", NAME, "instructor", seen.model_dump(include={"solution_hash", "scorer_hash"}))
    serve(settings, threading.Event(), once=True)
    assert ledger.attempt(good.id).public == pytest.approx(40)  # 20 public rows, 2 each
    assert [one.public for one in ledger.score_history(good.id)] == [pytest.approx(2), pytest.approx(40)]


def test_a_cell_reports_what_the_own_metric_gave_and_earns_marks_for_it(settings: Settings) -> None:
    edit(settings, "begin = 0.0\nfull = 1.0", "begin = 4.0\nfull = 0.0")
    assignment = Catalogue(settings).assignment(NAME)
    cells = {"score": AutograderCell("assert score == 2\nreport(score=score)", 10.0)}
    source = f"import numpy as np\npredictions = np.array({near(2).tolist()!r})"
    notebook = new_notebook(cells=[new_code_cell(source), graded("score", 10, "")])
    outcome = run_notebook(notebook, replace(assignment, cells=cells), {})
    assert outcome.scores is not None
    assert outcome.scores.metric == "metric.py"
    assert outcome.points == pytest.approx(5)
