"""The chart: legible axes, labels that do not cover each other, and no attempt that flattens the rest."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datauab.web.chart import (
    Improvement,
    ScoreHistory,
    draw_history,
    nice_ticks,
    score_range,
    spread_labels,
    time_ticks,
)

MADRID = ZoneInfo("Europe/Madrid")
START = datetime(2026, 10, 1, tzinfo=UTC)
finite = st.floats(-1e6, 1e6, allow_nan=False)


def history(scores: list[float], *, name: str = "Ada", maximize: bool = True) -> ScoreHistory:
    best: list[Improvement] = []
    for index, score in enumerate(scores):
        if not best or (score > best[-1].score) == maximize:
            best.append(Improvement(START + timedelta(hours=index), score, name))
    return ScoreHistory(
        title="Best public score over time",
        axis="R²",
        improvements=best,
        attempts=[(START + timedelta(hours=index), score) for index, score in enumerate(scores)],
        baselines=[("Mean", 0.0)],
        until=START + timedelta(hours=len(scores)),
        maximize=maximize,
        digits=4,
        zone=MADRID,
    )


@given(st.lists(finite, min_size=1, max_size=30), st.booleans(), st.booleans())
def test_every_history_draws_inside_its_frame(scores: list[float], maximize: bool, narrow: bool) -> None:
    root = ElementTree.fromstring(draw_history(history(scores, maximize=maximize), narrow=narrow))  # noqa: S314 - our own
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    for element in root.iter():
        for key in ("x", "x1", "x2", "cx"):
            assert 0 <= float(element.attrib.get(key, 0)) <= width
        for key in ("y", "y1", "y2", "cy"):
            assert -1 <= float(element.attrib.get(key, 0)) <= height + 1
    assert "style" not in {key for element in root.iter() for key in element.attrib}


def test_no_score_draws_nothing() -> None:
    assert draw_history(history([]), narrow=False) == ""


def test_one_absurd_attempt_flattens_nobody() -> None:
    low, high = score_range(history([0.5 + index / 100 for index in range(20)] + [-1e6]))
    assert low > 0
    assert high < 1
    text = draw_history(history([0.5 + index / 100 for index in range(20)] + [-1e6]), narrow=False)
    assert "1 lie beyond the axis" in text


def test_hostile_names_are_escaped() -> None:
    text = draw_history(history([0.5], name="<script>x</script>&"), narrow=False)
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
