"""The same honest submissions earn the same marks here as with stock nbgrader, to the last digit.

Stock runs everything in one kernel, so its autograder cells read the labels from a file and compute the points of the
metric themselves. Left out is what differs on purpose: a warning on stderr costs stock's mark and none here; a notebook
without predictions earns nothing here, also from cells that do not look at them; an autograder cell that a student
moved runs here when the predictions are there; stock fails on a notebook with a doubled cell, and asks a person to look
at an answer that was deleted, which counts as "no response" here.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from datauab import course, gradebook
from datauab.autograde.sandbox import python_env
from datauab.grader.classroom import autograde_class
from datauab.settings import Settings
from tests.autograde.toy_course import COMPETITION, CONFIG, NAME, graded, make_course, truth

pytestmark = pytest.mark.sandbox

STOCK = """
c = get_config()
c.CourseDirectory.course_id = "data-uab"
c.CourseDirectory.db_url = {url!r}
c.OverwriteCells.add_missing_cells = True
"""
LATE = '\nc.LateSubmissionPlugin.penalty_method = "zero"\n'
HIDDEN = "### BEGIN HIDDEN TESTS\n{}\n### END HIDDEN TESTS"
# By name: points, and what the cell does; both courses have the same.
CHECKS: dict[str, tuple[float, str]] = {
    "all_right": (2, "assert (predictions == solution).all()"),
    "shape": (0.7, "assert predictions.shape == (40,)"),
    "share": (4, "4 * float((predictions[:9] == solution[:9]).mean())"),
    "thirds": (3, "1 / 3 if predictions[0] > 7 else 2 / 3"),
    "whole": (5, "int(predictions[1] == solution[1]) * 3"),
    "nothing": (1, "0.0"),
    "most": (1.1, "1.1"),
    "numpy": (2, "np.float64(0.5)"),
    "words": (1, "'well done'"),
    "yes": (1, "bool(predictions[0] > 0)"),
    "below": (1, "-1.0 if predictions[0] < 0 else 0.25"),
    "not_a_number": (1, "float('nan')"),
    "quiet": (1, "0.5;"),
    "none": (1, "0.5\nNone"),
    "shown": (1.5, "from IPython.display import display\ndisplay('0.1')\n0.75"),
    "printed": (1, "print(0.25)"),
    "raises": (1, "if predictions[0] < 0:\n    raise ValueError('no')"),
    "loud": (1, "if predictions[0] < 0:\n    raise KeyError('no')\n0.125"),
    "syntax": (1, "1 +"),
}
PERFECT = "predictions = np.arange(40) * 1.25 + 7.0625"


def answer(name: str, points: float, cell: Any, **more: Any) -> Any:
    cell.metadata.nbgrader = {
        "schema_version": 3, "grade": True, "grade_id": name, "locked": False, "solution": True, "task": False,
        "points": points, "cell_type": cell.cell_type, **more,
    }  # fmt: skip
    return cell


def source(labels: Path | None) -> str:
    """The assignment; the stock one where it reads labels from a file."""
    ready = "" if labels is None else f"import numpy as np\nsolution = np.load({str(labels)!r})\n"
    score = "from sklearn.metrics import r2_score\n"
    if labels is None:
        score += "report(r2=r2_score(solution, predictions))"
    else:
        score += "10.0 * min(1.0, max(0.0, float(r2_score(solution, predictions))))"
    cells = [
        new_markdown_cell("# Toy"),
        new_code_cell("import numpy as np"),
        graded("model", 0, f"### BEGIN SOLUTION\n{PERFECT}\n### END SOLUTION", solution=True),
        graded("score", 10, HIDDEN.format(ready + score)),
        *(graded(name, points, HIDDEN.format(ready + text)) for name, (points, text) in CHECKS.items()),
        answer("own_code", 5, new_code_cell("def own():\n    ### BEGIN SOLUTION\n    return 1\n    ### END SOLUTION")),
        answer("essay", 3, new_markdown_cell("Say why.")),
        answer("task", 2, new_markdown_cell("Draw it."), grade=False, solution=False, task=True, locked=True),
    ]
    return nbformat.writes(new_notebook(cells=cells))


Change = Callable[[list[Any]], list[Any]]


def named(cells: list[Any], name: str) -> int:
    found = [cell.metadata.get("nbgrader", {}).get("grade_id") for cell in cells]
    return found.index(name)


def model(text: str) -> Change:
    def change(cells: list[Any]) -> list[Any]:
        cells[named(cells, "model")].source = text
        return cells

    return change


def answered(cells: list[Any]) -> list[Any]:
    model(PERFECT)(cells)
    cells[named(cells, "own_code")].source = "def own():\n    return 2"
    cells[named(cells, "essay")].source = "Because 1 < 2 and *that* is all."
    cells[named(cells, "task")].source += "\n\nDrawn."
    return [*cells, new_code_cell("own()"), new_markdown_cell("More.")]


def deleted(*names: str) -> Change:
    def change(cells: list[Any]) -> list[Any]:
        model(PERFECT + "\npredictions[3] += 1")(cells)
        return [cell for cell in cells if cell.metadata.get("nbgrader", {}).get("grade_id") not in names]

    return change


def doubled(cells: list[Any]) -> list[Any]:
    model(PERFECT)(cells)
    place = named(cells, "share")
    twin = nbformat.from_dict(cells[place])
    twin.id, twin.source = "twin", "raise ValueError('mine')"
    return [*cells[: place + 1], twin, *cells[place + 1 :]]


def edited(cells: list[Any]) -> list[Any]:
    model(PERFECT + "\npredictions[5:] -= 0.5")(cells)
    cells[named(cells, "all_right")].source = "1000.0"
    cells[named(cells, "thirds")].metadata.nbgrader["points"] = 300
    return cells


STUDENTS: dict[str, Change] = {
    "perfect": model(PERFECT),
    "near": model(PERFECT + "\npredictions[::2] += 0.37"),
    "far": model("predictions = np.linspace(3, 11, 40)"),
    "negative": model("predictions = -np.ones(40)"),
    "lists": model("predictions = [1.25 * n + 7.0625 for n in range(40)]\npredictions = np.array(predictions)"),
    "raising": lambda cells: [*cells[:2], new_code_cell("1 / 0"), *model(PERFECT)(cells)[2:], new_code_cell("nope")],
    "answered": answered,
    "deleted": deleted("shape", "share"),
    "edited": edited,
    "helper": model("from helper import GIVEN\nrng = np.random.default_rng(GIVEN)\n" + PERFECT + "\n"
                    "predictions = predictions + rng.normal(size=40)"),
    "late": model(PERFECT + "\npredictions[0] += 3"),
}  # fmt: skip


@dataclass
class Pair:
    """The club's course, and stock nbgrader's beside it."""

    settings: Settings
    stock: Settings

    def nbgrader(self, settings: Settings, *arguments: str) -> str:
        env = {**os.environ, **python_env(), "HOME": str(settings.root), "DATAUAB_ROOT": str(settings.root)}
        command = [sys.executable, "-m", "nbgrader", *arguments]
        done = subprocess.run(command, cwd=settings.root, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stderr

    def agree(self) -> dict[str, Any]:
        """Everything that both gradebooks say, which must be the same."""
        club, stock = said(self.settings), said(self.stock)
        assert set(club) == set(stock) == set(STUDENTS)
        for student, found in club.items():
            assert found == stock[student], student
        return club


def said(settings: Settings) -> dict[str, Any]:
    """Every mark, comment and penalty of the gradebook, by student."""
    found = {}
    with gradebook.opened(settings) as book:
        for submission in book.assignment_submissions(NAME):
            (notebook,) = submission.notebooks
            grades = {
                grade.cell.name: (grade.auto_score, grade.manual_score, grade.extra_credit, grade.score,
                                  grade.max_score, bool(grade.needs_manual_grade), grade.failed_tests)
                for grade in notebook.grades
            }  # fmt: skip
            comments = {item.cell.name: (item.auto_comment, item.manual_comment) for item in notebook.comments}
            found[submission.student_id] = {
                "grades": grades, "comments": comments, "penalty": notebook.late_submission_penalty,
                "late": submission.total_seconds_late, "score": (submission.score, submission.max_score),
                "parts": (submission.code_score, submission.written_score, submission.task_score),
                "manual": bool(submission.needs_manual_grade),
            }  # fmt: skip
    return found


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with pytest.MonkeyPatch.context() as patch:
        root = tmp_path_factory.mktemp("club")
        patch.setenv("DATAUAB_ROOT", str(root))
        patch.setenv("DATAUAB_WARM", "false")
        settings = make_course(root).settings
        folder = settings.source / NAME
        (folder / "competition.toml").write_text(COMPETITION.replace("[points]", '[points]\nrows = "all"'))
        (folder / f"{NAME}.ipynb").write_text(source(None), encoding="utf-8")
        (root / "nbgrader_config.py").write_text(CONFIG + LATE, encoding="utf-8")
        course.generate(settings, NAME)
        made = Pair(Settings(root=root), stock_course(tmp_path_factory.mktemp("stock")))
        made.nbgrader(made.stock, "generate_assignment", NAME)
        for one in (made.settings, made.stock):
            with gradebook.opened(one) as book:
                book.update_or_create_assignment(NAME, duedate="2026-01-01 12:00:00")
            for student, change in STUDENTS.items():
                hand_in(one, student, change)
        yield made


def stock_course(root: Path) -> Settings:
    folder = root / "source" / NAME
    folder.mkdir(parents=True)
    settings = Settings(root=root)
    settings.gradebook.mkdir()
    np.save(root / "labels.npy", truth())
    (folder / "helper.py").write_text("GIVEN = 1\n", encoding="utf-8")
    (folder / f"{NAME}.ipynb").write_text(source(root / "labels.npy"), encoding="utf-8")
    (root / "nbgrader_config.py").write_text(STOCK.format(url=settings.database) + LATE, encoding="utf-8")
    return settings


def hand_in(settings: Settings, student: str, change: Change) -> None:
    folder = settings.root / "submitted" / student / NAME
    folder.mkdir(parents=True)
    notebook = nbformat.read(settings.root / "release" / NAME / f"{NAME}.ipynb", as_version=4)
    notebook.cells = change(notebook.cells)
    (folder / f"{NAME}.ipynb").write_text(nbformat.writes(notebook), encoding="utf-8")
    day = "2026-01-03" if student == "late" else "2026-01-01"
    (folder / "timestamp.txt").write_text(f"{day} 10:30:00.000000 UTC", encoding="utf-8")


def test_every_mark_equals_stock_nbgraders_before_and_after_manual_grading(pair: Pair) -> None:
    # Everybody in warm kernels, as by default; what follows for a few is quicker in cold ones.
    summary = autograde_class(pair.settings.model_copy(update={"warm": True}), NAME, workers=2)
    assert (summary.graded, summary.failed, summary.faults) == (len(STUDENTS), [], [])
    pair.nbgrader(pair.stock, "autograde", NAME)
    club = pair.agree()
    # What agrees is what was meant: partial credit, asserts, manual cells, penalties.
    perfect = club["perfect"]["grades"]
    meant = {"score": 10.0, "all_right": 2.0, "share": 4.0, "thirds": 1 / 3, "numpy": 2.0, "quiet": 1.0, "syntax": 0.0}
    assert {name: perfect[name][0] for name in meant} == meant
    assert 0 < club["near"]["grades"]["score"][0] < 10
    assert club["near"]["grades"]["share"][0] == 4 * (4 / 9)
    assert club["negative"]["grades"]["below"][0] == 1.0
    assert (perfect["essay"][0], club["answered"]["grades"]["essay"][0]) == (0.0, None)
    assert (club["perfect"]["manual"], club["answered"]["manual"]) == (True, True)
    assert {student for student, found in club.items() if found["penalty"]} == {"late"}

    for settings in (pair.settings, pair.stock):
        grade_by_hand(settings)
    by_hand = pair.agree()["answered"]["grades"]
    assert (by_hand["essay"][1], by_hand["essay"][5]) == (2.5, False)

    # Graded again, by the club and by the formgrader's own command, what was given by hand stays.
    again = autograde_class(pair.settings, NAME, students=["answered", "near"], force=True, workers=2)
    assert (again.graded, again.failed, again.faults) == (2, [], [])
    pair.nbgrader(pair.stock, "autograde", NAME, "--student", "answered", "--force")
    pair.nbgrader(pair.stock, "autograde", NAME, "--student", "near", "--force")
    regraded = pair.agree()
    assert regraded["answered"]["grades"]["essay"][1] == 2.5
    assert regraded["near"]["grades"]["score"][1] == 9.5
    pair.nbgrader(pair.settings, "autograde", NAME, "--student", "near", "--force")
    assert pair.agree() == regraded
    unchanged = autograde_class(pair.settings, NAME, workers=2)
    assert (unchanged.graded, unchanged.skipped) == (0, len(STUDENTS))
    pair.nbgrader(pair.settings, "generate_feedback", NAME, "--student", "answered")
    page = (pair.settings.root / "feedback" / "answered" / NAME / f"{NAME}.html").read_text(encoding="utf-8")
    for word in ("Well reasoned.", "2.5", "More."):
        assert word in page
    assert "solution[:9]" not in page
    hand_in(pair.settings, "doubled", doubled)
    assert autograde_class(pair.settings, NAME, workers=1).graded == 1
    assert said(pair.settings)["doubled"]["grades"] == regraded["perfect"]["grades"]


def grade_by_hand(settings: Settings) -> None:
    """What the formgrader saves when an instructor types a mark."""
    with gradebook.opened(settings) as book:
        for cell, student, score in (("essay", "answered", 2.5), ("own_code", "answered", 5.0), ("score", "near", 9.5)):
            grade = book.find_grade(cell, NAME, NAME, student)
            grade.manual_score, grade.needs_manual_grade = score, False
        book.find_comment("essay", NAME, NAME, "answered").manual_comment = "Well reasoned."
        book.db.commit()


def test_a_cell_that_gives_more_than_its_points_stops_both(pair: Pair) -> None:
    for settings in (pair.settings, pair.stock):
        path = settings.source / NAME / f"{NAME}.ipynb"
        text = path.read_text(encoding="utf-8")
        assert '"1.1\\n"' in text
        path.write_text(text.replace('"1.1\\n"', '"1.2\\n"'), encoding="utf-8")
    course.generate(pair.settings, NAME)
    pair.nbgrader(pair.stock, "generate_assignment", NAME, "--force")
    summary = autograde_class(pair.settings, NAME, students=["perfect"], workers=1)
    ((student, reason),) = summary.faults
    assert student == "perfect"
    assert "autograder cell most of toy gave 1.2 points, expected at most 1.1" in reason
    with pytest.raises(AssertionError, match="partial credit cannot be greater than maximum points"):
        pair.nbgrader(pair.stock, "autograde", NAME, "--student", "perfect", "--force")
