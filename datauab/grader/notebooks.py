"""Writing down a graded notebook the way nbgrader does: its folders, its gradebook, its feedback page."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import logging
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from datauab import gradebook
from datauab.archive import check_notebook, make_archive, read_archive, safe_name, unpack
from datauab.autograde.execute import run_already
from datauab.autograde.outcome import Outcome, read_outcome
from datauab.autograde.record import ATTEMPT_FILE
from datauab.autograde.run import Finished
from datauab.errors import GradingError, InvalidSubmission
from datauab.ledger import Attempt
from datauab.settings import Settings

_MIB = 2**20
_RESERVED = (ATTEMPT_FILE, "timestamp.txt")
_TIME = "%Y-%m-%d %H:%M:%S.%f UTC"  # nbgrader's
_LOG = logging.getLogger("datauab.grader")


def read_submission(settings: Settings, attempt: Attempt, blob: bytes) -> dict[str, bytes]:
    """Files of an attempt, its notebook among them, by relative path.

    Raises
    ------
    InvalidSubmission
        Where the archive cannot be read, is too large or lacks the notebook.
    """
    name = f"{attempt.competition}.ipynb"
    files = read_archive(blob, max_bytes=8 * settings.upload_mb * _MIB)
    if name not in files:
        raise InvalidSubmission(f"the archive lacks the notebook: expected {name}, found {sorted(files)[:10]}")
    check_notebook(files[name], name)
    return {path: content for path, content in files.items() if path.split("/", 1)[0] not in _RESERVED}


def place(settings: Settings, attempt: Attempt, files: Mapping[str, bytes]) -> None:
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


def write_marks(
    settings: Settings, student: str, name: str, finished: Finished | None, *, record: bool
) -> Outcome | None:
    """Have nbgrader autograde what lies in ``submitted/``, with a run that was made already where it fits.

    Parameters
    ----------
    record : bool
        Whether the result goes into the ledger at once, as for ``nbgrader autograde``.

    Returns
    -------
    Outcome or None
        The result, where it was not recorded.

    Raises
    ------
    GradingError
        Where nbgrader fails.
    """
    from nbgrader.converters import Autograde

    with contextlib.ExitStack() as opened:
        if finished is not None:
            opened.enter_context(run_already(student, name, finished))
        if record:
            _convert(settings, student, name, Autograde)
            return None
        result = Path(opened.enter_context(tempfile.TemporaryDirectory())) / "outcome.json"
        _convert(settings, student, name, Autograde, result)
        outcome = read_outcome(result)
    if outcome is None:
        raise GradingError(f"{name} of {student}: nbgrader left no result; is its source released?")
    return outcome


def make_feedback(settings: Settings, student: str, name: str) -> bytes | None:
    """The feedback's archive from the autograded notebook; None where its page could not be made."""
    from nbgrader.converters import GenerateFeedback

    try:
        _convert(settings, student, name, GenerateFeedback)
        page = settings.root / "feedback" / student / name / f"{name}.html"
        return make_archive({page.name: page.read_bytes()})
    except Exception:  # a score must not be lost because its page could not be made
        _LOG.exception("%s of %s: no feedback", name, student)
        return None


@contextlib.contextmanager
def turn(settings: Settings, student: str, name: str) -> Iterator[None]:
    """Let one process at a time work on one student's folders of one assignment."""
    folder = settings.state / "locks"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = hashlib.sha256(f"{student}\0{name}".encode()).hexdigest()[:32]
    with (folder / lock).open("w") as opened:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield


def _convert(settings: Settings, student: str, name: str, kind: Any, result: Path | None = None) -> None:
    from nbgrader.converters.base import NbGraderException
    from nbgrader.coursedir import CourseDirectory
    from traitlets.config import PyFileConfigLoader

    gradebook.share_engines()
    config = PyFileConfigLoader("nbgrader_config.py", path=str(settings.root)).load_config()
    config.CourseDirectory.assignment_id = name
    config.CourseDirectory.student_id = student
    config.SaveMarks.result_file = str(result or "")
    converter = kind(coursedir=CourseDirectory(config=config), config=config)
    converter.force = True
    try:
        converter.start()
    except NbGraderException as error:
        raise GradingError(f"{name} of {student}: nbgrader failed: {error}") from error
