"""Collecting submissions into the course's folder."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from nbgrader.exchange.abc import ExchangeCollect as ABCExchangeCollect
from nbgrader.utils import parse_utc
from sqlalchemy.exc import SQLAlchemyError

from datauab.archive import read_archive
from datauab.errors import ClubError
from datauab.exchange.base import Exchange
from datauab.exchange.files import ATTEMPT_FILE, RESERVED, TIMESTAMP_FILE, write_folder
from datauab.exchange.records import Submission
from datauab.gradebook import opened
from datauab.settings import load_settings


class ExchangeCollect(Exchange, ABCExchangeCollect):
    """``nbgrader collect`` and the formgrader's Collect button: the newest submission of each student."""

    def init_src(self) -> None:
        """Choose one submission of each student."""
        self.require_course()
        if not self.coursedir.assignment_id:
            self.fail("No assignment given: expected its name, such as `nbgrader collect bitcoin`.")
        due = self.due_date() if self.before_duedate else None
        of_student: dict[str, list[Submission]] = {}
        for item in self.exchanger.submissions(self.coursedir.assignment_id, everyone=True):
            if item.kind == "notebook" and self.student_wanted(item.student):
                of_student.setdefault(item.student, []).append(item)
        self.chosen = [_choose(items, due) for _, items in sorted(of_student.items())]

    def due_date(self) -> datetime | None:
        """Give the assignment's due date in UTC, from nbgrader's gradebook; None where it has none."""
        try:
            with opened(load_settings(Path(self.coursedir.root))) as gradebook:
                for assignment in gradebook.assignments:
                    if assignment.name == self.coursedir.assignment_id and assignment.duedate:
                        due: datetime = assignment.duedate
                        return due.replace(tzinfo=UTC)
        except SQLAlchemyError as error:
            raise ClubError(
                f"--before-duedate: expected the gradebook of {self.coursedir.root}, found none to read ({error}); "
                "leave the option out, or run the command where the gradebook is"
            ) from None
        return None

    def copy_files(self) -> None:
        """Write ``submitted/<student>/<assignment>/`` for each."""
        course, name = self.coursedir.course_id, self.coursedir.assignment_id
        if not self.chosen:
            self.log.warning("No submissions of '%s' for course '%s' to collect", name, course)
            return
        self.log.info("Processing %d submissions of '%s' for course '%s'", len(self.chosen), name, course)
        failed = []
        for item in self.chosen:
            try:
                self.collect_one(item)
            except ClubError as error:
                # One broken submission must not keep the class from being collected.
                self.log.error("Submission %s of '%s' is not collected: %s", item.id, item.student, error)
                failed.append(item.student)
        if failed:
            self.fail(f"{len(failed)} of {len(self.chosen)} submissions could not be collected: {', '.join(failed)}")

    def collect_one(self, item: Submission) -> None:
        """Write one submission's folder, unless what is there is as new or must not be updated."""
        name = self.coursedir.assignment_id
        target = Path(self.coursedir.format_path(self.coursedir.submitted_directory, item.student, name))
        if target.is_dir():
            existing = self.coursedir.get_existing_timestamp(str(target))
            received = parse_utc(item.timestamp)
            newer = existing is None or received > existing
            if not ((self.update and newer) or (self.before_duedate and received != existing)):
                self.log.info(
                    "No newer submission to collect: %s %s"
                    if self.update
                    else "Submission already exists, use --update to update: %s %s",
                    item.student,
                    name,
                )
                return
            self.log.info("Updating submission: %s %s", item.student, name)
        else:
            self.log.info("Collecting submission: %s %s", item.student, name)
        archive = read_archive(self.exchanger.submission_archive(item.id))
        # These names are the platform's: a student who hands them in must not choose a time or another's number.
        files = {path: content for path, content in archive.items() if path.split("/", 1)[0] not in RESERVED}
        files[TIMESTAMP_FILE] = item.timestamp.encode()
        files[ATTEMPT_FILE] = str(item.id).encode()
        write_folder(files, target)


def _choose(items: list[Submission], due: datetime | None) -> Submission:
    newest = max(items, key=lambda item: (item.received_at, item.id))
    if due is None:
        return newest
    in_time = [item for item in items if item.received_at <= due]
    return max(in_time, key=lambda item: (item.received_at, item.id)) if in_time else newest
