"""The pages of leaderboards, their files, and the stream that keeps them live."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response, StreamingResponse
from starlette.concurrency import run_in_threadpool

from datauab.competition import Competition
from datauab.web.api import Anybody, InClub
from datauab.web.board import SEARCH_LENGTH, Side, allowed_view, every_row, read_board
from datauab.web.board_api import whole_board
from datauab.web.board_charts import spread_chart, top_chart
from datauab.web.board_files import csv_pieces, file_name
from datauab.web.chart import Drawing
from datauab.web.club import Club
from datauab.web.context import about, cover_address, facts
from datauab.web.problems import Problem
from datauab.web.render import page
from datauab.web.session import Viewer
from datauab.web.team_state import reminders

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

PageNumber = Annotated[int, Query(alias="page")]
Search = Annotated[str, Query(max_length=10 * SEARCH_LENGTH)]


@router.get("/competitions/{name}")
def leaderboard(
    request: Request, name: str, *, club: InClub, viewer: Anybody, number: PageNumber = 1, search: Search = ""
) -> Response:
    """Show a competition: its public board, its charts, and how to take part."""
    competition = _found(club, name, viewer)
    board = read_board(club, competition, viewer, page=number, search=search)
    whole = board.view == "public" and not board.search
    values = {
        **about(club, competition),
        **facts(club, competition),
        **reminders(club, competition, viewer),
        "board": board,
        "top_chart": top_chart(club, competition) if whole and board.page == 1 else Drawing(),
        "spread_chart": spread_chart(club, competition, board) if whole and board.page == 1 else Drawing(),
        "cover": cover_address(club, competition),
    }
    return page(request, "competition.html", viewer, values)


@router.get("/competitions/{name}/private")
def private_leaderboard(
    request: Request, name: str, *, club: InClub, viewer: Anybody, number: PageNumber = 1, search: Search = ""
) -> Response:
    """Show the private board with who moved and how far: to everybody after the reveal, before it to instructors."""
    competition = _found(club, name, viewer)
    board = read_board(club, competition, viewer, side="private", page=number, search=search)
    chart = Drawing() if board.search or board.page > 1 else spread_chart(club, competition, board)
    values = {**about(club, competition), "board": board, "spread_chart": chart}
    return page(request, "board_private.html", viewer, values)


@router.get("/competitions/{name}/leaderboard.csv")
def leaderboard_csv(name: str, club: InClub, viewer: Anybody, side: Side = "public") -> Response:
    """Give a whole board as CSV."""
    competition = _found(club, name, viewer)
    allowed_view(club, competition, viewer, side)
    pieces = csv_pieces(every_row(club, competition, viewer, side), side)
    return _file(pieces, "text/csv; charset=utf-8", file_name(competition, side, "csv"))


@router.get("/competitions/{name}/leaderboard.json")
def leaderboard_json(name: str, club: InClub, viewer: Anybody, side: Side = "public") -> Response:
    """Give a whole board as JSON, in the shape of the API."""
    competition = _found(club, name, viewer)
    pieces = whole_board(club, competition, viewer, side)
    return _file(pieces, "application/json", file_name(competition, side, "json"))


@router.get("/competitions/{name}/events")
async def events(name: str, club: InClub, viewer: Anybody) -> Response:
    """Tell an open board when it changed, as server-sent events."""
    await run_in_threadpool(_found, club, name, viewer)
    if club.watch.is_full():
        raise Problem(503, "Busy", "too many boards are open at this moment; reload the page to see news")
    stream: AsyncIterator[str] = club.watch.events(name)
    return StreamingResponse(stream, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


def _found(club: Club, name: str, viewer: Viewer | None) -> Competition:
    return club.competition(name, instructor=bool(viewer and viewer.instructor))


def _file(pieces: Iterator[str], media_type: str, name: str) -> StreamingResponse:
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return StreamingResponse(pieces, media_type=media_type, headers=headers)
