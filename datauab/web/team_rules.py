"""The rules of teams, the same for pages and API: who may change one, until when, how large, with what quota."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

from datauab.competition import Competition
from datauab.errors import LedgerError
from datauab.web.club import Club
from datauab.web.gate import daily_scored
from datauab.web.names import folded
from datauab.web.problems import Problem

if TYPE_CHECKING:
    from datauab.ledger import Invitation, MergeRequest, Team

NAME_LENGTH = 60
OPEN_INVITATIONS = 10
"""Invitations of one team that wait at once: enough for a team, too few to try out names."""

Found = TypeVar("Found")
Done = TypeVar("Done")

_NAMING = Lock()
# the ledger knows no names that are taken: two teams that want one name must not both get it


@dataclass(frozen=True)
class TeamTerms:
    """What a competition says of teams now.

    Attributes
    ----------
    max_size : int
        Members of a team at most; 1 where everybody enters alone.
    until : datetime or None
        When teams stop changing (aware, UTC); None where no end is set.
    closed : str
        Why nothing can be changed now; empty where it can.
    """

    max_size: int
    until: datetime | None
    closed: str = ""


def team_terms(club: Club, competition: Competition) -> TeamTerms:
    """Tell whether and until when teams of a competition change."""
    most = competition.teams.max_size
    # whoever knows the private scores could choose with whom to share a row
    ends = (competition.teams.merge_until, competition.ends, competition.reveals)
    until = min((end for end in ends if end is not None), default=None)
    if most == 1:
        return TeamTerms(most, until, f"everybody enters {competition.name} alone: it has no teams")
    if until is not None and club.clock() >= until:
        ended = until.astimezone(club.zone)
        return TeamTerms(most, until, f"teams of {competition.name} could change until {ended:%d %B %Y, %H:%M}")
    return TeamTerms(most, until)


def create_team(club: Club, competition: Competition, member: str, name: str) -> Team:
    """Make a team of one, whose captain is `member`.

    Raises
    ------
    Problem
        409 where the rules do not allow it, 400 where the name is no name or taken.
    """

    def check() -> str:
        _check_open(club, competition)
        if club.ledger.team_of(competition.name, member):
            raise _refused("you are in a team already; leave it before you make another")
        return _free_name(club, competition, member, name)

    with _NAMING:
        return _do(check, lambda free: club.ledger.create_team(competition.name, free, member))


def rename_team(club: Club, competition: Competition, member: str, name: str) -> None:
    """Give the team of `member`, its captain, another name."""
    _check_open(club, competition)
    with _NAMING:
        team = _captains_team(club, competition, member, "rename it")
        club.ledger.rename_team(team.id, _free_name(club, competition, member, name, team), member)


def invite(club: Club, competition: Competition, member: str, account: str) -> Invitation:
    """Invite `account` into the team of `member`, its captain.

    The answer is the same whether the account exists, is in another team, or never signed in: nobody finds accounts
    by inviting, and whoever signs in for the first time tomorrow finds the invitation waiting.
    """
    _check_open(club, competition)
    team = _captains_team(club, competition, member, "invite")
    account = _account_name(account)
    if account in team.members:
        raise _refused(f"your team has {account} in it already")
    waiting = club.ledger.team_invitations(team.id)
    if account in {one.member for one in waiting}:
        raise _refused(f"you invited {account} already, who has not answered yet")
    if len(waiting) >= OPEN_INVITATIONS:
        raise _refused(
            f"{len(waiting)} invitations of your team wait for an answer, expected at most {OPEN_INVITATIONS}; take "
            "one back before you invite anybody else"
        )
    _check_size(competition, len(team.members) + 1)
    return club.ledger.invite(team.id, member, account)


def withdraw_invitation(club: Club, competition: Competition, member: str, number: int) -> None:
    """Take back an invitation into the team of `member`, its captain; that is possible at any time."""

    def check() -> Invitation:
        team = _captains_team(club, competition, member, "take back invitations")
        for one in club.ledger.team_invitations(team.id):
            if one.id == number:
                return one
        raise Problem(404, "NotFound", f"your team has no open invitation number {number}; reload the page")

    _do(check, lambda found: club.ledger.decline(number, found.member))


def accept_invitation(club: Club, competition: Competition, member: str, number: int) -> Team:
    """Let `member`, who is invited, join."""

    def check() -> None:
        _check_open(club, competition)
        _own_invitation(club, competition, member, number)
        if club.ledger.team_of(competition.name, member):
            raise _refused("you are in a team already; leave it, or ask both captains to merge the teams")

    return _do(check, lambda _: club.ledger.accept(number, member, gate=_gate(club, competition)))


def decline_invitation(club: Club, competition: Competition, member: str, number: int) -> None:
    """Let `member` say no to an invitation; that is possible at any time."""
    _do(
        lambda: _own_invitation(club, competition, member, number),
        lambda _: club.ledger.decline(number, member),
    )


def leave_team(club: Club, competition: Competition, member: str) -> None:
    """Let `member` leave; attempts follow their author."""
    _check_open(club, competition)
    _do(lambda: _own_team(club, competition, member), lambda team: club.ledger.leave(team.id, member))


def ask_to_merge(club: Club, competition: Competition, member: str, other: str) -> None:
    """Ask the team with the name `other` to become one team with that of `member`, its captain."""

    def check() -> tuple[Team, Team]:
        _check_open(club, competition)
        team = _captains_team(club, competition, member, "merge it")
        found = _named_team(club, competition, other)
        if found is None or found.id == team.id:
            raise Problem(
                404, "NotFound", f"{competition.name} has no other team {other[:NAME_LENGTH]!r}; mind the spelling"
            )
        between = {team.id, found.id}
        waiting = club.ledger.merge_requests(competition.name, team.id)
        if any({one.team_id, one.other_id} == between for one in waiting):
            raise _refused(f"a wish to merge with {found.name} waits for an answer already")
        _check_size(competition, len({*team.members, *found.members}))
        return team, found

    _do(check, lambda teams: club.ledger.request_merge(teams[0].id, teams[1].id, member))


def decline_merge(club: Club, competition: Competition, member: str, number: int) -> None:
    """Let `member`, captain of either team, end a wish to merge; that is possible at any time."""

    def check() -> None:
        team = _captains_team(club, competition, member, "answer for it")
        if number not in {one.id for one in club.ledger.merge_requests(competition.name, team.id)}:
            raise Problem(404, "NotFound", f"no wish to merge waits under number {number}; reload the page")

    _do(check, lambda _: club.ledger.decline_merge(number, member))


def accept_merge(club: Club, competition: Competition, member: str, number: int) -> Team:
    """Let `member`, captain of the asked team, say yes; the teams become one."""

    def check() -> None:
        _check_open(club, competition)
        team = _captains_team(club, competition, member, "merge it")
        if number not in {one.id for one in _asked(club, competition, team)}:
            raise Problem(404, "NotFound", f"no team asks yours to merge under number {number}; reload the page")

    return _do(check, lambda _: club.ledger.accept_merge(number, member, gate=_gate(club, competition)))


def _asked(club: Club, competition: Competition, team: Team) -> Sequence[MergeRequest]:
    return [one for one in club.ledger.merge_requests(competition.name, team.id) if one.other_id == team.id]


def check_joined(club: Club, competition: Competition, members: Sequence[str]) -> None:
    """Raise where `members` may not be one team: too many, or more scored attempts than one team may have made.

    A team has the quota of one entrant. Who used several and joins then would have more attempts than a team that
    began together, so what they made together may not be above what one entrant could have made since the phase
    opened.

    Raises
    ------
    Problem
        409, with what was expected and found.
    """
    _check_size(competition, len(members))
    now = club.clock()
    phase = competition.phase_at(now)
    if phase is None:
        return
    usages = {}
    for member in members:
        usage = club.ledger.usage_today(competition.name, member, now, phase_opens=phase.opens)
        usages[usage.entrant or member] = usage
    used = sum(usage.total_scored for usage in usages.values())
    days = (now.astimezone(club.zone).date() - phase.opens.astimezone(club.zone).date()).days + 1
    most = days * daily_scored(competition, phase, None)
    if phase.total_scored is not None:
        most = min(most, phase.total_scored)
    if used > most:
        raise _refused(
            f"together you made {used} scored attempts in phase {phase.name!r}, expected at most {most}, which is what "
            "one team could have made by now; try again on a later day, or stay apart"
        )


def _gate(club: Club, competition: Competition) -> Callable[[Sequence[str]], None]:
    """What the ledger asks inside its transaction, with the members that the team would have."""
    return partial(check_joined, club, competition)


def _do(check: Callable[[], Found], act: Callable[[Found], Done]) -> Done:
    """Act after a check; where somebody else was faster, the check tells what is there now."""
    found = check()
    try:
        return act(found)
    except LedgerError:
        check()
        raise


def _refused(message: str) -> Problem:
    return Problem(409, "TeamRefused", message)


def _check_open(club: Club, competition: Competition) -> None:
    closed = team_terms(club, competition).closed
    if closed:
        raise _refused(closed)


def _check_size(competition: Competition, size: int) -> None:
    if size > competition.teams.max_size:
        raise _refused(
            f"a team of {competition.name} has at most {competition.teams.max_size} members, and yours would have "
            f"{size}"
        )


def _own_team(club: Club, competition: Competition, member: str) -> Team:
    team = club.ledger.team_of(competition.name, member)
    if team is None:
        raise _refused(f"you are in no team of {competition.name}; make one, or accept an invitation")
    return team


def _captains_team(club: Club, competition: Competition, member: str, act: str) -> Team:
    team = _own_team(club, competition, member)
    if team.captain != member:
        raise _refused(f"only the captain of {team.name} may {act}; ask your team mate")
    return team


def _named_team(club: Club, competition: Competition, name: str) -> Team | None:
    wanted = folded(_plain(name))
    return next((one for one in club.ledger.teams(competition.name) if folded(one.name) == wanted), None)


def _own_invitation(club: Club, competition: Competition, member: str, number: int) -> Invitation:
    for one in club.ledger.invitations(competition.name, member):
        if one.id == number:
            return one
    raise Problem(404, "NotFound", f"you have no open invitation number {number}; reload the page of your team")


def _account_name(name: str) -> str:
    # the hub spells accounts in lower case
    account = unicodedata.normalize("NFKC", name).strip().lower()
    if not 0 < len(account) <= NAME_LENGTH or not account.isprintable() or " " in account:
        raise Problem(
            400,
            "InvalidRequest",
            f"account name: expected the name with which your team mate signs in, 1 to {NAME_LENGTH} characters "
            f"without spaces, found {name[:NAME_LENGTH]!r}; ask for it",
        )
    return account


def _free_name(club: Club, competition: Competition, member: str, name: str, own: Team | None = None) -> str:
    name = clean_name(name, "team name")
    others = {folded(one.name) for one in club.ledger.teams(competition.name) if own is None or one.id != own.id}
    # a row of the board must not look like somebody else's
    others |= {folded(shown) for account, shown in club.names.everybody().items() if account != member}
    if folded(name) in others:
        raise Problem(400, "InvalidRequest", f"somebody else here has the name {name!r}; choose another")
    return name


def clean_name(name: str, what: str) -> str:
    """`name` as it may be shown: trimmed, of printable characters, of 1 to `NAME_LENGTH` of them.

    Raises
    ------
    Problem
        400 where it is no such name.
    """
    name = _plain(name)
    if not 0 < len(name) <= NAME_LENGTH or not name.isprintable():
        raise Problem(
            400,
            "InvalidRequest",
            f"{what}: expected 1 to {NAME_LENGTH} printable characters, found {len(name)}; choose another",
        )
    return name


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", " ".join(name.split()))
