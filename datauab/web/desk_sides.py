"""Public and private board side by side, for organisers: some rows of boards that are in order already."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from datauab.competition import Competition
from datauab.ranking import Row
from datauab.web.board_index import BoardIndex
from datauab.web.board_order import Key
from datauab.web.club import Club

PAGE_ROWS = 100
MOVERS = 5


@dataclass(frozen=True)
class SideRow:
    """One entrant on both boards; `moved` is how many places the private board lifts it."""

    entrant: str
    name: str
    baseline: bool
    private: float
    private_rank: int | None
    public: float | None
    public_rank: int | None
    attempt_id: int

    @property
    def moved(self) -> int:
        """Places won on the private board; 0 where a rank is missing."""
        return self.public_rank - self.private_rank if self.public_rank and self.private_rank else 0


@dataclass(frozen=True)
class SidePage:
    """One page of both boards, in the order of the private one; `entrants` counts all pages."""

    rows: Sequence[SideRow]
    page: int
    pages: int
    entrants: int


@dataclass(frozen=True)
class ShakeUp:
    """How much the private board moves.

    Attributes
    ----------
    moved : int
        Entrants with another rank.
    entrants : int
        Entrants on the private board.
    largest : sequence of SideRow
        Those that move farthest, at most `MOVERS` up and as many down.
    new_winner : bool
        Whether the first of the private board is not the first of the public one.
    """

    moved: int
    entrants: int
    largest: Sequence[SideRow]
    new_winner: bool


def side_by_side(club: Club, competition: Competition, page: int, wanted: str = "") -> SidePage:
    """Give one page of both boards.

    Parameters
    ----------
    page : int
        From 1; a page beyond the last is the last.
    wanted : str
        Part of a name, display name or team name; empty for everybody.
    """
    private = club.boards.private(competition)
    if wanted:
        matches = _matcher(club, private, wanted)
        found, total = private.search(matches, (page - 1) * PAGE_ROWS, page * PAGE_ROWS)
        pages = max(1, math.ceil(total / PAGE_ROWS))
        if page > pages:
            return side_by_side(club, competition, pages, wanted)
    else:
        found = private.slice((page - 1) * PAGE_ROWS, page * PAGE_ROWS)
        pages = max(1, math.ceil(found.total / PAGE_ROWS))
        if page > pages:
            return side_by_side(club, competition, pages)
    ranked = [(one.row, one.place) for one in found.rows]
    return SidePage(_beside(club, competition, ranked), page, pages, found.entrants)


def shake_up_of(club: Club, competition: Competition) -> ShakeUp:
    """Tell how much the private board moves; one walk over two boards in order, nothing is ranked anew."""
    with club.boards.public(competition).reading() as (order, _):
        seen = [row.key for row in order if not row.baseline]
    with club.boards.private(competition).reading() as (order, _):
        final = [row for row in order if not row.baseline]
    public_place: dict[Key, int] = {key: place for place, key in enumerate(seen, 1)}
    moves = [
        (public_place[row.key] - place, row, place) for place, row in enumerate(final, 1) if row.key in public_place
    ]
    moved = [one for one in moves if one[0]]
    up = sorted(moved, key=lambda one: -one[0])[:MOVERS]
    down = sorted(moved, key=lambda one: one[0])[:MOVERS]
    chosen = [one for one in up if one[0] > 0] + [one for one in reversed(down) if one[0] < 0]
    return ShakeUp(
        moved=len(moved),
        entrants=len(final),
        largest=_beside(club, competition, [(row, place) for _, row, place in chosen]),
        new_winner=bool(seen and final and seen[0] != final[0].key),
    )


def _beside(club: Club, competition: Competition, ranked: Sequence[tuple[Row, int | None]]) -> list[SideRow]:
    public = club.boards.public(competition)
    names = club.ledger.display_names({row.member for row, _ in ranked})
    rows = []
    with public.reading() as (order, _):
        seen = {row.key: (order.get(row.key), order.place(row.key)) for row, _ in ranked}
    for row, place in ranked:
        other, public_place = seen[row.key]
        name = row.member if row.baseline else public.team_name(row.member) or names.get(row.member) or row.member
        rows.append(
            SideRow(
                entrant=row.member,
                name=name,
                baseline=row.baseline,
                private=row.score,
                private_rank=place,
                public=other.score if other else None,
                public_rank=public_place,
                attempt_id=row.attempt_id,
            )
        )
    return rows


def _matcher(club: Club, board: BoardIndex, wanted: str) -> Callable[[Row], bool]:
    text, names = wanted.casefold(), club.ledger.display_names()

    def matches(row: Row) -> bool:
        shown = board.team_name(row.member) or names.get(row.member) or ""
        return text in row.member.casefold() or text in shown.casefold()

    return matches
