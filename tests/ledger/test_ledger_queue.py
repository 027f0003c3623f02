"""Leases: each attempt is graded by one worker at a time and ends once."""

from __future__ import annotations

import multiprocessing
import time
from dataclasses import replace

import pytest

from datauab.errors import LedgerError
from datauab.ledger import Ledger
from datauab.settings import Settings


def add(ledger: Ledger, member: str = "ana", **more) -> int:
    return ledger.add_attempt(competition="got", member=member, blob=b"x", **more).id


def test_members_go_before_baselines_and_the_oldest_first(ledger):
    baseline, first, second = add(ledger, "mean", origin="baseline"), add(ledger, "ana"), add(ledger, "bo")
    assert [ledger.queue_position(one) for one in (first, second, baseline)] == [1, 2, 3]
    leased = [ledger.lease("w") for _ in range(4)]
    assert [lease and lease.attempt.id for lease in leased] == [first, second, baseline, None]
    assert [ledger.queue_position(one) for one in (first, second, baseline)] == [None, None, None]


def test_states_follow_the_lease(ledger, result):
    number = add(ledger)
    assert ledger.attempt(number).state == "queued"
    lease = ledger.lease("w")
    assert (lease.attempt.state, ledger.attempt(number).state) == ("running", "running")
    assert (ledger.queue_counts().waiting, ledger.queue_counts().running) == (0, 1)
    ledger.finish_scored(lease, result)
    found = ledger.attempt(number)
    assert (found.state, found.public, found.interval) == ("scored", 0.81, (0.7, 0.9))
    assert (found.points, found.max_points, dict(found.secondary_public)) == (8.0, 10.0, {"rmse": 310.5})
    assert found.finished_at is not None
    assert ledger.queue_counts().waiting == ledger.queue_counts().running == 0


def test_what_a_member_reads_holds_no_private_score(ledger, result):
    number = add(ledger)
    ledger.finish_scored(ledger.lease("w"), result)
    assert "0.79" not in repr(ledger.attempts()) + repr(ledger.public_board("got"))
    assert "320.5" not in repr(ledger.attempts())
    assert ledger.private_scores([number, 999]) == {number: 0.79}
    assert ledger.private_secondary([number]) == {number: {"rmse": 320.5}}


def test_a_failure_keeps_its_reason_and_whose_fault_it_was(ledger):
    number = add(ledger)
    lease = ledger.lease("w")
    with pytest.raises(LedgerError, match="reason"):
        ledger.finish_failed(lease, "  ", False)
    ledger.finish_failed(lease, "row 3 is NaN", False)
    found = ledger.attempt(number)
    assert (found.state, found.reason, found.platform_fault, found.public) == ("failed", "row 3 is NaN", False, None)


def test_an_attempt_ends_once(ledger, result):
    add(ledger)
    lease = ledger.lease("w")
    ledger.finish_scored(lease, result)
    for again in (
        lambda: ledger.finish_scored(lease, result),
        lambda: ledger.finish_failed(lease, "no", True),
        lambda: ledger.heartbeat(lease),
        lambda: ledger.give_up(lease),
    ):
        with pytest.raises(LedgerError, match="lease is lost"):
            again()
    assert ledger.attempt(lease.attempt.id).state == "scored"


def test_an_expired_lease_goes_to_another_and_the_first_worker_records_nothing(ledger, result):
    number = add(ledger)
    lost = ledger.lease("slow", seconds=0.05)
    time.sleep(0.1)
    assert ledger.attempt(number).state == "queued"
    assert ledger.queue_position(number) == 1
    held = ledger.lease("quick")
    assert held.attempt.id == number
    with pytest.raises(LedgerError, match="lost"):
        ledger.finish_scored(lost, result)
    assert ledger.attempt(number).state == "running"
    ledger.finish_scored(held, replace(result, public=0.5))
    assert ledger.attempt(number).public == 0.5


def test_heartbeats_hold_a_lease(ledger, result):
    add(ledger)
    lease = ledger.lease("w", seconds=0.3)
    for _ in range(4):
        time.sleep(0.15)
        lease = ledger.heartbeat(lease, seconds=0.3)
        assert ledger.lease("other") is None
    ledger.finish_scored(lease, result)


def test_giving_up_costs_no_expiry(ledger):
    number = add(ledger)
    for _ in range(5):
        ledger.give_up(ledger.lease("w"))
    assert ledger.queue_position(number) == 1


def test_the_third_expiry_fails_the_attempt_at_the_platforms_cost(ledger):
    number = add(ledger)
    for _ in range(3):
        assert ledger.lease("dying", seconds=0.01).attempt.id == number
        time.sleep(0.05)
    assert ledger.lease("next") is None
    found = ledger.attempt(number)
    assert (found.state, found.platform_fault) == ("failed", True)
    assert "3 times" in found.reason
    assert ledger.usage_today("got", "ana").attempts == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"public": float("nan")},
        {"private": float("inf")},
        {"points": float("-inf")},
        {"secondary": {"rmse": {"public": float("nan"), "private": 1.0}}},
    ],
)
def test_a_score_that_is_not_finite_is_not_recorded(ledger, result, wrong):
    number = add(ledger)
    lease = ledger.lease("w")
    with pytest.raises(LedgerError, match="finite"):
        ledger.finish_scored(lease, replace(result, **wrong))
    assert ledger.attempt(number).state == "running"
    ledger.finish_failed(lease, "the metric has no value", True)


def _grade(settings: Settings, graded, barrier, result) -> None:
    with Ledger.open(settings) as ledger:
        barrier.wait()
        while (lease := ledger.lease("w")) is not None:
            ledger.finish_scored(lease, result)
            graded.put(lease.attempt.id)
        graded.put(None)


def test_workers_share_the_queue_without_doing_anything_twice(deployment, result):
    with Ledger.open(deployment) as ledger:
        numbers = [add(ledger, f"m{index}") for index in range(40)]
    context = multiprocessing.get_context("fork")
    graded, barrier = context.Queue(), context.Barrier(4)
    workers = [context.Process(target=_grade, args=(deployment, graded, barrier, result)) for _ in range(4)]
    for worker in workers:
        worker.start()
    found: list[int] = []
    running = len(workers)
    while running:
        number = graded.get(timeout=60)
        if number is None:
            running -= 1
        else:
            found.append(number)
    for worker in workers:
        worker.join(60)
    assert sorted(found) == numbers
