"""The desk autogrades a class: who may ask, what is refused, how far it has come, and what became of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import nbformat
import pytest
from desk_course import DESK, answer, send, serving, xsrf_of  # type: ignore[import-not-found]
from web_course import Members, add_attempt, archive  # type: ignore[import-not-found]

from datauab.errors import LedgerError
from datauab.grader.tasks import do_task
from datauab.ledger import Ledger, TaskLease
from datauab.settings import Settings
from datauab.task_results import ClassDone, ClassGraded, ClassProgress
from datauab.web.app import create_app
from tests.autograde.toy_course import NAME, make_course

Client = Callable[[str | None], httpx.Client]

PAGE = "competitions/bitcoin/manage/autograde"
STAGES = {
    "prepare": 0.5, "transfer": 0.5, "start": 2.0, "cells": 5.0, "export": 0.5, "run": 9.0, "score": 0.25,
    "autograder": 0.75, "mark": 1.0, "wait": 1.0, "write": 2.0, "whole": 20.0,
}  # fmt: skip


def look(client: httpx.Client) -> str:
    found = client.get(PAGE)
    assert found.status_code == 200
    return found.text


def asked(ledger: Ledger) -> list[dict[str, Any]]:
    return [dict(task.parameters) for task in ledger.tasks("bitcoin", kind="autograde")]


def running(ledger: Ledger, **parameters: object) -> TaskLease:
    """A run that the grader has begun."""
    ledger.add_task("autograde", "bitcoin", "teacher", parameters)
    lease = ledger.lease_task("test", 600)
    assert lease is not None
    return lease


def ended(ledger: Ledger, result: ClassDone, **parameters: object) -> None:
    ledger.add_task("autograde", "bitcoin", "teacher", parameters)
    answer(ledger, result)


def row_of(page: str, words: str) -> str:
    """The row of a table that begins with `words`."""
    return next(row for row in page.split("<tr") if words in row).split("</tr>")[0]


def test_an_instructor_asks_for_everybody_once_at_a_time(browser: Client, ledger: Ledger) -> None:
    for student in ("ada", "bob"):
        add_attempt(ledger, student)
    teacher = browser("teacher")
    page = look(teacher)
    assert "2 students have handed in a notebook" in page
    assert "data-pending" not in page
    assert 'aria-current="page">Autograde</a>' in page
    told = send(teacher, "/autograde", students="", which="changed")
    assert (told.status_code, told.headers["location"]) == (303, f"/services/club/{PAGE}?said=asked-class")
    assert asked(ledger) == [{"students": [], "failed": False, "force": False}]
    waiting = look(teacher)
    assert 'data-live="desk-autograde" data-pending' in waiting
    assert "waits for the grader" in waiting
    assert f'action="/services/club/{PAGE}"' not in waiting, "no second run is offered while one waits"
    assert send(teacher, "/autograde").status_code == 409
    assert len(asked(ledger)) == 1
    assert ledger.audit_log("bitcoin")[0].action == "autograde"


@pytest.mark.parametrize(
    ("students", "which", "expected"),
    [
        ("ada bob", "failed", {"students": ["ada", "bob"], "failed": True, "force": False}),
        (" bob,ada ;\r\n bob ", "all", {"students": ["bob", "ada"], "failed": False, "force": True}),
    ],
)
def test_students_are_chosen_by_name(
    browser: Client, ledger: Ledger, students: str, which: str, expected: dict[str, Any]
) -> None:
    for student in ("ada", "bob"):
        add_attempt(ledger, student)
    assert send(browser("teacher"), "/autograde", students=students, which=which).status_code == 303
    assert asked(ledger) == [expected]


def test_who_is_unknown_is_refused_before_anything_is_asked(browser: Client, api: Client, ledger: Ledger) -> None:
    add_attempt(ledger, "ada")
    add_attempt(ledger, "bob", kind="predictions", origin="web", blob=b"1\n2\n")
    teacher = browser("teacher")
    refused = send(teacher, "/autograde", students="ada, zoe <b>eve</b>", which="all")
    assert refused.status_code == 400
    assert "Nothing was changed." in refused.text
    assert "found &lt;b&gt;eve&lt;/b&gt;, zoe; notebooks came from ada;" in refused.text
    assert "<b>" not in refused.text
    assert ">ada, zoe &lt;b&gt;eve&lt;/b&gt;</textarea>" in refused.text, "what was typed stays"
    assert 'value="all" checked' in refused.text
    assert send(teacher, "/autograde", students="bob").status_code == 400, "a predictions file is no notebook"
    assert send(teacher, "/autograde", which="some").status_code == 400
    assert "at most 2000" in send(teacher, "/autograde", students=" ".join(f"s{n}" for n in range(2001))).text
    call = api("teacher").post(f"{DESK}/tasks", json={"kind": "autograde", "students": ["zoe"]})
    assert (call.status_code, call.json()["error"]) == (400, "InvalidRequest")
    assert "zoe" in call.json()["message"]
    assert asked(ledger) == []


def test_only_instructors_ask_and_see(browser: Client, api: Client, ledger: Ledger) -> None:
    add_attempt(ledger, "ada")
    assert browser("ada").get(PAGE).status_code == 403
    assert api(None).get(PAGE).status_code == 302
    token = xsrf_of(browser("teacher"))
    assert browser("ada").post(PAGE, data={"_xsrf": token}).status_code == 403
    assert api("ada").post(f"{DESK}/tasks", json={"kind": "autograde"}).status_code == 403
    assert asked(ledger) == []


def test_without_a_notebook_the_page_says_so(browser: Client, ledger: Ledger) -> None:
    teacher = browser("teacher")
    page = look(teacher)
    assert "Nobody has handed in a notebook yet" in page
    assert "<textarea" not in page
    # Work that lies in submitted/ is not the web service's to see; the grader looks.
    assert send(teacher, "/autograde").status_code == 303
    answer(ledger, ClassDone(graded=0, skipped=0, seconds=0.25))
    assert "nobody of them has handed in a notebook" in look(teacher)


def test_progress_is_told_with_time_left_speed_and_who_was_graded(browser: Client, ledger: Ledger) -> None:
    teacher = browser("teacher")
    lease = running(ledger, students=["ada", "bob"])
    page = look(teacher)
    assert "Choosing what has to run" in page
    assert "A run for 2 students (ada, bob), asked for by teacher" in page
    newest = (
        ClassGraded(student="eve", state="fault", text="no space left"),
        ClassGraded(student="bob", attempt=7, state="failed", text="NameError: name '<i>x</i>' is not defined"),
        ClassGraded(student="ada", attempt=4, state="scored", text="r2 = 0.9231"),
    )
    progress = ClassProgress(done=30, total=120, skipped=11, failed=2, seconds_left=135.0, newest=newest)
    ledger.report_task(lease, progress.model_dump(mode="json"))
    page = look(teacher)
    assert "30 of 120 graded" in page
    assert '<progress class="how-far" max="120" value="30"' in page
    assert "<dt>Time left</dt><dd>2 min 15 s</dd>" in page
    assert "<dt>A minute</dt><dd>40</dd>" in page, "90 in 135 s"
    assert "<dt>Not run</dt><dd>11</dd>" in page
    assert page.index(">eve<") < page.index(">bob<") < page.index(">ada<"), "the newest first"
    assert "platform fault" in row_of(page, ">eve<")
    assert "no score" in row_of(page, ">bob<")
    assert "&lt;i&gt;x&lt;/i&gt;" in row_of(page, ">bob<")
    assert "manage/attempts/4" in row_of(page, ">ada<")
    ledger.give_up_task(lease)
    assert "It was interrupted, and goes on where it stopped" in look(teacher)
    assert "data-pending" in look(teacher)


def test_progress_before_the_first_is_graded_has_no_speed(browser: Client, ledger: Ledger) -> None:
    lease = running(ledger)
    ledger.report_task(lease, ClassProgress(done=0, total=12).model_dump(mode="json"))
    page = look(browser("teacher"))
    assert "0 of 12 graded" in page
    assert "<dt>Time left</dt><dd>–</dd>" in page
    assert "<dt>A minute</dt><dd>–</dd>" in page


def test_the_summary_names_failures_faults_and_what_each_stage_cost(browser: Client, ledger: Ledger) -> None:
    add_attempt(ledger, "ada")
    teacher = browser("teacher")
    failed = (("zed", "cell 3 raised <script>"), ("ada", "expected (40,), found (3,)"))
    done = ClassDone(
        graded=11, skipped=5, failed=failed, faults=(("bob", "no space left"),), seconds=66.0,
        stages={stage: 10 * seconds for stage, seconds in STAGES.items()},
    )  # fmt: skip
    ended(ledger, done)
    page = look(teacher)
    assert "data-pending" not in page
    for title, value in (("Graded", "11"), ("Unchanged, not run", "5"), ("Took", "1 min 6 s"), ("A minute", "10.0")):
        assert f'<dt>{title}</dt><dd class="large">{value}</dd>' in page
    assert "2 without a score" in page
    assert page.index(">ada<") < page.index(">zed<"), "by name"
    assert "&lt;script&gt;" in row_of(page, ">zed<")
    assert "1 not graded by the platform" in page
    assert "no space left" in row_of(page, ">bob<")
    # The ten that were graded took 20 s each; the one that the platform failed has no times.
    assert "5.000" in row_of(page, "own cells")
    assert "25 %" in row_of(page, "own cells")
    assert "6.000" in row_of(page, "waiting for a free place"), "what the stages leave of the whole"
    assert "20.000" in row_of(page, "in all")
    assert send(teacher, "/autograde", which="changed").status_code == 303
    assert "2 without a score" not in look(teacher), "a new run hides the last one's answer"


def test_a_run_in_which_nothing_had_to_run_says_why(browser: Client, ledger: Ledger) -> None:
    teacher = browser("teacher")
    ended(ledger, ClassDone(graded=0, skipped=9, seconds=0.4))
    assert "every notebook is as it was" in look(teacher)
    ended(ledger, ClassDone(graded=0, skipped=9, seconds=0.4), failed=True)
    page = look(teacher)
    assert "nobody&#39;s last result is a failure" in page
    assert '<dt>Had not failed, not run</dt><dd class="large">9</dd>' in page
    assert "What a submission took" not in page


def test_a_run_that_fails_says_why_and_how_far_it_came(browser: Client, ledger: Ledger) -> None:
    add_attempt(ledger, "ada")
    lease = running(ledger)
    ledger.report_task(lease, ClassProgress(done=3, total=8).model_dump(mode="json"))
    ledger.fail_task(lease, "the cluster was lost; start it again")
    page = look(browser("teacher"))
    assert "the cluster was lost; start it again" in page
    assert "3 of 8 were graded before it failed" in page
    assert ">Autograde</button>" in page, "it may be asked for again"


def test_a_run_is_stopped_once_and_what_was_graded_stays(browser: Client, api: Client, ledger: Ledger) -> None:
    add_attempt(ledger, "ada")
    teacher = browser("teacher")
    lease = running(ledger)
    ledger.report_task(lease, ClassProgress(done=3, total=8).model_dump(mode="json"))
    number = lease.task.id
    page = look(teacher)
    assert "Stop this run" in page
    token = xsrf_of(browser("ada"))
    assert browser("ada").post(f"{PAGE}/stop", data={"_xsrf": token, "run": number}).status_code == 403
    assert teacher.post(f"{PAGE}/stop", data={"run": number}).status_code == 403, "no other site may press it"
    for wrong in ("", "-1", "x", "9" * 5000):
        assert send(teacher, "/autograde/stop", run=wrong).status_code == 400
    assert send(teacher, "/autograde/stop", run=number + 1).status_code == 404
    assert ledger.task(number).state == "running"
    told = send(teacher, "/autograde/stop", run=number)
    assert told.headers["location"].endswith("said=stopped-class")
    page = look(teacher)
    assert "stopped by teacher" in page
    assert "3 of 8 were graded before it was stopped" in page
    assert ">Autograde</button>" in page, "it may be asked for again"
    assert "data-pending" not in page
    assert send(teacher, "/autograde/stop", run=number).headers["location"].endswith("said=ended-class")
    with pytest.raises(LedgerError, match="the lease is lost"):
        ledger.finish_task(lease, {})
    assert [one.action for one in ledger.audit_log("bitcoin")][:1] == ["autograde.stopped"]
    again = api("teacher").post(f"{DESK}/tasks", json={"kind": "autograde"}).json()["id"]
    assert api("ada").post(f"{DESK}/tasks/{again}/stop").status_code == 403
    stopped = api("teacher").post(f"{DESK}/tasks/{again}/stop")
    assert (stopped.status_code, stopped.json()["state"]) == (200, "stopped")
    assert api("teacher").post(f"{DESK}/tasks/{again}/stop").status_code == 409
    lint = api("teacher").post(f"{DESK}/tasks", json={"kind": "lint"}).json()["id"]
    assert api("teacher").post(f"{DESK}/tasks/{lint}/stop").status_code == 404, "only class runs can be stopped"


def test_programs_ask_and_read_the_same(api: Client, ledger: Ledger) -> None:
    add_attempt(ledger, "ada")
    teacher = api("teacher")
    sent = {"kind": "autograde", "students": ["ada", "ada"], "failed": True, "force": True}
    made = teacher.post(f"{DESK}/tasks", json=sent)
    assert (made.status_code, made.json()["state"], made.json()["progress"]) == (201, "queued", None)
    assert made.json()["parameters"] == {"students": ["ada"], "failed": True, "force": True}
    assert teacher.post(f"{DESK}/tasks", json={"kind": "autograde"}).status_code == 409
    lease = ledger.lease_task("test")
    assert lease is not None
    progress = ClassProgress(done=1, total=2, seconds_left=1.5).model_dump(mode="json")
    ledger.report_task(lease, progress)
    path = f"{DESK}/tasks/{lease.task.id}"
    assert teacher.get(path).json()["progress"] == progress
    ledger.finish_task(lease, ClassDone(graded=2, skipped=0, seconds=3.5).model_dump(mode="json"))
    assert teacher.get(path).json()["result"]["graded"] == 2
    assert teacher.post(f"{DESK}/tasks", json={"kind": "autograde", "students": ["a b"]}).status_code == 422
    schema = teacher.get("api/openapi.json").json()["components"]["schemas"]["TaskAsked"]
    assert {"students", "failed", "force"} <= set(schema["properties"])


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    settings = make_course(tmp_path / "toy").settings
    monkeypatch.setenv("DATAUAB_ROOT", str(settings.root))
    return settings


@pytest.fixture
def desk(toy: Settings, members: Members) -> Iterator[tuple[httpx.Client, Ledger]]:
    """An instructor's browser at the desk of the toy competition, and its ledger."""
    with Ledger.open(toy) as ledger:
        ledger.publish_release(NAME, archive({f"{NAME}.ipynb": b"{}"}), by="teacher")
        headers = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "same-origin"}
        with serving(create_app(toy, ledger, members)) as address:
            base, cookies = address + toy.web_prefix, {"service-club": "tok-teacher"}
            with httpx.Client(base_url=base, cookies=cookies, headers=headers, trust_env=False, timeout=60) as client:
                yield client, ledger


