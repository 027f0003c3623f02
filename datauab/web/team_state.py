"""What a member may know about teams of a competition: the same for page and API.

Members of a team see each other's accounts; everybody else sees the names that boards show.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from datauab.competition import Competition
from datauab.ledger import Team
from datauab.web.club import Club
from datauab.web.gate import limits_today
from datauab.web.taking_part import has_accepted
from datauab.web.team_models import (
    InvitationAnswer,
    MateAnswer,
    MergeAnswer,
    OtherTeamAnswer,
    OwnTeamAnswer,
    QuotaAnswer,
    SentInvitationAnswer,
    TeamAnswer,
)
from datauab.web.team_rules import team_terms

if TYPE_CHECKING:
    from datauab.web.session import Viewer

SUGGESTED_TEAMS = 200
"""Other teams at most whose names a page suggests; any other can be typed."""


def team_state(club: Club, competition: Competition, member: str) -> TeamAnswer:
    """Collect what concerns `member`: terms, own team, invitations, and the quota that the team shares."""
    terms = team_terms(club, competition)
    team = club.ledger.team_of(competition.name, member)
    return TeamAnswer(
        competition=competition.name,
        max_size=terms.max_size,
        until=terms.until,
        closed=terms.closed,
        team=_own_team(club, competition, team, member) if team else None,
        invitations=open_invitations(club, competition, member),
        quota=shared_quota(club, competition, member),
    )


def open_invitations(club: Club, competition: Competition, member: str) -> list[InvitationAnswer]:
    """Invitations that wait for the answer of `member`; none where everybody enters alone."""
    if competition.teams.max_size == 1:
        return []
    found = club.ledger.invitations(competition.name, member)
    wanted = {one.team_id for one in found}
    # a team may end between the two questions
    teams = {one.id: one for one in club.ledger.teams(competition.name) if one.id in wanted} if wanted else {}
    names = _shown_names(club, teams.values())
    return [
        InvitationAnswer(id=one.id, team=_other(teams[one.team_id], names), at=one.at)
        for one in found
        if one.team_id in teams
    ]


def other_teams(club: Club, competition: Competition, own: int | None) -> list[OtherTeamAnswer]:
    """The teams of a competition but `own`, in order of their names."""
    teams = [one for one in club.ledger.teams(competition.name) if one.id != own]
    names = _shown_names(club, teams)
    return sorted((_other(one, names) for one in teams), key=lambda one: (one.name.casefold(), one.id))


def mergeable(club: Club, competition: Competition, state: TeamAnswer) -> list[OtherTeamAnswer]:
    """Other teams with which that of `state` would not be too large, as many as a page suggests."""
    if state.team is None:
        return []
    room = competition.teams.max_size - len(state.team.members)
    asked = {one.team.id for one in state.team.merges}
    found = other_teams(club, competition, state.team.id)
    return [one for one in found if one.size <= room and one.id not in asked][:SUGGESTED_TEAMS]


def shared_quota(club: Club, competition: Competition, member: str) -> QuotaAnswer:
    """What the entrant of `member` used today, and may use."""
    now = club.clock()
    phase = competition.phase_at(now) or competition.phases[-1]
    extension = club.ledger.extension(competition.name, member)
    own = extension.daily_scored if extension else None
    usage = club.ledger.usage_today(competition.name, member, now, phase_opens=phase.opens)
    scored, attempts = limits_today(competition, phase, own)
    return QuotaAnswer(
        scored=usage.scored + usage.pending,
        daily_scored=scored,
        attempts=usage.attempts,
        daily_attempts=attempts,
        resets_at=usage.resets_at,
        total_scored=usage.total_scored if phase.total_scored is not None else None,
        most_total_scored=phase.total_scored,
    )


@dataclass(frozen=True)
class Reminders:
    """What a member still has to answer or accept before taking part fully.

    Attributes
    ----------
    invitations : list of InvitationAnswer
        Open invitations into teams.
    rules : bool
        Whether the rules, as they are now, wait for acceptance.
    """

    invitations: list[InvitationAnswer]
    rules: bool = False


def reminders(club: Club, competition: Competition, viewer: Viewer | None) -> dict[str, Any]:
    """What ``_reminders.html`` needs, ready for a template; nothing for a visitor."""
    if viewer is None:
        return {"reminders": Reminders([])}
    rules = not viewer.instructor and not has_accepted(club, competition, viewer.name)
    return {"reminders": Reminders(open_invitations(club, competition, viewer.name), rules)}


def _own_team(club: Club, competition: Competition, team: Team, member: str) -> OwnTeamAnswer:
    leads = team.captain == member
    requests = club.ledger.merge_requests(competition.name, team.id)
    teams = {one.id: one for one in club.ledger.teams(competition.name)} if requests else {}
    sides = {one.id: teams.get(one.team_id if one.other_id == team.id else one.other_id) for one in requests}
    others = {number: other for number, other in sides.items() if other}
    names = _shown_names(club, [team, *others.values()])
    return OwnTeamAnswer(
        id=team.id,
        name=team.name,
        captain=team.captain,
        you_lead=leads,
        made_at=team.made_at,
        members=[
            MateAnswer(account=one, name=names[one], captain=one == team.captain, you=one == member)
            for one in team.members
        ],
        invited=[
            SentInvitationAnswer(id=one.id, account=one.member, at=one.at)
            for one in club.ledger.team_invitations(team.id)
        ],
        merges=[
            MergeAnswer(id=one.id, team=_other(others[one.id], names), at=one.at, asked=one.other_id == team.id)
            for one in requests
            if one.id in others
        ],
    )


def _other(team: Team, names: Mapping[str, str]) -> OtherTeamAnswer:
    shown = [names[one] for one in team.members]
    return OtherTeamAnswer(id=team.id, name=team.name, size=len(team.members), members=shown)


def _shown_names(club: Club, teams: Iterable[Team]) -> dict[str, str]:
    members = {member for team in teams for member in team.members}
    return club.names.shown(members)
