"""What the exchange's classes share: who keeps the submissions, and where an assignment's folder lies."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

from nbgrader.exchange.abc import Exchange as ABCExchange
from nbgrader.exchange.abc import ExchangeError
from traitlets import Bool

from datauab.errors import ClubError
from datauab.exchange.api import WebExchange
from datauab.exchange.files import KILOBYTE, Packed, Selection, pack_folder
from datauab.exchange.records import Exchanger, Release
from datauab.settings import hub_client_settings, load_settings


def connect(root: Path) -> Exchanger:
    """Find who keeps releases and submissions for this process.

    A process that the hub started speaks to the web service with the hub's token. A shell without a token at the
    course's root is the operator's, and works on the ledger itself.

    Parameters
    ----------
    root : Path
        Folder in which nbgrader looks for the course.

    Raises
    ------
    ClubError
        Where there is neither a token nor a course.
    """
    hub = hub_client_settings()
    if hub.token and hub.web_url:
        return WebExchange(hub.web_url, hub.token)
    if hub.token:
        raise ClubError(
            "This server has a hub's token but no address of the club's web service: expected it in DATAUAB_WEB_URL, "
            "found nothing. Stop your server on the hub's control panel and start it again."
        )
    if (root / "nbgrader_config.py").is_file() and (root / "source").is_dir():
        from datauab.exchange.direct import LedgerExchange

        return LedgerExchange(load_settings(root))
    raise ClubError(
        f"Nobody is signed in here: expected a hub's token in JUPYTERHUB_API_TOKEN, or a course at {root} (the "
        "operator's own way), found neither. Students: open a terminal in JupyterLab on the hub."
    )


class Exchange(ABCExchange):
    """Base of the club's exchange: releases and submissions go through the club's web service.

    The configured nbgrader authenticator is not asked: the server knows from the hub's token who calls and what that
    person may do, and decides alone.
    """

    path_includes_course = Bool(
        False, help="Whether assignments are fetched to and submitted from ./COURSE/ASSIGNMENT, not ./ASSIGNMENT."
    ).tag(config=True)

    @cached_property
    def exchanger(self) -> Exchanger:
        """Who keeps releases and submissions; found at the first use, as nbgrader also builds classes it never runs."""
        return connect(Path(self.coursedir.root))

    @property
    def member(self) -> str:
        """Name of the signed-in member; empty in the operator's shell. Shown only: the server trusts the token."""
        return hub_client_settings().user

    @property
    def home(self) -> Path:
        """Folder in which the student keeps assignments."""
        return Path(self.assignment_dir).absolute()

    def start(self) -> Any:
        """Run the action; every failure becomes nbgrader's own error with a message that a person can act on."""
        return self.told_plainly(super().start)

    def told_plainly(self, action: Callable[[], Any]) -> Any:
        """Call `action`; raises only nbgrader's own error, with a message that a person can act on."""
        try:
            return action()
        except ClubError as error:
            self.log.fatal(str(error))
            message = str(error)
        except OSError as error:
            message = (
                f"{error.filename or 'a file'}: cannot be read or written ({error.strerror or error}); make room "
                "or put it right, then try again"
            )
            self.log.fatal(message)
        except ExchangeError as error:
            message = str(error)
        # Raised anew because JupyterLab shows the whole traceback: this one has a line or two of ours.
        raise ExchangeError(message) from None

    def fail(self, msg: str) -> NoReturn:
        """Log `msg` and raise nbgrader's error with it."""
        super().fail(msg)
        raise AssertionError("nbgrader's fail always raises")

    def require_course(self) -> str:
        """Give the course's name; fails where none is configured."""
        if not self.coursedir.course_id:
            self.fail("No course id specified. Re-run with --course flag.")
        return str(self.coursedir.course_id)

    def folder_of(self, assignment: str) -> Path:
        """Give the folder of a fetched assignment in the student's home; `assignment` names one folder."""
        if self.path_includes_course:
            return self.home / self.require_course() / assignment
        return self.home / assignment

    def wanted(self, assignment: str) -> bool:
        """Whether the assignment is one that the command asks for; a name, a glob, or nothing for all."""
        return fnmatch(assignment, self.coursedir.assignment_id or "*")

    def everyone_wanted(self) -> bool:
        """Whether the command names a student other than the signed-in member; the server allows it to instructors."""
        return self.coursedir.student_id not in ("", "*", self.member)

    def student_wanted(self, student: str) -> bool:
        """Whether the student is one that the command asks for and does not exclude."""
        excluded = {name.strip() for name in (self.coursedir.student_id_exclude or "").split(",")}
        return student not in excluded and fnmatch(student, self.coursedir.student_id or "*")

    def find_release(self, assignment: str) -> Release:
        """Give the release of an assignment.

        Raises
        ------
        ClubError
            Where it is not released; names the nearest that is.
        """
        course = self.require_course()
        releases = {item.assignment: item for item in self.exchanger.releases() if item.course in ("", course)}
        if assignment in releases:
            return releases[assignment]
        near = get_close_matches(assignment, releases, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"released are: {', '.join(sorted(releases)) or 'none'}."
        raise ClubError(
            f"Assignment not found: expected one that course {course!r} released, found {assignment!r}; {hint}"
        )

    def pack(self, folder: Path) -> Packed:
        """Read a folder's files by nbgrader's own rules (ignore, include, sizes), and log what was left out."""
        course = self.coursedir
        packed = pack_folder(
            folder,
            Selection(
                ignore=tuple(course.ignore),
                include=tuple(course.include),
                max_file=course.max_file_size * KILOBYTE,
                max_total=course.max_dir_size * KILOBYTE,
            ),
        )
        for sentence in packed.left_out:
            self.log.warning(sentence)
        return packed

    def init_src(self) -> None:
        """Nothing to prepare unless a subclass says so."""

    def init_dest(self) -> None:
        """Nothing to prepare unless a subclass says so."""

    def copy_files(self) -> None:
        """Nothing to move unless a subclass says so."""