@pytest.mark.sandbox
def test_what_the_desk_asked_for_is_what_the_grader_does(desk: tuple[httpx.Client, Ledger], toy: Settings) -> None:
    client, ledger = desk
    for student, source in (("ana", "predictions = np.arange(40.0)"), ("ben", "predictions = mistyped")):
        notebook = nbformat.read(toy.root / "release" / NAME / f"{NAME}.ipynb", as_version=4)
        notebook.cells[2].source = source
        ledger.add_attempt(
            competition=NAME, member=student, blob=archive({f"{NAME}.ipynb": json.dumps(notebook).encode()})
        )
    form = {"_xsrf": xsrf_of(client, NAME), "students": "ben ana", "which": "changed"}
    assert client.post(f"competitions/{NAME}/manage/autograde", data=form).status_code == 303
    lease = ledger.lease_task("test")
    assert lease is not None
    assert do_task(toy, lease.task.id, lease.token) == 0
    page = client.get(f"competitions/{NAME}/manage/autograde").text
    assert '<dt>Graded</dt><dd class="large">2</dd>' in page
    assert "1 without a score" in page
    assert "mistyped" in row_of(page, ">ben<")
    for words in ("reading and sanitising", "starting the kernel", "own cells", "the autograder cells", "in all"):
        assert 'class="num"' in row_of(page, words)
