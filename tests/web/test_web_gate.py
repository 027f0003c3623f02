"""The gate alone: clocks over daylight saving, late attempts, extensions, and which quota binds."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from web_course import TOML  # type: ignore[import-not-found]

from datauab.competition import Competition, Late, Phase, Quotas, Rules, Teams, load_competition
from datauab.errors import InvalidSubmission, LimitReached, PhaseClosed
from datauab.ledger import Ledger, UsageToday
from datauab.settings import Settings
from datauab.web.gate import Admission, Entering, RulesNotAccepted, TeamTooLarge, admission_at, admit

MADRID = ZoneInfo("Europe/Madrid")
NOON = datetime(2026, 10, 14, 10, 0, tzinfo=UTC)
END = datetime(2026, 12, 1, tzinfo=UTC)
DAY = timedelta(days=1)
NOTHING = UsageToday(date(2026, 10, 14), 0, 0, 0, 0, NOON + timedelta(hours=12))


@pytest.fixture(scope="module")
def bitcoin(tmp_path_factory) -> Competition:
    folder = tmp_path_factory.mktemp("source") / "bitcoin"
    folder.mkdir()
    (folder / "competition.toml").write_text(TOML)
    return load_competition(folder)


def ask(
    competition: Competition, *, now: datetime = NOON, usage: UsageToday = NOTHING, size: int = 100, **who: object
) -> Admission:
    entering = Entering("ada", **who)  # type: ignore[arg-type]
    return admit(competition, entering, size, now, usage, limit_mb=1, zone=MADRID)


def changed(competition: Competition, **what: object) -> Competition:
    return competition.model_copy(update=what)


def test_in_time_the_phase_is_named(bitcoin: Competition) -> None:
    assert ask(bitcoin) == Admission("main", 0)


@pytest.mark.parametrize(
    ("after", "days"),
    [(timedelta(0), 1), (DAY - timedelta(microseconds=1), 1), (DAY, 2), (3 * DAY - timedelta(seconds=1), 3)],
)
def test_late_attempts_count_each_day_begun(bitcoin: Competition, after: timedelta, days: int) -> None:
    late = changed(bitcoin, late=Late(days=3))
    assert ask(late, now=END + after) == Admission(None, days)
    with pytest.raises(PhaseClosed):
        ask(bitcoin, now=END + after)


def test_late_days_end(bitcoin: Competition) -> None:
    late = changed(bitcoin, late=Late(days=3))
    for who in ({}, {"instructor": True}):
        with pytest.raises(PhaseClosed):
            ask(late, now=END + 3 * DAY, **who)


def test_an_extension_opens_the_last_phase_for_one_and_moves_the_late_days(bitcoin: Competition) -> None:
    late = changed(bitcoin, late=Late(days=1))
    longer = END + 2 * DAY
    assert ask(late, now=longer - timedelta(seconds=1), closes=longer) == Admission("main", 0)
    assert ask(late, now=longer, closes=longer) == Admission(None, 1)
    with pytest.raises(PhaseClosed, match="ended on 03 December 2026, 01:00"):
        ask(bitcoin, now=longer, closes=longer)


@given(
    closes=st.timedeltas(-90 * DAY, 90 * DAY).map(END.__add__), now=st.timedeltas(-120 * DAY, 90 * DAY).map(END.__add__)
)
def test_an_extension_never_takes_time_away(bitcoin: Competition, closes: datetime, now: datetime) -> None:
    late = changed(bitcoin, late=Late(days=5))
    before, after = admission_at(late, None, now), admission_at(late, closes, now)
    if before is not None:
        assert after is not None
        assert after.late_days <= before.late_days


def test_between_two_phases_nothing_is_late(bitcoin: Competition) -> None:
    first = Phase(name="one", opens=NOON - DAY, closes=NOON)
    second = Phase(name="two", opens=NOON + DAY, closes=NOON + 2 * DAY)
    two = changed(bitcoin, phases=(first, second), late=Late(days=3))
    with pytest.raises(PhaseClosed, match="'two' opens on 15 October 2026, 12:00"):
        ask(two, now=NOON, closes=NOON + 9 * DAY)


@pytest.mark.parametrize(
    ("own", "phase", "whole", "limit"), [(None, None, 3, 3), (None, 2, 3, 2), (4, 2, 3, 4), (1, None, 3, 1)]
)
def test_the_nearest_quota_binds(
    bitcoin: Competition, own: int | None, phase: int | None, whole: int, limit: int
) -> None:
    main = bitcoin.phases[0].model_copy(update={"daily_scored": phase})
    one = changed(bitcoin, phases=(main,), quotas=Quotas(daily_scored=whole, daily_attempts=20))
    used = replace(NOTHING, scored=limit - 1)
    assert ask(one, usage=used, daily_scored=own).phase == "main"
    for full in (replace(used, scored=limit), replace(used, pending=1)):
        with pytest.raises(LimitReached, match=f"at most {limit}; you can submit again from 15 October 2026, 00:00"):
            ask(one, usage=full, daily_scored=own)
    assert ask(one, usage=replace(NOTHING, scored=99), instructor=True).phase == "main"


@given(failed=st.integers(0, 4), faults=st.integers(0, 50))
def test_failures_and_faults_never_cost_a_scored_attempt(bitcoin: Competition, failed: int, faults: int) -> None:
    one = changed(bitcoin, quotas=Quotas(daily_scored=1, daily_attempts=5))
    assert ask(one, usage=replace(NOTHING, failed=failed, platform_faults=faults)).late_days == 0
    with pytest.raises(LimitReached, match="5 attempts"):
        ask(one, usage=replace(NOTHING, failed=5))


def test_who_was_given_more_scored_attempts_can_make_them(bitcoin: Competition) -> None:
    one = changed(bitcoin, quotas=Quotas(daily_scored=1, daily_attempts=5))
    assert ask(one, usage=replace(NOTHING, scored=7), daily_scored=8).phase == "main"
    with pytest.raises(LimitReached):
        ask(one, usage=replace(NOTHING, scored=8), daily_scored=8)


def test_a_phase_has_a_total(bitcoin: Competition) -> None:
    one = changed(bitcoin, phases=(bitcoin.phases[0].model_copy(update={"total_scored": 2}),))
    assert ask(one, usage=replace(NOTHING, total_scored=1)).phase == "main"
    with pytest.raises(LimitReached, match="at most 2 in the whole phase"):
        ask(one, usage=replace(NOTHING, total_scored=2))


def test_rules_are_accepted_as_they_are_now(bitcoin: Competition) -> None:
    rules = Rules(text="Be fair.")
    one = changed(bitcoin, rules=rules)
    assert ask(one, accepted=rules.sha256).phase == "main"
    assert ask(one, instructor=True).phase == "main"
    with pytest.raises(RulesNotAccepted, match="you did not yet"):
        ask(one)
    with pytest.raises(RulesNotAccepted, match="they changed"):
        ask(one, accepted=Rules(text="Be kind.").sha256)


def test_a_team_must_fit(bitcoin: Competition) -> None:
    team = replace(NOTHING, members=("ada", "bob", "eve"))
    assert ask(changed(bitcoin, teams=Teams(max_size=3)), usage=team).phase == "main"
    with pytest.raises(TeamTooLarge, match="3 members, expected at most 2"):
        ask(changed(bitcoin, teams=Teams(max_size=2)), usage=team)


@pytest.mark.parametrize("size", [0, 2**20 + 1])
def test_size_is_checked_first(bitcoin: Competition, size: int) -> None:
    with pytest.raises(InvalidSubmission):
        ask(bitcoin, now=END + DAY, size=size)


@pytest.mark.parametrize(
    ("last", "hours"),
    [(datetime(2026, 10, 25, tzinfo=MADRID), 25), (datetime(2027, 3, 28, tzinfo=MADRID), 23)],
    ids=["clocks go back", "clocks go forward"],
)
def test_a_day_with_a_changed_clock_is_one_day(
    bitcoin: Competition, ledger: Ledger, course: Settings, last: datetime, hours: int
) -> None:
    begin = last.astimezone(UTC)
    always = changed(bitcoin, phases=(Phase(name="main", opens=NOON - 90 * DAY),), quotas=Quotas(daily_scored=1))
    ledger.add_attempt(competition="bitcoin", member="ada", blob=b"x", received_at=begin)
    end = begin + timedelta(hours=hours)
    for moment in (begin, begin + timedelta(hours=12), end - timedelta(microseconds=1)):
        with pytest.raises(LimitReached, match=f"{last + DAY:%d %B %Y}, 00:00"):
            ask(always, now=moment, usage=ledger.usage_today("bitcoin", "ada", moment))
    for moment in (begin - timedelta(microseconds=1), end):
        assert ask(always, now=moment, usage=ledger.usage_today("bitcoin", "ada", moment)).phase == "main"
