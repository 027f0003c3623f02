"""Whatever is handed in when, and whatever becomes of it: quotas are those that the rules say, over a real ledger."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from web_course import TOML  # type: ignore[import-not-found]

from datauab.competition import Competition, Phase, Quotas, load_competition
from datauab.errors import LimitReached
from datauab.ledger import Ledger, ScoreRecord, UsageToday
from datauab.settings import Settings
from datauab.web.gate import Admission, Entering, admit

MADRID = ZoneInfo("Europe/Madrid")
STARTS = [
    datetime(2026, 10, 24, 15, tzinfo=UTC),  # the next day has 25 hours in Madrid
    datetime(2027, 3, 27, 15, tzinfo=UTC),  # 23 hours
    datetime(2026, 11, 10, 15, tzinfo=UTC),
]
SCORED, ATTEMPTS, TOTAL = 2, 4, 5
Ending = Literal["scored", "failed", "fault", "waits", "deleted"]
NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def course_ledger(tmp_path_factory) -> Iterator[Ledger]:
    with Ledger.open(Settings(root=tmp_path_factory.mktemp("quotas"))) as opened:
        yield opened


@pytest.fixture(scope="module")
def ruled(tmp_path_factory) -> Competition:
    folder = tmp_path_factory.mktemp("source") / "bitcoin"
    folder.mkdir()
    (folder / "competition.toml").write_text(TOML)
    phase = Phase(name="main", opens=datetime(2026, 1, 1, tzinfo=UTC), total_scored=TOTAL)
    quotas = Quotas(daily_scored=SCORED, daily_attempts=ATTEMPTS)
    return load_competition(folder).model_copy(update={"phases": (phase,), "quotas": quotas})


@dataclass
class Model:
    """What the rules say, counted in the plainest way."""

    by_day: dict[date, Counter[str]] = field(default_factory=dict)

    def accepts(self, day: date) -> bool:
        today = self.by_day.get(day, Counter())
        cost = today["scored"] + today["waits"] + today["deleted"]
        total = sum(one["scored"] + one["waits"] + one["deleted"] for one in self.by_day.values())
        return cost + today["failed"] < ATTEMPTS and cost < SCORED and total < TOTAL

    def add(self, day: date, ending: Ending) -> None:
        self.by_day.setdefault(day, Counter())[ending] += 1


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    start=st.sampled_from(STARTS),
    acts=st.lists(
        st.tuples(st.integers(0, 1200), st.sampled_from(["scored", "failed", "fault", "waits", "deleted"])),
        min_size=1,
        max_size=14,
    ),
)
def test_an_attempt_is_refused_exactly_where_the_rules_say(course_ledger, ruled, start, acts):
    competition = ruled.model_copy(update={"name": f"c{next(NUMBERS)}"})
    now, model = start, Model()
    for minutes, ending in acts:
        now += timedelta(minutes=minutes)
        day = now.astimezone(MADRID).date()
        expected = model.accepts(day)
        assert hand_in(course_ledger, competition, now, ending) == expected, (now, model.by_day)
        if expected and ending != "fault":  # a fault of the platform costs nothing at all
            model.add(day, ending)


def hand_in(ledger: Ledger, competition: Competition, now: datetime, ending: Ending) -> bool:
    def gate(usage: UsageToday) -> Admission:
        return admit(competition, Entering("ada"), 100, now, usage, limit_mb=1, zone=MADRID)

    try:
        attempt = ledger.add_attempt(
            competition=competition.name,
            member="ada",
            blob=b"x",
            kind="predictions",
            origin="api",
            received_at=now,
            gate=gate,
            phase_opens=competition.phases[0].opens,
        )
    except LimitReached:
        return False
    if ending == "waits":
        return True
    lease = ledger.lease("test", attempt_id=attempt.id)
    assert lease is not None
    if ending in ("scored", "deleted"):
        ledger.finish_scored(lease, ScoreRecord(0.5, 0.5, 0.4, 0.6, "r2", "a" * 64, "b" * 64))
    else:
        ledger.finish_failed(lease, "row 3 is NaN", platform=ending == "fault")
    if ending == "deleted":
        ledger.delete_attempt(attempt.id, "ada")
    return True
