"""What the desk asks of the grader, done by the real grader: rescoring, similar predictions, checks before launch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from desk_course import serving, xsrf_of  # type: ignore[import-not-found]
from web_course import Members, archive  # type: ignore[import-not-found]

from datauab import solutions
from datauab.grader.tasks import do_task
from datauab.ledger import Ledger
from datauab.settings import Settings
from datauab.web.app import create_app
from tests.autograde.toy_course import NAME, make_course, truth
from tests.grader.toy_queue import near, score_now

MANAGE = f"competitions/{NAME}/manage"


@pytest.fixture
def course(tmp_path: Path) -> Settings:
    return make_course(tmp_path).settings


@pytest.fixture
def desk(course: Settings, ledger: Ledger, members: Members) -> Iterator[httpx.Client]:
    """An instructor's browser at the desk of the toy competition, whose solution the grader has."""
    ledger.publish_release(NAME, archive({f"{NAME}.ipynb": b"{}"}), by="teacher")
    app = create_app(course, ledger, members)
    headers = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "same-origin"}
    cookies = {"service-club": "tok-teacher"}
    with serving(app) as address:
        base = address + course.web_prefix
        with httpx.Client(base_url=base, cookies=cookies, headers=headers, trust_env=False, timeout=60) as client:
            yield client


def press(desk: httpx.Client, rest: str, **fields: object) -> httpx.Response:
    data = {"_xsrf": xsrf_of(desk, NAME), **{name: str(value) for name, value in fields.items()}}
    return desk.post(f"{MANAGE}{rest}", data=data)


def look(desk: httpx.Client, rest: str) -> str:
    answer = desk.get(f"{MANAGE}{rest}")
    assert answer.status_code == 200
    return answer.text


def work(course: Settings, ledger: Ledger) -> None:
    """Let the grader do the task that waits."""
    lease = ledger.lease_task("test")
    assert lease is not None
    assert do_task(course, lease.task.id, lease.token) == 0


def form(page: str) -> dict[str, str]:
    """The hidden fields of the form that applies a preview."""
    names = ("preview", "solution_hash", "scorer_hash")
    return {name: page.split(f'name="{name}" value="')[1].split('"', maxsplit=1)[0] for name in names}


def test_rescoring_is_previewed_applied_with_one_click_and_kept(
    desk: httpx.Client, course: Settings, ledger: Ledger
) -> None:
    ana, ben = score_now(course, ledger, "ana", near(0.5)), score_now(course, ledger, "ben", near(1.5))
    solutions.write(course, NAME, truth() + 2, "corrected")
    assert press(desk, "/rescoring/preview").status_code == 303
    waiting = look(desk, "/rescoring")
    assert 'data-live="desk-rescoring" data-pending' in waiting
    assert "waits for the grader" in waiting
    assert press(desk, "/rescoring/preview").status_code == 409, "one preview at a time"
    work(course, ledger)
    page = look(desk, "/rescoring")
    assert "data-pending" not in page
    assert "<strong>solution</strong>" in page
    assert "1 → <strong>2</strong>" in page
    assert ledger.attempt(ana.id) == ana, "a preview changes nothing"
    fields = form(page)
    assert press(desk, "/rescoring", **fields).status_code == 400, "applying needs the tick"
    other = {**fields, "solution_hash": "0" * 64}
    assert press(desk, "/rescoring", confirm="yes", **other).status_code == 409, "only what was seen is applied"
    assert press(desk, "/rescoring", confirm="yes", **fields).status_code == 303
    assert press(desk, "/rescoring", confirm="yes", **fields).status_code == 409, "once"
    assert "data-pending" in look(desk, "/rescoring")
    work(course, ledger)
    page = look(desk, "/rescoring")
    assert "These are the scores that count" in page
    assert "Apply these scores" not in page
    assert ledger.attempt(ben.id).public != ben.public
    boards = look(desk, "")
    assert boards.index(">ben<") < boards.index(">ana<")
    history = look(desk, f"/attempts/{ana.id}")
    assert "rescoring" in history.split("every one that it had")[1]
    actions = [row.action for row in ledger.audit_log(NAME)]
    assert {"rescore.preview", "rescore.apply"} <= set(actions)


def test_a_preview_that_went_out_of_date_is_not_applied(desk: httpx.Client, course: Settings, ledger: Ledger) -> None:
    ana = score_now(course, ledger, "ana", near(0.5))
    solutions.write(course, NAME, truth() + 2, "corrected")
    press(desk, "/rescoring/preview")
    work(course, ledger)
    fields = form(look(desk, "/rescoring"))
    solutions.write(course, NAME, truth() + 3, "corrected again")
    press(desk, "/rescoring", confirm="yes", **fields)
    work(course, ledger)
    page = look(desk, "/rescoring")
    assert "failed, nothing changed" in page
    assert "look at a new preview" in page
    assert ledger.attempt(ana.id) == ana
    press(desk, "/rescoring/preview")
    assert press(desk, "/rescoring", confirm="yes", **fields).status_code == 409, "a newer preview was asked for"


def test_a_preview_that_fails_says_why_to_the_organiser(desk: httpx.Client, course: Settings, ledger: Ledger) -> None:
    score_now(course, ledger, "ana", near(0.5))
    (course.solutions / NAME / "solution.json").unlink()
    press(desk, "/rescoring/preview")
    work(course, ledger)
    page = look(desk, "/rescoring")
    assert "the solution is missing" in page
    assert "Apply these scores" not in page


def test_similar_predictions_are_listed_with_both_attempts(
    desk: httpx.Client, course: Settings, ledger: Ledger
) -> None:
    one, other = score_now(course, ledger, "ana", near(0.5)), score_now(course, ledger, "ben", near(0.5))
    press(desk, "/similar")
    assert "data-pending" in look(desk, "/similar")
    work(course, ledger)
    page = look(desk, "/similar")
    assert "never a finding by itself" in page
    assert "identical" in page
    for attempt in (one, other):
        assert f"/manage/attempts/{attempt.id}" in page


def test_checks_before_launch_show_what_the_lint_found(desk: httpx.Client, course: Settings, ledger: Ledger) -> None:
    press(desk, "/checks")
    work(course, ledger)
    task = ledger.tasks(NAME, kind="lint")[0]
    assert task.state == "done", task.reason
    findings = (task.result or {})["findings"]
    assert {finding["severity"] for finding in findings} >= {"error", "warning"}
    page = look(desk, "/checks")
    places = [page.index(f"<code>{finding['code']}</code>") for finding in findings]
    assert places == sorted(places), "errors first"
    assert page.count("What to do:") == sum(bool(finding["advice"]) for finding in findings)
    assert "Run the checks again" in page
