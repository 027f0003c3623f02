"""The pages for people: competitions, boards, attempts, the instructors' view, receipts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from datauab.competition import Competition
from datauab.errors import InvalidSubmission
from datauab.ledger import Attempt
from datauab.ranking import rank
from datauab.web.api import LIST_LIMIT, Anybody, InClub, Member, visible_attempt
from datauab.web.board import build_board, build_history, build_managed
from datauab.web.chart import draw_history
from datauab.web.club import Club
from datauab.web.exchange_api import Teacher, feedback_answer, zip_answer
from datauab.web.intake import as_archive, take_in
from datauab.web.problems import Problem
from datauab.web.receipts import verify_receipt
from datauab.web.render import page
from datauab.web.session import Viewer
from datauab.web.wording import direction_text, metric_words, view_phase, view_state, waiting_time

RECENT_ATTEMPTS = 30

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/")
def competitions(request: Request, club: InClub, viewer: Anybody) -> Response:
    """Show the competitions as cards."""
    shown = club.catalogue.all()
    drafts = {one.name for one in shown if club.is_draft(one)}
    visible = [one for one in shown if one.name not in drafts or (viewer and viewer.instructor)]
    cards = [_card(club, one, one.name in drafts) for one in visible]
    return page(request, "competitions.html", viewer, {"cards": cards, "here": "competitions"})


@router.get("/competitions/{name}")
def leaderboard(
    request: Request, name: str, club: InClub, viewer: Anybody, number: Annotated[int, Query(alias="page")] = 1
) -> Response:
    """Show a competition: its board, its chart, and how to take part."""
    competition = club.competition(name, instructor=bool(viewer and viewer.instructor))
    entries, names = club.ledger.public_board(name), club.ledger.display_names()
    board = build_board(
        competition,
        entries,
        names,
        viewer=viewer.name if viewer else None,
        page=number,
        intervals=club.intervals(name),
    )
    history = build_history(competition, entries, names, _chart_end(competition, club.clock()), club.zone)
    values = {
        **_about(club, competition),
        "board": board,
        "chart_wide": draw_history(history, narrow=False),
        "chart_narrow": draw_history(history, narrow=True),
        "phases": [view_phase(phase, club.clock()) for phase in competition.phases],
        "cover": _cover_address(club, competition),
    }
    return page(request, "competition.html", viewer, values)


@router.get("/competitions/{name}/cover")
def cover(name: str, club: InClub, viewer: Anybody) -> Response:
    """Give the competition's cover image, the only file of ``source/`` that is ever served."""
    found = club.catalogue.cover(club.competition(name, instructor=bool(viewer and viewer.instructor)))
    if found is None:
        raise Problem(404, "NotFound", f"competition {name} has no cover image")
    headers = {
        # an SVG opened by itself is a document; it may neither run nor load anything
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
        "Cache-Control": "public, max-age=300",
    }
    return Response(found.path.read_bytes(), media_type=found.media_type, headers=headers)


