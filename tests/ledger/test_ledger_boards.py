"""Boards are queries over attempts; archives keep every version and show the newest."""

from __future__ import annotations

from dataclasses import replace

import pytest

from datauab.errors import LedgerError
from datauab.ranking import rank


def hand_in(ledger, member, result=None, *, public=0.0, private=0.0, fault=None, origin="web"):
    number = ledger.add_attempt(competition="got", member=member, blob=b"x", origin=origin).id
    lease = ledger.lease("w")
    assert lease.attempt.id == number
    if fault is None:
        ledger.finish_scored(lease, replace(result, public=public, private=private))
    else:
        ledger.finish_failed(lease, "a reason", fault)
    return number


def test_public_and_private_boards_rank_by_their_own_scores(ledger, result):
    hand_in(ledger, "ana", result, public=0.9, private=0.1)
    hand_in(ledger, "bo", result, public=0.5, private=0.8)
    hand_in(ledger, "mean", result, public=0.2, private=0.2, origin="baseline")
    ledger.add_attempt(competition="mnist", member="ana", blob=b"x")
    public, private = rank(ledger.public_board("got"), "maximize"), rank(ledger.private_board("got"), "maximize")
    assert [(row.member, row.score, row.baseline) for row in public] == [
        ("ana", 0.9, False),
        ("bo", 0.5, False),
        ("mean", 0.2, True),
    ]
    assert [(row.member, row.score) for row in private] == [("bo", 0.8), ("mean", 0.2), ("ana", 0.1)]


def test_failures_count_as_attempts_but_never_displace_a_score(ledger, result):
    hand_in(ledger, "ana", result, public=0.7)
    before = rank(ledger.public_board("got"), "maximize")[0]
    hand_in(ledger, "ana", fault=False)
    hand_in(ledger, "ana", fault=True)
    ledger.add_attempt(competition="got", member="ana", blob=b"waits")
    after = rank(ledger.public_board("got"), "maximize")
    assert after == [replace(before, attempts=3)]  # the platform's own failure is not counted


def test_a_board_without_attempts_is_empty(ledger):
    assert ledger.public_board("got") == ledger.private_board("got") == []


def test_many_private_scores_are_read_at_once(ledger, result):
    numbers = [hand_in(ledger, "ana", result, private=index / 10) for index in range(5)]
    found = ledger.private_scores([*numbers, *range(10_000, 11_200)])
    assert found == {number: index / 10 for index, number in enumerate(numbers)}


def test_members_show_the_name_they_last_chose(ledger):
    ledger.upsert_member("ana", "Ana")
    ledger.upsert_member("bo", "Bo")
    ledger.upsert_member("ana", "Ana Núñez 🦊")
    assert ledger.display_names() == {"ana": "Ana Núñez 🦊", "bo": "Bo"}


def test_the_newest_release_is_fetched_until_it_is_withdrawn(ledger):
    with pytest.raises(LedgerError, match="not released"):
        ledger.release_archive("got")
    ledger.publish_release("got", b"first", "teacher")
    second = ledger.publish_release("got", b"second", "teacher")
    ledger.publish_release("bitcoin", b"other", "teacher")
    assert [item.assignment for item in ledger.releases()] == ["bitcoin", "got"]
    assert ledger.releases()[1] == second
    assert ledger.release_archive("got") == b"second"
    ledger.withdraw_release("got", "teacher")
    ledger.withdraw_release("got", "teacher")
    ledger.withdraw_release("never", "teacher")
    assert [item.assignment for item in ledger.releases()] == ["bitcoin"]
    with pytest.raises(LedgerError, match="not released"):
        ledger.release_archive("got")
    ledger.publish_release("got", b"third", "teacher")
    assert ledger.release_archive("got") == b"third"


def test_the_newest_feedback_is_shown(ledger, result):
    number = hand_in(ledger, "ana", result, public=0.7)
    assert ledger.feedback_archive(number) is None
    assert not ledger.attempt(number).has_feedback
    ledger.publish_feedback(number, b"first")
    ledger.publish_feedback(number, b"second")
    assert ledger.feedback_archive(number) == b"second"
    assert ledger.attempt(number).has_feedback
    with pytest.raises(LedgerError, match="attempt 77"):
        ledger.publish_feedback(77, b"lost")
