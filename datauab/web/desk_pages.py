"""The organiser's desk: the overview, announcements, the audit log and what to know of bundles."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response

from datauab.web import desk_attempt_pages, desk_board_pages, desk_class_pages, desk_member_pages, desk_task_pages
from datauab.web.api import InClub
from datauab.web.club import Club
from datauab.web.desk_acts import TEXT_LIMIT, announce, withdraw
from datauab.web.desk_forms import NO_NUL, field
from datauab.web.desk_frame import done, show
from datauab.web.desk_models import AuditAnswer
from datauab.web.desk_reading import LAST_HOUR_MOST, AuditFilter, find_audit, scored_last_hour, trouble
from datauab.web.desk_sides import side_by_side
from datauab.web.exchange_api import Teacher
from datauab.web.problems import Problem
from datauab.web.session import Viewer
from datauab.web.wording import waiting_time

AUDIT_AT_ONCE = 10_000
"""Rows of the audit log that one download holds; the newest."""

Before = Annotated[int | None, Query(ge=1, lt=2**62)]
PageNumber = Annotated[int, Query(alias="page", ge=1, le=1_000_000)]
Searched = Annotated[str, Query(max_length=64, pattern=NO_NUL)]

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
for _part in (desk_attempt_pages, desk_board_pages, desk_class_pages, desk_member_pages, desk_task_pages):
    router.include_router(_part.router)


@router.get("/competitions/{name}/manage")
def manage(
    request: Request, name: str, club: InClub, viewer: Teacher, *, number: PageNumber = 1, wanted: Searched = ""
) -> Response:
    """Show the state of the queue, what went wrong, and both boards."""
    competition = club.competition(name, instructor=True)
    counts, waits = club.ledger.attempts_by_state(name), club.ledger.queue_counts()
    wrong, hour = trouble(club, name), scored_last_hour(club, name)
    sides = side_by_side(club, competition, number, wanted.strip())
    values = {
        "queue": counts,
        "wait": waiting_time(waits.oldest, club.clock()),
        "hour": f"{hour}+" if hour == LAST_HOUR_MOST else str(hour),
        "trouble": wrong,
        "names": club.ledger.display_names({one.member for one in (*wrong.today, *wrong.faults)}),
        "sides": sides,
        "wanted": wanted,
    }
    return show(request, club, viewer, competition, part="overview", values=values)


@router.get("/competitions/{name}/manage/announcements")
def announcements(request: Request, name: str, club: InClub, viewer: Teacher) -> Response:
    """Show what stands, and the form to write."""
    return _announcements(request, club, viewer, name)


@router.post("/competitions/{name}/manage/announcements")
def add_announcement(request: Request, name: str, club: InClub, viewer: Teacher) -> Response:
    """Announce something."""
    club.competition(name, instructor=True)
    try:
        announce(club, name, field(viewer, "text"), viewer.name)
    except Problem as problem:
        return _announcements(request, club, viewer, name, problem)
    return done(club, name, "/announcements", "announced")


@router.post("/competitions/{name}/manage/announcements/{number}/withdraw")
def withdraw_announcement(name: str, number: int, club: InClub, viewer: Teacher) -> Response:
    """Take an announcement back."""
    club.competition(name, instructor=True)
    withdraw(club, name, number, viewer.name)
    return done(club, name, "/announcements", "withdrawn")


@router.get("/competitions/{name}/manage/audit")
def audit(
    request: Request,
    name: str,
    club: InClub,
    viewer: Teacher,
    *,
    action: Searched = "",
    actor: Searched = "",
    before: Before = None,
) -> Response:
    """Show who did what to the competition."""
    competition = club.competition(name, instructor=True)
    wanted = AuditFilter(action.strip(), actor.strip())
    rows, older = find_audit(club.ledger, name, wanted, before)
    values = {"rows": rows, "older": older, "filter": wanted, "first": before is None, "most": AUDIT_AT_ONCE}
    return show(request, club, viewer, competition, part="audit", values=values)


@router.get("/competitions/{name}/manage/audit.json", response_class=JSONResponse)
def audit_file(name: str, club: InClub, viewer: Teacher, action: Searched = "", actor: Searched = "") -> Response:
    """Give the audit log as a file."""
    club.competition(name, instructor=True)
    rows, _ = find_audit(club.ledger, name, AuditFilter(action.strip(), actor.strip()), most=AUDIT_AT_ONCE)
    content = [AuditAnswer.model_validate(one, from_attributes=True).model_dump(mode="json") for one in rows]
    headers = {"Content-Disposition": f'attachment; filename="{name}-audit.json"'}
    return JSONResponse(content, headers=headers)


@router.get("/competitions/{name}/manage/bundle")
def bundle(request: Request, name: str, club: InClub, viewer: Teacher) -> Response:
    """Tell how bundles go in and out, and what the import of this competition had to say."""
    competition = club.competition(name, instructor=True)
    imports, _ = find_audit(club.ledger, name, AuditFilter(action="bundle."), most=10)
    return show(request, club, viewer, competition, part="bundle", values={"imports": imports})


def _announcements(request: Request, club: Club, viewer: Viewer, name: str, problem: Problem | None = None) -> Response:
    competition = club.competition(name, instructor=True)
    values: dict[str, Any] = {"announcements": club.ledger.announcements(name), "limit": TEXT_LIMIT}
    return show(request, club, viewer, competition, part="announcements", values=values, problem=problem)
