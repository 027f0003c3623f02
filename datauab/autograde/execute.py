"""nbgrader's Execute and SaveAutoGrades on two kernels: how every autograde of the course runs."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from nbgrader.preprocessors import AssignLatePenalties, Execute, NbGraderPreprocessor, SaveAutoGrades
from traitlets import Unicode

from datauab import gradebook as gradebooks
from datauab.autograde.assignment import Assignment, AutograderCell, read_files
from datauab.autograde.late import lost_share_of
from datauab.autograde.outcome import OUTCOME, Outcome, write_outcome
from datauab.autograde.outputs import as_typed, clean_markdown
from datauab.autograde.record import record_outcome
from datauab.autograde.run import Finished, refused, run_notebook
from datauab.autograde.sanitise import autograder_cells, known_cells
from datauab.competition import load_competition
from datauab.errors import GradingError, InvalidSubmission
from datauab.settings import Settings, load_settings

_MIB = 2**20
_MOST_FILES_MB = 4  # for each MiB that may be uploaded: archives are compressed
_ORGANISERS = ("competition.toml", "metric.py")


class SandboxExecute(Execute):
    """Runs student cells in the sandbox and autograder cells in the trusted kernel; see `datauab.autograde.run`."""

    def preprocess(
        self, nb: NotebookNode, resources: dict[str, Any], km: Any = None
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Run `nb` and leave what it earned for `SaveMarks`.

        Raises
        ------
        GradingError
            Where the platform or the organiser's cells fail; nbgrader then keeps no half-graded notebook.
        """
        settings = load_settings()
        info = resources["nbgrader"]
        assignment = open_assignment(settings, info["db_url"], info["assignment"], info["notebook"])
        try:
            files = submission_files(settings, info["student"], info["assignment"])
        except InvalidSubmission as error:
            outcome = refused(assignment, error)
        else:
            lost = lost_share_of(settings, assignment.competition, info["student"])
            done = finished_run(info["student"], info["assignment"])
            outcome = run_notebook(nb, assignment, files, report=self.log.error, late_share=lost, finished=done)
        if outcome.scores is None:
            self.log.warning("%s of %s is not scored: %s", info["assignment"], info["student"], outcome.reason)
        self.log.info("Seconds by stage: %s", json.dumps(outcome.seconds))
        info[OUTCOME] = outcome
        return nb, resources


_FINISHED: dict[tuple[str, str], Finished] = {}
"""Runs that were made before nbgrader asked for them, by student and assignment."""


@contextlib.contextmanager
def run_already(student: str, assignment: str, finished: Finished) -> Iterator[None]:
    """Have nbgrader take a run that was made elsewhere, where it is one of exactly the submission that it converts."""
    _FINISHED[student, assignment] = finished
    try:
        yield
    finally:
        del _FINISHED[student, assignment]


def finished_run(student: str, assignment: str) -> Finished | None:
    """The run that was made before, if any."""
    return _FINISHED.get((student, assignment))


class SaveMarks(SaveAutoGrades):
    """Writes the marks of the trusted kernel into the gradebook, and the attempt's result into the ledger."""

    result_file = Unicode(
        "",
        help="File that gets the result, for the process that holds the attempt's lease. Empty: it goes straight into "
        "the ledger, as for `nbgrader autograde` and the formgrader.",
    ).tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        """Save marks, then record the result."""
        outcome = resources["nbgrader"].get(OUTCOME)
        if not isinstance(outcome, Outcome):
            raise GradingError("the notebook did not run: expected SandboxExecute before SaveMarks")
        nb, resources = super().preprocess(nb, resources)
        if self.result_file:
            write_outcome(outcome, Path(self.result_file))
        else:
            info = resources["nbgrader"]
            record_outcome(load_settings(), info["assignment"], info["student"], outcome, self.log)
        return nb, resources

    def _add_score(self, cell: NotebookNode, resources: dict[str, Any]) -> None:
        info = resources["nbgrader"]
        name = cell.metadata["nbgrader"]["grade_id"]
        marks = info[OUTCOME].marks
        if name not in marks:
            super()._add_score(cell, resources)
            return
        grade = self.gradebook.find_grade(name, self.notebook_id, self.assignment_id, self.student_id)
        grade.auto_score = marks[name]
        # As nbgrader does: a mark that somebody gave by hand is looked at again.
        grade.needs_manual_grade = grade.manual_score is not None
        self.gradebook.db.commit()


class LatePenalties(AssignLatePenalties):
    """nbgrader's penalty for late work, by the club's rule; without one, nbgrader's own stays in force."""

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        """Write the penalty where the formgrader and the feedback show it."""
        nb, resources = super().preprocess(nb, resources)
        info = resources["nbgrader"]
        outcome = info.get(OUTCOME)
        if isinstance(outcome, Outcome) and outcome.late_share:
            gradebooks.set_late_share(
                info["db_url"], info["assignment"], info["notebook"], info["student"], outcome.late_share
            )
        return nb, resources


class CleanText(NbGraderPreprocessor):
    """Runs last: makes the student's own markup harmless for the instructor who opens the autograded notebook."""

    def preprocess_cell(
        self, cell: NotebookNode, resources: dict[str, Any], index: int
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Clean one text cell."""
        if cell.cell_type == "markdown":
            cell.source = clean_markdown(cell.source)
        elif cell.cell_type == "raw":
            cell.cell_type = "markdown"
            cell.source = as_typed(cell.source)
        return cell, resources


def open_assignment(settings: Settings, url: str, name: str, notebook: str) -> Assignment:
    """The assignment `name` with its autograder cells as the gradebook keeps them."""
    competition = load_competition(settings.source / name)
    with gradebooks.at(url) as gradebook:
        cells = autograder_cells(known_cells(gradebook, notebook, name))
    found = {key: AutograderCell(cell.source, cell.metadata.nbgrader.points) for key, cell in cells.items()}
    return Assignment.open(settings, competition, found)


def submission_files(settings: Settings, student: str, name: str) -> dict[str, bytes]:
    """What lies beside the submitted notebook, under what lies beside the source.

    The autograded folder is no place to run in: its notebook holds the hidden tests.
    """
    own = read_files(settings.root / "submitted" / student / name, most_beside(settings))
    return {**own, **source_files(settings, name)}


def most_beside(settings: Settings) -> int:
    """Largest size of all files beside a notebook together, in bytes."""
    return _MOST_FILES_MB * settings.upload_mb * _MIB


def source_files(settings: Settings, name: str) -> dict[str, bytes]:
    """What students are given beside the notebook."""
    found = read_files(settings.source / name, most_beside(settings))
    return {path: content for path, content in found.items() if path not in _ORGANISERS}
