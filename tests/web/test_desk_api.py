"""The API of the organiser's desk: the same acts, typed, with the same refusals."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import httpx
from desk_course import DESK, answer, fail  # type: ignore[import-not-found]
from web_course import add_attempt  # type: ignore[import-not-found]

from datauab.ledger import Attempt, Ledger
from datauab.task_results import LintFinding, LintFound

Client = Callable[[str | None], httpx.Client]
Scored = Callable[..., Attempt]


def test_the_state_counts_the_queue_and_what_went_wrong(api: Client, ledger: Ledger, scored: Scored) -> None:
    scored("ada", 0.75)
    fault = add_attempt(ledger, "bob")
    fail(ledger, fault, "the grader broke", platform=True)
    ledger.audit("grader", "grading.error", "bitcoin", str(fault.id), {"error": "division by zero"})
    waits = add_attempt(ledger, "ada")
    state = api("teacher").get(DESK).json()
    assert [state[name] for name in ("queued", "running", "scored", "failed", "platform_faults")] == [1, 0, 1, 1, 1]
    assert datetime.fromisoformat(state["oldest_wait"]) == waits.received_at
    assert state["revealed"] is False


def test_attempts_carry_private_scores_and_their_history(api: Client, ledger: Ledger, scored: Scored) -> None:
    one, other = scored("ada", 0.75, private=0.625), scored("bob", 0.5)
    teacher = api("teacher")
    page = teacher.get(f"{DESK}/attempts", params={"limit": 1}).json()
    assert [row["id"] for row in page["attempts"]] == [other.id]
    page = teacher.get(f"{DESK}/attempts", params={"limit": 1, "before": page["older"]}).json()
    assert [(row["id"], row["private"]) for row in page["attempts"]] == [(one.id, 0.625)]
    history = teacher.get(f"{DESK}/attempts/{one.id}").json()
    assert [ending["state"] for ending in history["endings"]] == ["scored"]
    assert [(score["public"], score["scorer_hash"]) for score in history["scores"]] == [(0.75, "s" * 64)]
    assert teacher.post(f"{DESK}/attempts/{one.id}/retry").status_code == 409
    assert teacher.get(f"{DESK}/attempts/{other.id + 1}").status_code == 404


def test_faults_are_retried(api: Client, ledger: Ledger) -> None:
    fault = add_attempt(ledger, "ada")
    fail(ledger, fault, "the grader broke", platform=True)
    assert api("teacher").post(f"{DESK}/retry-faults").json() == {"retried": [fault.id]}
    assert ledger.attempt(fault.id).state == "queued"


def test_extensions_and_rulings_need_times_with_their_offset(api: Client, ledger: Ledger) -> None:
    teacher = api("teacher")
    path = f"{DESK}/extensions/ada"
    assert teacher.put(path, json={"closes": "2026-12-24T12:00:00"}).status_code == 422
    assert teacher.put(path, json={"closes": "2026-11-24T12:00:00Z"}).status_code == 400, "it gives no more time"
    given = teacher.put(path, json={"closes": "2026-12-24T12:00:00+01:00", "note": "ill"}).json()
    assert datetime.fromisoformat(given["closes"]) == datetime(2026, 12, 24, 11, tzinfo=UTC)
    assert teacher.get(f"{DESK}/extensions").json() == [given]
    assert teacher.put(f"{DESK}/extensions/not a name", json={}).status_code == 422
    assert teacher.put(f"{DESK}/rulings/closes", json={"value": "2026-12-24T12:00:00"}).status_code == 422


def test_rulings_are_set_and_removed(api: Client) -> None:
    teacher = api("teacher")

    def held(key: str) -> tuple[object, object, bool]:
        row = next(row for row in teacher.get(f"{DESK}/rulings").json() if row["key"] == key)
        return row["in_file"], row["holds"], row["ruled"]

    assert held("daily_scored") == (3, 3, False)
    assert teacher.put(f"{DESK}/rulings/daily_scored", json={"value": 8}).status_code == 200
    assert held("daily_scored") == (3, 8, True)
    assert teacher.delete(f"{DESK}/rulings/daily_scored").status_code == 200
    assert held("daily_scored") == (3, 3, False)
    assert teacher.delete(f"{DESK}/rulings/daily_scored").status_code == 409
    assert teacher.put(f"{DESK}/rulings/board", json={"value": "blind"}).status_code == 200
    assert held("board") == ("public", "blind", True)
    assert teacher.put(f"{DESK}/rulings/closes", json={"value": None}).status_code == 200
    assert held("closes") == ("2026-12-01T00:00:00Z", None, True)
    for key, value in (("board", 3), ("daily_scored", "hidden"), ("daily_scored", 0), ("reveal_at", None)):
        assert teacher.put(f"{DESK}/rulings/{key}", json={"value": value}).status_code == 400, (key, value)
    assert teacher.put(f"{DESK}/rulings/daily_scored", json={"value": True}).status_code == 422
    assert teacher.put(f"{DESK}/rulings/points", json={"value": 3}).status_code == 422


def test_announcements_are_added_and_removed(api: Client) -> None:
    teacher = api("teacher")
    made = teacher.post(f"{DESK}/announcements", json={"text": "Office hour on Thursday."})
    assert made.status_code == 201
    assert [row["text"] for row in teacher.get(f"{DESK}/announcements").json()] == ["Office hour on Thursday."]
    assert teacher.post(f"{DESK}/announcements", json={"text": "bell \x07"}).status_code == 400
    assert teacher.delete(f"{DESK}/announcements/{made.json()['id']}").status_code == 204
    assert teacher.delete(f"{DESK}/announcements/{made.json()['id']}").status_code == 404


def test_tasks_are_asked_for_once_and_answer(api: Client, ledger: Ledger) -> None:
    teacher = api("teacher")
    asked = teacher.post(f"{DESK}/tasks", json={"kind": "lint"})
    assert (asked.status_code, asked.json()["state"]) == (201, "queued")
    assert teacher.post(f"{DESK}/tasks", json={"kind": "lint"}).status_code == 409
    number = answer(ledger, LintFound(findings=(LintFinding(severity="note", code="order", message="ids grow"),)))
    done = teacher.get(f"{DESK}/tasks/{number}").json()
    assert (done["state"], done["result"]["findings"][0]["code"]) == ("done", "order")
    assert [task["id"] for task in teacher.get(f"{DESK}/tasks").json()] == [number]
    assert teacher.get(f"{DESK}/tasks/{number + 1}").status_code == 404
    assert teacher.get(f"api/v1/competitions/got/desk/tasks/{number}").status_code == 404
    assert teacher.post(f"{DESK}/tasks", json={"kind": "rescore_apply"}).status_code == 400
    assert teacher.post(f"{DESK}/tasks", json={"kind": "rescore_apply", "preview": number}).status_code == 404
    assert teacher.post(f"{DESK}/tasks", json={"kind": "format"}).status_code == 422


def test_the_audit_log_pages_backwards(api: Client, ledger: Ledger) -> None:
    for index in range(5):
        ledger.audit("teacher", "data.publish", "bitcoin", f"file-{index}")
    teacher = api("teacher")
    first = teacher.get(f"{DESK}/audit", params={"limit": 3, "action": "data."}).json()
    rest = teacher.get(f"{DESK}/audit", params={"limit": 3, "action": "data.", "before": first["older"]}).json()
    assert [row["target"] for row in first["rows"] + rest["rows"]] == [f"file-{index}" for index in (4, 3, 2, 1, 0)]
    assert rest["older"] is None


def test_calls_of_the_desk_are_described(api: Client) -> None:
    paths = api(None).get("api/openapi.json").json()["paths"]
    desk = {path: calls for path, calls in paths.items() if "/desk" in path}
    assert len(desk) >= 13
    assert all("403" in call["responses"] for calls in desk.values() for call in calls.values())
