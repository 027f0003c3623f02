"""Results: many in one transaction, kept predictions, deletion, retries, and the history of scores."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from datauab.errors import LedgerError
from datauab.ledger import Ledger
from datauab.ranking import Entry, rank


def add(ledger: Ledger, member: str = "ana", **more) -> int:
    return ledger.add_attempt(competition="got", member=member, blob=member.encode(), **more).id


def failed(ledger: Ledger, platform: bool = False, **more) -> int:
    number = add(ledger, **more)
    ledger.finish_failed(ledger.lease("w", attempt_id=number), "row 3 is NaN", platform)
    return number


def scored(ledger: Ledger, result, member: str = "ana", **more) -> int:
    number = add(ledger, member, **more)
    ledger.finish_scored(ledger.lease("w", attempt_id=number), result)
    return number


def test_many_are_leased_in_the_order_of_one_by_one_and_by_kind(ledger):
    baseline = add(ledger, "mean", origin="baseline", kind="predictions")
    notebook, first, second = add(ledger), add(ledger, kind="predictions"), add(ledger, "bo", kind="predictions")
    assert [one.attempt.id for one in ledger.lease_many("w", 2, kinds=["predictions"])] == [first, second]
    assert ledger.lease("w", kinds=["notebook"]).attempt.id == notebook
    assert ledger.lease("w", kinds=["notebook"]) is None
    assert [one.attempt.id for one in ledger.lease_many("w", 9)] == [baseline]
    assert ledger.lease_many("w", 9) == []


def test_many_end_at_once_and_lost_leases_are_told(ledger, result):
    numbers = [add(ledger, who) for who in ("ana", "bo", "cy", "dee")]
    leases = ledger.lease_many("w", 4)
    ledger.give_up(leases[2])
    held = ledger.lease("other")
    stale, again = (leases[2], result), (held, "by another worker")
    outcomes = [(leases[0], result), (leases[1], "row 3 is NaN"), stale, (leases[3], replace(result, public=0.1))]
    assert ledger.finish_many([*outcomes, again]) == [numbers[2]]
    found = [ledger.attempt(number) for number in numbers]
    assert [one.state for one in found] == ["scored", "failed", "failed", "scored"]
    assert [one.public for one in found] == [0.81, None, None, 0.1]
    assert [one.reason for one in found] == [None, "row 3 is NaN", "by another worker", None]
    assert [one.worker for number in numbers for one in ledger.endings(number)] == ["w", "w", "other", "w"]
    assert ledger.private_scores(numbers) == {numbers[0]: 0.79, numbers[3]: 0.79}
    assert ledger.finish_many(outcomes) == numbers
    assert ledger.finish_many([]) == []


@pytest.mark.parametrize("wrong", ["  ", "nan"])
def test_one_result_that_cannot_be_recorded_leaves_all_of_them_unrecorded(ledger, result, wrong):
    add(ledger), add(ledger)
    first, second = ledger.lease_many("w", 2)
    outcome = replace(result, public=float("nan")) if wrong == "nan" else wrong
    with pytest.raises(LedgerError):
        ledger.finish_many([(first, result), (second, outcome)])
    assert ledger.attempts_by_state("got")["running"] == 2


def test_what_can_be_scored_again_is_what_was_scored(ledger, result):
    sent = add(ledger, kind="predictions", filename="mine.csv")
    assert ledger.predictions(ledger.attempt(sent)) == (b"ana", "mine.csv")
    ledger.finish_scored(ledger.lease("w"), result)
    notebook = add(ledger)
    lease = ledger.lease("w")
    assert ledger.predictions(lease.attempt) is None
    ledger.finish_scored(lease, result, predictions=b"\x93NUMPY")
    assert ledger.predictions(ledger.attempt(notebook)) == (b"\x93NUMPY", "predictions.npy")


def test_predictions_of_a_lost_lease_are_not_kept(ledger, deployment, result):
    add(ledger)
    lease = ledger.lease("w")
    ledger.give_up(lease)
    with pytest.raises(LedgerError, match="lost"):
        ledger.finish_scored(lease, result, predictions=b"\x93NUMPY")
    assert ledger.predictions(lease.attempt) is None
    kept = [path.read_bytes() for path in deployment.attempts.rglob("*") if path.is_file()]
    assert kept == [b"ana"]


def test_phase_and_days_late_are_those_of_the_gates_answer(ledger):
    class Admission:
        phase, late_days = None, 3

    number = add(ledger, filename="mine.csv", phase="final", gate=lambda _: Admission())
    found = ledger.attempt(number)
    assert (found.filename, found.phase, found.late_days) == ("mine.csv", None, 3)
    assert ledger.attempt(add(ledger, phase="final", gate=lambda _: None)).phase == "final"
    assert [entry.late for entry in ledger.entries("got")] == [True, False]


def test_a_deleted_attempt_is_hidden_from_boards_only_and_gives_the_next_best_its_place(ledger, result):
    best, next_best = scored(ledger, result), scored(ledger, replace(result, public=0.5))
    waits = add(ledger, "bo")
    with pytest.raises(LedgerError, match="queued"):
        ledger.delete_attempt(waits, "bo")
    ledger.delete_attempt(best, "ana")
    mark = ledger.change_mark("got")
    ledger.delete_attempt(best, "ana")
    assert ledger.change_mark("got") == mark
    assert ledger.attempt(best).deleted_at is not None
    assert [one.attempt_id for one in ledger.best_entries("got", "maximize")] == [next_best]
    assert [one.attempt_id for one in ledger.entries("got", ["ana"])] == [next_best]
    assert [one.deleted for one in ledger.entries("got", ["ana"], include_deleted=True)] == [True, False]
    assert [one.id for one in ledger.attempts("got", include_deleted=False)] == [waits, next_best]
    assert len(ledger.attempts("got")) == 3
    assert ledger.usage_today("got", "ana").scored == 2


def test_a_retried_attempt_waits_again_and_its_first_ending_stays_readable(ledger, result):
    number = failed(ledger, platform=True, member="bo", kind="predictions")
    ledger.retry(number, "teacher")
    found = ledger.attempt(number)
    assert (found.state, found.reason, found.platform_fault, found.finished_at) == ("queued", None, False, None)
    assert ledger.usage_today("got", "bo").pending == 1
    assert [entry.attempt_id for entry in ledger.entries("got")] == [number]
    with pytest.raises(LedgerError, match="queued"):
        ledger.retry(number, "teacher")
    ledger.finish_scored(ledger.lease("w", kinds=["predictions"]), result)
    assert [(one.state, one.reason) for one in ledger.endings(number)] == [("failed", "row 3 is NaN"), ("scored", None)]
    assert ledger.attempts_by_state("got") == {"queued": 0, "running": 0, "scored": 1, "failed": 0}
    assert [(one.action, one.target) for one in ledger.audit_log("got")] == [("attempt.retry", str(number))]
    with pytest.raises(LedgerError, match="scored"):
        ledger.retry(number, "teacher")


def test_pages_of_attempts_follow_each_other(ledger):
    numbers = [add(ledger) for _ in range(7)]
    pages, before = [], None
    while page := ledger.attempts("got", "ana", limit=3, before=before):
        before = page[-1].id
        pages += [one.id for one in page]
    assert pages == numbers[::-1]


def test_the_phase_counts_what_was_scored_or_waits_since_it_opened(ledger, result):
    opens = datetime.now(UTC) - timedelta(days=3)
    for days, ends in [(4, True), (2, True), (2, False), (0, True)]:
        number = add(ledger, received_at=datetime.now(UTC) - timedelta(days=days), origin="api")
        lease = ledger.lease("w", attempt_id=number)
        if ends:
            ledger.finish_scored(lease, result)
        else:
            ledger.finish_failed(lease, "no", False)
    add(ledger)
    usage = ledger.usage_today("got", "ana", phase_opens=opens)
    assert (usage.total_scored, usage.scored, usage.pending) == (3, 1, 1)
    assert ledger.usage_today("got", "ana").total_scored == 4
    assert (usage.entrant, usage.members) == ("ana", ("ana",))


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
@pytest.mark.parametrize("policy", ["best", "last"])
def test_the_attempts_that_count_are_those_of_the_pure_ranking(ledger, result, direction, policy):
    rng = np.random.default_rng(7)
    for index in range(60):
        member, day = f"m{rng.integers(6)}", datetime(2026, 9, int(rng.integers(1, 4)), tzinfo=UTC)
        more = {"received_at": day, "late_days": int(rng.integers(2)), "origin": rng.choice(["web", "baseline"])}
        number = add(ledger, member, **more)
        score = replace(result, public=float(rng.integers(4)))
        if index % 5:
            ledger.finish_scored(ledger.lease("w", attempt_id=number), score)
        elif index % 15:
            ledger.finish_failed(ledger.lease("w", attempt_id=number), "no", index % 2 == 0)
        if index % 7 == 1 and index % 15:
            ledger.delete_attempt(number, member)
    for include_late in (True, False):
        found = ledger.best_entries("got", direction, policy, include_late=include_late)
        expected = _pure(ledger.entries("got"), direction, policy, include_late)
        assert {(one.baseline, one.member): (one.attempt_id, one.score, one.attempts) for one in found} == expected


def _pure(entries: list[Entry], direction, policy, include_late) -> dict[tuple[bool, str], tuple[int, float, int]]:
    groups: dict[tuple[bool, str], list[Entry]] = {}
    for entry in entries:
        groups.setdefault((entry.baseline, entry.member), []).append(entry)
    expected = {}
    for key, group in groups.items():
        candidates = [entry for entry in group if entry.is_scored and (include_late or not entry.late)]
        if candidates:
            kept = sorted(candidates, key=lambda one: (one.received_at, one.attempt_id))
            if policy == "last":
                chosen = kept[-1]
            else:
                chosen = (max if direction == "maximize" else min)(kept, key=lambda one: one.score)
            expected[key] = (chosen.attempt_id, chosen.score, len(group))
    return expected


def test_errors_for_the_author_come_with_the_newest_score(ledger, result):
    view = {"confusion": [[3, 1], [0, 2]]}
    number = scored(ledger, replace(result, author_view=view))
    assert ledger.author_view(number) == view
    assert ledger.author_view(scored(ledger, result)) is None
    assert "confusion" not in repr(ledger.attempts())
    ledger.add_task("rescore_apply", "got", "teacher")
    ledger.apply_rescore(ledger.lease_task("w"), {number: result}, {"rescored": 1})
    assert ledger.author_view(number) is None


def test_boards_of_the_ledger_and_of_the_ranking_agree_after_rescoring(ledger, result):
    ana, bo = scored(ledger, result), scored(ledger, replace(result, public=0.5, private=0.9), "bo")
    task = ledger.add_task("rescore_apply", "got", "teacher")
    anew = {ana: replace(result, public=0.2, private=0.3, solution_hash="d" * 64), bo: replace(result, public=0.5)}
    mark = ledger.change_mark("got")
    ledger.apply_rescore(ledger.lease_task("w"), anew, {"rescored": 2})
    assert [(row.member, row.score) for row in rank(ledger.public_board("got"), "maximize")] == [
        ("bo", 0.5),
        ("ana", 0.2),
    ]
    assert {one.member: one.score for one in ledger.best_entries("got", "maximize")} == {"ana": 0.2, "bo": 0.5}
    assert ledger.private_scores([ana]) == {ana: 0.3}
    assert [change.member for change in ledger.changes("got", mark, 10)] == [None]
    history = ledger.score_history(ana)
    assert [(one.public, one.private, one.rescore) for one in history] == [(0.81, 0.79, None), (0.2, 0.3, task.id)]
    assert ledger.task(task.id).result == {"rescored": 2}
