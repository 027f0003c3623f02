"""The API of teams."""

from __future__ import annotations

from fastapi import APIRouter

from datauab.web import team_rules
from datauab.web.api import REFUSALS, Anybody, InClub, Member
from datauab.web.team_models import InvitationWanted, MergeWanted, OtherTeamAnswer, TeamAnswer, TeamNameWanted
from datauab.web.team_state import other_teams, team_state

router = APIRouter(tags=["teams"], responses=REFUSALS, prefix="/competitions/{name}")


@router.get("/teams")
def list_teams(name: str, club: InClub, viewer: Anybody) -> list[OtherTeamAnswer]:
    """List the teams of a competition by their names, without accounts."""
    competition = club.competition(name, instructor=bool(viewer and viewer.instructor))
    return other_teams(club, competition, own=None)


@router.get("/team")
def show_team(name: str, club: InClub, viewer: Member) -> TeamAnswer:
    """Tell the caller's team, invitations, and what the team's quota leaves today."""
    competition = club.competition(name, instructor=viewer.instructor)
    return team_state(club, competition, viewer.name)


@router.post("/team", status_code=201)
def create_team(name: str, wanted: TeamNameWanted, club: InClub, viewer: Member) -> TeamAnswer:
    """Make a team whose captain is the caller."""
    competition = club.competition(name, instructor=viewer.instructor)
    team_rules.create_team(club, competition, viewer.name, wanted.name)
    return team_state(club, competition, viewer.name)


@router.patch("/team")
def rename_team(name: str, wanted: TeamNameWanted, club: InClub, viewer: Member) -> TeamAnswer:
    """Give the caller's team another name; captains only."""
    competition = club.competition(name, instructor=viewer.instructor)
    team_rules.rename_team(club, competition, viewer.name, wanted.name)
    return team_state(club, competition, viewer.name)


@router.delete("/team")
def leave_team(name: str, club: InClub, viewer: Member) -> TeamAnswer:
    """Leave the caller's team; the member who joined next becomes captain where the captain leaves."""
    competition = club.competition(name, instructor=viewer.instructor)
    team_rules.leave_team(club, competition, viewer.name)
    return team_state(club, competition, viewer.name)


@router.post("/team/invitations", status_code=201)
def invite(name: str, wanted: InvitationWanted, club: InClub, viewer: Member) -> TeamAnswer:
    """Invite an account into the caller's team; captains only. Whether the account exists is not told."""
    competition = club.competition(name, instructor=viewer.instructor)
    team_rules.invite(club, competition, viewer.name, wanted.account)
    return team_state(club, competition, viewer.name)


@router.delete("/team/invitations/{number}")
def withdraw_invitation(name: str, number: int, club: InClub, viewer: Member) -> TeamAnswer:
    """Take back an invitation of the caller's team; captains only."""
    competition = club.competition(name, instructor=viewer.instructor)
    team_rules.withdraw_invitation(club, competition, viewer.name, number)
    return team_state(club, competition, viewer.name)


@router.post("/team/invitations/{number}/accept")
def accept_invitation(name: str, number: int, club: InClub, viewer: Member) -> TeamAnswer:
    """Join the team that invited the caller."""
    competition = club.competition(name, instructor=viewer.instructor)
    team_rules.accept_invitation(club, competition, viewer.name, number)
    return team_state(club, competition, viewer.name)


@router.post("/team/invitations/{number}/decline")
def decline_invitation(name: str, number: int, club: InClub, viewer: Member) -> TeamAnswer:
    """Say no to an invitation."""
    competition = club.competition(name, instructor=viewer.instructor)
    team_rules.decline_invitation(club, competition, viewer.name, number)
    return team_state(club, competition, viewer.name)


@router.post("/team/merges", status_code=201)
def ask_to_merge(name: str, wanted: MergeWanted, club: InClub, viewer: Member) -> TeamAnswer:
    """Ask another team to become one with the caller's; captains only."""
    competition = club.competition(name, instructor=viewer.instructor)
    team_rules.ask_to_merge(club, competition, viewer.name, wanted.team)
    return team_state(club, competition, viewer.name)


@router.post("/team/merges/{number}/accept")
def accept_merge(name: str, number: int, club: InClub, viewer: Member) -> TeamAnswer:
    """Let the two teams become one; the captain of the asked team only."""
    competition = club.competition(name, instructor=viewer.instructor)
    team_rules.accept_merge(club, competition, viewer.name, number)
    return team_state(club, competition, viewer.name)


@router.post("/team/merges/{number}/decline")
def decline_merge(name: str, number: int, club: InClub, viewer: Member) -> TeamAnswer:
    """Say no to a merge, or take back one's own wish; captains of either team."""
    competition = club.competition(name, instructor=viewer.instructor)
    team_rules.decline_merge(club, competition, viewer.name, number)
    return team_state(club, competition, viewer.name)
