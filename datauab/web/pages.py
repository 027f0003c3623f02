"""The pages for everybody: the list of competitions, covers, receipts."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from datauab.competition import Competition
from datauab.receipts import public_key, verify_own_receipt
from datauab.web.api import Anybody, InClub
from datauab.web.club import Club
from datauab.web.context import cover_address
from datauab.web.problems import Problem
from datauab.web.render import page
from datauab.web.session import Viewer
from datauab.web.visibility import board_view
from datauab.web.wording import metric_words, view_state

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/")
def competitions(request: Request, club: InClub, viewer: Anybody) -> Response:
    """Show the competitions as cards."""
    shown = club.competitions(instructor=bool(viewer and viewer.instructor))
    cards = [_card(club, one, viewer) for one in shown]
    return page(request, "competitions.html", viewer, {"cards": cards, "here": "competitions"})


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


@router.get("/receipts")
def receipt(request: Request, club: InClub, viewer: Anybody, token: str = "") -> Response:
    """Check a receipt and show what it says."""
    return page(
        request, "receipt.html", viewer, {"receipt": verify_own_receipt(token, club.key), "key": public_key(club.key)}
    )


def _card(club: Club, competition: Competition, viewer: Viewer | None) -> dict[str, Any]:
    with club.boards.public(competition).reading() as (order, _):
        entrants, leaders = order.entrants, order.leaders(1)
    dataset = club.catalogue.dataset(competition)
    shown = board_view(competition, viewer, club.clock()) == "public"
    return {
        "competition": competition,
        "phase": view_state(competition, club.clock()),
        "draft": club.is_draft(competition),
        "stand_in": bool(dataset and dataset.stand_in),
        "cover": cover_address(club, competition),
        "metric": metric_words(competition.metric.name, competition.metric.title),
        "members": entrants,
        "top": leaders[0].score if leaders and shown else None,
    }
