"""Looks at a competition before it begins: leaks, bad splits, ids that tell, slips in its description.

It reads the solution, so only operators and the grader run it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from datauab.competition import load_competition
from datauab.errors import ClubError, ConfigurationError
from datauab.lint.case import Case
from datauab.lint.finding import ORDER, error, warning
from datauab.lint.registry import CHECKS, Need, Registered
from datauab.settings import Settings
from datauab.task_results import LintFinding, LintFound

__all__ = ["CHECKS", "Case", "Registered", "lint"]

log = logging.getLogger(__name__)

Tell = Callable[[str], None]


def _quiet(step: str) -> None:
    """Show no progress."""


def lint(settings: Settings, name: str, tell: Tell = _quiet) -> LintFound:
    """Run every check on competition `name`.

    Parameters
    ----------
    tell : callable
        Told what is looked at.

    Returns
    -------
    LintFound
        Errors first. A check that fails becomes a finding of its own and never ends the run.
    """
    try:
        competition = load_competition(settings.source / name)
    except ConfigurationError as problem:
        return LintFound(findings=(error("description-wrong", str(problem), where="competition.toml"),))
    case = Case(settings, competition)
    there = _there(case)
    findings: list[LintFinding] = []
    for one in CHECKS:
        if one.needs in there:
            tell(one.title)
            findings += _run(one, case)
    return LintFound(findings=tuple(sorted(findings, key=lambda found: ORDER.index(found.severity))))


def _there(case: Case) -> set[Need]:
    """What is there to look at; what is missing is told by the check of the data."""
    there: set[Need] = {"nothing"}
    try:
        if case.manifest:
            there.add("data")
        if not case.is_program and len(case.truth) and case.manifest.fingerprint == case.solution.fingerprint:
            there.add("solution")
    except ClubError:
        pass
    return there


def _run(one: Registered, case: Case) -> list[LintFinding]:
    try:
        return list(one.check(case))
    except Exception as problem:  # whatever odd data does to a check is a finding, and the others still run
        log.exception("lint of %s: check of %s failed", case.competition.name, one.title)
        return [
            warning(
                "check-failed",
                f"the check of {one.title} failed: {type(problem).__name__}: {str(problem)[:300]}",
                where=one.title,
                advice="look at the data by hand; tell whoever maintains the club",
            )
        ]
