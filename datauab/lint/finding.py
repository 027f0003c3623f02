"""How checks say what they found."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from datauab.lint.case import Case
from datauab.task_results import LintFinding

Check = Callable[[Case], Iterable[LintFinding]]
"""Looks at one thing; gives what is wrong with it."""

ORDER = ("error", "warning", "note")


def error(code: str, message: str, *, where: str = "", advice: str = "") -> LintFinding:
    """Something that makes scores wrong or gives the answers away."""
    return LintFinding(severity="error", code=code, message=message, where=where, advice=advice)


def warning(code: str, message: str, *, where: str = "", advice: str = "") -> LintFinding:
    """Something that an organiser should decide on before it begins."""
    return LintFinding(severity="warning", code=code, message=message, where=where, advice=advice)


def note(code: str, message: str, *, where: str = "", advice: str = "") -> LintFinding:
    """Something to know."""
    return LintFinding(severity="note", code=code, message=message, where=where, advice=advice)
