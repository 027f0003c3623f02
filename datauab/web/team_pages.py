"""The page of a member's team, and its forms; a refused form shows the page again with the reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from datauab.competition import Competition
from datauab.web import team_rules
from datauab.web.api import InClub, Member
from datauab.web.club import Club
from datauab.web.context import about
from datauab.web.problems import Problem
from datauab.web.render import page
from datauab.web.session import Viewer
from datauab.web.team_state import mergeable, reminders, team_state

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

Act = Callable[[Club, Competition, str, str], object]
"""Does something for a member, with the form's one value."""


@router.get("/competitions/{name}/team")
def show(request: Request, name: str, club: InClub, viewer: Member) -> Response:
    """Show the viewer's team, or how to get one."""
    competition = club.competition(name, instructor=viewer.instructor)
    return _team_page(request, club, competition, viewer)


@router.post("/competitions/{name}/team")
def change(request: Request, name: str, club: InClub, viewer: Member) -> Response:
    """Do what one of the page's forms asks for."""
    competition = club.competition(name, instructor=viewer.instructor)
    wanted, value = _field(viewer, "act"), _field(viewer, "value")
    act = _ACTS.get(wanted)
    if act is None:
        raise Problem(400, "InvalidRequest", "the form is not one of this page; reload the page of your team")
    try:
        act(club, competition, viewer.name, value)
    except Problem as problem:
        sent = {wanted: value}
        return _team_page(request, club, competition, viewer, problem=problem, sent=sent)
    return RedirectResponse(f"{club.prefix}competitions/{name}/team", status_code=303)


def _team_page(
    request: Request,
    club: Club,
    competition: Competition,
    viewer: Viewer,
    *,
    problem: Problem | None = None,
    sent: Mapping[str, str] = MappingProxyType({}),
) -> Response:
    state = team_state(club, competition, viewer.name)
    values = {
        **about(club, competition),
        **reminders(club, competition, viewer),
        "state": state,
        "mergeable": mergeable(club, competition, state),
        "refusal": _sentence(str(problem)) if problem else "",
        "sent": sent,
        "name_length": team_rules.NAME_LENGTH,
    }
    return page(request, "team.html", viewer, values, status=problem.status if problem else 200)


def _field(viewer: Viewer, name: str) -> str:
    value = viewer.form.get(name) if viewer.form else None
    return value if isinstance(value, str) else ""


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def _by_number(act: Callable[[Club, Competition, str, int], object]) -> Act:
    def numbered(club: Club, competition: Competition, member: str, value: str) -> object:
        # a number of a database is no longer than this; anything else is nobody's
        number = int(value) if value.isascii() and value.isdigit() and len(value) < 18 else 0
        return act(club, competition, member, number)

    return numbered


def _leave(club: Club, competition: Competition, member: str, value: str) -> None:
    team_rules.leave_team(club, competition, member)


_ACTS: Mapping[str, Act] = {
    "create": team_rules.create_team,
    "rename": team_rules.rename_team,
    "invite": team_rules.invite,
    "withdraw": _by_number(team_rules.withdraw_invitation),
    "accept": _by_number(team_rules.accept_invitation),
    "decline": _by_number(team_rules.decline_invitation),
    "leave": _leave,
    "merge": team_rules.ask_to_merge,
    "accept-merge": _by_number(team_rules.accept_merge),
    "decline-merge": _by_number(team_rules.decline_merge),
}
