"""Listing what is released and what was handed in, in the form that nbgrader's pages read."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from nbgrader.exchange import ExchangeFactory
from nbgrader.exchange.abc import ExchangeError
from nbgrader.exchange.abc import ExchangeList as ABCExchangeList
from traitlets import Bool

from datauab.exchange.base import Exchange
from datauab.exchange.fetch import FEEDBACK_MARK
from datauab.exchange.records import Release, Submission

Entry = dict[str, Any]


class ListingFailed(Exception):
    """The list could not be made; the message says why.

    JupyterLab's Assignment List replaces the text of nbgrader's own error by advice about an exchange directory,
    which the club does not have; of any other error it shows the text.
    """


class ExchangeList(ABCExchangeList, Exchange):
    """``nbgrader list``, and what JupyterLab's Assignment List and the formgrader show."""

    as_json = Bool(False, help="Print the list as JSON on standard output.").tag(config=True)
    show_state = Bool(
        True,
        help="Whether the time of one's own submission is followed by what became of it (queued, graded, failed); the "
        "Assignment List has no other place to show it.",
    ).tag(config=True)

    def start(self) -> list[Entry]:
        """List or remove, as configured."""
        try:
            entries: list[Entry] = self.told_plainly(super().start)
        except ExchangeError as error:
            # Only the Assignment List and the formgrader's feedback make a lister without an application above it.
            if isinstance(self.parent, ExchangeFactory):
                raise ListingFailed(str(error)) from None
            raise
        if self.as_json:
            sys.stdout.write(json.dumps(entries, indent=2, default=str) + "\n")
        return entries

    def list_files(self) -> list[Entry]:
        """List what the command asks for, log one line each, and return nbgrader's records."""
        if not (self.inbound or self.cached):
            entries = self.released()
            self.log.info("Released assignments:")
            for entry in entries:
                self.log.info(_released_line(entry))
            return entries
        groups = self.submitted()
        self.log.info("Submitted assignments:")
        for group in groups:
            for entry in group["submissions"]:
                self.log.info(_submitted_line(entry))
        return groups

    def remove_files(self) -> list[Entry]:
        """Withdraw the released assignments that the command asks for; submissions are never removed."""
        if self.inbound or self.cached:
            self.fail(
                "Submissions are kept for good, so that no work is lost: expected --remove for released assignments "
                "only, found --inbound or --cached."
            )
        entries = self.released()
        self.log.info("Removing released assignments:")
        for entry in entries:
            self.exchanger.withdraw_release(entry["assignment_id"])
            entry["status"] = "removed"
            self.log.info(_released_line(entry))
        return entries

    def released(self) -> list[Entry]:
        """Give a record of each released assignment, fetched or not."""
        course = self.coursedir.course_id
        return [
            self.released_entry(item)
            for item in sorted(self.exchanger.releases(), key=lambda item: item.assignment)
            if self.wanted(item.assignment) and (not course or item.course in ("", course))
        ]

    def released_entry(self, release: Release) -> Entry:
        """Give nbgrader's record of one released assignment."""
        folder = self.folder_of(release.assignment)
        fetched = folder.is_dir()
        return {
            "course_id": self.coursedir.course_id or release.course or self.require_course(),
            "assignment_id": release.assignment,
            "status": "fetched" if fetched else "released",
            "path": str(folder) if fetched else self.exchanger.where,
            "notebooks": [_notebook(path) for path in sorted(folder.glob("*.ipynb"))] if fetched else [],
        }

    def submitted(self) -> list[Entry]:
        """Give a record for each student and assignment, with all its submissions, oldest first."""
        course = self.require_course()
        everyone = self.inbound or self.everyone_wanted()
        groups: dict[tuple[str, str], list[Entry]] = {}
        for item in self.exchanger.submissions(everyone=everyone):
            if self.wanted(item.assignment) and (not everyone or self.student_wanted(item.student)):
                groups.setdefault((item.student, item.assignment), []).append(self.submitted_entry(course, item))
        return [
            {
                "course_id": course,
                "student_id": student,
                "assignment_id": assignment,
                "status": "submitted",
                "submissions": entries,
            }
            for (student, assignment), entries in sorted(groups.items())
        ]

    def submitted_entry(self, course: str, item: Submission) -> Entry:
        """Give nbgrader's record of one submission, with what became of it."""
        folder = self.folder_of(item.assignment) / "feedback" / item.timestamp
        pages = sorted(folder.glob("*.html")) if folder.is_dir() else []
        updated = bool(pages and item.has_feedback and item.feedback_sha256) and _mark(folder) != item.feedback_sha256
        state = item.describe_state()
        shown = f"{item.timestamp}, {state}" if self.cached and self.show_state else item.timestamp
        flags = {
            "has_local_feedback": bool(pages),
            "has_exchange_feedback": item.has_feedback,
            "feedback_updated": updated,
        }
        return {
            "course_id": course,
            "student_id": item.student,
            "assignment_id": item.assignment,
            "timestamp": shown,
            "submitted_at": item.timestamp,
            "status": "submitted",
            "path": self.exchanger.where + f"attempts/{item.id}",
            "attempt_id": item.id,
            "state": item.state,
            "state_text": state,
            "notebooks": [{**_notebook(page), "local_feedback_path": str(page), **flags} for page in pages],
            "local_feedback_path": str(folder) if pages else None,
            **flags,
        }


def _notebook(path: Path) -> Entry:
    return {"notebook_id": path.stem, "path": str(path)}


def _mark(folder: Path) -> str:
    mark = folder / FEEDBACK_MARK
    return mark.read_text(encoding="ascii", errors="replace").strip() if mark.is_file() else ""


def _released_line(entry: Entry) -> str:
    line = f"{entry['course_id']} {entry['assignment_id']}"
    return f"{line} (already downloaded)" if entry["status"] == "fetched" else line


def _submitted_line(entry: Entry) -> str:
    line = "{course_id} {student_id} {assignment_id} {submitted_at} [{state_text}]".format(**entry)
    if entry["has_local_feedback"] and not entry["feedback_updated"]:
        return f"{line} (feedback already fetched)"
    if entry["has_exchange_feedback"]:
        return f"{line} (feedback ready to be fetched)"
    return f"{line} (no feedback available)"
