"""Leaderboards as pages, files and API show them: what a viewer may see of them, page by page."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from datauab.competition import BoardView, Competition
from datauab.ranking import Row, medal, tied_with_next
from datauab.ranking.medals import Medal
from datauab.web.board_index import BoardIndex
from datauab.web.board_order import BoardOrder, Placed
from datauab.web.club import Club
from datauab.web.names import folded
from datauab.web.problems import Problem
from datauab.web.session import Viewer
from datauab.web.visibility import board_view, explain_view, sees_private

PAGE_ROWS = 100
FILE_ROWS = 1000
"""Rows of a downloaded board that are looked up at once."""

SEARCH_LENGTH = 60

Side = Literal["public", "private"]


@dataclass(frozen=True)
class Person:
    """A member as everybody may know them: the shown name, and the key of the profile."""

    name: str
    key: str


@dataclass(frozen=True)
class BoardRow:
    """One row of a board.

    Attributes
    ----------
    rank : int or None
        Counts entrants only; None for a baseline, and where the viewer may not know it.
    entrant : str
        Account, team's key or baseline's name. Never to be shown.
    name : str
        What is shown.
    people : sequence of Person
        The members behind the row.
    team : bool
        Whether the row is a team's.
    tied : bool
        Whether the intervals of this row and of the next one overlap.
    public_score, public_rank, moved, medal
        On the private board alone: what the public board told, places won by the private one, and the medal.
    """

    rank: int | None
    entrant: str
    name: str
    score: float
    interval: tuple[float, float] | None
    attempts: int
    last_improvement: datetime
    attempt_id: int
    baseline: bool
    mine: bool
    people: Sequence[Person] = ()
    team: bool = False
    verified: bool = False
    tied: bool = False
    public_score: float | None = None
    public_rank: int | None = None
    moved: int = 0
    medal: Medal | None = None


@dataclass(frozen=True)
class Board:
    """One page of a board.

    Attributes
    ----------
    page, pages : int
        This page, from 1, and how many there are of what was searched for.
    entrants, baselines : int
        Rows of the whole board.
    found : int
        Rows that were searched for; all where nothing was.
    mine : BoardRow or None
        The viewer's own row, on whatever page it stands.
    mine_page : int or None
        That page of the whole board.
    view : {"public", "hidden", "blind"}
        What the viewer may see.
    note : str
        Why that is less than everything; empty where it is not.
    version : int
        Grows with every change of the board.
    """

    side: Side
    rows: Sequence[BoardRow]
    page: int
    pages: int
    entrants: int
    baselines: int
    found: int
    mine: BoardRow | None
    mine_page: int | None
    view: BoardView
    note: str
    version: int
    search: str = ""

    @property
    def members(self) -> int:
        """Entrants of the whole board."""
        return self.entrants

    @property
    def has_ties(self) -> bool:
        """Whether a row of this page is marked as tied with the next."""
        return any(row.tied for row in self.rows)


def read_board(
    club: Club,
    competition: Competition,
    viewer: Viewer | None,
    *,
    side: Side = "public",
    page: int = 1,
    search: str = "",
) -> Board:
    """Read one page of a board as `viewer` may see it; a page beyond the last one is the last one.

    Raises
    ------
    Problem
        403 where the private board is asked for before the viewer may see it.
    """
    view, note = allowed_view(club, competition, viewer, side)
    search = " ".join(search.split())[:SEARCH_LENGTH]
    index = board_of(club, competition, side)
    if search and view == "public":
        return _searched(_Rows(club, competition, index, viewer, side), page, search)
    with index.reading() as (order, version):  # one look at the ledger, and one moment for all that is shown
        maker = _Rows(club, competition, index, viewer, side)
        if view != "public":
            mine = maker.own() if view == "hidden" else None
            own = replace(mine, rank=None, tied=False) if mine else None
            rows = [own] if own else []
            return Board(side, rows, 1, 1, order.entrants, order.baselines, 0, own, None, view, note, version)
        pages = max(1, math.ceil(len(order) / PAGE_ROWS))
        number = min(max(page, 1), pages)
        begin = (number - 1) * PAGE_ROWS
        part = index.slice(begin, begin + PAGE_ROWS + 1)  # the row after the page tells whether the last one is tied
        rows = maker.make(part.rows)[:PAGE_ROWS]
        mine, mine_page = maker.own_place(rows)
        return Board(
            side, rows, number, pages, part.entrants, order.baselines, part.total, mine, mine_page, view, note,
            part.version,
        )  # fmt: skip


def every_row(club: Club, competition: Competition, viewer: Viewer | None, side: Side = "public") -> Iterator[BoardRow]:
    """Give all rows of a board as `viewer` may see it, as they stood at one moment, without holding up anybody."""
    view, _ = allowed_view(club, competition, viewer, side)
    if view != "public":
        return iter(read_board(club, competition, viewer, side=side).rows)
    index = board_of(club, competition, side)
    return _in_pieces(_Rows(club, competition, index, viewer, side), index)


def _in_pieces(maker: _Rows, index: BoardIndex) -> Iterator[BoardRow]:
    with index.reading() as (order, _):
        rows = order.all()
    place = 0
    for begin in range(0, len(rows), FILE_ROWS):
        piece = rows[begin : begin + FILE_ROWS + 1]
        badges = index.verified([row.member for row in piece if not row.baseline])
        placed = []
        for row in piece:
            place += not row.baseline
            checked = row if row.baseline else replace(row, verified=badges.get(row.member, row.verified))
            placed.append(Placed(checked, None if row.baseline else place))
        if len(piece) > FILE_ROWS:
            place -= not piece[-1].baseline  # the next piece counts it again
        yield from maker.make(placed)[:FILE_ROWS]


def allowed_view(
    club: Club, competition: Competition, viewer: Viewer | None, side: Side = "public"
) -> tuple[BoardView, str]:
    """What `viewer` may see of a board now, and why it is less than everything."""
    now = club.clock()
    if side == "public":
        return board_view(competition, viewer, now), explain_view(competition, viewer, now)
    if not sees_private(competition, viewer, now):
        at = competition.reveals
        when = f"it is shown from {at.astimezone(club.zone):%d %B %Y, %H:%M}" if at else "no time is set for it yet"
        raise Problem(403, "NotRevealed", f"the private leaderboard of {competition.name} is not shown yet: {when}")
    return "public", ""


def board_of(club: Club, competition: Competition, side: Side) -> BoardIndex:
    """The index of a board."""
    return club.boards.public(competition) if side == "public" else club.boards.private(competition)


@dataclass
class _Rows:
    """Makes rows that may be shown from rows of an index."""

    club: Club
    competition: Competition
    index: BoardIndex
    viewer: Viewer | None
    side: Side

    def __post_init__(self) -> None:
        self.index.refresh()  # who is in which team is as of the last look
        self.entrant = self.index.entrant(self.viewer.name) if self.viewer else None

    def make(self, placed: Sequence[Placed], ties: Sequence[bool] | None = None) -> list[BoardRow]:
        """Rows in the same order; `ties` are found among `placed` where not given."""
        marks = tied_with_next([one.row for one in placed]) if ties is None else ties
        crews = {one.row.member: self.index.members(one.row.member) for one in placed if not one.row.baseline}
        names = self.club.names.shown([member for crew in crews.values() for member in crew])
        rows = [self._one(one, tied, crews, names) for one, tied in zip(placed, marks, strict=True)]
        return self._beside_public(rows) if self.side == "private" else rows

    def own(self) -> BoardRow | None:
        """The viewer's own row."""
        if self.entrant is None:
            return None
        placed = self.index.placed(self.entrant)
        return self.make([placed])[0] if placed else None

    def own_place(self, rows: Sequence[BoardRow]) -> tuple[BoardRow | None, int | None]:
        """The viewer's own row, one of `rows` where it is there, and its page."""
        mine = next((row for row in rows if row.mine), None) or self.own()
        position = self.index.position(self.entrant) if mine and self.entrant else None
        return mine, None if position is None else position // PAGE_ROWS + 1

    def _one(
        self, placed: Placed, tied: bool, crews: Mapping[str, Sequence[str]], names: Mapping[str, str]
    ) -> BoardRow:
        row = placed.row
        people = [Person(names[one], self.club.names.key_of(one)) for one in crews.get(row.member, ())]
        team = None if row.baseline else self.index.team_name(row.member)
        return BoardRow(
            rank=placed.place,
            entrant=row.member,
            name=row.member if row.baseline else team or names.get(row.member, row.member),
            score=row.score,
            interval=row.interval,
            attempts=row.attempts,
            last_improvement=row.last_improvement,
            attempt_id=row.attempt_id,
            baseline=row.baseline,
            mine=not row.baseline and row.member == self.entrant,
            people=() if row.baseline else people,
            team=team is not None,
            verified=row.verified and not row.baseline,
            tied=tied,
        )

    def _beside_public(self, rows: Iterable[BoardRow]) -> list[BoardRow]:
        revealed = self.competition.is_revealed(self.club.clock())
        with self.index.reading() as (order, _):
            entrants = order.entrants
        with self.club.boards.public(self.competition).reading() as (order, _):
            return [_shaken(row, order, entrants if revealed else 0) for row in rows]


