"""One submission on its way: what was handed in, and what a worker is told of it."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from datauab import gradebook as gradebooks
from datauab.autograde.assignment import Assignment, AutograderCell, check_size, is_beside
from datauab.autograde.execute import most_beside, source_files
from datauab.autograde.late import lost_share
from datauab.autograde.request import RunRequest
from datauab.autograde.run import prepare
from datauab.autograde.sanitise import autograder_cells, known_cells, sanitised
from datauab.competition import load_competition
from datauab.errors import GradingError, InvalidSubmission
from datauab.ledger import Attempt, Lease
from datauab.settings import Settings

_MIB = 2**20
_PACKAGE = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Submission:
    """What one student handed in for one competition.

    Attributes
    ----------
    files : mapping of str to bytes
        The notebook and what lies beside it, by relative path.
    attempt : Attempt or None
        None for a folder of ``submitted/`` that was put there by hand.
    lease : Lease or None
        Held while it is graded; None where the attempt has ended before and only its marks are renewed.
    """

    competition: str
    student: str
    files: Mapping[str, bytes]
    attempt: Attempt | None = None
    lease: Lease | None = None

    @property
    def is_baseline(self) -> bool:
        """Whether it is the post's own notebook, which earns no marks."""
        return self.attempt is not None and self.attempt.origin == "baseline"

    @property
    def place(self) -> str:
        """Words for messages."""
        number = f" (attempt {self.attempt.id})" if self.attempt is not None else ""
        return f"{self.competition} of {self.student}{number}"


@dataclass(frozen=True)
class Opened:
    """An assignment with its cells as the gradebook knows them, and the files that students are given."""

    assignment: Assignment
    known: Mapping[str, Any]
    given: Mapping[str, bytes]

    @classmethod
    def read(cls, settings: Settings, name: str) -> Opened:
        """Open the assignment `name`.

        Raises
        ------
        GradingError
            Where it has no autograder cell, or its solution is missing.
        """
        with gradebooks.opened(settings) as gradebook:
            known = known_cells(gradebook, name, name)
        cells = autograder_cells(known)
        if not cells:
            raise GradingError(f"source/{name}/{name}.ipynb has no autograder cell; generate the assignment again")
        found = {key: AutograderCell(cell.source, cell.metadata.nbgrader.points) for key, cell in cells.items()}
        competition = load_competition(settings.source / name)
        return cls(Assignment.open(settings, competition, found), known, source_files(settings, name))

    def fingerprint(self) -> str:
        """SHA-256 of all but the submission that decides a result: source, limits, solution, environment."""
        digest = hashlib.sha256()
        assignment = self.assignment
        digest.update(assignment.competition.model_dump_json().encode())
        digest.update(assignment.limits.model_dump_json().encode())
        digest.update(json.dumps(self.known, sort_keys=True, default=str).encode())
        _add_files(digest, self.given)
        own_metric = assignment.settings.source / assignment.competition.name / "metric.py"
        if own_metric.is_file():
            digest.update(own_metric.read_bytes())
        digest.update(f"{assignment.solution.sha256} {environment()}".encode())
        return digest.hexdigest()


@dataclass(frozen=True)
class Prepared:
    """A submission as it is run and marked.

    Attributes
    ----------
    notebook : NotebookNode
        The sanitised notebook.
    late_share : float
        Share of the marks that is lost because it came late.
    """

    submission: Submission
    opened: Opened
    notebook: Any
    request: RunRequest
    late_share: float


def prepared(opened: Opened, submission: Submission) -> Prepared:
    """Sanitise a submission and say what a worker may know of it.

    Raises
    ------
    InvalidSubmission
        Where the notebook cannot be read, or what it needs is missing.
    """
    import nbformat

    assignment = opened.assignment
    content = submission.files.get(f"{submission.competition}.ipynb")
    if content is None:
        raise InvalidSubmission(f"{submission.competition}.ipynb: expected beside the other files, found none")
    try:
        notebook = nbformat.reads(content.decode("utf-8"), as_version=4)
    except Exception as error:  # nbformat and its parsers raise whatever the text makes them
        raise InvalidSubmission(
            f"{submission.competition}.ipynb: no notebook that can be read ({str(error)[:200]}); save it again in "
            "JupyterLab"
        ) from error
    notebook = sanitised(notebook, dict(opened.known))
    own = {} if submission.is_baseline else _beside(submission, assignment.settings)
    request = prepare(notebook, assignment, {**own, **opened.given})
    days = 0 if submission.attempt is None else submission.attempt.late_days
    late = 0.0 if submission.is_baseline else lost_share(assignment.competition, days)
    return Prepared(submission, opened, notebook, request, late)


def _beside(submission: Submission, settings: Settings) -> dict[str, bytes]:
    """Files beside the notebook, as `datauab.autograde.assignment.read_files` finds them once they are placed."""
    own = {path: content for path, content in submission.files.items() if is_beside(path)}
    check_size(own, most_beside(settings))
    return own


def grading_key(fingerprint: str, submission: Submission) -> str:
    """SHA-256 of all that decides what grading a submission gives; where it is the same, nothing has to run again.

    Parameters
    ----------
    fingerprint : str
        Of the assignment; see `Opened.fingerprint`.
    """
    digest = hashlib.sha256(fingerprint.encode())
    if submission.attempt is None:
        _add_files(digest, submission.files)
    else:
        digest.update(f"{submission.attempt.sha256} {submission.attempt.late_days}".encode())
    return digest.hexdigest()


def _add_files(digest: Any, files: Mapping[str, bytes]) -> None:
    for name in sorted(files):
        digest.update(f"{len(name)}:{name}:{len(files[name])}:".encode())
        digest.update(files[name])


@cache
def environment() -> str:
    """SHA-256 of what a notebook runs with: Python, every installed distribution, and the code that grades."""
    folders = [Path(entry) for entry in sys.path if entry and Path(entry).is_dir()]
    names = {path.name for folder in folders for path in folder.glob("*.dist-info")}
    digest = hashlib.sha256(repr((sys.version, sorted(names))).encode())
    for path in sorted([*(_PACKAGE / "autograde").glob("*.py"), *(_PACKAGE / "scoring").glob("*.py")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()
