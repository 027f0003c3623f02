"""The main job, as people meet it: an instructor and three students in real browsers, up to feedback."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator

import nbformat
import pytest
from deployment import Deployment
from notebooks import BROKEN, FAIR, GOOD, POOR, own_work
from people import Person

from datauab import gradebook
from datauab.ledger import Attempt, Ledger
from datauab.settings import load_settings

pytestmark = [pytest.mark.hub, pytest.mark.browser, pytest.mark.sandbox, pytest.mark.timeout(1200)]

STUDENTS = {"ada": GOOD, "bo": FAIR, "cy": POOR}
PASSWORD = "a good long password"


@pytest.fixture(scope="module")
def club(deploy: Callable[..., Deployment]) -> Deployment:
    deployment = deploy("story", "bitcoin")
    deployment.printed = deployment.up()
    return deployment


@pytest.fixture(scope="module")
def people(club: Deployment) -> Iterator[Callable[[str], Person]]:
    known: dict[str, Person] = {}

    def person(name: str) -> Person:
        if name not in known:
            known[name] = Person(club.address, name)
        return known[name]

    yield person
    for somebody in known.values():
        somebody.leave()


def join(person: Person, link: str) -> None:
    person.open(link)
    person.fill(username=person.name, password=PASSWORD, repeated=PASSWORD)
    person.picture("join")
    person.click("button[type=submit], input[type=submit]")
    person.wait(lambda: "/hub/join" not in person.driver.current_url, "the account")


def hand_in(person: Person, club: Deployment, code: str) -> None:
    """Write the notebook as JupyterLab saves it, then press Submit in the Assignment List."""
    notebook = own_work(club.root / "release" / "bitcoin" / "bitcoin.ipynb", code)
    body = json.dumps({"type": "notebook", "format": "json", "content": json.loads(nbformat.writes(notebook))})
    answer = person.call("PUT", f"/user/{person.name}/api/contents/bitcoin/bitcoin.ipynb", body)
    assert answer["status"] in (200, 201), answer
    person.assignment_list()
    before = len(attempts_of(club, person.name))
    person.list_button("fetched", "bitcoin", "Submit")
    person.wait(lambda: len(attempts_of(club, person.name)) > before, "the new attempt")


def attempts_of(club: Deployment, member: str) -> list[Attempt]:
    with Ledger.open(load_settings(club.root, port=club.port)) as ledger:
        return ledger.attempts(competition="bitcoin", member=member)


def test_the_operator_is_told_how_to_begin(club: Deployment) -> None:
    assert club.address in club.printed
    assert re.search(r"one-time password \S+", club.printed)
    assert "/hub/join?code=" in club.printed


def test_a_visitor_reads_competitions_and_boards(club: Deployment, people: Callable[[str], Person]) -> None:
    visitor = people("visitor")
    visitor.open("/")
    visitor.see_text("bitcoin")
    visitor.picture("competitions")
    visitor.open("/services/club/competitions/bitcoin")
    visitor.see("table")
    for path in ("/services/club/competitions/bitcoin/manage", "/services/club/competitions/bitcoin/attempts"):
        visitor.open(path)
        visitor.wait(lambda: "/hub/login" in visitor.driver.current_url, "the sign-in")


def test_an_instructor_signs_in_with_the_one_time_password_and_must_choose_another(
    club: Deployment, people: Callable[[str], Person]
) -> None:
    found = re.search(r"one-time password (\S+)", club.printed)
    assert found
    instructor = people("instructor")
    instructor.open("/hub/login")
    instructor.fill(username="instructor", password=found.group(1))
    instructor.picture("sign-in")
    instructor.click("button[type=submit], input[type=submit]")
    instructor.wait(lambda: "/hub/password" in instructor.driver.current_url, "the page that asks for a new password")
    instructor.fill(password=PASSWORD, repeated=PASSWORD)
    instructor.click("button[type=submit], input[type=submit]")
    instructor.wait(lambda: "/hub/password" not in instructor.driver.current_url, "the end of the password page")


@pytest.mark.parametrize("name", STUDENTS)
def test_a_student_joins_fetches_works_and_submits(
    club: Deployment, people: Callable[[str], Person], name: str
) -> None:
    student = people(name)
    join(student, club.invite_link())
    student.start_server()
    student.assignment_list()
    student.list_button("released", "bitcoin", "Fetch")
    student.wait(lambda: student.find("#fetched_assignments_list .list_item", "bitcoin"), "the fetched assignment")
    student.picture(f"assignment-list-{name}")
    hand_in(student, club, STUDENTS[name])


def test_a_notebook_runs_in_the_students_own_server(club: Deployment, people: Callable[[str], Person]) -> None:
    student = people("ada")
    student.open("/user/ada/lab/tree/bitcoin/bitcoin.ipynb")
    student.see(".jp-Notebook .jp-Cell", patience=90)
    student.choose_menu("Run", "Run All Cells")
    student.wait(lambda: "predictions look right" in student.text().lower(), "the check's answer", 120)
    student.picture("notebook-ran")


def test_scores_stand_on_the_board_in_the_right_order(club: Deployment, people: Callable[[str], Person]) -> None:
    visitor = people("visitor")

    def order() -> list[str]:
        visitor.open("/services/club/competitions/bitcoin")
        rows = [row.text for row in visitor.driver.find_elements("css selector", "table tbody tr")]
        return [name for row in rows for name in STUDENTS if re.search(rf"\b{name}\b", row)]

    visitor.wait(lambda: order() == ["ada", "bo", "cy"], "ada, bo, cy on the board", 300)
    visitor.picture("board-wide")
    visitor.resize(390, 844)
    visitor.picture("board-narrow")
    overflow = visitor.driver.execute_script("return document.documentElement.scrollWidth - window.innerWidth")
    assert overflow <= 0
    visitor.resize(1280, 900)


def test_marks_stand_in_the_gradebook(club: Deployment) -> None:
    settings = load_settings(club.root, port=club.port)
    marks = {student: gradebook.points(settings, "bitcoin", student) for student in STUDENTS}
    assert all(mark is not None for mark in marks.values()), marks
    ada, bo, cy = (marks[name] for name in ("ada", "bo", "cy"))
    assert ada is not None
    assert bo is not None
    assert cy is not None
    assert ada[0] > bo[0] > cy[0] >= 0
    assert ada[1] == 10


def test_a_failed_attempt_says_why_and_keeps_the_best(club: Deployment, people: Callable[[str], Person]) -> None:
    student = people("bo")
    student.open("/user/bo/lab?reset")
    student.see("#jp-top-panel", patience=90)
    hand_in(student, club, BROKEN)

    def failed() -> list[Attempt]:
        return [item for item in attempts_of(club, "bo") if item.state == "failed"]

    found: list[Attempt] = student.wait(failed, "the failure", 120)
    assert "nan" in str(found[0].reason).lower() or "finite" in str(found[0].reason).lower()
    student.open("/services/club/competitions/bitcoin/attempts")
    student.see_text("failed")
    student.picture("attempts")
    student.open("/services/club/competitions/bitcoin")
    student.picture("board-own-row")
    student.resize(1280, 1270)
    student.picture("leaderboard")
    student.resize(1280, 900)
    rows = [row.text for row in student.driver.find_elements("css selector", "table tbody tr")]
    assert any(re.search(r"\bbo\b", row) for row in rows)


def test_feedback_is_fetched_and_shows_nothing_hidden(club: Deployment, people: Callable[[str], Person]) -> None:
    student = people("ada")
    student.open("/user/ada/lab?reset")
    student.see("#jp-top-panel", patience=90)
    student.assignment_list()
    student.see_text("feedback available to fetch")

    def fetched() -> str:
        answer = student.call("GET", "/user/ada/api/contents/bitcoin/feedback")
        folders = json.loads(answer["text"]).get("content", []) if answer["status"] == 200 else []
        for folder in folders:
            page = student.call("GET", f"/user/ada/api/contents/{folder['path']}/bitcoin.html?type=file&format=text")
            if page["status"] == 200:
                return str(json.loads(page["text"])["content"])
        return ""

    def pressed() -> str:
        # The list draws itself twice when it opens, and a press on the first drawing is lost: people press again.
        if not (page := fetched()) and student.find("#submitted_assignments_list button", "Fetch Feedback"):
            student.click("#submitted_assignments_list button", "Fetch Feedback")
            time.sleep(3)
        return page or fetched()

    page: str = student.wait(pressed, "the feedback file", 60)
    assert "GradientBoostingRegressor" in page
    for hidden in ("BEGIN HIDDEN", "r2_score(solution", "solution.npy", str(club.root)):
        assert hidden not in page, hidden
    student.picture("feedback-list")


def test_the_instructor_sees_private_scores_and_the_formgrader(
    club: Deployment, people: Callable[[str], Person]
) -> None:
    instructor = people("instructor")
    instructor.open("/services/club/competitions/bitcoin/manage")
    instructor.see_text("private")
    instructor.picture("manage")
    instructor.start_server()
    instructor.choose_menu("Nbgrader", "Formgrader")
    frame = instructor.see("iframe", patience=60)
    instructor.driver.switch_to.frame(frame)
    instructor.see_text("bitcoin", patience=60)
    instructor.picture("formgrader")
    instructor.driver.switch_to.default_content()


def test_the_formgrader_autogrades_on_two_kernels_too(club: Deployment, people: Callable[[str], Person]) -> None:
    instructor = people("instructor")
    instructor.open("/user/instructor/formgrader/manage_submissions/bitcoin")

    def pressed() -> bool:
        for row in instructor.driver.find_elements("css selector", "#main-table tr"):
            if re.search(r"\bcy\b", row.text) and (buttons := row.find_elements("css selector", ".autograde a")):
                buttons[0].click()
                return True
        return False

    instructor.wait(pressed, "the button that autogrades cy")
    instructor.see(".modal-dialog", "autograded", patience=120)
    instructor.picture("formgrader-autograded")
    assert "successfully" in instructor.text().lower()
    settings = load_settings(club.root, port=club.port)
    assert gradebook.points(settings, "bitcoin", "cy") == (0.0, 10.0)
    (attempt,) = attempts_of(club, "cy")
    assert attempt.state == "scored"


def test_plain_nbgrader_commands_work_from_the_courses_root(club: Deployment) -> None:
    listed = club.nbgrader("list", "--inbound")
    assert listed.returncode == 0, listed.stderr
    assert all(name in listed.stderr + listed.stdout for name in STUDENTS)
    collected = club.nbgrader("collect", "bitcoin", "--update")
    assert collected.returncode == 0, collected.stderr
    graded = club.nbgrader("autograde", "bitcoin", "--student", "cy", "--force")
    assert graded.returncode == 0, graded.stderr
    assert gradebook.points(load_settings(club.root, port=club.port), "bitcoin", "cy") == (0.0, 10.0)


def test_ctrl_c_leaves_no_process_and_a_second_start_keeps_everything(
    club: Deployment, people: Callable[[str], Person]
) -> None:
    assert club.down() == 0
    assert club.processes() == []
    begin = time.monotonic()
    printed = club.up()
    assert time.monotonic() - begin < 60
    assert "one-time password" not in printed
    visitor = people("visitor")
    visitor.open("/services/club/competitions/bitcoin")
    rows = [row.text for row in visitor.driver.find_elements("css selector", "table tbody tr")]
    assert [name for row in rows for name in STUDENTS if re.search(rf"\b{name}\b", row)] == ["ada", "bo", "cy"]
    assert club.down() == 0
    assert club.processes() == []
