"""The charts of a board: the top ten over time, how scores are distributed, and one's own attempts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from datauab.competition import Competition
from datauab.ranking import Entry, Row, Terms, board_terms, counted_over_time, fold_teams, ladder
from datauab.web.board import Board, board_of
from datauab.web.board_index import BoardIndex
from datauab.web.chart import Drawing
from datauab.web.chart_bars import FEWEST, BarChart, distribution, draw_bars
from datauab.web.chart_times import Line, TimeChart, draw_times
from datauab.web.club import Club
from datauab.web.session import Viewer
from datauab.web.visibility import board_view
from datauab.web.wording import metric_title

TOP = 10
USUAL = 0.95
"""Share of the entrants whose scores the distribution's axis holds: the worst ones would flatten the rest."""


def top_chart(club: Club, competition: Competition) -> Drawing:
    """Draw how the scores of the ten best grew; for boards that the viewer may see."""
    index = board_of(club, competition, "public")
    with index.reading() as (order, _):
        leaders, baselines = order.leaders(TOP), order.baseline_rows()
    crews = {row.member: index.members(row.member) for row in leaders}
    shown = club.names.shown([member for crew in crews.values() for member in crew])
    names = {row.member: index.team_name(row.member) or shown.get(row.member, row.member) for row in leaders}
    until = chart_end(competition, club.clock())
    key = ("top", competition.name, competition.metric, tuple(leaders), tuple(baselines), tuple(names.values()), until)

    def draw() -> Drawing:
        entries = club.ledger.entries(competition.name, list(shown), include_deleted=competition.board.ladder_step > 0)
        lines = _lines(entries, index, leaders, names, board_terms(competition))
        title = "Best score over time, top ten"
        return draw_times(
            _times(club, competition, title=title, lines=lines, dots=[], baselines=baselines, until=until)
        )

    return club.drawings.get(key, draw) if leaders else Drawing()


def spread_chart(club: Club, competition: Competition, board: Board) -> Drawing:
    """Draw how a board's scores are distributed, with the viewer's own; nothing for fewer than a handful."""
    if board.entrants < FEWEST or board.view != "public":
        return Drawing()
    mine = board.mine.score if board.mine else None

    def draw() -> Drawing:
        return draw_bars(_spread(club, competition, board, mine))

    return club.drawings.get(("spread", competition.name, competition.metric, board.side, board.version, mine), draw)


def own_chart(club: Club, competition: Competition, viewer: Viewer) -> Drawing:
    """Draw the attempts of the viewer's entrant: each as a dot, and the score that counted as a line.

    What is drawn is what the author may see: nothing in a blind phase, and under a Ladder what it told.
    """
    now = club.clock()
    view = board_view(competition, viewer, now)
    if view == "blind":
        return Drawing()
    name = competition.name
    team = club.ledger.team_of(name, viewer.name)
    members = list(team.members) if team else [viewer.name]
    terms = board_terms(competition)
    found = club.ledger.entries(name, members, include_deleted=terms.ladder_step > 0)
    entrants = dict.fromkeys(members, team.entrant) if team else {}
    own = [one for one in fold_teams(found, entrants) if not one.baseline]
    on_ladder = terms.ladder_step > 0 and not competition.is_revealed(now)
    told = [one.entry for one in ladder(own, terms.ladder_step, terms.direction)] if on_ladder else own
    dots = [(one.received_at, one.value) for one in told if one.is_scored and not one.deleted]
    steps = [(step.received_at, step.score) for step in counted_over_time(own, terms)]
    if not steps:
        return Drawing()
    baselines: Sequence[Row] = ()
    if view == "public":
        with board_of(club, competition, "public").reading() as (order, _):
            baselines = order.baseline_rows()
    until = chart_end(competition, now)
    label = team.name if team else "you"
    title = "Our attempts" if team else "My attempts"
    key = ("own", name, competition.metric, label, tuple(dots), tuple(steps), tuple(baselines), until)
    lines = [Line(label, steps)]
    chart = _times(club, competition, title=title, lines=lines, dots=dots, baselines=baselines, until=until)
    return club.drawings.get(key, lambda: draw_times(chart))


def chart_end(competition: Competition, now: datetime) -> datetime:
    """Right end of a time axis: now, in whole minutes so that drawings can be kept, or the end of the competition."""
    ends = competition.late_until or competition.ends
    minute = now.replace(second=0, microsecond=0) + timedelta(minutes=1)
    return min(minute, ends) if ends else minute


def _lines(
    entries: Sequence[Entry], index: BoardIndex, leaders: Sequence[Row], names: Mapping[str, str], terms: Terms
) -> list[Line]:
    entrants = {member: row.member for row in leaders for member in index.members(row.member)}
    groups: dict[str, list[Entry]] = defaultdict(list)
    for entry in fold_teams(entries, entrants):
        if not entry.baseline:
            groups[entry.member].append(entry)
    lines = []
    for row in leaders:
        steps = [(step.received_at, step.score) for step in counted_over_time(groups[row.member], terms)]
        if steps:
            lines.append(Line(names[row.member], steps))
    return lines


def _times(
    club: Club,
    competition: Competition,
    *,
    title: str,
    lines: Sequence[Line],
    dots: Sequence[tuple[datetime, float]],
    baselines: Sequence[Row],
    until: datetime,
) -> TimeChart:
    return TimeChart(
        name="own" if dots else "top",
        title=title,
        axis=metric_title(competition),
        lines=lines,
        dots=dots,
        baselines=[(row.member, row.score) for row in baselines],
        until=until,
        maximize=competition.metric.direction == "maximize",
        digits=competition.metric.digits,
        zone=club.zone,
    )


def _spread(club: Club, competition: Competition, board: Board, mine: float | None) -> BarChart:
    with board_of(club, competition, board.side).reading() as (order, _):
        marks = [(row.member, row.score, "chart-baseline") for row in order.baseline_rows()]
        if mine is not None:
            marks.append(("you", mine, "chart-mine"))
        return distribution(
            order.count_between,
            worst=order.score_at(USUAL),
            best=order.score_at(0.0),
            entrants=order.entrants,
            title=f"How the {board.side} scores are distributed",
            unit=metric_title(competition),
            digits=competition.metric.digits,
            marks=marks,
        )
