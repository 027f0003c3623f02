"""The Ladder tells a score only where it is better by more than a step, and forgets nothing that it told."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datauab.ranking import Entry, counted_over_time, ladder, rank
from datauab.ranking.records import Terms

START = datetime(2026, 9, 14, 8, tzinfo=UTC)
DIRECTIONS = st.sampled_from(["maximize", "minimize"])
SCORES = st.lists(st.floats(-10, 10), min_size=1, max_size=20)


def entries(scores, member="ana"):
    return [
        Entry(member, number, START + timedelta(minutes=number), score, interval=(score - 1, score + 1))
        for number, score in enumerate(scores)
    ]


@given(SCORES, st.floats(0.01, 2), DIRECTIONS)
def test_what_is_told_is_figure_1_of_the_paper(scores, step, direction):
    sign = -1 if direction == "maximize" else 1
    told = math.inf
    for answer, score in zip(ladder(entries(scores), step, direction), scores, strict=True):
        if sign * score < told - step:
            told = sign * round(score / step) * step
            assert answer.climbed
        else:
            assert not answer.climbed
        assert answer.entry.score == pytest.approx(sign * told)


@given(SCORES, st.floats(0.01, 2), DIRECTIONS, st.randoms(use_true_random=False))
def test_what_is_told_only_climbs_and_never_depends_on_the_order_of_reading(scores, step, direction, random):
    own = entries(scores)
    shuffled = list(own)
    random.shuffle(shuffled)
    answers = ladder(own, step, direction)
    assert ladder(shuffled, step, direction) == answers
    values = [answer.entry.score for answer in answers]
    assert values == sorted(values, reverse=direction == "minimize")
    assert all(answer.entry.interval is None for answer in answers)


@given(SCORES, st.data(), st.floats(0.01, 2))
def test_deleting_tells_nothing_new_and_removes_nobody(scores, data, step):
    own = entries(scores)
    before = {answer.entry.score for answer in ladder(own, step, "maximize")}
    gone = data.draw(st.sets(st.integers(0, len(scores) - 1), max_size=len(scores) - 1))
    left = [replace(entry, deleted=entry.attempt_id in gone) for entry in own]
    rows = rank(left, "maximize", ladder_step=step)
    assert len(rows) == 1
    assert rows[0].score in before
    assert rows[0].attempt_id not in gone
    assert rows[0].attempts == len(scores) - len(gone)
    assert rows[0].interval is None


def test_a_deleted_climb_gives_the_one_before_it_back():
    own = entries([0.5, 0.7, 0.72])
    assert rank(own, "maximize", ladder_step=0.1)[0].score == pytest.approx(0.7)
    own[1] = replace(own[1], deleted=True)
    row = rank(own, "maximize", ladder_step=0.1)[0]
    assert (row.score, row.attempt_id) == (pytest.approx(0.5), 0)


def test_entrants_climb_alone_and_baselines_stay_exact():
    own = [*entries([0.51, 0.52], "ana"), *entries([0.56], "bo"), Entry("mean", 9, START, 0.123, baseline=True)]
    rows = rank(own, "maximize", ladder_step=0.1)
    assert [(row.member, row.score) for row in rows] == [("bo", 0.6), ("ana", 0.5), ("mean", 0.123)]


@given(SCORES, st.floats(0.01, 2), DIRECTIONS)
def test_the_curve_of_a_row_ends_at_its_score(scores, step, direction):
    own = entries(scores)
    for terms in (Terms(direction, ladder_step=step), Terms(direction), Terms(direction, policy="last")):
        row = rank(own, direction, policy=terms.policy, ladder_step=terms.ladder_step)[0]
        assert counted_over_time(own, terms)[-1].score == row.score


@pytest.mark.parametrize("step", [0.0, -1.0, math.nan])
def test_a_step_that_is_none_is_refused(step):
    with pytest.raises(ValueError, match="step"):
        ladder(entries([0.5]), step, "maximize")


def test_scores_too_large_for_the_step_stay_as_they_are():
    assert ladder(entries([-1e300]), 1e-9, "maximize")[0].entry.score == -1e300
    assert rank(entries([0.1 + 0.2]), "maximize", ladder_step=0.1)[0].score == 0.3
