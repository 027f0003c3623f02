"""The pages of a competition's rules and of the final choice of attempts."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from datauab.competition import Competition
from datauab.errors import PhaseClosed
from datauab.web import taking_part
from datauab.web.api import Anybody, InClub, Member
from datauab.web.club import Club
from datauab.web.context import about
from datauab.web.final_state import final_state
from datauab.web.plain_markup import to_html
from datauab.web.problems import Problem
from datauab.web.render import page
from datauab.web.session import Viewer
from datauab.web.taking_part_api import rules_state
from datauab.web.team_state import reminders

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/competitions/{name}/rules")
def show_rules(request: Request, name: str, club: InClub, viewer: Anybody) -> Response:
    """Show the rules to everybody, and to members the button that accepts them."""
    competition = club.competition(name, instructor=bool(viewer and viewer.instructor))
    return _rules_page(request, club, competition, viewer)


@router.post("/competitions/{name}/rules")
def accept_rules(request: Request, name: str, club: InClub, viewer: Member) -> Response:
    """Accept the rules that the form showed."""
    competition = club.competition(name, instructor=viewer.instructor)
    sent = viewer.form.get("sha256") if viewer.form else None
    try:
        taking_part.accept_rules(club, competition, viewer.name, sent if isinstance(sent, str) else "")
    except Problem as problem:
        return _rules_page(request, club, competition, viewer, problem)
    return RedirectResponse(f"{club.prefix}competitions/{name}/rules", status_code=303)


@router.get("/competitions/{name}/final")
def show_final(request: Request, name: str, club: InClub, viewer: Member) -> Response:
    """Show the attempts among which the viewer's entrant chooses."""
    competition = club.competition(name, instructor=viewer.instructor)
    return _final_page(request, club, competition, viewer)


@router.post("/competitions/{name}/final")
def choose_final(request: Request, name: str, club: InClub, viewer: Member) -> Response:
    """Keep the choice."""
    competition = club.competition(name, instructor=viewer.instructor)
    sent = viewer.form.getlist("attempt") if viewer.form else []
    try:
        taking_part.choose_final(club, competition, viewer.name, [_number(one) for one in sent])
    except (Problem, PhaseClosed) as problem:
        return _final_page(request, club, competition, viewer, problem)
    return RedirectResponse(f"{club.prefix}competitions/{name}/final", status_code=303)


def _rules_page(
    request: Request, club: Club, competition: Competition, viewer: Viewer | None, problem: Problem | None = None
) -> Response:
    values = {
        **about(club, competition),
        "state": rules_state(club, competition, viewer),
        "rules_html": to_html(competition.rules.text),
        "refusal": sentence(problem),
    }
    return page(request, "rules.html", viewer, values, status=problem.status if problem else 200)


def _final_page(
    request: Request,
    club: Club,
    competition: Competition,
    viewer: Viewer,
    problem: Problem | PhaseClosed | None = None,
) -> Response:
    values = {
        **about(club, competition),
        **reminders(club, competition, viewer),
        "state": final_state(club, competition, viewer),
        "refusal": sentence(problem),
    }
    status = problem.status if isinstance(problem, Problem) else 423 if problem else 200
    return page(request, "final.html", viewer, values, status=status)


def _number(sent: object) -> int:
    text = sent if isinstance(sent, str) else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 18 else 0


def sentence(problem: Exception | None) -> str:
    """The words of a refusal as a sentence; empty where there is none."""
    text = str(problem or "")
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) or not text else ".")
