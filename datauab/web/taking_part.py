"""Acts of members that are no attempts, the same for pages and API: accepting rules, choosing final attempts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from datauab.competition import Competition
from datauab.errors import LedgerError, PhaseClosed
from datauab.ledger import Attempt
from datauab.ledger.records import MEMBER_ORIGINS
from datauab.web.club import Club
from datauab.web.problems import Problem

SHOWN_ATTEMPTS = 500
"""Scored attempts among which an entrant chooses, the newest; who has more chooses by the API."""


def accept_rules(club: Club, competition: Competition, member: str, sha256: str) -> None:
    """Record that `member` accepts the rules whose text has the hash `sha256`.

    Raises
    ------
    Problem
        409 where that is not the hash of the text as it is now: nobody accepts what he did not read.
    """
    rules = competition.rules
    if not rules.text:
        raise Problem(409, "Contradiction", f"{competition.name} has no rules to accept; hand in as you are")
    if sha256 != rules.sha256:
        raise Problem(
            409, "Contradiction", f"the rules of {competition.name} changed while you read them; read them once more"
        )
    if club.ledger.accepted_rules(competition.name, member) != sha256:
        club.ledger.accept_rules(competition.name, member, sha256)


def has_accepted(club: Club, competition: Competition, member: str) -> bool:
    """Whether nothing is left for `member` to accept."""
    rules = competition.rules
    return not rules.text or club.ledger.accepted_rules(competition.name, member) == rules.sha256


@dataclass(frozen=True)
class FinalTerms:
    """What an entrant may choose for the private board.

    Attributes
    ----------
    most : int
        Attempts at most.
    until : datetime or None
        Until when (aware, UTC); None where no end is set.
    closed : str
        Why nothing can be chosen now; empty where it can.
    """

    most: int
    until: datetime | None
    closed: str = ""


def final_terms(club: Club, competition: Competition, member: str) -> FinalTerms:
    """Tell until when final attempts can be chosen: while `member` may still hand in ranked ones, never later."""
    most, now = competition.board.finalists, club.clock()
    until = competition.ends
    if until is not None:
        extension = club.ledger.extension(competition.name, member)
        if extension and extension.closes:
            until = max(until, extension.closes)
        if competition.late and competition.late.ranked and competition.late_until:
            until = max(until, competition.late_until)
    if competition.is_revealed(now):
        return FinalTerms(most, until, "the private scores are shown already, so the choice is made")
    if until is not None and now >= until:
        ended = until.astimezone(club.zone)
        return FinalTerms(most, until, f"attempts could be chosen until {ended:%d %B %Y, %H:%M}")
    return FinalTerms(most, until)


def entrant_members(club: Club, competition: Competition, member: str) -> tuple[str, ...]:
    """Whose attempts count together with those of `member`."""
    team = club.ledger.team_of(competition.name, member)
    return tuple(team.members) if team else (member,)


def choosable(club: Club, competition: Competition, member: str) -> list[Attempt]:
    """Scored attempts of the member's entrant that could count on the private board, the newest first."""
    found: list[Attempt] = []
    for one in entrant_members(club, competition, member):
        found += club.ledger.attempts(competition=competition.name, member=one, states=["scored"], limit=SHOWN_ATTEMPTS)
    kept = [one for one in found if _counts(competition, one)]
    return sorted(kept, key=lambda one: (one.received_at, one.id), reverse=True)[:SHOWN_ATTEMPTS]


def choose_final(club: Club, competition: Competition, member: str, numbers: Sequence[int]) -> None:
    """Choose the attempts `numbers` of the member's entrant for the private board, in place of an earlier choice.

    An empty choice leaves it to the rule: the best public ones, or the newest where the competition ranks those.

    Raises
    ------
    PhaseClosed
        Where it is too late.
    Problem
        400 where too many, the same twice, or attempts that cannot count are named.
    """
    terms = final_terms(club, competition, member)
    if terms.closed:
        raise PhaseClosed(f"{competition.name}: {terms.closed}")
    wanted = list(dict.fromkeys(numbers))
    if len(wanted) > terms.most:
        raise Problem(
            400,
            "InvalidRequest",
            f"expected at most {terms.most} attempts of {competition.name}, found {len(wanted)}; untick some",
        )
    members = entrant_members(club, competition, member)
    for number in wanted:
        one = _find(club, number)
        if (
            one is None
            or one.competition != competition.name
            or one.member not in members
            or not _counts(competition, one)
        ):
            raise Problem(
                400,
                "InvalidRequest",
                f"attempt {number} cannot be chosen: expected a scored attempt of yours or your team at "
                f"{competition.name} that was in time and is not deleted; see the list",
            )
    club.ledger.select_final(competition.name, club.ledger.entrant_of(competition.name, member), wanted, member)


def _find(club: Club, number: int) -> Attempt | None:
    if not 0 < number < 2**62:
        return None
    try:
        return club.ledger.attempt(number)
    except LedgerError:
        return None


def _counts(competition: Competition, one: Attempt) -> bool:
    in_time = not one.late_days or bool(competition.late and competition.late.ranked)
    return one.state == "scored" and one.deleted_at is None and one.origin in MEMBER_ORIGINS and in_time
