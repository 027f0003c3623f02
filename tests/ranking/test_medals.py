"""Medals at the documented thresholds, points by the documented formula."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datauab.ranking import medal, medal_places, ranking_points


@pytest.mark.parametrize(
    ("teams", "gold", "silver", "bronze"),
    [
        (1, 1, 1, 1),
        (5, 1, 1, 2),
        (50, 5, 10, 20),
        (99, 9, 19, 39),
        (100, 10, 20, 40),
        (249, 10, 49, 99),
        (250, 10, 50, 100),
        (999, 11, 50, 100),
        (1000, 12, 50, 100),
        (5000, 20, 250, 500),
    ],
)
def test_thresholds(teams, gold, silver, bronze):
    assert medal_places(teams) == {"gold": gold, "silver": silver, "bronze": bronze}


@given(st.integers(0, 3000), st.integers(-1, 3000))
def test_medals_follow_the_places(teams, place):
    limits = medal_places(teams)
    expected = next((name for name in ("gold", "silver", "bronze") if 1 <= place <= limits[name]), None)
    assert medal(place, teams) == expected
    assert limits["gold"] <= limits["silver"] <= limits["bronze"]


def test_points_of_a_known_case():
    assert ranking_points(1, 10) == pytest.approx(100_000 * math.log10(2))
    assert ranking_points(16, 100, members=4, days=500) == pytest.approx(50_000 / 8 * math.log10(3) / math.e)


@given(st.integers(1, 500), st.integers(2, 500), st.integers(1, 5), st.floats(0, 5000))
def test_points_fall_with_place_team_size_and_time_and_grow_with_rivals(place, teams, members, days):
    points = ranking_points(place, teams, members, days)
    assert points > 0
    assert ranking_points(place + 1, teams, members, days) < points
    assert ranking_points(place, teams + 1, members, days) > points
    assert ranking_points(place, teams, members + 1, days) < points
    assert ranking_points(place, teams, members, days + 1) < points


def test_nobody_wins_points_alone_or_without_a_place():
    assert ranking_points(1, 1) == ranking_points(0, 100) == 0
