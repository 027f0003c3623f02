"""Fetching a released assignment, and the feedback to one's submissions."""

from __future__ import annotations

import hashlib
import os

from nbgrader.exchange.abc import ExchangeFetchAssignment as ABCExchangeFetchAssignment
from nbgrader.exchange.abc import ExchangeFetchFeedback as ABCExchangeFetchFeedback

from datauab.archive import read_archive
from datauab.exchange.base import Exchange
from datauab.exchange.files import write_folder, write_missing

FEEDBACK_MARK = ".sha256"
"""Hidden file beside fetched feedback: the hash of the archive it came from, to tell when there is newer one."""


class ExchangeFetchAssignment(Exchange, ABCExchangeFetchAssignment):
    """``nbgrader fetch_assignment`` and JupyterLab's Fetch button."""

    def init_src(self) -> None:
        """Find the release."""
        self.release = self.find_release(self.coursedir.assignment_id)

    def init_dest(self) -> None:
        """Refuse to touch a student's work, unless missing files are to be replaced."""
        self.dest_path = self.folder_of(self.release.assignment)
        if os.path.lexists(self.dest_path) and not self.replace_missing_files:
            self.fail(f"You already have a copy of the assignment in this directory: {self.dest_path.name}")

    def copy_files(self) -> None:
        """Write the assignment's folder, or what is missing in it."""
        files = read_archive(self.exchanger.release_archive(self.release.assignment))
        self.log.info("Source: %s", self.exchanger.where)
        self.log.info("Destination: %s", self.dest_path)
        if os.path.lexists(self.dest_path):
            for path in write_missing(files, self.dest_path):
                self.log.warning("Replacing missing file '%s'", os.path.relpath(path))
        else:
            write_folder(files, self.dest_path)
        self.log.info("Fetched as: %s %s", self.coursedir.course_id, self.release.assignment)


class ExchangeFetchFeedback(Exchange, ABCExchangeFetchFeedback):
    """``nbgrader fetch_feedback`` and JupyterLab's Fetch Feedback button."""

    def init_src(self) -> None:
        """Find the submissions that have feedback."""
        self.require_course()
        everyone = self.everyone_wanted()
        submissions = [
            item
            for item in self.exchanger.submissions(everyone=everyone)
            if self.wanted(item.assignment) and (not everyone or self.student_wanted(item.student))
        ]
        self.with_feedback = [item for item in submissions if item.has_feedback]
        for item in submissions:
            if not item.has_feedback:
                self.log.warning(
                    "No feedback yet for '%s' submitted at %s: %s",
                    item.assignment,
                    item.timestamp,
                    item.describe_state(),
                )

    def copy_files(self) -> None:
        """Write ``<assignment>/feedback/<timestamp>/<notebook>.html``; newer feedback replaces older."""
        self.log.info("Source: %s", self.exchanger.where)
        for item in self.with_feedback:
            archive = self.exchanger.feedback_archive(item.id)
            files = dict(read_archive(archive))
            files[FEEDBACK_MARK] = hashlib.sha256(archive).hexdigest().encode()
            target = self.folder_of(item.assignment) / "feedback" / item.timestamp
            write_folder(files, target)
            for name in sorted(set(files) - {FEEDBACK_MARK}):
                self.log.info("Fetched feedback: %s", target / name)
