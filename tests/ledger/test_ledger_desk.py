"""What organisers decide and members accept: the newest counts, the older stays, and acts are written down."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from datauab.errors import LedgerError

END = datetime(2026, 12, 1, 12, tzinfo=UTC)


def acts(ledger, competition: str | None = "got") -> list[tuple[str, str, str]]:
    return [(one.actor, one.action, one.target) for one in ledger.audit_log(competition)]


def test_the_rules_that_were_accepted_last_count(ledger):
    assert ledger.accepted_rules("got", "ana") is None
    for digest in ("a" * 64, "b" * 64):
        ledger.accept_rules("got", "ana", digest)
    assert ledger.accepted_rules("got", "ana") == "b" * 64
    assert ledger.accepted_rules("mnist", "ana") is ledger.accepted_rules("got", "bo") is None


def test_the_newest_extension_of_each_member_counts(ledger):
    ledger.extend("got", "bo", closes=None, daily_scored=3, note="lost a day", by="teacher")
    ledger.extend("got", "ana", closes=END, daily_scored=None, note="was ill", by="teacher")
    ledger.extend("got", "ana", closes=None, daily_scored=9, note="is well", by="other")
    found = ledger.extension("got", "ana")
    assert (found.closes, found.daily_scored, found.note, found.by) == (None, 9, "is well", "other")
    assert [(one.member, one.daily_scored) for one in ledger.extensions("got")] == [("ana", 9), ("bo", 3)]
    assert ledger.extension("mnist", "ana") is None
    assert ledger.extensions("mnist") == []
    assert acts(ledger)[1] == ("teacher", "quota.extend", "ana")
    assert ledger.audit_log("got")[1].detail == {"closes": END.isoformat(), "daily_scored": None, "note": "was ill"}


def test_the_newest_ruling_of_each_key_counts_and_changes_every_row(ledger):
    assert ledger.rulings("got") == {}
    ledger.rule("got", "closes", END.isoformat(), "teacher")
    ledger.rule("got", "daily_scored", 4, "teacher")
    ledger.rule("mnist", "daily_scored", 1, "teacher")
    mark = ledger.change_mark("got")
    ledger.rule("got", "closes", None, "teacher")
    assert ledger.rulings("got") == {"closes": None, "daily_scored": 4}
    assert [change.member for change in ledger.changes("got", mark, 9)] == [None]
    assert acts(ledger) == [("teacher", "ruling.set", key) for key in ("closes", "daily_scored", "closes")]


def test_announcements_are_shown_newest_first_until_they_are_withdrawn(ledger):
    first, second = ledger.announce("got", "One", "teacher"), ledger.announce("got", "Two", "teacher")
    ledger.announce("mnist", "Other", "teacher")
    assert ledger.announcements("got") == [second, first]
    for _ in range(2):
        ledger.withdraw_announcement(second.id, "other")
    assert ledger.announcements("got") == [first]
    assert acts(ledger)[0] == ("other", "announcement.withdraw", str(second.id))
    assert len(acts(ledger)) == 3
    with pytest.raises(LedgerError, match="announcement 99"):
        ledger.withdraw_announcement(99, "other")


def test_the_final_selection_is_the_newest_and_changes_the_rows_of_the_entrants_members(ledger):
    team = ledger.create_team("got", "Wolves", "ana")
    ledger.accept(ledger.invite(team.id, "ana", "bo").id, "bo")
    mark = ledger.change_mark("got")
    ledger.select_final("got", team.entrant, [4, 2], "bo")
    ledger.select_final("got", "cy", [7], "cy")
    assert [change.member for change in ledger.changes("got", mark, 9)] == ["ana", "bo", "cy"]
    assert ledger.final_selections("got") == {team.entrant: (4, 2), "cy": (7,)}
    ledger.select_final("got", "cy", [], "cy")
    assert ledger.final_selection("got", "cy") == ledger.final_selection("got", "dee") == ()
    assert ledger.final_selections("got") == {team.entrant: (4, 2)}


def test_the_log_of_acts_is_read_newest_first_and_page_by_page(ledger):
    for number in range(5):
        ledger.audit("teacher", "quota.extend", "got" if number % 2 else "mnist", str(number), {"number": number})
    ledger.audit("operator", "secret.rotate")
    assert [one.target for one in ledger.audit_log()] == ["", "4", "3", "2", "1", "0"]
    assert [one.detail for one in ledger.audit_log("got")] == [{"number": 3}, {"number": 1}]
    page = ledger.audit_log(limit=2)
    assert [one.target for one in ledger.audit_log(limit=2, before=page[-1].id)] == ["3", "2"]
    assert ledger.audit_log(limit=1)[0].detail == {}


def test_display_names_of_some_are_those_of_all(ledger):
    for name in ("ana", "bo", "cy"):
        ledger.upsert_member(name, name.upper())
    assert ledger.display_names(["bo", "nobody"]) == {"bo": "BO"}
    assert len(ledger.display_names()) == 3
    assert ledger.display_names([]) == {}


def test_a_task_is_worked_on_by_one_and_ends_once(ledger):
    assert ledger.lease_task("w") is None
    asked = [ledger.add_task("lint", "got", "teacher"), ledger.add_task("similar", "got", "other", {"threshold": 0.9})]
    lease = ledger.lease_task("w")
    assert (lease.task.id, lease.task.state) == (asked[0].id, "running")
    other = ledger.lease_task("v")
    assert ledger.lease_task("u") is None
    lease = ledger.heartbeat_task(lease)
    ledger.finish_task(lease, {"findings": []})
    ledger.fail_task(other, "no predictions were kept")
    found = ledger.tasks("got")
    assert [(one.kind, one.state, one.result, one.reason) for one in found] == [
        ("similar", "failed", None, "no predictions were kept"),
        ("lint", "done", {"findings": []}, None),
    ]
    assert found[0].parameters == {"threshold": 0.9}
    assert [one.id for one in ledger.tasks("got", kind="lint")] == [asked[0].id]
    assert acts(ledger) == [("other", "similar", f"task {asked[1].id}"), ("teacher", "lint", f"task {asked[0].id}")]
    for again in (ledger.heartbeat_task, ledger.give_up_task, lambda one: ledger.finish_task(one, {})):
        with pytest.raises(LedgerError, match="lease is lost"):
            again(lease)
    with pytest.raises(LedgerError, match="task 99"):
        ledger.task(99)


def test_a_long_task_holds_up_none_of_another_kind(ledger):
    asked = {kind: ledger.add_task(kind, "got", "teacher").id for kind in ("autograde", "lint", "similar")}
    assert ledger.lease_task("class", kinds=("autograde",)).task.id == asked["autograde"]
    assert ledger.lease_task("class", kinds=("autograde",)) is None
    assert ledger.lease_task("short", kinds=("similar", "lint")).task.id == asked["lint"]
    assert ledger.lease_task("any").task.id == asked["similar"]


def test_a_task_that_is_given_up_waits_and_the_third_expiry_fails_it(ledger):
    task = ledger.add_task("lint", "got", "teacher")
    ledger.give_up_task(ledger.lease_task("w"))
    for _ in range(3):
        assert ledger.lease_task("dying", seconds=0.01).task.id == task.id
        time.sleep(0.03)
        assert ledger.task(task.id).state == "queued"
    assert ledger.lease_task("next") is None
    assert ledger.task(task.id).state == "failed"
    assert "3 times" in ledger.task(task.id).reason


@pytest.mark.parametrize("wrong", ["another competition", "without a score", "no such attempt", "not finite", "lost"])
def test_rescoring_is_all_or_nothing(ledger, result, wrong):
    scored = ledger.add_attempt(competition="got", member="ana", blob=b"x").id
    ledger.finish_scored(ledger.lease("w"), result)
    other = ledger.add_attempt(competition="mnist", member="ana", blob=b"x").id
    if wrong == "another competition":
        ledger.finish_scored(ledger.lease("w"), result)
    waits = ledger.add_attempt(competition="got", member="bo", blob=b"x").id
    ledger.add_task("rescore_apply", "got", "teacher")
    lease = ledger.lease_task("w")
    if wrong == "lost":
        ledger.give_up_task(lease)
    number = {"another competition": other, "without a score": waits, "no such attempt": 999}.get(wrong, scored)
    record = replace(result, public=float("nan") if wrong == "not finite" else 0.1)
    mark = ledger.change_mark("got")
    with pytest.raises(LedgerError):
        ledger.apply_rescore(lease, {scored: replace(result, public=0.2), number: record}, {"rescored": 2})
    assert ledger.attempt(scored).public == 0.81
    assert ledger.change_mark("got") == mark
    assert ledger.task(lease.task.id).state == ("queued" if wrong == "lost" else "running")
