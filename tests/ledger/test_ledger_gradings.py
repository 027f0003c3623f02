"""What autograding remembers, and how a task says how far it has come."""

from __future__ import annotations

import pytest

from datauab.errors import LedgerError
from datauab.ledger import Ledger


def hand_in(ledger: Ledger, member: str) -> int:
    return ledger.add_attempt(competition="got", member=member, kind="notebook", blob=member.encode()).id


def test_the_newest_grading_of_each_member_counts(ledger: Ledger) -> None:
    for member, keys in {"ana": ("a", "b"), "ben": ("c",)}.items():
        number = hand_in(ledger, member)
        for key in keys:
            ledger.record_grading(
                competition="got", member=member, attempt_id=number, key=key * 64, state="scored", seconds={"run": 1.5}
            )
    found = ledger.newest_gradings("got")
    assert {member: grading.key[0] for member, grading in found.items()} == {"ana": "b", "ben": "c"}
    assert found["ben"].seconds == {"run": 1.5}
    assert found["ben"].graded_at.tzinfo is not None
    assert ledger.newest_gradings("digits") == {}


def test_waiting_lists_what_lease_would_take_in_its_order(ledger: Ledger) -> None:
    numbers = [hand_in(ledger, member) for member in ("ana", "ben", "ana")]
    assert [item.attempt_id for item in ledger.waiting(("notebook",))] == numbers
    assert ledger.waiting(("predictions",)) == []
    lease = ledger.lease("w", attempt_id=numbers[1])
    assert lease is not None
    assert [(item.attempt_id, item.member) for item in ledger.waiting(("notebook",))] == [
        (numbers[0], "ana"),
        (numbers[2], "ana"),
    ]
    ledger.heartbeat(lease, -1)  # it ran out
    assert [item.attempt_id for item in ledger.waiting(("notebook",), limit=2)] == numbers[:2]


def test_the_newest_progress_of_a_task_is_read_with_it(ledger: Ledger) -> None:
    asked = ledger.add_task("autograde", "got", "teacher")
    assert ledger.task(asked.id).progress is None
    lease = ledger.lease_task("w")
    assert lease is not None
    for done in (1, 2):
        ledger.report_task(lease, {"done": done, "total": 2})
    assert ledger.task(asked.id).progress == {"done": 2, "total": 2}
    assert ledger.tasks("got", "autograde")[0].progress == {"done": 2, "total": 2}
    ledger.finish_task(lease, {})
    with pytest.raises(LedgerError, match="lease is lost"):
        ledger.report_task(lease, {"done": 3})
