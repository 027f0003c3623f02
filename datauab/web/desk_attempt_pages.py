"""The organiser's desk: all attempts, each with its endings and scores, and retrying failed ones."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response

from datauab.web.api import InClub
from datauab.web.desk_acts import attempt_of, retry, retry_faults
from datauab.web.desk_forms import NO_NUL
from datauab.web.desk_frame import done, show
from datauab.web.desk_reading import (
    AttemptFilter,
    AuditFilter,
    KindFilter,
    StateFilter,
    find_attempts,
    find_audit,
    platform_faults,
)
from datauab.web.exchange_api import Teacher
from datauab.web.wording import metric_words

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/competitions/{name}/manage/attempts")
def all_attempts(
    request: Request,
    name: str,
    club: InClub,
    viewer: Teacher,
    *,
    state: StateFilter = "",
    kind: KindFilter = "",
    member: Annotated[str, Query(max_length=64, pattern=NO_NUL)] = "",
    before: Annotated[int | None, Query(ge=1, lt=2**62)] = None,
) -> Response:
    """List everybody's attempts."""
    competition = club.competition(name, instructor=True)
    wanted = AttemptFilter(state, kind, member.strip())
    rows, older = find_attempts(club.ledger, name, wanted, before)
    faults = platform_faults(club.ledger, name)
    values = {
        "rows": rows,
        "older": older,
        "first": before is None,
        "filter": wanted,
        "query": urlencode({"state": state, "kind": kind, "member": wanted.member}),
        "private": club.ledger.private_scores([one.id for one in rows if one.state == "scored"]),
        "names": club.ledger.display_names({one.member for one in rows if one.origin != "baseline"}),
        "faults": len(faults),
        "pending": before is None and any(one.state in ("queued", "running") for one in rows),
    }
    return show(request, club, viewer, competition, part="attempts", values=values)


@router.get("/competitions/{name}/manage/attempts/{number}")
def one_attempt(request: Request, name: str, number: int, club: InClub, viewer: Teacher) -> Response:
    """Show one attempt: what arrived, how grading ended each time, every score it had and has."""
    competition = club.competition(name, instructor=True)
    found = attempt_of(club, name, number)
    kept = club.ledger.predictions(found) if found.state == "scored" else None
    values = {
        "template": "attempt",
        "attempt": found,
        "names": club.ledger.display_names({found.member}),
        "team": club.ledger.team_of(name, found.member) if found.origin != "baseline" else None,
        "metric_title": metric_words(found.metric or competition.metric.name).title,
        "private": club.ledger.private_scores([number]).get(number),
        "endings": club.ledger.endings(number),
        "scores": club.ledger.score_history(number),
        "place": club.ledger.queue_position(number) if found.state == "queued" else None,
        "kept": len(kept[0]) if kept else None,
        "said_by_grader": find_audit(club.ledger, name, AuditFilter("grading.", target=str(number)), most=10)[0],
        "pending": found.state in ("queued", "running"),
    }
    return show(request, club, viewer, competition, part="attempts", values=values)


@router.post("/competitions/{name}/manage/attempts/{number}/retry")
def retry_one(name: str, number: int, club: InClub, viewer: Teacher) -> Response:
    """Send a failed attempt to the grader once more."""
    club.competition(name, instructor=True)
    retry(club, name, number, viewer.name)
    return done(club, name, f"/attempts/{number}", "retried")


@router.post("/competitions/{name}/manage/retry-faults")
def retry_all(name: str, club: InClub, viewer: Teacher) -> Response:
    """Send everything that the platform failed to the grader once more."""
    club.competition(name, instructor=True)
    retry_faults(club, name, viewer.name)
    return done(club, name, "/attempts", "retried-all")
