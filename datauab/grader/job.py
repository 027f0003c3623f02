"""Grading one attempt, in a process of its own: whatever goes wrong here ends this process only."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import logging
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datauab import gradebook as gradebooks
from datauab.archive import check_notebook, make_archive, read_archive, safe_name, unpack
from datauab.autograde.assignment import Assignment, score_predictions
from datauab.autograde.execute import open_assignment, source_files
from datauab.autograde.outcome import Outcome, read_outcome, write_outcome
from datauab.autograde.record import ATTEMPT_FILE
from datauab.autograde.run import run_notebook
from datauab.autograde.sanitise import autograder_cells, known_cells, sanitised
from datauab.competition import load_competition
from datauab.errors import GradingError, InvalidSubmission
from datauab.ledger import Attempt, Ledger
from datauab.settings import Settings
from datauab.submission import read_npy, validate

_MIB = 2**20
_RESERVED = (ATTEMPT_FILE, "timestamp.txt")
_TIME = "%Y-%m-%d %H:%M:%S.%f UTC"  # nbgrader's
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """One attempt and the folder that gets its ``outcome.json`` and, if there is any, ``feedback.zip``."""

    attempt: Attempt
    blob: bytes
    folder: Path

    @property
    def outcome(self) -> Path:
        """File of the result."""
        return self.folder / "outcome.json"

    @property
    def feedback(self) -> Path:
        """File of the feedback's archive."""
        return self.folder / "feedback.zip"


def grade(settings: Settings, attempt_id: int, folder: Path) -> None:
    """Grade one attempt and leave its result in `folder`.

    Raises
    ------
    GradingError
        Where the platform or the organiser failed.
    """
    with Ledger.open(settings) as ledger:
        attempt = ledger.attempt(attempt_id)
        job = Job(attempt, ledger.blob(attempt), folder)
        try:
            if attempt.kind == "predictions":
                write_outcome(_grade_predictions(settings, job), job.outcome)
            elif attempt.origin == "baseline":
                write_outcome(_grade_baseline(settings, job), job.outcome)
            else:
                _grade_notebook(settings, ledger, job)
        except InvalidSubmission as error:
            write_outcome(Outcome(reason=str(error)), job.outcome)


def _grade_predictions(settings: Settings, job: Job) -> Outcome:
    competition = load_competition(settings.source / job.attempt.competition)
    assignment = Assignment.open(settings, competition, {})
    array = read_npy(job.blob, assignment.limits.predictions_mb * _MIB)
    predictions = validate(array, competition=competition, rows=len(assignment.solution.array))
    return Outcome(scores=score_predictions(assignment, predictions)[0])


def _grade_baseline(settings: Settings, job: Job) -> Outcome:
    """Run the post's own notebook as a member's would be, but leave nbgrader's gradebook to members."""
    import nbformat

    name = job.attempt.competition
    files = _read(settings, job)
    notebook = nbformat.reads(files[f"{name}.ipynb"].decode("utf-8"), as_version=4)
    with gradebooks.opened(settings) as gradebook:
        known = known_cells(gradebook, name, name)
    if not autograder_cells(known):
        raise GradingError(f"source/{name}/{name}.ipynb has no autograder cell; generate the assignment again")
    assignment = open_assignment(settings, settings.database, name, name)
    given = source_files(settings, name)
    outcome = run_notebook(sanitised(notebook, known), assignment, given, report=_LOG.error)
    return outcome.model_copy(update={"marks": {}, "max_points": 0.0})


def _grade_notebook(settings: Settings, ledger: Ledger, job: Job) -> None:
    with _turn(settings, job.attempt):
        _autograde(settings, job)
        newer = _newest_ended(ledger, job.attempt)
        if newer is not None:
            # nbgrader keeps one submission a student: the newest, also where an older one had to be graded again.
            with tempfile.TemporaryDirectory() as folder:
                _autograde(settings, Job(newer, ledger.blob(newer), Path(folder)))


def _newest_ended(ledger: Ledger, attempt: Attempt) -> Attempt | None:
    ended = [
        other
        for other in ledger.attempts(
            competition=attempt.competition, member=attempt.member, states=["scored", "failed"]
        )
        if other.id > attempt.id and other.kind == "notebook" and not other.platform_fault
    ]
    return max(ended, key=lambda other: other.id, default=None)


def _autograde(settings: Settings, job: Job) -> None:
    from nbgrader.converters import Autograde, GenerateFeedback

    attempt = job.attempt
    files = _read(settings, job)
    _place(settings, attempt, files)
    _convert(settings, job, Autograde)
    if read_outcome(job.outcome) is None:
        raise GradingError(f"attempt {attempt.id}: nbgrader left no result; is its source released?")
    try:
        _convert(settings, job, GenerateFeedback)
        page = settings.root / "feedback" / attempt.member / attempt.competition / f"{attempt.competition}.html"
        job.feedback.write_bytes(make_archive({page.name: page.read_bytes()}))
    except Exception:  # a score must not be lost because its page could not be made
        _LOG.exception("attempt %d: no feedback", attempt.id)


def _read(settings: Settings, job: Job) -> dict[str, bytes]:
    name = f"{job.attempt.competition}.ipynb"
    files = read_archive(job.blob, max_bytes=8 * settings.upload_mb * _MIB)
    if name not in files:
        raise InvalidSubmission(f"the archive lacks the notebook: expected {name}, found {sorted(files)[:10]}")
    check_notebook(files[name], name)
    return {path: content for path, content in files.items() if path.split("/", 1)[0] not in _RESERVED}


def _place(settings: Settings, attempt: Attempt, files: dict[str, bytes]) -> None:
    """Put a submission where nbgrader looks for it, all of it or nothing."""
    member = safe_name(attempt.member)
    target = settings.root / "submitted" / member / attempt.competition
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".new-") as temporary:
        fresh = Path(temporary) / "files"
        stamp = attempt.received_at.strftime(_TIME).encode()
        unpack({**files, "timestamp.txt": stamp, ATTEMPT_FILE: str(attempt.id).encode()}, fresh)
        if target.exists():
            shutil.rmtree(target)
        fresh.rename(target)


def _convert(settings: Settings, job: Job, kind: Any) -> None:
    from nbgrader.converters.base import NbGraderException
    from nbgrader.coursedir import CourseDirectory
    from traitlets.config import PyFileConfigLoader

    config = PyFileConfigLoader("nbgrader_config.py", path=str(settings.root)).load_config()
    config.CourseDirectory.assignment_id = job.attempt.competition
    config.CourseDirectory.student_id = job.attempt.member
    config.SaveMarks.result_file = str(job.outcome)
    converter = kind(coursedir=CourseDirectory(config=config), config=config)
    converter.force = True
    try:
        converter.start()
    except NbGraderException as error:
        raise GradingError(f"attempt {job.attempt.id}: nbgrader failed: {error}") from error


@contextlib.contextmanager
def _turn(settings: Settings, attempt: Attempt) -> Iterator[None]:
    """Let one process at a time work on one student's folders of one assignment."""
    folder = settings.state / "locks"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = hashlib.sha256(f"{attempt.member}\0{attempt.competition}".encode()).hexdigest()[:32]
    with (folder / name).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
