"""A competition in real browsers, from its rules to the reveal: several windows, one real grader."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.browser.competition import NAME, Stage, staged
from tests.integration.people import Person

pytestmark = [pytest.mark.browser, pytest.mark.sandbox, pytest.mark.timeout(300)]

WITHIN_S = 2.0
"""Until an open board must show a score; a quiet machine takes a fraction of it."""


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path / "course") as found:
        yield found


def mark(person: Person) -> None:
    """Leave a mark in the page that a reload would take away."""
    person.driver.execute_script("window.neverReloaded = true")


def is_same_page(person: Person) -> bool:
    return bool(person.driver.execute_script("return window.neverReloaded === true"))


def rows(person: Person) -> list[str]:
    """The board's rows as texts, one line each."""
    script = "return [...document.querySelectorAll('table.board tbody tr')].map(row => row.innerText)"
    return [re.sub(r"\s+", " ", text).strip() for text in person.driver.execute_script(script)]


def seconds_until(person: Person, text: str, patience: float = 20) -> float:
    begin = time.monotonic()
    while time.monotonic() - begin < patience:
        if any(text in row for row in rows(person)):
            return time.monotonic() - begin
        time.sleep(0.03)
    person.picture(f"failed-{person.name}")
    raise AssertionError(f"{person.name}'s board never showed {text!r}: {rows(person)}")


def accept_rules(person: Person) -> None:
    person.see(".notice.ask", "Accept the rules first")
    person.click(".notice.ask a", "Read the rules")
    person.see_text("no private sharing of code across teams")
    person.picture("rules")
    agree(person)


def agree(person: Person) -> None:
    """Press the button, and wait for the answer: a page that is opened before it would be overtaken by it."""
    person.click("button", "I accept these rules")
    person.see(".tag", "accepted")


def choose_file(person: Person, path: Path) -> None:
    person.see("input[type=file]").send_keys(str(path))
    person.click("button", "Submit")


def test_rules_come_first_and_the_score_appears_on_the_open_page(stage: Stage) -> None:
    ada = stage.visit("ada", "/attempts")
    assert ada.find("input[type=file]") is None
    accept_rules(ada)
    stage.visit("ada", "/attempts")
    stage.hold_grader(True)
    choose_file(ada, stage.file(stage.off_by(0.5, 0.5)))
    ada.see_text("in the queue")
    assert "/attempts/" in ada.driver.current_url
    mark(ada)
    ada.picture("attempt-waits")
    stage.hold_grader(False)
    shown = ada.see(".figure-number", patience=20).text
    assert is_same_page(ada)
    attempt = stage.ledger.attempts(competition=NAME, member="ada")[0]
    assert attempt.public is not None
    assert shown == f"{attempt.public:.4f}"
    assert attempt.filename == "mine.npy"
    ada.picture("attempt-scored")


def test_a_refused_file_says_what_was_expected_and_costs_nothing(stage: Stage) -> None:
    ada = stage.visit("ada", "/rules")
    agree(ada)
    stage.visit("ada", "/attempts")
    choose_file(ada, stage.file(stage.truth[:-1]))
    ada.see("h1", "This cannot be accepted")
    ada.see_text("400")
    ada.picture("refused-file")
    assert stage.ledger.attempts(competition=NAME) == []


def test_a_competition_from_teams_to_the_reveal(stage: Stage) -> None:
    for name in ("ada", "bob", "carla"):
        agree(stage.visit(name, "/rules"))
    watches_the_board(stage)
    makes_a_team(stage)
    chooses_final_attempts(stage)
    rescores(stage)
    reveals(stage)


def watches_the_board(stage: Stage) -> None:
    """An open board of a second window shows each score within a second or so, without being reloaded."""
    bob = stage.visit("bob")
    bob.see_text("Nobody has a score yet")
    mark(bob)
    for number, name in enumerate(("ada", "carla", "bob")):
        # carla knows the public rows well and the private ones badly
        score = stage.send(name, stage.off_by(0.2, 1.5) if name == "carla" else stage.off_by(0.5, 0.4, number))
        assert seconds_until(bob, f"{score:.4f}") < WITHIN_S
    assert is_same_page(bob)
    assert "carla" in rows(bob)[0]
    assert len(rows(bob)) == 3
    bob.picture("board-three-rows")


