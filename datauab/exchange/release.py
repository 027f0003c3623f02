"""Releasing an assignment to the students, and feedback to their submissions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import cast

from nbgrader.exchange.abc import ExchangeReleaseAssignment as ABCExchangeReleaseAssignment
from nbgrader.exchange.abc import ExchangeReleaseFeedback as ABCExchangeReleaseFeedback
from nbgrader.utils import parse_utc

from datauab.archive import make_archive
from datauab.exchange.base import Exchange
from datauab.exchange.files import ATTEMPT_FILE, TIMESTAMP_FILE
from datauab.exchange.records import Submission


class ExchangeReleaseAssignment(Exchange, ABCExchangeReleaseAssignment):
    """``nbgrader release_assignment`` and the formgrader's Release button."""

    def init_src(self) -> None:
        """Find the student version that ``generate_assignment`` made."""
        name = self.coursedir.assignment_id
        self.src_path = Path(self.coursedir.format_path(self.coursedir.release_directory, ".", name))
        if self.src_path.is_dir():
            return
        source = self.coursedir.format_path(self.coursedir.source_directory, ".", name)
        if Path(source).is_dir():
            self.fail(
                f"Assignment found in '{source}' but not '{self.src_path}', run `nbgrader generate_assignment` first."
            )
        self.fail(f"Assignment not found at: {self.src_path}")

    def init_dest(self) -> None:
        """Refuse to replace a release unless forced."""
        course, name = self.require_course(), self.coursedir.assignment_id
        if any(item.assignment == name for item in self.exchanger.releases()):
            if not self.force:
                self.fail(f"Destination already exists, add --force to overwrite: {course} {name}")
            self.log.info("Overwriting files: %s %s", course, name)

    def copy_files(self) -> None:
        """Publish the folder."""
        packed = self.pack(self.src_path)
        if not any(name.endswith(".ipynb") for name in packed.files):
            self.fail(f"{self.src_path}: expected at least one notebook, found none; generate the assignment again")
        self.log.info("Source: %s", self.src_path)
        self.log.info("Destination: %s", self.exchanger.where)
        self.exchanger.publish_release(self.coursedir.assignment_id, make_archive(packed.files))
        self.log.info("Released as: %s %s", self.coursedir.course_id, self.coursedir.assignment_id)


@dataclass(frozen=True)
class _Feedback:
    student: str
    attempt: str
    timestamp: str
    pages: dict[str, bytes]


class ExchangeReleaseFeedback(Exchange, ABCExchangeReleaseFeedback):
    """``nbgrader release_feedback`` and the formgrader's button."""

    def init_src(self) -> None:
        """Read the pages that ``generate_feedback`` made for each student."""
        self.require_course()
        name = self.coursedir.assignment_id
        pattern = Path(self.coursedir.format_path(self.coursedir.feedback_directory, "STUDENT", name))
        self.found = []
        above = pattern.parents[len(pattern.parts) - 1 - pattern.parts.index("STUDENT")]
        for student in sorted(path.name for path in above.iterdir() if path.is_dir()) if above.is_dir() else []:
            folder = Path(self.coursedir.format_path(self.coursedir.feedback_directory, student, name))
            if self.student_wanted(student) and folder.is_dir():
                self.found.append(_read_feedback(student, folder))

    def copy_files(self) -> None:
        """Publish each student's pages to the submission that was graded."""
        name = self.coursedir.assignment_id
        if not self.found:
            self.log.warning("No feedback to release for '%s'; run `nbgrader generate_feedback` first", name)
            return
        submissions = self.exchanger.submissions(name, everyone=True)
        for item in self.found:
            submission = _graded(item, submissions)
            if submission is None or not item.pages:
                self.log.error(
                    "Feedback of '%s' on '%s' is not released: expected pages and the submission made at %s, found %s",
                    item.student,
                    name,
                    item.timestamp or "(no time)",
                    "no such submission" if item.pages else "no HTML file",
                )
                continue
            self.exchanger.publish_feedback(submission.id, make_archive(item.pages))
            self.log.info(
                "Releasing feedback for student '%s' on assignment '%s/%s' (%s)",
                item.student,
                self.coursedir.course_id,
                name,
                submission.timestamp,
            )


def _read_feedback(student: str, folder: Path) -> _Feedback:
    pages = {
        path.name: path.read_bytes()
        for path in sorted(folder.glob("*.html"))
        if path.is_file() and not path.is_symlink()
    }
    return _Feedback(student, _text(folder / ATTEMPT_FILE), _text(folder / TIMESTAMP_FILE), pages)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace").strip() if path.is_file() else ""


def _graded(item: _Feedback, submissions: list[Submission]) -> Submission | None:
    # The number alone would do; that it must be a submission of this very student keeps one student's page from
    # ever reaching another, whatever lies in the folder.
    own = [submission for submission in submissions if submission.student == item.student]
    by_number = [submission for submission in own if str(submission.id) == item.attempt]
    by_time = [submission for submission in own if parse_utc(submission.timestamp) == _time(item.timestamp)]
    return next(iter(by_number or by_time), None)


def _time(text: str) -> datetime | None:
    try:
        return cast(datetime | None, parse_utc(text)) if text else None
    except (ValueError, OverflowError):
        return None
