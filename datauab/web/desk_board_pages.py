"""The organiser's desk: rulings that weigh more than ``competition.toml``, and the shake-up before it is public."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response

from datauab.competition import Competition
from datauab.web.api import InClub
from datauab.web.club import Club
from datauab.web.desk_acts import rule, undo_ruling
from datauab.web.desk_forms import UnclearForm, confirmed, field, moment_field, number_field
from datauab.web.desk_frame import done, show
from datauab.web.desk_rulings import MOST_A_DAY, RULING_KEYS, TITLES, RulingKey, standings
from datauab.web.desk_sides import shake_up_of, side_by_side
from datauab.web.desk_times import as_typed
from datauab.web.exchange_api import Teacher
from datauab.web.problems import Problem
from datauab.web.session import Viewer

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/competitions/{name}/manage/boards")
def boards(request: Request, name: str, club: InClub, viewer: Teacher) -> Response:
    """Show what the file says beside what holds, and the forms to decide."""
    return _boards(request, club, viewer, name)


@router.get("/competitions/{name}/manage/boards/preview")
def preview(
    request: Request,
    name: str,
    club: InClub,
    viewer: Teacher,
    number: Annotated[int, Query(alias="page", ge=1, le=1_000_000)] = 1,
) -> Response:
    """Show who would move when the private board is shown."""
    competition = club.competition(name, instructor=True)
    values = {
        "template": "preview",
        "sides": side_by_side(club, competition, number),
        "shake": shake_up_of(club, competition),
        "revealed": competition.is_revealed(club.clock()),
    }
    return show(request, club, viewer, competition, part="boards", values=values)


@router.post("/competitions/{name}/manage/boards")
def decide(request: Request, name: str, club: InClub, viewer: Teacher) -> Response:
    """Decide over one key of the file."""
    competition = club.competition(name, instructor=True)
    try:
        key = _key(field(viewer, "key"))
        rule(club, competition, key, _decided(club, viewer, key), viewer.name)
    except Problem as problem:
        return _boards(request, club, viewer, name, problem)
    return done(club, name, "/boards", "ruled")


@router.post("/competitions/{name}/manage/boards/undo")
def undo(name: str, club: InClub, viewer: Teacher) -> Response:
    """Let the file hold again for one key."""
    competition = club.competition(name, instructor=True)
    undo_ruling(club, competition, _key(field(viewer, "key")), viewer.name)
    return done(club, name, "/boards", "undone")


def _key(text: str) -> RulingKey:
    if text not in RULING_KEYS:
        raise UnclearForm(f"expected one of {', '.join(RULING_KEYS)}, found {text[:40]!r}; reload the page")
    return text


def _decided(club: Club, viewer: Viewer, key: RulingKey) -> object:
    """The value that the form names: a button for now or never, or a field."""
    how = field(viewer, "how")
    if key in ("closes", "reveal_at"):
        if how == "now":
            confirmed(viewer, "Close now" if key == "closes" else "Reveal now")
            return club.clock().replace(microsecond=0)
        if how == "never" and key == "closes":
            return None
        value: object = moment_field(club, viewer, key)
    elif key == "board":
        value = field(viewer, key) or None
    else:
        value = number_field(viewer, key, TITLES[key], MOST_A_DAY)
    if value is None:
        raise UnclearForm(f"{TITLES[key]}: the field is empty; fill it in, or undo the ruling to let the file hold")
    return value


def _boards(request: Request, club: Club, viewer: Viewer, name: str, problem: Problem | None = None) -> Response:
    competition, in_file = club.competition(name, instructor=True), club.catalogue.get(name)
    standing = standings(in_file or competition, club.ledger.rulings(name))
    values = {
        "standing": standing,
        "ruled": {one.key for one in standing if one.ruled},
        "typed": {
            "closes": as_typed(competition.phases[-1].closes, club.zone),
            "reveal_at": as_typed(competition.reveals, club.zone),
        },
        "quotas": {one.key: one.holds for one in standing if isinstance(one.holds, int)},
        "view": competition.phases[-1].board,
        "most": MOST_A_DAY,
        "revealed": competition.is_revealed(club.clock()),
        "open_now": competition.phase_at(club.clock()) is not None,
        "leaks": _shown_while_open(competition),
    }
    return show(request, club, viewer, competition, part="boards", values=values, problem=problem)


def _shown_while_open(competition: Competition) -> bool:
    return competition.reveals is not None and (competition.ends is None or competition.reveals < competition.ends)
