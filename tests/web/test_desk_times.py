"""Times that an organiser types, over both changes of the clock, for whole years."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datauab.web.desk_times import UnclearTime, as_typed, parse_local

MADRID = ZoneInfo("Europe/Madrid")
ZONES = st.sampled_from([MADRID, ZoneInfo("UTC"), ZoneInfo("Australia/Lord_Howe"), ZoneInfo("America/New_York")])
MINUTES = st.integers(0, 60 * 24 * 365 * 4).map(lambda n: datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=n))


@given(MINUTES, ZONES)
def test_every_moment_that_a_field_shows_is_read_back_as_that_moment(moment: datetime, zone: ZoneInfo) -> None:
    typed = as_typed(moment, zone)
    both = {parse_local(typed, zone, "first"), parse_local(typed, zone, "second")}
    assert moment in both
    if len(both) == 1:
        assert parse_local(typed, zone) == moment
    else:
        with pytest.raises(UnclearTime) as said:
            parse_local(typed, zone)
        assert said.value.twice, "a time that the clock did show cannot be one that it leaves out"


@given(st.integers(0, 59))
def test_the_hour_that_spring_leaves_out_is_refused_with_the_times_around_it(minute: int) -> None:
    with pytest.raises(
        UnclearTime, match=rf"does not exist.*60 minutes.*type 01:{minute:02} or 03:{minute:02}"
    ) as said:
        parse_local(f"2026-03-29T02:{minute:02}", MADRID, "first")
    assert not said.value.twice


def test_the_hour_that_autumn_shows_twice_asks_which_one() -> None:
    with pytest.raises(UnclearTime, match=r"comes twice.*first one is UTC\+02:00, the second UTC\+01:00") as said:
        parse_local("2026-10-25T02:30", MADRID)
    assert said.value.twice
    assert parse_local("2026-10-25T02:30", MADRID, "first") == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert parse_local("2026-10-25T02:30", MADRID, "second") == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["", "soon", "2026-13-01T00:00", "2026-12-01T10:00+01:00", "0001-01-01T00:00", "9" * 99]
)
def test_what_is_no_time_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UnclearTime, match="such as 2026-12-01T23:59"):
        parse_local(text, MADRID)


@given(st.text(max_size=30))
def test_no_text_breaks_the_reader(text: str) -> None:
    with contextlib.suppress(UnclearTime):
        assert parse_local(text, MADRID).tzinfo is UTC
