"""Leaderboards as pages and API show them: ranked rows of one page, and the chart's history."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from datauab.competition import Competition
from datauab.ranking import Entry, Row, best_over_time, rank
from datauab.web.chart import Improvement, ScoreHistory
from datauab.web.wording import metric_words

PAGE_ROWS = 100

Intervals = Callable[[Collection[int]], Mapping[int, tuple[float, float]]]
"""Gives the public score's 95 % interval of those attempts that have one."""


@dataclass(frozen=True)
class BoardRow:
    """One row; `rank` counts members only and is None for a baseline."""

    rank: int | None
    member: str
    name: str
    score: float
    interval: tuple[float, float] | None
    attempts: int
    last_improvement: datetime
    attempt_id: int
    baseline: bool
    mine: bool


@dataclass(frozen=True)
class Board:
    """One page of a leaderboard; `mine_page` is where the viewer's row stands, `members` counts all pages."""

    rows: Sequence[BoardRow]
    page: int
    pages: int
    members: int
    baselines: int
    mine_page: int | None


def rank_members(rows: Sequence[Row]) -> list[int | None]:
    """Rank of each row among the members alone; None for baselines."""
    place = 0
    ranks: list[int | None] = []
    for row in rows:
        place += not row.baseline
        ranks.append(None if row.baseline else place)
    return ranks


def build_board(
    competition: Competition,
    entries: Sequence[Entry],
    names: Mapping[str, str],
    *,
    viewer: str | None = None,
    page: int | None = 1,
    intervals: Intervals | None = None,
) -> Board:
    """Make one page of the public board, or all of it where `page` is None.

    A page beyond the last one is the last one. Display names that are empty fall back to the account's name.
    """
    ranked = rank(entries, competition.metric.direction)
    places = list(zip(rank_members(ranked), ranked, strict=True))
    pages = max(1, math.ceil(len(ranked) / PAGE_ROWS))
    number = 1 if page is None else min(max(page, 1), pages)
    shown = places if page is None else places[(number - 1) * PAGE_ROWS : number * PAGE_ROWS]
    mine = next((index for index, row in enumerate(ranked) if not row.baseline and row.member == viewer), None)
    spans = intervals([row.attempt_id for _, row in shown]) if intervals else {}
    return Board(
        rows=[
            BoardRow(
                rank=place,
                member=row.member,
                name=row.member if row.baseline else names.get(row.member) or row.member,
                score=row.score,
                interval=spans.get(row.attempt_id),
                attempts=row.attempts,
                last_improvement=row.last_improvement,
                attempt_id=row.attempt_id,
                baseline=row.baseline,
                mine=not row.baseline and row.member == viewer,
            )
            for place, row in shown
        ],
        page=number,
        pages=pages,
        members=sum(not row.baseline for row in ranked),
        baselines=sum(row.baseline for row in ranked),
        mine_page=None if mine is None else mine // PAGE_ROWS + 1,
    )


def build_history(
    competition: Competition, entries: Sequence[Entry], names: Mapping[str, str], until: datetime, zone: ZoneInfo
) -> ScoreHistory:
    """Collect what the chart draws: all attempts of members, the steps of the best score, and the baselines."""
    direction = competition.metric.direction
    scored = [entry for entry in entries if entry.score is not None and math.isfinite(entry.score)]
    words = metric_words(competition.metric.name)
    return ScoreHistory(
        title="Best public score over time",
        axis=words.title,
        improvements=[
            Improvement(step.received_at, step.score, names.get(step.member) or step.member)
            for step in best_over_time(entries, direction)
        ],
        attempts=[(one.received_at, float(one.score or 0.0)) for one in scored if not one.baseline],
        baselines=[(row.member, row.score) for row in rank([one for one in scored if one.baseline], direction)],
        until=until,
        maximize=direction == "maximize",
        digits=competition.metric.digits,
        zone=zone,
    )


@dataclass(frozen=True)
class ManagedRow:
    """One row of the instructors' table; `moved` is how many places the private board lifts the member."""

    member: str
    name: str
    baseline: bool
    private: float
    private_rank: int | None
    public: float | None
    public_rank: int | None
    moved: int
    attempt_id: int


def build_managed(
    competition: Competition, public: Sequence[Entry], private: Sequence[Entry], names: Mapping[str, str]
) -> list[ManagedRow]:
    """Set public and private boards side by side, in the order of the private one. For instructors only."""
    direction = competition.metric.direction
    seen = rank(public, direction)
    public_rows = {
        (row.baseline, row.member): (place, row) for place, row in zip(rank_members(seen), seen, strict=True)
    }
    hidden = rank(private, direction)
    rows = []
    for place, row in zip(rank_members(hidden), hidden, strict=True):
        public_rank, other = public_rows.get((row.baseline, row.member), (None, None))
        rows.append(
            ManagedRow(
                member=row.member,
                name=row.member if row.baseline else names.get(row.member) or row.member,
                baseline=row.baseline,
                private=row.score,
                private_rank=place,
                public=other.score if other else None,
                public_rank=public_rank,
                moved=public_rank - place if public_rank and place else 0,
                attempt_id=row.attempt_id,
            )
        )
    return rows
