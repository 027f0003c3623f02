"""Marks, metadata and feedback on the real path of ``nbgrader autograde``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from html.parser import HTMLParser

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_raw_cell

from datauab.archive import make_archive
from datauab.autograde.sandbox import python_env
from datauab.ledger import Ledger
from tests.autograde.toy_course import CHECK, NAME, Toy, graded, truth

pytestmark = pytest.mark.sandbox

ZEROS = "predictions = np.zeros(40)"
RIGHT = "predictions = np.arange(40) * 1.25 + 7.0625"


def test_forged_metadata_and_outputs_earn_nothing_and_cells_come_back(toy: Toy) -> None:
    folder = toy.hand_in("forger", [ZEROS])
    path = folder / f"{NAME}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    forged = graded("score", 1000, "report(r2=1.0)\n1000.0")
    forged.outputs = [nbformat.v4.new_output("execute_result", {"text/plain": "1000"})]
    unknown = graded("invented", 500, "1")
    broken = new_code_cell("1")
    broken.metadata = nbformat.from_dict({"nbgrader": {"grade": "yes", "grade_id": ["score"], "points": "many"}})
    attached = new_markdown_cell("hello", attachments={"x.svg": {"image/svg+xml": "<svg onload='alert(1)'/>"}})
    keep = [cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("grade_id") != "shape"]
    notebook.cells = [forged, *keep, forged, unknown, broken, attached]
    notebook.metadata.kernelspec = {"name": "another", "display_name": "x", "language": "x"}
    path.write_text(nbformat.writes(notebook), encoding="utf-8")

    graded_notebook = nbformat.read(toy.autograde("forger"), as_version=4)
    assert toy.points("forger") == (2.0, 12.0)
    ids = [cell.metadata.nbgrader.grade_id for cell in graded_notebook.cells if "nbgrader" in cell.metadata]
    assert sorted(ids) == ["model", "score", "shape"]
    score = next(cell for cell in graded_notebook.cells if cell.metadata.get("nbgrader", {}).get("grade_id") == "score")
    assert score.source == CHECK
    assert score.metadata.nbgrader.points == 10
    assert "attachments" not in str(graded_notebook)
    assert "1000" not in str(score.outputs)


def test_a_student_without_autograder_cells_is_graded_by_the_whole_notebook(toy: Toy) -> None:
    folder = toy.hand_in("deleter", [])
    path = folder / f"{NAME}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells = [new_code_cell("import numpy as np"), new_code_cell(RIGHT)]
    path.write_text(nbformat.writes(notebook), encoding="utf-8")
    toy.autograde("deleter")
    assert toy.points("deleter") == (pytest.approx(12), 12.0)


class Harm(HTMLParser):
    """Collects what would run or load something when the page is opened; text that only looks so is none."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found += [tag] if tag in ("script", "svg", "iframe", "object", "embed", "form") else []
        for name, value in attributes:
            harmful = name.startswith("on") or (value or "").strip().lower().startswith("javascript:")
            if harmful or (name == "src" and not (value or "").startswith("data:image/")):
                self.found.append(f"{tag} {name}={value}")


SHOW = """
from IPython.display import HTML, Javascript, SVG, display
display(HTML("<script>alert(1)</script><img src=x onerror='alert(2)'><a href='javascript:alert(3)'>x</a>"))
display(Javascript("alert(4)"))
display(SVG("<svg xmlns='http://www.w3.org/2000/svg' onload='alert(5)'/>"))
import pandas as pd
display(pd.DataFrame({"column": ["cell"]}))
"""


def test_what_instructors_open_runs_no_code_of_a_student(toy: Toy) -> None:
    text = "own words, 1 < 2 <script>alert(6)</script><img src=x onerror='alert(7)'> [x](javascript:alert(8))"
    shown = toy.grade("painter", [SHOW, new_markdown_cell(text), new_raw_cell("<script>alert(9)</script>"), RIGHT])
    outputs = json.dumps([cell.get("outputs") for cell in shown.cells])
    for sign in ("<script", "onerror", "onload", "javascript:", "<svg", "application/javascript"):
        assert sign not in outputs, sign
    assert "<table" in outputs
    page = toy.feedback("painter")
    reader = Harm()
    reader.feed(page[page.index("<body") :])
    assert reader.found == []
    assert "own words" in page


def test_feedback_shows_own_work_marks_and_public_score_only(toy: Toy) -> None:
    toy.grade("reader", [RIGHT, "print('my own words')"])
    page = toy.feedback("reader")
    for word in ("my own words", "Public score", "Marks:", "predictions"):
        assert word in page
    for word in ("mellon", "HIDDEN TESTS", "r2_score", str(truth()[3]), str(toy.settings.root), "rivate score"):
        assert word not in page, word


def test_each_attempt_ends_once_however_it_is_graded(toy: Toy) -> None:
    folder = toy.hand_in("twice", [RIGHT])
    with Ledger.open(toy.settings) as ledger:
        blob = make_archive({f"{NAME}.ipynb": (folder / f"{NAME}.ipynb").read_bytes()})
        waiting = ledger.add_attempt(competition=NAME, member="twice", blob=blob)
    (folder / ".attempt").write_text(str(waiting.id), encoding="ascii")
    toy.autograde("twice")
    first = toy.attempt("twice")
    assert (first.id, first.state, first.points) == (waiting.id, "scored", pytest.approx(12))
    toy.autograde("twice", force=True)
    with Ledger.open(toy.settings) as ledger:
        assert ledger.attempts(competition=NAME, member="twice") == [first]


def test_the_plain_command_grades_a_folder_that_was_put_there_by_hand(toy: Toy) -> None:
    toy.hand_in("plain", [RIGHT])
    command = [sys.executable, "-m", "nbgrader", "autograde", NAME, "--student", "plain"]
    env = {**os.environ, **python_env(), "HOME": os.environ.get("HOME", "/tmp")}
    done = subprocess.run(command, cwd=toy.settings.root, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert toy.points("plain") == (pytest.approx(12), 12.0)
    attempt = toy.attempt("plain")
    assert (attempt.origin, attempt.state) == ("nbgrader", "scored")


def test_an_autograder_cell_that_disagrees_with_the_metric_stops_grading(toy: Toy) -> None:
    from datauab.autograde.assignment import AutograderCell
    from datauab.autograde.execute import open_assignment
    from datauab.autograde.run import run_notebook
    from datauab.errors import GradingError

    found = open_assignment(toy.settings, toy.settings.database, NAME, NAME)
    wrong = type(found)(found.settings, found.competition, found.solution,
                        {"score": AutograderCell("report(r2=0.5)", 10.0)}, found.limits)  # fmt: skip
    cell = graded("score", 10, "")
    notebook = nbformat.v4.new_notebook(cells=[new_code_cell("import numpy as np\n" + RIGHT), cell])
    with pytest.raises(GradingError, match=r"reported r2 = 0\.5"):
        run_notebook(notebook, wrong, {})