@router.get("/competitions/{name}/events")
async def events(name: str, club: InClub, viewer: Anybody) -> Response:
    """Tell an open board when it changed, as server-sent events."""
    await run_in_threadpool(club.competition, name, instructor=bool(viewer and viewer.instructor))
    if club.watch.is_full():
        raise Problem(503, "Busy", "too many boards are open at this moment; reload the page to see news")
    stream: AsyncIterator[str] = club.watch.events(name)
    return StreamingResponse(stream, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


@router.get("/competitions/{name}/attempts")
def own_attempts(request: Request, name: str, club: InClub, viewer: Member) -> Response:
    """Show the viewer's own attempts and the form to submit."""
    competition = club.competition(name, instructor=viewer.instructor)
    found = [
        one
        for one in club.ledger.attempts(competition=name, member=viewer.name, limit=LIST_LIMIT)
        if one.origin != "baseline"
    ]
    waiting = [one.id for one in found if one.state == "queued"]
    mine = [entry for entry in club.ledger.public_board(name) if entry.member == viewer.name and not entry.baseline]
    best = rank(mine, competition.metric.direction)
    usage = club.ledger.usage_today(name, viewer.name, club.clock())
    values = {
        **_about(club, competition),
        "attempts": found,
        "more": len(found) == LIST_LIMIT,
        "places": {number: club.ledger.queue_position(number) for number in waiting},
        "pending": any(one.state in ("queued", "running") for one in found),
        "best_id": best[0].attempt_id if best else None,
        "usage": {"scored": usage.scored + usage.pending, "attempts": usage.attempts},
    }
    return page(request, "attempts.html", viewer, values)


@router.post("/competitions/{name}/attempts")
async def upload(name: str, club: InClub, viewer: Member) -> Response:
    """Take a notebook or a zip from the form and go on to its attempt."""
    competition = await run_in_threadpool(club.competition, name, instructor=viewer.instructor)
    file = viewer.form.get("file") if viewer.form else None
    if not isinstance(file, UploadFile) or not file.filename:
        raise InvalidSubmission("no file arrived: choose your notebook (.ipynb) or a .zip with it, then press Submit")
    data, filename = await file.read(), file.filename
    await file.close()
    attempt = await run_in_threadpool(_take_upload, club, viewer, competition, filename, data)
    return RedirectResponse(f"{club.prefix}attempts/{attempt.id}", status_code=303)


@router.get("/competitions/{name}/manage")
def manage(request: Request, name: str, club: InClub, viewer: Teacher) -> Response:
    """Show private scores and the state of the queue; instructors only."""
    competition = club.competition(name, instructor=True)
    names = club.ledger.display_names()
    counts = club.ledger.attempts_by_state(name)
    waiting = club.ledger.attempts(competition=name, states=["queued"])
    faults = [one for one in club.ledger.attempts(competition=name, states=["failed"]) if one.platform_fault]
    values = {
        **_about(club, competition),
        "queue": {state: counts[state] for state in ("queued", "running", "scored", "failed")},
        "faults": len(faults),
        "wait": waiting_time(min((one.received_at for one in waiting), default=None), club.clock()),
        "rows": build_managed(competition, club.ledger.public_board(name), club.ledger.private_board(name), names),
        "recent": club.ledger.attempts(competition=name, limit=RECENT_ATTEMPTS),
        "names": names,
    }
    return page(request, "manage.html", viewer, values)


@router.get("/attempts/{number}")
def attempt_page(request: Request, number: int, club: InClub, viewer: Member) -> Response:
    """Show one attempt with its receipt."""
    attempt = visible_attempt(club, viewer, number)
    competition = club.catalogue.get(attempt.competition)
    metric = attempt.metric or (competition.metric.name if competition else "score")
    private = club.ledger.private_scores([number]).get(number) if viewer.instructor else None
    values = {
        "attempt": attempt,
        "own": attempt.member == viewer.name,
        "member_name": club.ledger.display_names().get(attempt.member) or attempt.member,
        "title": competition.title if competition else attempt.competition,
        "digits": competition.metric.digits if competition else 4,
        "metric": metric_words(metric),
        "secondary_titles": {key: metric_words(key).title for key in attempt.secondary_public},
        "place": club.ledger.queue_position(number) if attempt.state == "queued" else None,
        "private": private,
        "receipt": club.receipt(attempt),
        "dataset": club.catalogue.dataset(competition) if competition else None,
    }
    return page(request, "attempt.html", viewer, values)


@router.get("/attempts/{number}/archive")
def download(number: int, club: InClub, viewer: Member) -> Response:
    """Give back what was handed in."""
    attempt = visible_attempt(club, viewer, number)
    return zip_answer(club.ledger.blob(attempt), f"{attempt.competition}-{attempt.id}.zip")


@router.get("/attempts/{number}/feedback")
def feedback(number: int, club: InClub, viewer: Member) -> Response:
    """Give the feedback on an attempt."""
    return feedback_answer(club, visible_attempt(club, viewer, number))


@router.get("/receipts")
def receipt(request: Request, club: InClub, viewer: Anybody, token: str = "") -> Response:
    """Check a receipt and show what it says."""
    return page(request, "receipt.html", viewer, {"receipt": verify_receipt(token, club.key)})


def _take_upload(club: Club, viewer: Viewer, competition: Competition, filename: str, data: bytes) -> Attempt:
    return take_in(club, viewer, competition, as_archive(competition, filename, data), origin="web")


def _about(club: Club, competition: Competition) -> dict[str, Any]:
    words = metric_words(competition.metric.name)
    return {
        "competition": competition,
        "draft": club.is_draft(competition),
        "phase": view_state(competition, club.clock()),
        "dataset": club.catalogue.dataset(competition),
        "upload_mb": club.settings.upload_mb,
        "metric": {
            "title": words.title,
            "text": words.text,
            "direction_text": direction_text(competition),
            "secondary": [metric_words(name).title for name in competition.metric.secondary],
        },
    }


def _chart_end(competition: Competition, now: datetime) -> datetime:
    # after the last phase nothing can change, so the axis stops there
    ends = [phase.closes or now for phase in competition.phases]
    return min(now, max(ends))


def _card(club: Club, competition: Competition, draft: bool) -> dict[str, Any]:
    rows = rank(club.ledger.public_board(competition.name), competition.metric.direction)
    members = [row for row in rows if not row.baseline]
    dataset = club.catalogue.dataset(competition)
    return {
        "competition": competition,
        "phase": view_state(competition, club.clock()),
        "draft": draft,
        "stand_in": bool(dataset and dataset.stand_in),
        "cover": _cover_address(club, competition),
        "metric": metric_words(competition.metric.name),
        "members": len(members),
        "top": members[0].score if members else None,
    }


def _cover_address(club: Club, competition: Competition) -> str | None:
    return f"{club.prefix}competitions/{competition.name}/cover" if club.catalogue.cover(competition) else None
