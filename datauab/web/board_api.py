"""The API of competitions and their leaderboards."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from datauab.competition import Competition
from datauab.web.api import REFUSALS, Anybody, InClub
from datauab.web.board import Side, allowed_view, board_of, every_row, read_board
from datauab.web.board_files import json_pieces, row_record
from datauab.web.club import Club
from datauab.web.models import IntervalAnswer, PhaseAnswer
from datauab.web.session import Viewer
from datauab.web.visibility import board_view
from datauab.web.wording import view_state

router = APIRouter(tags=["competitions"], responses=REFUSALS)

View = Literal["public", "hidden", "blind"]


class CompetitionAnswer(BaseModel):
    """One competition as anybody may see it."""

    name: str
    title: str
    summary: str
    date: date
    dataset: str
    metric: str
    direction: Literal["maximize", "minimize"]
    secondary: list[str]
    public_share: float
    state: Literal["open", "upcoming", "closed"]
    phases: list[PhaseAnswer]
    daily_scored: int
    daily_attempts: int
    stand_in: bool = Field(description="whether the data is made up, because the real data could not be had")
    members: int = Field(description="entrants of the board: members, and teams as one")
    top_score: float | None = Field(description="of the public board; null where that is hidden or empty")
    released: bool
    reveals: datetime | None = Field(description="when the private leaderboard is shown; null where no time is set")
    revealed: bool


class BoardRowAnswer(BaseModel):
    """One row of a leaderboard; baselines have no rank, and neither has one's own row of a hidden board.

    What only the private board has is null on the public one.
    """

    rank: int | None
    name: str
    score: float = Field(description="in full precision, as it ranks")
    interval: IntervalAnswer | None = Field(description="95 % bootstrap interval of the public score")
    attempts: int
    last_improvement: datetime
    baseline: bool
    mine: bool
    verified: bool = Field(description="whether a graded notebook reproduced the score")
    tied_with_next: bool = Field(description="whether the intervals of this row and the next one overlap")
    team: bool
    members: list[str] = Field(description="shown names of the members behind the row")
    public_score: float | None = None
    public_rank: int | None = None
    moved: int | None = Field(None, description="places won by the private board; negative where lost")
    medal: Literal["gold", "silver", "bronze"] | None = None


class BoardAnswer(BaseModel):
    """A leaderboard, best first: one page of 100 rows, or all of it where no page was asked for."""

    competition: str
    metric: str
    direction: Literal["maximize", "minimize"]
    stand_in: bool
    side: Literal["public", "private"]
    view: View = Field(description="hidden: only one's own row, without a rank; blind: no rows")
    note: str
    page: int | None
    pages: int
    entrants: int
    rows: list[BoardRowAnswer]


@router.get("/competitions")
def list_competitions(club: InClub, viewer: Anybody) -> list[CompetitionAnswer]:
    """List the competitions, newest first."""
    released = {release.assignment for release in club.ledger.releases()}
    shown = club.competitions(instructor=bool(viewer and viewer.instructor))
    return [_competition(club, one, viewer, one.name in released) for one in shown]


@router.get("/competitions/{name}")
def show_competition(name: str, club: InClub, viewer: Anybody) -> CompetitionAnswer:
    """Describe one competition."""
    found = club.competition(name, instructor=bool(viewer and viewer.instructor))
    return _competition(club, found, viewer, any(release.assignment == name for release in club.ledger.releases()))


@router.get("/competitions/{name}/leaderboard", response_model=BoardAnswer)
def show_leaderboard(
    name: str,
    *,
    club: InClub,
    viewer: Anybody,
    page: Annotated[int | None, Query(ge=1, le=10**9, description="pages of 100 rows; all rows without it")] = None,
    search: Annotated[str, Query(max_length=200, description="part of a shown name")] = "",
    side: Annotated[Side, Query(description="private: after the reveal")] = "public",
) -> Any:
    """Give a leaderboard as the caller may see it, best first, baselines among the members."""
    found = club.competition(name, instructor=bool(viewer and viewer.instructor))
    if page is None and not search.strip():
        return StreamingResponse(whole_board(club, found, viewer, side), media_type="application/json")
    board = read_board(club, found, viewer, side=side, page=page or 1, search=search)
    head = _head(club, found, side) | {"view": board.view, "note": board.note}
    head |= {"page": board.page, "pages": board.pages, "entrants": board.entrants}
    return head | {"rows": [row_record(row, side) for row in board.rows]}


def whole_board(club: Club, competition: Competition, viewer: Viewer | None, side: Side) -> Iterator[str]:
    """The whole board as JSON text of a `BoardAnswer`, in pieces; refusals come before the first piece."""
    view, note = allowed_view(club, competition, viewer, side)
    rows = every_row(club, competition, viewer, side)
    with board_of(club, competition, side).reading() as (order, _):
        entrants = order.entrants
    head = _head(club, competition, side) | {"view": view, "note": note, "page": None, "pages": 1, "entrants": entrants}
    return json_pieces(head, rows, side)


def _head(club: Club, competition: Competition, side: Side) -> dict[str, Any]:
    dataset = club.catalogue.dataset(competition)
    return {
        "competition": competition.name,
        "metric": competition.metric.name,
        "direction": competition.metric.direction,
        "stand_in": bool(dataset and dataset.stand_in),
        "side": side,
    }


def _competition(club: Club, one: Competition, viewer: Viewer | None, released: bool) -> CompetitionAnswer:
    dataset = club.catalogue.dataset(one)
    now = club.clock()
    with club.boards.public(one).reading() as (order, _):
        entrants, leaders = order.entrants, order.leaders(1)
    shown = board_view(one, viewer, now) == "public"
    return CompetitionAnswer(
        name=one.name,
        title=one.title,
        summary=one.summary,
        date=one.date,
        dataset=one.dataset,
        metric=one.metric.name,
        direction=one.metric.direction,
        secondary=list(one.metric.secondary),
        public_share=one.public_share,
        state=view_state(one, now).kind,
        phases=[PhaseAnswer.model_validate(phase, from_attributes=True) for phase in one.phases],
        daily_scored=one.quotas.daily_scored,
        daily_attempts=one.quotas.daily_attempts,
        stand_in=bool(dataset and dataset.stand_in),
        members=entrants,
        top_score=leaders[0].score if leaders and shown else None,
        released=released,
        reveals=one.reveals,
        revealed=one.is_revealed(now),
    )
