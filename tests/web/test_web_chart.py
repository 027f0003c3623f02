"""The chart: legible axes, labels that do not cover each other, and no attempt that flattens the rest."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datauab.web.chart import nice_ticks, spread_labels, time_ticks
from datauab.web.chart_bars import BarChart, draw_bars, score_edges
from datauab.web.chart_times import Line, TimeChart, draw_times, score_scale

MADRID = ZoneInfo("Europe/Madrid")
START = datetime(2026, 10, 1, tzinfo=UTC)
finite = st.floats(-1e6, 1e6, allow_nan=False)


def history(scores: list[float], *, name: str = "Ada", maximize: bool = True) -> TimeChart:
    steps: list[tuple[datetime, float]] = []
    for index, score in enumerate(scores):
        if not steps or (score > steps[-1][1]) == maximize:
            steps.append((START + timedelta(hours=index), score))
    return TimeChart(
        name="own",
        title="Best public score over time",
        axis="R²",
        lines=[Line(name, steps)] if steps else [],
        dots=[(START + timedelta(hours=index), score) for index, score in enumerate(scores)],
        baselines=[("Mean", 0.0)],
        until=START + timedelta(hours=len(scores)),
        maximize=maximize,
        digits=4,
        zone=MADRID,
    )


def check_inside(drawing: str) -> None:
    root = ElementTree.fromstring(drawing)  # noqa: S314 - our own
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    for element in root.iter():
        for key in ("x", "x1", "x2", "cx"):
            assert 0 <= float(element.attrib.get(key, 0)) <= width
        for key in ("y", "y1", "y2", "cy"):
            assert -1 <= float(element.attrib.get(key, 0)) <= height + 1
    assert "style" not in {key for element in root.iter() for key in element.attrib}


@given(st.lists(finite, min_size=1, max_size=30), st.booleans())
def test_every_history_draws_inside_its_frame(scores: list[float], maximize: bool) -> None:
    drawing = draw_times(history(scores, maximize=maximize))
    check_inside(drawing.wide)
    check_inside(drawing.narrow)


@given(st.lists(st.lists(finite, min_size=1, max_size=8), min_size=1, max_size=10), st.booleans())
def test_ten_lines_draw_inside_their_frame(rows: list[list[float]], maximize: bool) -> None:
    charts = [history(scores, name=f"m{index}", maximize=maximize) for index, scores in enumerate(rows)]
    lines = sorted((chart.lines[0] for chart in charts), key=lambda line: line.last, reverse=maximize)
    drawing = draw_times(replace(charts[0], lines=lines, dots=[]))
    check_inside(drawing.wide)
    check_inside(drawing.narrow)


@given(finite, finite, st.integers(1, 200))
def test_every_distribution_draws_inside_its_frame(one: float, other: float, entrants: int) -> None:
    edges = score_edges(one, other)
    assert edges[0] <= min(one, other) + 1e-6 * max(1, abs(one), abs(other))
    assert edges[-1] >= max(one, other) - 1e-6 * max(1, abs(one), abs(other))
    counts = [entrants, *[0] * (len(edges) - 2)]
    drawing = draw_bars(BarChart("spread", "Scores", "entrants", "R²", edges, counts, [("you", one, "chart-mine")]))
    check_inside(drawing.wide)
    check_inside(drawing.narrow)


def test_no_score_draws_nothing() -> None:
    assert not draw_times(history([]))


def test_one_absurd_attempt_flattens_nobody() -> None:
    chart = history([0.5 + index / 100 for index in range(20)] + [-1e6])
    scale = score_scale(chart)
    assert scale.low > 0
    assert scale.high < 1
    assert "1 of 21 attempts lie beyond the axis" in draw_times(chart).wide


def test_hostile_names_are_escaped() -> None:
    text = draw_times(history([0.5], name="<script>x</script>&")).wide
    assert "<script>" not in text
    assert ElementTree.fromstring(text) is not None  # noqa: S314 - our own


@given(finite, st.floats(1e-6, 1e6), st.integers(2, 8))
def test_ticks_are_round_few_and_inside(low: float, span: float, most: int) -> None:
    ticks = nice_ticks(low, low + span, most)
    assert len(ticks) <= most + 1
    assert all(low - span * 1e-6 - 1e-9 <= tick <= low + span * (1 + 1e-6) + 1e-9 for tick in ticks)


@pytest.mark.parametrize("span", [timedelta(minutes=7), timedelta(hours=5), timedelta(days=3), timedelta(days=700)])
@pytest.mark.parametrize("most", [3, 6])
def test_time_ticks_are_few_and_round(span: timedelta, most: int) -> None:
    begin = datetime(2026, 10, 24, 9, 17, tzinfo=UTC)
    ticks = time_ticks(begin, begin + span, most, MADRID)
    assert 1 <= len(ticks) <= most + 1
    assert all(begin <= tick <= begin + span for tick in ticks)
    assert all(tick.second == 0 for tick in ticks)


def test_days_stay_at_midnight_when_summer_time_ends() -> None:
    ticks = time_ticks(datetime(2026, 10, 23, tzinfo=UTC), datetime(2026, 10, 28, tzinfo=UTC), 6, MADRID)
    assert {tick.astimezone(MADRID).hour for tick in ticks} == {0}


@given(st.lists(st.floats(0, 300), max_size=8))
def test_labels_keep_their_distance_and_order(wanted: list[float]) -> None:
    placed = spread_labels(wanted, 15, 0, 300)
    ordered = sorted(zip(wanted, placed, strict=True))
    assert all(later[1] - earlier[1] >= 15 - 1e-6 for earlier, later in pairwise(ordered))
    assert all(0 - 1e-6 <= place <= 300 + 1e-6 for place in placed)
