"""The operator's shell at the course's root: nbgrader's own commands, working on the ledger itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from exchange_people import Result, notebook_bytes, run_nbgrader, tree

from datauab.archive import make_archive, read_archive
from datauab.gradebook import opened
from datauab.ledger import Attempt, Ledger
from datauab.settings import Settings

Run = Callable[..., Result]
GREETING = {"greeting.ipynb": notebook_bytes(), "img/cover.svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>"}


@pytest.fixture
def nbgrader(course: Path, stranger: None, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Give a runner of nbgrader's commands at the course's root, as somebody whom no hub knows."""

    def run(*arguments: str, where: Path = course) -> Result:
        monkeypatch.chdir(where)
        return run_nbgrader(*arguments)

    return run


def hand_in(ledger: Ledger, member: str, text: str = "1", **more: bytes) -> Attempt:
    files = {"greeting.ipynb": notebook_bytes(text), **more}
    return ledger.add_attempt(competition="greeting", member=member, blob=make_archive(files))


def test_release_list_and_withdraw(nbgrader: Run, settings: Settings, course: Path) -> None:
    first = nbgrader("release_assignment", "greeting")
    assert first.returncode == 0, first.stderr
    assert "Released as: data-uab greeting" in first.stderr
    with Ledger.open(settings) as ledger:
        assert read_archive(ledger.release_archive("greeting")) == GREETING

    again = nbgrader("release_assignment", "greeting")
    assert again.returncode == 1
    assert "Destination already exists, add --force to overwrite: data-uab greeting" in again.stderr
    (course / "release" / "greeting" / "more.txt").write_text("x")
    forced = nbgrader("release_assignment", "greeting", "--force")
    assert forced.returncode == 0, forced.stderr
    with Ledger.open(settings) as ledger:
        assert "more.txt" in read_archive(ledger.release_archive("greeting"))

    listed = nbgrader("list", "--json")
    assert "data-uab greeting" in listed.stderr
    assert '"status": "released"' in listed.stdout
    removed = nbgrader("list", "greeting", "--remove")
    assert removed.returncode == 0, removed.stderr
    assert "greeting" not in nbgrader("list").stderr


def test_release_says_what_was_forgotten(nbgrader: Run, course: Path) -> None:
    (course / "source" / "later").mkdir()
    assert "run `nbgrader generate_assignment` first" in nbgrader("release_assignment", "later").stderr
    unknown = nbgrader("release_assignment", "nothing")
    assert unknown.returncode == 1
    assert "Assignment not found at:" in unknown.stderr


def test_collect_takes_the_newest_of_each_and_update_only_what_is_newer(
    nbgrader: Run, settings: Settings, course: Path
) -> None:
    with Ledger.open(settings) as ledger:
        hand_in(ledger, "ada", "old")
        newest = hand_in(ledger, "ada", "new", **{"data/extra file.csv": b"1"})
        hand_in(ledger, "bob")
        hand_in(ledger, "eve", **{".attempt": b"1", "timestamp.txt": b"1999-01-01 00:00:00 UTC", "feedback/x": b""})
    collected = nbgrader("collect", "greeting")
    assert collected.returncode == 0, collected.stderr
    assert "Processing 3 submissions of 'greeting' for course 'data-uab'" in collected.stderr
    ada = course / "submitted" / "ada" / "greeting"
    assert tree(ada) == {
        "greeting.ipynb": notebook_bytes("new"),
        "data/extra file.csv": b"1",
        "timestamp.txt": newest.received_at.strftime("%Y-%m-%d %H:%M:%S.%f UTC").encode(),
        ".attempt": str(newest.id).encode(),
    }
    eve = tree(course / "submitted" / "eve" / "greeting")
    assert sorted(eve) == [".attempt", "greeting.ipynb", "timestamp.txt"]
    assert eve[".attempt"] != b"1"
    assert not eve["timestamp.txt"].startswith(b"1999")

    with Ledger.open(settings) as ledger:
        later = hand_in(ledger, "ada", "newest")
    assert "use --update to update: ada greeting" in nbgrader("collect", "greeting").stderr
    assert (ada / ".attempt").read_text() == str(newest.id)
    updated = nbgrader("collect", "greeting", "--update", "--student", "ada")
    assert "Updating submission: ada greeting" in updated.stderr
    assert "bob" not in updated.stderr
    assert tree(ada).keys() == {"greeting.ipynb", "timestamp.txt", ".attempt"}
    assert (ada / ".attempt").read_text() == str(later.id)
    assert "No newer submission to collect: ada greeting" in nbgrader("collect", "greeting", "--update").stderr


def test_before_the_due_date_the_last_one_in_time_is_taken(nbgrader: Run, settings: Settings, course: Path) -> None:
    due = datetime(2026, 5, 1, 12, tzinfo=UTC)
    with opened(settings) as gradebook:
        gradebook.update_or_create_assignment("greeting", duedate=due.replace(tzinfo=None))
    with Ledger.open(settings) as ledger:
        ids = {
            (member, hours): ledger.add_attempt(
                competition="greeting",
                member=member,
                blob=make_archive({"greeting.ipynb": notebook_bytes()}),
                received_at=due + timedelta(hours=hours),
            ).id
            for member, hours in [("ada", -3), ("ada", -1), ("ada", 1), ("bob", 2), ("bob", 5)]
        }

    def collected(student: str) -> int:
        return int((course / "submitted" / student / "greeting" / ".attempt").read_text())

    assert nbgrader("collect", "greeting").returncode == 0
    assert collected("ada") == ids["ada", 1]
    result = nbgrader("collect", "greeting", "--before-duedate")
    assert result.returncode == 0, result.stderr
    assert collected("ada") == ids["ada", -1]
    assert collected("bob") == ids["bob", 5], "nothing in time: the newest, as nbgrader does"