def _shaken(row: BoardRow, public: BoardOrder, entrants: int) -> BoardRow:
    key = (row.baseline, row.entrant)
    before, place = public.get(key), public.place(key)
    return replace(
        row,
        public_score=before.score if before else None,
        public_rank=place,
        moved=place - row.rank if place and row.rank else 0,
        medal=medal(row.rank, entrants) if row.rank and entrants else None,
    )


def _searched(maker: _Rows, page: int, search: str) -> Board:
    index, wanted, shown = maker.index, folded(search), maker.club.names.everybody()

    def matches(row: Row) -> bool:
        if row.baseline:
            return wanted in folded(row.member)
        team = index.team_name(row.member)
        names = [team] if team else []
        crew = index.members(row.member) if team else [row.member]
        names += [shown.get(one) or one for one in crew]
        return any(wanted in folded(name) for name in names)

    number = max(1, page)
    part, found = index.search(matches, (number - 1) * PAGE_ROWS, number * PAGE_ROWS)
    pages = max(1, math.ceil(found / PAGE_ROWS))
    if number > pages:
        number = pages
        part, found = index.search(matches, (number - 1) * PAGE_ROWS, number * PAGE_ROWS)
    with index.reading() as (order, _):
        baselines = order.baselines
        ties = [_is_tied(order, one) for one in part.rows]
    rows = maker.make(part.rows, ties)
    mine, mine_page = maker.own_place(rows)
    return Board(
        maker.side, rows, number, pages, part.entrants, baselines, found, mine, mine_page, "public", "", part.version,
        search,
    )  # fmt: skip


def _is_tied(order: BoardOrder, placed: Placed) -> bool:
    position = order.position(placed.row.key)
    return position is not None and tied_with_next([one.row for one in order.placed(position, position + 2)])[0]
