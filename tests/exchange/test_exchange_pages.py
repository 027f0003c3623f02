"""JupyterLab's Assignment List and the formgrader, by the very code that serves their buttons."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from exchange_people import COURSE, Door, Person, free_port, notebook_bytes
from nbgrader.apps import NbGrader
from nbgrader.apps.api import NbGraderAPI
from nbgrader.coursedir import CourseDirectory
from nbgrader.server_extensions.assignment_list.handlers import AssignmentList

from datauab.archive import make_archive

CONFIG = "from datauab.exchange import configure_exchange\nconfigure_exchange(get_config(), 'data-uab')\n"


@pytest.fixture
def sign_in(monkeypatch: pytest.MonkeyPatch) -> Callable[[Person], AssignmentList]:
    """Give the Assignment List of a person's own server."""

    def page(person: Person) -> AssignmentList:
        for key, value in person.environment.items():
            monkeypatch.setenv(key, value)
        monkeypatch.chdir(person.home)
        (person.home / "nbgrader_config.py").write_text(CONFIG)
        manager = AssignmentList()
        manager.root_dir = str(person.home)
        return manager

    return page


def listed(page: AssignmentList) -> list[dict[str, Any]]:
    """Give what the page shows, as it goes to the browser."""
    answer = json.loads(json.dumps(page.list_assignments(course_id=COURSE)))
    assert answer["success"], answer["value"]
    entries: list[dict[str, Any]] = answer["value"]
    return entries


def test_the_assignment_list_from_fetch_to_feedback(
    ada: Person, door: Door, sign_in: Callable[[Person], AssignmentList]
) -> None:
    page = sign_in(ada)
    assert page.list_courses() == {"success": True, "value": [COURSE]}
    assert [(entry["assignment_id"], entry["status"]) for entry in listed(page)] == [("greeting", "released")]
    assert page.fetch_assignment(COURSE, "greeting") == {"success": True}
    (entry,) = listed(page)
    assert (entry["status"], entry["path"]) == ("fetched", "greeting")
    assert entry["notebooks"][0]["path"] == "greeting/greeting.ipynb", "relative to the home: the page opens it"

    assert page.submit_assignment(COURSE, "greeting") == {"success": True}
    assert page.submit_assignment(COURSE, "greeting") == {"success": True}
    (_, submitted) = listed(page)
    assert (submitted["status"], submitted["assignment_id"]) == ("submitted", "greeting")
    first, second = submitted["submissions"]
    assert first["timestamp"].endswith("queued, place 1")
    assert second["timestamp"].endswith("queued, place 2")

    door.ledger.publish_feedback(first["attempt_id"], make_archive({"greeting.html": b"<p>good</p>"}))
    assert page.fetch_feedback(COURSE, "greeting") == {"success": True}
    (_, submitted) = listed(page)
    first, second = submitted["submissions"]
    assert first["has_local_feedback"]
    assert not first["feedback_updated"]
    assert first["local_feedback_path"] == f"greeting/feedback/{first['submitted_at']}"
    assert (ada.home / first["local_feedback_path"] / "greeting.html").is_file()
    assert not second["has_exchange_feedback"]

    door.ledger.publish_feedback(first["attempt_id"], make_archive({"greeting.html": b"<p>better</p>"}))
    assert listed(page)[1]["submissions"][0]["feedback_updated"]
    assert page.fetch_feedback(COURSE, "greeting") == {"success": True}
    assert not listed(page)[1]["submissions"][0]["feedback_updated"]
    assert b"better" in (ada.home / first["local_feedback_path"] / "greeting.html").read_bytes()


def test_the_page_says_why_it_has_no_list(
    person: Callable[..., Person], sign_in: Callable[[Person], AssignmentList]
) -> None:
    page = sign_in(person("ada", f"http://127.0.0.1:{free_port()}/services/club/"))
    answer = page.list_assignments(course_id=COURSE)
    assert not answer["success"]
    assert "does not answer" in answer["value"]
    assert "Try again in a minute" in answer["value"]
    assert "exchange directory" not in answer["value"]
    assert len(answer["value"].splitlines()) < 15, "a student must find the sentence"


def test_a_refused_submission_says_why_on_the_page(ada: Person, sign_in: Callable[[Person], AssignmentList]) -> None:
    page = sign_in(ada)
    page.fetch_assignment(COURSE, "greeting")
    (ada.home / "greeting" / "greeting.ipynb").write_text("no notebook")
    answer = page.submit_assignment(COURSE, "greeting")
    assert not answer["success"]
    assert "greeting.ipynb is no notebook" in answer["value"].splitlines()[-1]
    assert len(answer["value"].splitlines()) < 15


class Formgrader:
    """The formgrader's own API as it runs in an instructor's server."""

    def __init__(self, root: Path) -> None:
        app = NbGrader()
        app.log.setLevel(logging.INFO)
        app.load_config_file()
        app.config.CourseDirectory.root = str(root)
        self.api = NbGraderAPI(CourseDirectory(parent=app), parent=app)


@pytest.fixture
def formgrader(person: Callable[..., Person], door: Door, monkeypatch: pytest.MonkeyPatch) -> Formgrader:
    """Give the instructor's formgrader."""
    teacher = person("teacher", door.address)
    for key, value in teacher.environment.items():
        monkeypatch.setenv(key, value)
    monkeypatch.chdir(teacher.root)
    return Formgrader(teacher.root)


def test_the_formgraders_buttons(
    formgrader: Formgrader, person: Callable[..., Person], door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = formgrader.api
    assert api.exchange_is_functional
    assert api.get_assignment("greeting")["status"] == "draft"
    assert api.release_assignment("greeting")["success"]
    assert api.get_released_assignments() == {"greeting"}
    assert api.get_assignments()[0]["status"] == "released"
    refused = api.release_assignment("greeting")
    assert not refused["success"]
    assert "Destination already exists" in refused["log"]

    files = {"greeting.ipynb": notebook_bytes("ada's")}
    attempt = door.ledger.add_attempt(competition="greeting", member="ada", blob=make_archive(files))
    collected = api.collect("greeting")
    assert collected["success"], collected
    assert "Collecting submission: ada greeting" in collected["log"]
    assert api.get_submitted_students("greeting") == {"ada"}
    assert api.get_submitted_timestamp("greeting", "ada") == attempt.received_at.replace(tzinfo=None)

    folder = Path("feedback") / "ada" / "greeting"
    folder.mkdir(parents=True)
    (folder / "greeting.html").write_text("<p>good</p>")
    (folder / "timestamp.txt").write_text(Path("submitted/ada/greeting/timestamp.txt").read_text())
    released = api.release_feedback("greeting", "ada")
    assert released["success"], released
    assert door.ledger.feedback_archive(attempt.id)
    assert api.unrelease("greeting")["success"]
    assert api.get_released_assignments() == set()
    assert door.ledger.attempt(attempt.id).state == "queued"


def test_the_formgrader_opens_where_the_service_is_down(
    person: Callable[..., Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher = person("teacher", f"http://127.0.0.1:{free_port()}/services/club/")
    for key, value in teacher.environment.items():
        monkeypatch.setenv(key, value)
    monkeypatch.chdir(teacher.root)
    api = Formgrader(teacher.root).api
    assert not api.exchange_is_functional
    assert api.get_assignments()[0]["status"] == "draft"
