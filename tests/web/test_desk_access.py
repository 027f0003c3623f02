"""Who gets at the organiser's desk, for every route that the application has: none can be forgotten here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from desk_course import SAFE, answer, desk_routes, fail, filled, xsrf_of  # type: ignore[import-not-found]
from web_course import Clock, Members, add_attempt  # type: ignore[import-not-found]

from datauab.ledger import Attempt, Ledger
from datauab.settings import Settings
from datauab.task_results import Move, RescorePreview
from datauab.web.app import create_app

Client = Callable[[str | None], httpx.Client]
Scored = Callable[..., Attempt]
Routes = list[tuple[str, str]]

PREVIEW = {"solution_hash": "b" * 64, "scorer_hash": "c" * 64}


@pytest.fixture
def routes(course: Settings, ledger: Ledger, members: Members, clock: Clock) -> Routes:
    prefix = course.web_prefix.rstrip("/")
    return [
        (method, path.lstrip("/")) for method, path in desk_routes(create_app(course, ledger, members, clock), prefix)
    ]


def test_students_and_visitors_get_into_no_page_and_no_call(api: Client, ledger: Ledger, routes: Routes) -> None:
    assert len(routes) > 40
    before = ledger.audit_log()
    for method, path in routes:
        refused = api("ada").request(method, filled(path))
        assert refused.status_code == 403, (method, path)
        unknown = api(None).request(method, filled(path))
        if method in SAFE and not path.startswith("api/"):
            assert unknown.status_code == 302, (method, path)
            assert unknown.headers["location"].startswith("/services/club/login"), (method, path)
        else:
            assert unknown.status_code == 403, (method, path)
    assert ledger.audit_log() == before


def test_instructors_get_into_every_page(api: Client, scored: Scored, ledger: Ledger, routes: Routes) -> None:
    number = scored("ada", 0.75).id
    ledger.add_task("lint", "bitcoin", "teacher")
    for method, path in routes:
        if method == "GET":
            numbered = 1 if "/tasks/" in path else number
            assert api("teacher").get(filled(path, number=numbered)).status_code == 200, path


def test_a_competition_that_is_not_there_has_no_desk(api: Client, routes: Routes) -> None:
    bodies = {"rulings/{key}": {"value": 4}, "announcements": {"text": "words"}, "tasks": {"kind": "lint"}}
    bodies["extensions/{member}"] = {"daily_scored": 4}
    for method, path in routes:
        body = next((one for end, one in bodies.items() if path.endswith(f"desk/{end}")), None)
        sent = {"json": body} if body and method in ("POST", "PUT") else {}
        answered = api("teacher").request(method, filled(path, name="nothing"), **sent)
        assert answered.status_code == 404, (method, path, answered.text)


def test_a_cookie_without_the_forms_token_does_nothing(browser: Client, ledger: Ledger, routes: Routes) -> None:
    before = ledger.audit_log()
    for method, path in routes:
        if method not in SAFE:
            for sent in ({}, {"data": {"_xsrf": "0" * 64}}):
                assert browser("teacher").request(method, filled(path), **sent).status_code == 403, (method, path)
    assert ledger.audit_log() == before


@dataclass
class Act:
    """How a route is used: what must be there before, and what is sent."""

    sent: dict[str, Any] = field(default_factory=dict)
    needs: str = ""


ACTS = {
    "manage/announcements": Act({"text": "Office hour on Thursday."}),
    "manage/announcements/{number}/withdraw": Act(needs="announcement"),
    "manage/attempts/{number}/retry": Act(needs="fault"),
    "manage/retry-faults": Act(needs="fault"),
    "manage/members/{member}": Act({"daily_scored": "9", "note": "ill"}),
    "manage/members/{member}/take-back": Act(),
    "manage/boards": Act({"key": "daily_attempts", "daily_attempts": "9"}),
    "manage/boards/undo": Act({"key": "daily_scored"}, needs="ruling"),
    "manage/rescoring/preview": Act(),
    "manage/rescoring": Act({"confirm": "yes", "preview": "{number}", **PREVIEW}, needs="preview"),
    "manage/similar": Act(),
    "manage/checks": Act(),
    "manage/autograde": Act({"which": "all"}),
    "manage/autograde/stop": Act({"run": "{number}"}, needs="class run"),
    "desk/attempts/{number}/retry": Act(needs="fault"),
    "desk/retry-faults": Act(needs="fault"),
    "desk/extensions/{member}": Act({"daily_scored": 9}),
    "desk/rulings/{key}": Act({"value": 9}, needs="ruling"),
    "desk/announcements": Act({"text": "Office hour on Thursday."}),
    "desk/announcements/{number}": Act(needs="announcement"),
    "desk/tasks": Act({"kind": "lint"}),
    "desk/tasks/{number}/stop": Act(needs="class run"),
}


def test_every_act_of_an_instructor_leaves_its_row_in_the_audit_log(
    browser: Client, api: Client, ledger: Ledger, routes: Routes
) -> None:
    unsafe = [(method, path, path.split("{name}/")[1]) for method, path in routes if method not in SAFE]
    assert {short for *_, short in unsafe} == set(ACTS), "a new act must say here how it is used"
    client = browser("teacher")
    token = xsrf_of(client)
    for method, path, short in unsafe:
        act = ACTS[short]
        number = prepare(ledger, act.needs)
        before = {row.id for row in ledger.audit_log("bitcoin", limit=10_000)}
        if path.startswith("api/"):
            sent = {"json": act.sent} if act.sent and method != "DELETE" else {}
            answered = api("teacher").request(method, filled(path, number=number), **sent)
        else:
            data = {name: value.format(number=number) for name, value in act.sent.items()}
            answered = client.request(method, filled(path, number=number), data={"_xsrf": token, **data})
        assert answered.status_code in (200, 201, 204, 303), (method, path, answered.text)
        rows = [row for row in ledger.audit_log("bitcoin", limit=10_000) if row.id not in before]
        assert rows, (method, path)
        assert {(row.actor, row.competition) for row in rows} == {("teacher", "bitcoin")}, (method, path)
        for _ in drained(ledger):
            pass


def prepare(ledger: Ledger, needs: str) -> int:
    """Make what an act needs; gives its number."""
    match needs:
        case "announcement":
            return ledger.announce("bitcoin", "words", "teacher").id
        case "fault":
            attempt = add_attempt(ledger, "ada")
            fail(ledger, attempt, "the grader broke", platform=True)
            return int(attempt.id)
        case "ruling":
            ledger.rule("bitcoin", "daily_scored", 7, "teacher")
        case "class run":
            return ledger.add_task("autograde", "bitcoin", "teacher").id
        case "preview":
            ledger.add_task("rescore_preview", "bitcoin", "teacher")
            move = Move(attempt=1, member="ada", old_public=0.5, new_public=0.6)
            return int(answer(ledger, RescorePreview(moves=(move,), why=("solution",), **PREVIEW)))
    return 987654


def drained(ledger: Ledger) -> Iterator[int]:
    """End every task that waits, so that the next act finds none under way."""
    while (lease := ledger.lease_task("test")) is not None:
        ledger.fail_task(lease, "not in this test")
        yield lease.task.id
