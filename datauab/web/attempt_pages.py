"""The pages of attempts: one's own, the form to submit, and each with its receipt."""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from datauab.competition import Competition
from datauab.errors import InvalidSubmission
from datauab.ledger import Attempt
from datauab.receipts import public_key
from datauab.web.answers import described, standing
from datauab.web.api import InClub, Member
from datauab.web.board_charts import own_chart
from datauab.web.chart import Drawing
from datauab.web.chart_matrix import draw_author_view
from datauab.web.club import Club
from datauab.web.context import about
from datauab.web.exchange_api import feedback_answer
from datauab.web.gate import admission_at, limits_today, phase_of
from datauab.web.intake import allowance, entering, sort_out, take_in
from datauab.web.own_attempts import LARGEST_NUMBER, can_delete, delete_attempt, own_attempts, visible_attempt
from datauab.web.render import page
from datauab.web.session import Viewer
from datauab.web.team_state import reminders
from datauab.web.visibility import board_view, explain_view, is_own, visible_score, visible_scores
from datauab.web.wording import metric_words

PAGE_ROWS = 100
"""Attempts on one page."""

FIRST_SECONDS = 1.0
"""How long the answer to an upload waits, so that a predictions file's page most often comes with its score."""

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/competitions/{name}/attempts")
def show_own_attempts(
    request: Request,
    name: str,
    club: InClub,
    viewer: Member,
    before: Annotated[int | None, Query(ge=1, le=LARGEST_NUMBER)] = None,
) -> Response:
    """Show the attempts of the viewer and the viewer's team, and the form to submit."""
    competition = club.competition(name, instructor=viewer.instructor)
    found = own_attempts(club, competition, viewer, before=before, limit=PAGE_ROWS)
    authors = {one.member for one in found.attempts}
    values = {
        **about(club, competition),
        **_today(club, competition, viewer),
        **reminders(club, competition, viewer),
        "attempts": found.attempts,
        "seen": visible_scores(club, competition, found.attempts, viewer),
        "view_note": explain_view(competition, viewer, club.clock()),
        "authors": club.names.shown(authors) if authors - {viewer.name} else {},
        "before": found.before,
        "first": before is None,
        "places": {one.id: club.ledger.queue_position(one.id) for one in found.attempts if one.state == "queued"},
        "pending": any(one.state in ("queued", "running") for one in found.attempts),
        "best_id": _best(club, competition, viewer),
        "own_chart": own_chart(club, competition, viewer) if before is None else Drawing(),
    }
    return page(request, "attempts.html", viewer, values)


@router.post("/competitions/{name}/attempts")
async def upload(name: str, club: InClub, viewer: Member) -> Response:
    """Take a notebook or predictions from the form and go on to the attempt."""
    competition = await run_in_threadpool(club.competition, name, instructor=viewer.instructor)
    file = viewer.form.get("file") if viewer.form else None
    if not isinstance(file, UploadFile) or not file.filename:
        raise InvalidSubmission("no file arrived: choose your predictions or your notebook, then press Submit")
    data, filename = await file.read(), file.filename
    await file.close()
    attempt = await run_in_threadpool(_take_upload, club, viewer, competition, filename, data)
    if attempt.kind == "predictions":
        await club.endings.ended(attempt.id, FIRST_SECONDS)
    return RedirectResponse(f"{club.prefix}attempts/{attempt.id}", status_code=303)


