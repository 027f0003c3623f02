"""The organiser's desk: one member's use of the quotas, and more for one student."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response

from datauab.competition import Competition
from datauab.web.api import InClub
from datauab.web.club import Club
from datauab.web.desk_acts import NOTE_LIMIT, extend
from datauab.web.desk_forms import NO_NUL, UnclearForm, field, is_account, moment_field, number_field
from datauab.web.desk_frame import done, show
from datauab.web.desk_reading import search_members, view_member
from datauab.web.desk_rulings import MOST_A_DAY
from datauab.web.desk_times import as_typed
from datauab.web.exchange_api import Teacher
from datauab.web.problems import Problem
from datauab.web.session import Viewer

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/competitions/{name}/manage/members")
def members(
    request: Request,
    name: str,
    club: InClub,
    viewer: Teacher,
    wanted: Annotated[str, Query(max_length=64, pattern=NO_NUL)] = "",
) -> Response:
    """Search members, and list who has an extension."""
    competition = club.competition(name, instructor=True)
    given = [one for one in club.ledger.extensions(name) if one.closes or one.daily_scored]
    values = {
        "wanted": wanted.strip(),
        "found": search_members(club, name, wanted.strip()) if wanted.strip() else None,
        "extensions": given,
        "names": club.ledger.display_names({one.member for one in given}),
    }
    return show(request, club, viewer, competition, part="members", values=values)


@router.get("/competitions/{name}/manage/members/{member}")
def one_member(request: Request, name: str, member: str, club: InClub, viewer: Teacher) -> Response:
    """Show one member's quotas and attempts, and the form of an extension."""
    return _member(request, club, viewer, club.competition(name, instructor=True), member=member)


@router.post("/competitions/{name}/manage/members/{member}")
def give_extension(request: Request, name: str, member: str, club: InClub, viewer: Teacher) -> Response:
    """Allow one member more than everybody has."""
    competition = club.competition(name, instructor=True)
    _check_account(member)
    try:
        closes = moment_field(club, viewer, "closes")
        scored = number_field(viewer, "daily_scored", "Scored attempts a day", MOST_A_DAY)
        if closes is None and scored is None:
            raise UnclearForm("an extension gives more time, more attempts, or both: fill in one of the two fields")
        note = field(viewer, "note")
        extend(club, competition, member, closes=closes, daily_scored=scored, note=note, by=viewer.name)
    except Problem as problem:
        return _member(request, club, viewer, competition, member=member, problem=problem)
    return done(club, name, f"/members/{member}", "extended")


@router.post("/competitions/{name}/manage/members/{member}/take-back")
def take_back(name: str, member: str, club: InClub, viewer: Teacher) -> Response:
    """Let for this member hold again what everybody has."""
    competition = club.competition(name, instructor=True)
    _check_account(member)
    extend(club, competition, member, closes=None, daily_scored=None, note="", by=viewer.name)
    return done(club, name, f"/members/{member}", "taken-back")


def _member(
    request: Request,
    club: Club,
    viewer: Viewer,
    competition: Competition,
    *,
    member: str,
    problem: Problem | None = None,
) -> Response:
    _check_account(member)
    seen = view_member(club, competition, member)
    given = seen.extension if seen.extension and (seen.extension.closes or seen.extension.daily_scored) else None
    reveals = competition.reveals
    values = {
        "template": "member",
        "seen": seen,
        "given": given,
        "closes_typed": as_typed(given.closes if given else None, club.zone),
        "note_limit": NOTE_LIMIT,
        "most": MOST_A_DAY,
        "after_reveal": bool(given and given.closes and reveals and given.closes > reveals),
    }
    return show(request, club, viewer, competition, part="members", values=values, problem=problem)


def _check_account(member: str) -> None:
    if not is_account(member):
        raise Problem(404, "NotFound", f"no account can be called {member[:60]!r}; search the member on the desk")