def test_one_broken_submission_does_not_keep_the_class_from_being_collected(
    nbgrader: Run, settings: Settings, course: Path
) -> None:
    with Ledger.open(settings) as ledger:
        ledger.add_attempt(competition="greeting", member="mallory", blob=b"this is no zip")
        hand_in(ledger, "zoe")
    result = nbgrader("collect", "greeting")
    assert result.returncode == 1
    assert "1 of 2 submissions could not be collected: mallory" in result.stderr
    assert (course / "submitted" / "zoe" / "greeting" / "greeting.ipynb").is_file()
    assert not (course / "submitted" / "mallory").exists() or not any((course / "submitted" / "mallory").iterdir())


def test_collecting_nothing_is_no_error(nbgrader: Run, settings: Settings) -> None:
    with Ledger.open(settings) as ledger:
        ledger.add_attempt(competition="greeting", member="base", blob=b"x", origin="baseline")
    result = nbgrader("collect", "greeting")
    assert result.returncode == 0
    assert "No submissions of 'greeting' for course 'data-uab' to collect" in result.stderr


def test_inbound_lists_every_submission_with_what_became_of_it(nbgrader: Run, settings: Settings) -> None:
    with Ledger.open(settings) as ledger:
        hand_in(ledger, "ada")
        lease = ledger.lease("worker")
        assert lease
        ledger.finish_failed(lease, "no variable named predictions", platform=False)
        hand_in(ledger, "ada", "2")
        hand_in(ledger, "bob")
    lines = [line for line in nbgrader("list", "--inbound").stderr.splitlines() if "data-uab" in line]
    assert len(lines) == 3
    assert "data-uab ada greeting" in lines[0]
    assert "[failed: no variable named predictions] (no feedback available)" in lines[0]
    assert "[queued] (no feedback available)" in lines[1]
    assert "data-uab bob greeting" in lines[2]
    removal = nbgrader("list", "--inbound", "--remove")
    assert removal.returncode == 1
    assert "Submissions are kept for good" in removal.stderr


@pytest.mark.parametrize("by", ["number", "time"])
def test_feedback_reaches_the_submission_that_was_graded(
    nbgrader: Run, settings: Settings, course: Path, by: str
) -> None:
    with Ledger.open(settings) as ledger:
        graded = hand_in(ledger, "ada")
        hand_in(ledger, "ada", "a later one")
        hand_in(ledger, "bob")
    folder = course / "feedback" / "ada" / "greeting"
    folder.mkdir(parents=True)
    (folder / "greeting.html").write_text("<p>well done</p>")
    (folder / "timestamp.txt").write_text(graded.received_at.strftime("%Y-%m-%d %H:%M:%S.%f UTC"))
    if by == "number":
        (folder / ".attempt").write_text(str(graded.id))
    result = nbgrader("release_feedback", "greeting")
    assert result.returncode == 0, result.stderr
    assert "Releasing feedback for student 'ada' on assignment 'data-uab/greeting'" in result.stderr
    with Ledger.open(settings) as ledger:
        found = {item.id: ledger.feedback_archive(item.id) for item in ledger.attempts()}
    assert read_archive(found.pop(graded.id) or b"") == {"greeting.html": b"<p>well done</p>"}
    assert set(found.values()) == {None}


def test_feedback_never_reaches_another_students_submission(nbgrader: Run, settings: Settings, course: Path) -> None:
    with Ledger.open(settings) as ledger:
        other = hand_in(ledger, "bob")
    folder = course / "feedback" / "ada" / "greeting"
    folder.mkdir(parents=True)
    (folder / "greeting.html").write_text("<p>ada's</p>")
    (folder / ".attempt").write_text(str(other.id))
    (folder / "timestamp.txt").write_text(other.received_at.strftime("%Y-%m-%d %H:%M:%S.%f UTC"))
    assert "Feedback of 'ada' on 'greeting' is not released" in nbgrader("release_feedback", "greeting").stderr
    with Ledger.open(settings) as ledger:
        assert ledger.feedback_archive(other.id) is None


def test_what_needs_a_person_is_refused_with_the_next_step(nbgrader: Run, course: Path, tmp_path: Path) -> None:
    nbgrader("release_assignment", "greeting")
    home = tmp_path / "somewhere"
    home.mkdir()
    (home / "greeting").mkdir()
    (home / "greeting" / "greeting.ipynb").write_bytes(notebook_bytes())
    for command in (("submit", "greeting"), ("list", "--cached"), ("fetch_feedback", "greeting")):
        result = nbgrader(*command, f"--Exchange.assignment_dir={home}")
        assert result.returncode == 1
        assert "This shell has no hub's token" in result.stderr
        assert "Open a terminal in JupyterLab" in result.stderr
        assert "Traceback" not in result.stderr


def test_outside_a_course_and_without_a_hub_the_message_says_what_to_do(nbgrader: Run, tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    nowhere.mkdir()
    (nowhere / "nbgrader_config.py").write_text(
        "from datauab.exchange import configure_exchange\nconfigure_exchange(get_config(), 'data-uab')\n"
    )
    result = nbgrader("list", where=nowhere)
    assert result.returncode == 1
    assert "Nobody is signed in here" in result.stderr
    assert {path.name for path in nowhere.iterdir()} <= {"nbgrader_config.py", "__pycache__", ".nbgrader.log"}