@router.get("/attempts/{number}")
def attempt_page(request: Request, number: int, club: InClub, viewer: Member) -> Response:
    """Show one attempt with its receipt."""
    attempt = visible_attempt(club, viewer, number)
    competition = described(club, attempt)
    own = is_own(club, attempt, viewer)
    seen = visible_score(club, competition, attempt, viewer)
    rank, entrants = standing(club, competition, attempt, viewer) if own else (None, None)
    view = _author_view(club, competition, attempt, viewer)
    values = {
        "attempt": attempt,
        "competition": competition,
        "seen": seen,
        "own": own,
        "mine": attempt.member == viewer.name,
        "can_delete": can_delete(attempt, viewer),
        "member_name": club.names.shown([attempt.member]).get(attempt.member, attempt.member),
        "metric": metric_words(attempt.metric or competition.metric.name),
        "secondary_titles": {key: metric_words(key).title for key in seen.secondary},
        "place": club.ledger.queue_position(number) if attempt.state == "queued" else None,
        "rank": rank,
        "entrants": entrants,
        "left": allowance(club, competition, viewer).left if own else None,
        "receipt": club.receipt(attempt),
        "key": public_key(club.key),
        "dataset": club.catalogue.dataset(competition),
        "author_wide": view.wide,
        "author_narrow": view.narrow,
    }
    return page(request, "attempt.html", viewer, values)


@router.post("/attempts/{number}/delete")
def delete(number: int, club: InClub, viewer: Member) -> Response:
    """Delete one's own attempt and go back to its page."""
    delete_attempt(club, viewer, number)
    return RedirectResponse(f"{club.prefix}attempts/{number}", status_code=303)


@router.get("/attempts/{number}/archive")
def download(number: int, club: InClub, viewer: Member) -> Response:
    """Give back what was handed in, as it was stored."""
    attempt = visible_attempt(club, viewer, number)
    content = club.ledger.blob(attempt)
    ending = "zip" if content[:2] == b"PK" else attempt.filename.rpartition(".")[2].lower() or "bin"
    name = re.sub(r"[^A-Za-z0-9._-]", "_", f"{attempt.competition}-{attempt.id}.{ending}")
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    media_type = "application/zip" if ending == "zip" else "application/octet-stream"
    return Response(content, media_type=media_type, headers=headers)


@router.get("/attempts/{number}/feedback")
def feedback(number: int, club: InClub, viewer: Member) -> Response:
    """Give the feedback on an attempt."""
    return feedback_answer(club, visible_attempt(club, viewer, number))


def _take_upload(club: Club, viewer: Viewer, competition: Competition, filename: str, data: bytes) -> Attempt:
    return take_in(club, viewer, competition, sort_out(competition, filename, data), origin="web")


def _today(club: Club, competition: Competition, viewer: Viewer) -> dict[str, Any]:
    """Whether something can be handed in now, and what is used of today's quotas."""
    who = entering(club, competition, viewer)
    admission = admission_at(competition, who.closes, club.clock())
    usage = allowance(club, competition, viewer).usage
    phase = phase_of(competition, admission) if admission else competition.phases[-1]
    scored, cap = limits_today(competition, phase, who.daily_scored)
    return {
        "admission": admission,
        "usage": usage,
        "limits": {"scored": scored, "attempts": cap, "total": phase.total_scored},
        "rules_left": bool(competition.rules.text) and who.accepted != competition.rules.sha256,
    }


def _best(club: Club, competition: Competition, viewer: Viewer) -> int | None:
    """The attempt that counts on the public board, where the viewer may know it."""
    if board_view(competition, viewer, club.clock()) == "blind":
        return None
    entrant = club.ledger.entrant_of(competition.name, viewer.name)
    with club.boards.public(competition).reading() as (order, _):
        row = order.get((False, entrant))
    return row.attempt_id if row else None


def _author_view(club: Club, competition: Competition, attempt: Attempt, viewer: Viewer) -> Drawing:
    """The author's own errors on the public rows, where the organiser shows them and nothing must stay unseen."""
    if not competition.board.author_view or attempt.state != "scored":
        return Drawing()
    now = club.clock()
    if not viewer.instructor:
        on_ladder = competition.board.ladder_step > 0 and not competition.is_revealed(now)
        if on_ladder or board_view(competition, viewer, now) == "blind" or not is_own(club, attempt, viewer):
            return Drawing()
    view = club.ledger.author_view(attempt.id)
    return draw_author_view(view, competition.predictions.class_names) if view else Drawing()
