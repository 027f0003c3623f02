"""Which attempts a viewer may see and act on: one's own, those of the team, and everything for instructors."""

from __future__ import annotations

from dataclasses import dataclass

from datauab.competition import Competition
from datauab.errors import LedgerError
from datauab.ledger import Attempt
from datauab.web.club import Club
from datauab.web.problems import Problem
from datauab.web.session import Viewer
from datauab.web.taking_part import entrant_members
from datauab.web.visibility import is_own

LIST_LIMIT = 500
"""Attempts that one answer lists at most."""

LARGEST_NUMBER = 2**62


@dataclass(frozen=True)
class AttemptPage:
    """Some attempts, the newest first; `before` continues the list, None where nothing is left."""

    attempts: list[Attempt]
    before: int | None


def own_attempts(
    club: Club, competition: Competition, viewer: Viewer, *, before: int | None = None, limit: int = LIST_LIMIT
) -> AttemptPage:
    """Attempts of the viewer and the viewer's team, deleted ones too, without baselines."""
    found: list[Attempt] = []
    for member in entrant_members(club, competition, viewer.name):
        found += club.ledger.attempts(competition=competition.name, member=member, limit=limit + 1, before=before)
    found.sort(key=lambda one: one.id, reverse=True)
    more = len(found) > limit
    page = found[:limit]
    return AttemptPage([one for one in page if one.origin != "baseline"], page[-1].id if more else None)


def visible_attempt(club: Club, viewer: Viewer, number: int) -> Attempt:
    """Attempt `number` where `viewer` may see it.

    Raises
    ------
    Problem
        404 where there is none, and the same where it is somebody else's, so that numbers tell nothing.
    """
    missing = Problem(404, "NotFound", f"there is no attempt {number} of yours; see your list of attempts")
    if not 0 < number < LARGEST_NUMBER:
        raise missing
    try:
        attempt = club.ledger.attempt(number)
    except LedgerError:
        raise missing from None
    if viewer.instructor or is_own(club, attempt, viewer):
        return attempt
    raise missing


def can_delete(attempt: Attempt, viewer: Viewer) -> bool:
    """Whether `viewer` made the attempt, it has ended, and it is not deleted yet."""
    made = attempt.member == viewer.name and attempt.origin != "baseline"
    return made and attempt.state in ("scored", "failed") and attempt.deleted_at is None


def delete_attempt(club: Club, viewer: Viewer, number: int) -> Attempt:
    """Hide one's own attempt from boards and from what counts; it frees no quota, and asking again changes nothing.

    Raises
    ------
    Problem
        404 as `visible_attempt`; 403 where somebody else made it; 409 where it has not ended.
    """
    attempt = visible_attempt(club, viewer, number)
    if attempt.member != viewer.name or attempt.origin == "baseline":
        raise Problem(403, "Forbidden", f"attempt {number} was made by {attempt.member}, who alone can delete it")
    if attempt.deleted_at is not None:
        return attempt
    if not can_delete(attempt, viewer):
        raise Problem(
            409, "Contradiction", f"attempt {number} waits for its score and cannot be deleted; try when it has ended"
        )
    club.ledger.delete_attempt(number, viewer.name)
    return club.ledger.attempt(number)