def makes_a_team(stage: Stage) -> None:
    """Two become one row; an open board sees it happen."""
    carla = stage.visit("carla")
    assert len(rows(carla)) == 3
    mark(carla)
    ada = stage.visit("ada", "/team")
    ada.see("#create").send_keys("The Null Hypotheses")
    ada.click("button", "Make a team")
    ada.see(".team-name", "The Null Hypotheses")
    ada.see("#invite").send_keys("bob")
    ada.click("button", "Invite")
    ada.see(".waiting", "no answer yet")
    ada.picture("team-invited")
    bob = stage.visit("bob")
    bob.click("button", "Join The Null Hypotheses")
    bob.see(".team-name", "The Null Hypotheses")
    bob.picture("team")
    carla.wait(lambda: len(rows(carla)) == 2, "two rows", 10)
    assert is_same_page(carla)
    [row] = [row for row in rows(carla) if "The Null Hypotheses" in row]
    assert "ada" in row
    assert "bob" in row
    carla.picture("board-with-a-team")
    ada.open(ada.driver.current_url)
    ada.click("summary", "Leave the team")
    ada.see("button", "Leave The Null Hypotheses")
    ada.see(".facts", "2 of 20")


def chooses_final_attempts(stage: Stage) -> None:
    """A team chooses together, and no more than it may."""
    ada = stage.visit("ada", "/final")
    assert len(ada.driver.find_elements("css selector", "input[name=attempt]")) == 2
    ada.click("input[name=attempt]")
    ada.click("button", "Keep this choice")
    ada.see(".tag", "chosen")
    ada.picture("final-choice")
    bob = stage.visit("bob", "/final")
    bob.see(".tag", "chosen")
    assert len(stage.ledger.final_selections(NAME)) == 1


def rescores(stage: Stage) -> None:
    """A corrected solution counts after a preview and one click, and an open board follows."""
    carla = stage.visit("carla")
    before = rows(carla)
    mark(carla)
    swapped = stage.truth.copy()
    swapped[:40] += 1.0
    stage.correct(swapped)
    teacher = stage.visit("teacher", "/manage/rescoring")
    teacher.click("button", "Preview")
    teacher.see("button", "Apply these scores", patience=40)
    teacher.see_text("Who would move")
    teacher.picture("rescoring-preview")
    assert rows(carla) == before, "a preview changes nothing"
    teacher.click("#c-apply")
    teacher.click("button", "Apply these scores")
    teacher.see(".tag", "applied", patience=40)
    teacher.picture("rescoring-applied")
    carla.wait(lambda: rows(carla) != before, "new scores on the open board", 10)
    assert is_same_page(carla)
    best = max(one.public or 0.0 for one in stage.ledger.attempts(competition=NAME, member="carla"))
    assert any(f"{best:.4f}" in row for row in rows(carla))
    assert len(stage.ledger.score_history(1)) == 2


def reveals(stage: Stage) -> None:
    """When the last phase has ended, everybody sees the private board and who moved."""
    carla = stage.visit("carla", "/private")
    carla.see_text("private", patience=5)
    assert not rows(carla)
    stage.clock.ahead = timedelta(days=2)
    ada = stage.visit("ada")
    ada.click(".tabs a", "Private leaderboard")
    ada.see("caption", "Private leaderboard")
    first, second = rows(ada)
    assert "The Null Hypotheses" in first
    assert "▲" in first
    assert "carla" in second
    assert "▼" in second
    ada.picture("reveal")
    stage.visit("ada", "/final").see_text("over")
    stage.visit("ada", "/team").see_text("could change until")
    ada.resize(390, 844)
    stage.visit("ada", "/private")
    ada.picture("reveal-narrow")
