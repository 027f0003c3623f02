"""The desk in a real Chromium: a preview that appears by itself, one click to apply it, and the same unscripted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from desk_course import serving  # type: ignore[import-not-found]
from web_course import Members, archive  # type: ignore[import-not-found]

from datauab import solutions
from datauab.grader.tasks import do_task
from datauab.ledger import Ledger
from datauab.settings import Settings
from datauab.task_results import ClassDone, ClassGraded, ClassProgress
from datauab.web.app import create_app
from tests.autograde.toy_course import NAME, make_course, truth
from tests.grader.toy_queue import near, score_now
from tests.integration.people import Person

pytestmark = pytest.mark.browser

MANAGE = f"competitions/{NAME}/manage"


@pytest.fixture
def course(tmp_path: Path) -> Settings:
    return make_course(tmp_path).settings


@pytest.fixture
def served(course: Settings, ledger: Ledger, members: Members) -> Iterator[str]:
    ledger.publish_release(NAME, archive({f"{NAME}.ipynb": b"{}"}), by="teacher")
    app = create_app(course, ledger, members)
    with serving(app) as address:
        yield address + course.web_prefix


@pytest.fixture
def teacher(served: str) -> Iterator[Person]:
    person = Person(served, "teacher")
    person.driver.get(f"{served}health")
    person.driver.add_cookie({"name": "service-club", "value": "tok-teacher", "path": "/services/club/"})
    yield person
    person.leave()


def work(course: Settings, ledger: Ledger) -> None:
    lease = ledger.lease_task("test")
    assert lease is not None
    assert do_task(course, lease.task.id, lease.token) == 0


def until(condition: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def press(person: Person, label: str) -> None:
    """Press a button by its words, as the page has it now."""
    path = f"//main//button[normalize-space()='{label}']"
    until(lambda: person.driver.find_elements("xpath", path))
    (found,) = person.driver.find_elements("xpath", path)
    found.click()


@pytest.mark.parametrize("scripts", [True, False])
def test_an_organiser_previews_and_applies_a_rescoring(
    served: str, teacher: Person, course: Settings, ledger: Ledger, scripts: bool
) -> None:
    ana = score_now(course, ledger, "ana", near(0.5))
    score_now(course, ledger, "ben", near(1.5))
    solutions.write(course, NAME, truth() + 2, "corrected")
    driver = teacher.driver
    driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not scripts})

    def shows(words: str) -> bool:
        if not scripts:
            driver.refresh()
        return words in driver.page_source

    driver.get(f"{served}{MANAGE}/rescoring")
    press(teacher, "Preview")
    until(lambda: shows("waits for the grader"))
    work(course, ledger)
    until(lambda: shows("Who would move"))
    until(lambda: driver.find_elements("id", "c-apply"))
    driver.find_element("id", "c-apply").click()
    press(teacher, "Apply these scores")
    until(lambda: shows("under way"))
    assert ledger.attempt(ana.id) == ana
    work(course, ledger)
    until(lambda: shows("These are the scores that count"))
    assert ledger.attempt(ana.id).public != ana.public
    driver.get(f"{served}{MANAGE}")
    assert driver.page_source.index(">ben") < driver.page_source.index(">ana")


def test_a_form_without_its_tick_is_not_sent(served: str, teacher: Person, ledger: Ledger, course: Settings) -> None:
    driver = teacher.driver
    driver.get(f"{served}{MANAGE}/boards")
    press(teacher, "Reveal now")
    time.sleep(0.3)
    assert driver.current_url.endswith("/boards")
    assert ledger.rulings(NAME) == {}


@pytest.mark.parametrize("scripts", [True, False])
def test_an_organiser_watches_a_class_being_graded(served: str, teacher: Person, ledger: Ledger, scripts: bool) -> None:
    ledger.add_attempt(competition=NAME, member="ana", blob=archive({f"{NAME}.ipynb": b"{}"}))
    driver = teacher.driver
    driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not scripts})

    def shows(words: str) -> bool:
        if not scripts:
            driver.refresh()
        return words in driver.page_source

    driver.get(f"{served}{MANAGE}/autograde")
    driver.find_element("id", "f-students").send_keys("ana, zoe")
    driver.find_element("id", "w-all").click()
    press(teacher, "Autograde")
    until(lambda: "found zoe" in driver.page_source)
    assert driver.find_element("id", "w-all").is_selected(), "what was chosen stays"
    students = driver.find_element("id", "f-students")
    students.clear()
    students.send_keys("ana")
    press(teacher, "Autograde")
    until(lambda: shows("waits for the grader"))
    lease = ledger.lease_task("test", 600)
    assert lease is not None
    assert lease.task.parameters == {"students": ["ana"], "failed": False, "force": True}
    for done in (3, 7):
        newest = (ClassGraded(student=f"member{done}", attempt=done, state="scored", text="r2 = 0.5"),)
        progress = ClassProgress(done=done, total=9, seconds_left=60.0, newest=newest)
        ledger.report_task(lease, progress.model_dump(mode="json"))
        until(lambda done=done: shows(f"{done} of 9 graded") and shows(f">member{done}<"))  # type: ignore[misc]
    bar = driver.find_element("css selector", "progress.how-far")
    assert (bar.get_attribute("value"), bar.get_attribute("max")) == ("7", "9")
    ledger.finish_task(lease, ClassDone(graded=9, skipped=0, seconds=4.5).model_dump(mode="json"))
    until(lambda: shows("Graded</dt>") and not shows("data-pending"))
    until(lambda: driver.find_elements("id", "f-students"))

    press(teacher, "Autograde")
    until(lambda: shows("waits for the grader"))
    press(teacher, "Stop this run")
    until(lambda: "stopped by" in driver.page_source and not shows("data-pending"))
    assert [task.state for task in ledger.tasks(NAME, kind="autograde")] == ["stopped", "done"]
