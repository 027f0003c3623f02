"""The board is a pure function of the attempts, whatever order they come in."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datauab.ranking import Entry, best_over_time, rank

START = datetime(2026, 9, 14, 8, tzinfo=UTC)


@st.composite
def boards(draw: st.DrawFn) -> list[Entry]:
    scores = st.one_of(
        st.none(), st.floats(allow_nan=True, allow_infinity=True), st.sampled_from([0.0, -0.0, 0.5, 0.9, -1e300])
    )
    rows = draw(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 5), scores, st.booleans()), max_size=25))
    return [
        Entry(member, number, START + timedelta(minutes=minute), score, baseline)
        for number, (member, minute, score, baseline) in enumerate(rows)
    ]


DIRECTIONS = st.sampled_from(["maximize", "minimize"])


@given(boards(), DIRECTIONS, st.randoms(use_true_random=False))
def test_the_order_in_which_attempts_are_read_changes_nothing(entries, direction, random):
    shuffled = list(entries)
    random.shuffle(shuffled)
    assert rank(shuffled, direction) == rank(entries, direction)
    assert best_over_time(shuffled, direction) == best_over_time(entries, direction)


@given(boards(), DIRECTIONS)
def test_only_finite_scores_rank_and_each_member_once(entries, direction):
    rows = rank(entries, direction)
    finite = {(e.baseline, e.member) for e in entries if e.score is not None and math.isfinite(e.score)}
    assert sorted((row.baseline, row.member) for row in rows) == sorted(finite)
    assert [row.rank for row in rows] == list(range(1, len(rows) + 1))
    assert all(math.isfinite(row.score) for row in rows)


@given(boards(), DIRECTIONS)
def test_rows_show_the_best_attempt_and_ties_go_to_the_earlier(entries, direction):
    sign = -1 if direction == "maximize" else 1
    rows = rank(entries, direction)
    for row in rows:
        own = [e for e in entries if (e.baseline, e.member) == (row.baseline, row.member)]
        finite = [e for e in own if e.score is not None and math.isfinite(e.score)]
        best = min(finite, key=lambda e: (sign * e.score, e.received_at, e.attempt_id))
        assert (row.attempt_id, row.score, row.last_improvement) == (best.attempt_id, best.score, best.received_at)
        assert row.attempts == len(own)
    keys = [(sign * row.score, row.last_improvement, row.attempt_id) for row in rows]
    assert keys == sorted(keys)


@given(boards(), DIRECTIONS)
def test_a_failed_attempt_never_worsens_a_row(entries, direction):
    failed = Entry("a", 10_000, START - timedelta(days=1), None)
    before = {row.member: row.score for row in rank(entries, direction) if not row.baseline}
    after = {row.member: row.score for row in rank([*entries, failed], direction) if not row.baseline}
    assert after == before


@given(boards(), DIRECTIONS)
def test_the_curve_ends_at_the_top_of_the_board_and_only_improves(entries, direction):
    steps = best_over_time(entries, direction, baselines=True)
    rows = rank(entries, direction)
    assert bool(steps) == bool(rows)
    if steps:
        assert steps[-1].score == rows[0].score
    sign = -1 if direction == "maximize" else 1
    assert all(sign * late.score < sign * early.score for early, late in pairwise(steps))


def test_a_baseline_never_shares_a_row_with_a_member_of_its_name():
    entries = [Entry("mean", 1, START, 0.1, baseline=True), Entry("mean", 2, START, 0.9)]
    assert [(row.member, row.baseline) for row in rank(entries, "maximize")] == [("mean", False), ("mean", True)]


@pytest.mark.parametrize("baselines", [True, False])
def test_the_curve_leaves_baselines_out_unless_asked(baselines):
    entries = [Entry("mean", 1, START, 0.9, baseline=True), Entry("ana", 2, START, 0.5)]
    assert [step.member for step in best_over_time(entries, "maximize", baselines=baselines)] == (
        ["mean"] if baselines else ["ana"]
    )
