"""Forms of the organiser's desk, read with the reason why a field cannot be taken."""

from __future__ import annotations

import re
from datetime import datetime
from typing import cast

from datauab.web.club import Club
from datauab.web.desk_times import UnclearTime, Which, parse_local
from datauab.web.problems import Problem
from datauab.web.session import Viewer

ACCOUNT = r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}"
"""What an account of the hub may be called, older ones included."""

STUDENTS_AT_ONCE = 2000
"""Students whom one class run may name; everybody needs no names."""

NO_NUL = r"^[^\x00]*$"
"""What may be searched for: PostgreSQL takes no text with a NUL."""


class UnclearForm(Problem):
    """A form was filled in a way that cannot be taken; the page comes again with it.

    Attributes
    ----------
    twice : str
        Name of the field whose time comes twice; empty where that is not the reason.
    """

    def __init__(self, message: str, twice: str = "") -> None:
        super().__init__(400, "InvalidRequest", message)
        self.twice = twice


def field(viewer: Viewer, name: str) -> str:
    """What the form says in field `name`; empty where it says nothing."""
    value = viewer.form.get(name) if viewer.form else None
    return value.strip() if isinstance(value, str) else ""


def filled(viewer: Viewer) -> dict[str, str]:
    """Every text of the form, to show it again."""
    fields = viewer.form.items() if viewer.form else ()
    return {name: value for name, value in fields if isinstance(value, str) and name != "_xsrf"}


def moment_field(club: Club, viewer: Viewer, name: str) -> datetime | None:
    """The time in field `name`, by the club's clock; None where it is empty.

    Raises
    ------
    UnclearForm
        Where the clock leaves it out or shows it twice, or it is no time.
    """
    text, which = field(viewer, name), field(viewer, f"{name}_which")
    if not text:
        return None
    try:
        return parse_local(text, club.zone, cast(Which, which) if which in ("first", "second") else "")
    except UnclearTime as error:
        raise UnclearForm(str(error), twice=name if error.twice else "") from error


def number_field(viewer: Viewer, name: str, title: str, most: int) -> int | None:
    """The whole number in field `name`, from 1 to `most`; None where it is empty.

    Raises
    ------
    UnclearForm
        Where it is anything else.
    """
    text = field(viewer, name)
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= most):
        raise UnclearForm(f"{title}: expected a whole number from 1 to {most}, found {text[:40]!r}")
    return int(text)


def confirmed(viewer: Viewer, what: str) -> None:
    """Raise `UnclearForm` where the box that confirms was not ticked."""
    if field(viewer, "confirm") != "yes":
        raise UnclearForm(f"{what}: tick the box beside the button to confirm, then press it once more")


def is_account(name: str) -> bool:
    """Whether `name` can be an account of the hub."""
    return re.fullmatch(ACCOUNT, name) is not None
