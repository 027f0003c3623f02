"""Policies, teams, badges, ties, the private board and the shake-up."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from datauab.ranking import (
    Entry,
    Row,
    Terms,
    final_board,
    fold_teams,
    rank,
    rank_by,
    rank_finals,
    tied_with_next,
)

START = datetime(2026, 9, 14, 8, tzinfo=UTC)
MORE = Terms("maximize")


@st.composite
def boards(draw: st.DrawFn) -> list[tuple[Entry, float | None]]:
    """Attempts with their public and their private score."""
    score = st.one_of(st.none(), st.floats(-5, 5), st.sampled_from([0.5, 0.9]))
    flags = st.tuples(st.booleans(), st.booleans(), st.booleans())
    rows = draw(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 5), score, score, flags), max_size=25))
    found = []
    for number, (member, minute, public, private, (late, deleted, baseline)) in enumerate(rows):
        at = START + timedelta(minutes=minute)
        entry = Entry(member, number, at, public, baseline, late=late, deleted=deleted and not baseline)
        found.append((entry, private if public is not None else None))
    return found


def sides(board):
    return [entry for entry, _ in board], [replace(entry, score=private) for entry, private in board]


TERMS = st.builds(
    Terms, st.sampled_from(["maximize", "minimize"]), st.sampled_from(["best", "last"]), st.just(0.0), st.booleans()
)


@given(boards(), TERMS, st.randoms(use_true_random=False))
def test_no_board_depends_on_the_order_of_reading(board, terms, random):
    public, private = sides(board)
    shuffled = list(board)
    random.shuffle(shuffled)
    again = sides(shuffled)
    assert rank_by(again[0], terms) == rank_by(public, terms)
    assert rank_finals(*again, {"a": (0, 3)}, terms) == rank_finals(public, private, {"a": (0, 3)}, terms)


@given(boards(), TERMS)
def test_late_and_deleted_attempts_never_make_a_row(board, terms):
    public, private = sides(board)
    left_out = {one.attempt_id for one in public if one.deleted or (one.late and not terms.late)}
    rows = [*rank_by(public, terms), *rank_finals(public, private, {}, terms)]
    assert not left_out & {row.attempt_id for row in rows}
    counts = {row.key: row.attempts for row in rows}
    for (baseline, member), count in counts.items():
        own = [one for one in public if (one.baseline, one.member) == (baseline, member) and not one.deleted]
        assert count == len(own)


@given(boards(), TERMS)
def test_the_newest_scored_attempt_makes_the_row_where_the_policy_says_so(board, terms):
    public, _ = sides(board)
    for row in rank_by(public, replace(terms, policy="last")):
        scored = [
            (one.received_at, one.attempt_id)
            for one in public
            if (one.baseline, one.member) == row.key and one.score is not None and not one.deleted
            if terms.late or not one.late
        ]
        assert (row.last_improvement, row.attempt_id) == max(scored)


@given(boards(), TERMS, st.lists(st.integers(0, 30), max_size=4), st.integers(1, 3))
def test_a_selection_counts_where_one_is_left_of_it(board, terms, selected, most):
    public, private = sides(board)
    hidden = {one.attempt_id: one.score for one in private}
    row = next(
        (one for one in rank_finals(public, private, {"a": selected}, terms, most) if one.key == (False, "a")), None
    )
    own = {
        one.attempt_id
        for one in public
        if one.member == "a" and not one.baseline and not one.deleted and one.score is not None
        if hidden[one.attempt_id] is not None and (terms.late or not one.late)
    }
    usable = [number for number in dict.fromkeys(selected) if number in own][:most]
    assert (row is None) == (not own)
    if row and usable:
        assert row.attempt_id in usable
        better = max if terms.direction == "maximize" else min
        assert row.score == better(hidden[number] for number in usable)


def test_without_a_selection_the_best_public_attempts_count_and_no_others():
    public = [
        Entry("ana", number, START + timedelta(minutes=number), score) for number, score in enumerate([0.9, 0.8, 0.7])
    ]
    private = [replace(one, score=score) for one, score in zip(public, [0.1, 0.2, 0.99], strict=True)]
    assert rank_finals(public, private, {}, MORE, 2)[0].attempt_id == 1
    assert rank_finals(public, private, {}, MORE, 1)[0].attempt_id == 0
    assert rank_finals(public, private, {}, replace(MORE, policy="last"), 2)[0].attempt_id == 2
    assert rank_finals(public, private, {"ana": (0, 2)}, MORE, 2)[0].score == 0.99


@given(boards(), TERMS)
def test_the_shake_up_moves_entrants_against_each_other_only(board, terms):
    rows = final_board(*sides(board), {}, terms)
    assert [one.row.rank for one in rows] == list(range(1, len(rows) + 1))
    assert all((one.place is None) == one.row.baseline for one in rows)
    assert all(one.moved == 0 for one in rows if one.row.baseline)
    entrants = [one for one in rows if not one.row.baseline]
    if all(one.public_place for one in entrants) and len({one.public_place for one in entrants}) == len(entrants):
        public = [row for row in rank_by(sides(board)[0], terms) if not row.baseline]
        if len(public) == len(entrants):
            assert sum(one.moved for one in entrants) == 0


def test_who_falls_moves_down_and_a_baseline_takes_no_place():
    public = [
        Entry("ana", 1, START, 0.9), Entry("bo", 2, START, 0.8), Entry("mean", 3, START, 0.85, baseline=True),
    ]  # fmt: skip
    private = [replace(one, score=score) for one, score in zip(public, [0.5, 0.7, 0.6], strict=True)]
    rows = final_board(public, private, {}, MORE)
    assert [(one.row.member, one.place, one.public_place, one.moved) for one in rows] == [
        ("bo", 1, 2, 1),
        ("mean", None, None, 0),
        ("ana", 2, 1, -1),
    ]
    assert rows[2].change == 0.5 - 0.9


def test_a_team_has_one_row_with_the_attempts_of_all_its_members():
    entries = [
        Entry("ana", 1, START, 0.5),
        Entry("bo", 2, START, 0.9),
        Entry("bo", 3, START, None),
        Entry("cy", 4, START, 0.6),
    ]
    rows = rank(fold_teams(entries, {"ana": "team:1", "bo": "team:1"}), "maximize")
    assert [(row.member, row.score, row.attempts) for row in rows] == [("team:1", 0.9, 3), ("cy", 0.6, 1)]
    baseline = [Entry("ana", 5, START, 0.1, baseline=True)]
    assert fold_teams(baseline, {"ana": "team:1"}) == baseline


def test_a_notebook_of_the_entrant_verifies_the_score_that_it_gives():
    row = Entry("ana", 1, START, 0.9, kind="predictions")
    rerun = Entry("ana", 2, START + timedelta(hours=1), 0.9 - 1e-10)
    assert not rank([row], "maximize")[0].verified
    assert rank([row, rerun], "maximize")[0].verified
    assert not rank([row, replace(rerun, score=0.89)], "maximize")[0].verified
    assert rank([row, replace(rerun, score=0.89)], "maximize", tolerance=0.02)[0].verified
    assert not rank([row, replace(rerun, deleted=True)], "maximize")[0].verified
    assert not rank([row, replace(rerun, member="bo", score=0.9)], "maximize")[0].verified
    assert rank([replace(row, kind="notebook")], "maximize")[0].verified
    assert not rank([replace(row, kind="notebook", baseline=True)], "maximize")[0].verified


def test_neighbours_whose_intervals_meet_are_marked():
    def row(low, high):
        return Row(1, "a", (low + high) / 2, 1, START, 1, interval=(low, high))

    rows = [row(0.8, 0.9), row(0.7, 0.8), row(0.5, 0.6), replace(row(0.5, 0.6), interval=None), row(0.5, 0.6)]
    assert tied_with_next(rows) == [True, False, False, False, False]
    assert tied_with_next([]) == []
