"""nbgrader's Execute and SaveAutoGrades on two kernels: how every autograde of the course runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from nbgrader.preprocessors import Execute, NbGraderPreprocessor, SaveAutoGrades
from traitlets import Unicode

from datauab import gradebook as gradebooks
from datauab.autograde.assignment import Assignment, AutograderCell, read_files
from datauab.autograde.outcome import Outcome, write_outcome
from datauab.autograde.outputs import as_typed, clean_markdown
from datauab.autograde.record import record_outcome
from datauab.autograde.run import run_notebook
from datauab.autograde.sanitise import autograder_cells, known_cells
from datauab.competition import load_competition
from datauab.errors import GradingError, InvalidSubmission
from datauab.settings import Settings, load_settings

_MIB = 2**20
_MOST_FILES_MB = 4  # for each MiB that may be uploaded: archives are compressed
_ORGANISERS = ("competition.toml", "metric.py")
_OUTCOME = "datauab_outcome"


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
            outcome = Outcome(reason=str(error), marks=dict.fromkeys(assignment.cells, 0.0))
        else:
            outcome = run_notebook(nb, assignment, files, report=self.log.error)
        if outcome.scores is None:
            self.log.warning("%s of %s is not scored: %s", info["assignment"], info["student"], outcome.reason)
        self.log.info("Seconds by stage: %s", json.dumps(outcome.seconds))
        info[_OUTCOME] = outcome
        return nb, resources


class SaveMarks(SaveAutoGrades):
    """Writes the marks of the trusted kernel into the gradebook, and the attempt's result into the ledger."""

    result_file = Unicode(
        "",
        help="File that gets the result, for the process that holds the attempt's lease. Empty: it goes straight into "
        "the ledger, as for `nbgrader autograde` and the formgrader.",
    ).tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        """Save marks, then record the result."""
        outcome = resources["nbgrader"].get(_OUTCOME)
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
        marks = info[_OUTCOME].marks
        if name not in marks:
            super()._add_score(cell, resources)
            return
        grade = self.gradebook.find_grade(name, self.notebook_id, self.assignment_id, self.student_id)
        grade.auto_score = marks[name]
        # As nbgrader does: a mark that somebody gave by hand is looked at again.
        grade.needs_manual_grade = grade.manual_score is not None
        self.gradebook.db.commit()


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
    own = read_files(settings.root / "submitted" / student / name, _MOST_FILES_MB * settings.upload_mb * _MIB)
    return {**own, **source_files(settings, name)}


def source_files(settings: Settings, name: str) -> dict[str, bytes]:
    """What students are given beside the notebook."""
    found = read_files(settings.source / name, _MOST_FILES_MB * settings.upload_mb * _MIB)
    return {path: content for path, content in found.items() if path not in _ORGANISERS}
