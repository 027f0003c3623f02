"""Which account names exist and which are nobody's: one spelling for each person."""

from __future__ import annotations

import re
import unicodedata

from datauab.errors import ClubError
from datauab.settings import Settings

PATTERN = re.compile(r"[a-z0-9][a-z0-9_-]{1,31}")

#: Names that a reader of a board, a log or an address would take for the platform itself or for staff.
RESERVED = frozenset(
    (
        *("admin", "administrator", "anonymous", "api", "baseline", "baselines", "club", "daemon", "formgrader"),
        *("grader", "hub", "instructor", "instructors", "jupyter", "jupyterhub", "nbgrader", "nobody", "operator"),
        *("platform", "prior", "proxy", "reference", "root", "service", "services", "staff", "student", "support"),
        *("system", "teacher", "user", "users", "web"),
    )
)


def normalise(name: str) -> str:
    """Give the one spelling of an account name.

    Parameters
    ----------
    name : str
        As somebody typed it.

    Returns
    -------
    str
        2 to 32 characters of a to z, 0 to 9, ``_`` and ``-``, the first a letter or a digit. Upper case and
        compatibility forms (full-width letters, say) fall together with the plain letter, so that no two accounts
        look alike.

    Raises
    ------
    ClubError
        Where anything else is left, such as a letter of another script that only looks Latin.
    """
    plain = unicodedata.normalize("NFKC", name).strip().lower()
    if not PATTERN.fullmatch(plain):
        raise ClubError(
            "a name has 2 to 32 characters: the letters a to z without accents, digits, _ and -, beginning with a "
            f"letter or a digit; found {name[:64]!r}"
        )
    return plain


def is_reserved(settings: Settings, name: str) -> bool:
    """Whether the normalised `name` belongs to an instructor or to the platform, so that no student can take it."""
    instructors = {instructor.lower() for instructor in settings.instructors}
    return name in RESERVED or name in instructors or name == settings.course
