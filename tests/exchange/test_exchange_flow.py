"""From release to feedback through the real web service and the real ledger, by nbgrader's own classes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable

import pytest
from exchange_people import COURSE, Answer, Door, Fake, Person, Served, notebook_bytes, tree, work
from nbgrader.exchange.abc import ExchangeError

from datauab.archive import make_archive, read_archive
from datauab.ledger import ScoreRecord


def grade(door: Door, points: float = 8.0) -> int:
    """Grade the oldest attempt that waits, as the grader does, and return its number."""
    lease = door.ledger.lease("worker")
    assert lease
    score = ScoreRecord(
        public=0.75,
        private=0.7,
        interval_low=0.6,
        interval_high=0.9,
        metric="accuracy",
        points=points,
        max_points=10.0,
        scorer_hash="s",
        solution_hash="l",
    )
    door.ledger.finish_scored(lease, score)
    return lease.attempt.id


def mine(person: Person) -> list[dict[str, object]]:
    """Give the student's submissions as the Assignment List gets them."""
    groups = person.do("List", "", cached=True)
    return groups[0]["submissions"] if groups else []


def test_a_student_fetches_what_was_released(ada: Person) -> None:
    before = ada.do("List", "")
    assert [(item["course_id"], item["assignment_id"], item["status"]) for item in before] == [
        (COURSE, "greeting", "released")
    ]
    ada.do("FetchAssignment")
    assert tree(work(ada)) == tree(ada.root / "release" / "greeting")
    assert ada.said("Fetched as: data-uab greeting")
    (after,) = ada.do("List", "")
    assert after["status"] == "fetched"
    assert after["path"] == str(work(ada))
    assert after["notebooks"] == [{"notebook_id": "greeting", "path": str(work(ada) / "greeting.ipynb")}]
    assert ada.said("data-uab greeting (already downloaded)")


def test_fetching_again_never_touches_work_but_brings_back_what_is_missing(ada: Person) -> None:
    ada.do("FetchAssignment")
    (work(ada) / "greeting.ipynb").write_bytes(notebook_bytes("my work"))
    (work(ada) / "img" / "cover.svg").unlink()
    with pytest.raises(ExchangeError, match="You already have a copy of the assignment in this directory: greeting"):
        ada.do("FetchAssignment")
    ada.do("FetchAssignment", replace_missing_files=True)
    assert (work(ada) / "greeting.ipynb").read_bytes() == notebook_bytes("my work")
    assert (work(ada) / "img" / "cover.svg").is_file()
    assert ada.said("Replacing missing file")


def test_a_name_that_was_not_released_gets_a_hint(ada: Person) -> None:
    with pytest.raises(ExchangeError, match="'greting'; did you mean 'greeting'"):
        ada.do("FetchAssignment", "greting")
    with pytest.raises(ExchangeError, match="released are: greeting"):
        ada.do("FetchAssignment", "zzz")


def test_the_folder_of_the_course_is_used_where_asked(ada: Person) -> None:
    ada.do("FetchAssignment", path_includes_course=True)
    folder = ada.home / COURSE / "greeting"
    assert (folder / "greeting.ipynb").is_file()
    ada.do("Submit", path_includes_course=True)
    assert [item["status"] for item in ada.do("List", "", path_includes_course=True)] == ["fetched"]
    assert [item["status"] for item in ada.do("List", "")] == ["released"]


def test_a_submission_is_in_the_ledger_and_its_receipt_in_the_home(ada: Person, door: Door) -> None:
    ada.do("FetchAssignment")
    (work(ada) / "greeting.ipynb").write_bytes(notebook_bytes("my answer"))
    (work(ada) / "feedback").mkdir()
    (work(ada) / "feedback" / "old.html").write_text("old")
    (work(ada) / ".ipynb_checkpoints").mkdir()
    (work(ada) / ".ipynb_checkpoints" / "greeting.ipynb").write_text("old")
    (work(ada) / "datos del año.csv").write_text("1")
    ada.do("Submit")
    (attempt,) = door.ledger.attempts()
    assert (attempt.member, attempt.competition, attempt.kind, attempt.origin) == (
        "ada",
        "greeting",
        "notebook",
        "exchange",
    )
    blob = door.ledger.blob(attempt)
    assert read_archive(blob) == {
        "greeting.ipynb": notebook_bytes("my answer"),
        "img/cover.svg": (work(ada) / "img" / "cover.svg").read_bytes(),
        "datos del año.csv": b"1",
    }
    timestamp = attempt.received_at.strftime("%Y-%m-%d %H:%M:%S.%f UTC")
    assert ada.said(f"Submitted as: data-uab greeting {timestamp}")
    assert ada.said(f"Receipt: submission {attempt.id}, SHA-256 {hashlib.sha256(blob).hexdigest()}")
    receipt = (ada.home / "receipts" / f"greeting {timestamp}.txt").read_text()
    assert hashlib.sha256(blob).hexdigest() in receipt
    assert timestamp in receipt
    assert "see http" not in receipt.splitlines()[-1], "the receipt is the server's signed text"


def test_every_submission_is_listed_with_what_became_of_it(ada: Person, bob: Person, door: Door) -> None:
    for person in (ada, bob):
        person.do("FetchAssignment")
        person.do("Submit")
    ada.do("Submit")
    assert [item["state"] for item in mine(ada)] == ["queued", "queued"]
    assert str(mine(ada)[0]["timestamp"]).endswith("UTC, queued, place 1")
    grade(door)
    lease = door.ledger.lease("worker")
    assert lease
    assert lease.attempt.member == "bob"
    door.ledger.finish_failed(lease, "no variable\nnamed predictions", platform=False)
    first, second = mine(ada)
    assert str(first["timestamp"]).endswith("UTC, graded, 8 of 10 points, public score 0.7500")
    assert str(second["timestamp"]).endswith("UTC, queued, place 1")
    assert first["timestamp"] < second["timestamp"], "the page sorts by this text"
    (failed,) = mine(bob)
    assert str(failed["timestamp"]).endswith("failed: no variable named predictions")
    assert bob.said("[failed: no variable named predictions] (no feedback available)")
    json.dumps(first)
    (plain, _) = ada.do("List", "", cached=True, show_state=False)[0]["submissions"]
    assert plain["timestamp"] == first["submitted_at"]


def test_nobody_sees_or_hands_in_for_somebody_else(ada: Person, bob: Person, door: Door) -> None:
    ada.do("FetchAssignment")
    ada.do("Submit")
    assert mine(bob) == []
    with pytest.raises(ExchangeError, match="only instructors see everyone's submissions"):
        bob.do("List", "", cached=True, student="ada")
    with pytest.raises(ExchangeError, match="only instructors"):
        bob.do("List", "", inbound=True)
    with pytest.raises(ExchangeError, match="expected --student ada, found 'bob'"):
        ada.do("Submit", student="bob")
    for action in ("ReleaseAssignment", "Collect", "ReleaseFeedback"):
        (ada.root / "feedback" / "ada" / "greeting").mkdir(parents=True, exist_ok=True)
        with pytest.raises(ExchangeError):
            ada.do(action, **({"force": True} if action == "ReleaseAssignment" else {}))
    with pytest.raises(ExchangeError):
        ada.do("List", "greeting", remove=True)
    assert len(door.ledger.attempts()) == 1
    assert len(door.ledger.releases()) == 1


def test_collect_feedback_and_fetch_go_the_whole_way(ada: Person, bob: Person, teacher: Person, door: Door) -> None:
    for person in (ada, bob):
        person.do("FetchAssignment")
        person.do("Submit")
    graded = grade(door)
    teacher.do("Collect")
    submitted = teacher.root / "submitted" / "ada" / "greeting"
    assert (submitted / ".attempt").read_text() == str(graded)
    assert (submitted / "timestamp.txt").read_text() == mine(ada)[0]["submitted_at"]

    folder = teacher.root / "feedback" / "ada" / "greeting"
    folder.mkdir(parents=True)
    (folder / "greeting.html").write_text("<p>well done</p>")
    (folder / "timestamp.txt").write_text((submitted / "timestamp.txt").read_text())
    teacher.do("ReleaseFeedback")

    (before,) = mine(ada)
    assert (before["has_exchange_feedback"], before["has_local_feedback"]) == (True, False)
    assert before["local_feedback_path"] is None
    assert ada.said("(feedback ready to be fetched)")
    ada.do("FetchFeedback")
    page = work(ada) / "feedback" / str(before["submitted_at"]) / "greeting.html"
    assert page.read_text() == "<p>well done</p>"
    assert ada.said(f"Fetched feedback: {page}")
    (after,) = mine(ada)
    assert (after["has_exchange_feedback"], after["has_local_feedback"], after["feedback_updated"]) == (
        True,
        True,
        False,
    )
    assert after["local_feedback_path"] == str(page.parent)
    assert after["notebooks"][0]["notebook_id"] == "greeting"
    assert ada.said("(feedback already fetched)")
    ada.do("Submit")
    archive = door.ledger.blob(door.ledger.attempts(member="ada")[0])
    assert not any(name.startswith("feedback") for name in read_archive(archive))
    assert not mine(bob)[0]["has_exchange_feedback"]
    bob.do("FetchFeedback")
    assert bob.said("No feedback yet for 'greeting'")
    assert not (work(bob) / "feedback").exists()


def test_newer_feedback_replaces_older_when_fetched(ada: Person, door: Door) -> None:
    ada.do("FetchAssignment")
    ada.do("Submit")
    (attempt,) = door.ledger.attempts()
    door.ledger.publish_feedback(attempt.id, make_archive({"greeting.html": b"first", "old.html": b"gone"}))
    ada.do("FetchFeedback")
    door.ledger.publish_feedback(attempt.id, make_archive({"greeting.html": b"second"}))
    ada.do("FetchFeedback", "")
    (folder,) = (work(ada) / "feedback").iterdir()
    assert {path.name: path.read_bytes() for path in folder.glob("*.html")} == {"greeting.html": b"second"}


def test_feedback_that_changed_since_it_was_fetched_is_told(person: Callable[..., Person]) -> None:
    pages = [make_archive({"greeting.html": b"first"}), make_archive({"greeting.html": b"second"})]
    now = {"archive": pages[0]}
    submission = {
        "id": 1,
        "assignment": "greeting",
        "student": "ada",
        "timestamp": "2026-05-01 12:00:00.000000 UTC",
        "received_at": "2026-05-01T12:00:00Z",
        "state": "scored",
        "has_feedback": True,
    }

    def answer(method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        if path.endswith("/submissions"):
            return 200, [{**submission, "feedback_sha256": hashlib.sha256(now["archive"]).hexdigest()}]
        return 200, now["archive"]

    with Served(Fake(answer)) as served:
        ada = person("ada", f"http://127.0.0.1:{served.port}/services/club/")
        ada.do("FetchFeedback")
        assert not mine(ada)[0]["feedback_updated"]
        now["archive"] = pages[1]
        assert mine(ada)[0]["feedback_updated"]
        assert ada.said("(feedback ready to be fetched)")
        ada.do("FetchFeedback")
        assert not mine(ada)[0]["feedback_updated"]


def test_an_instructor_withdraws_and_the_submissions_stay(ada: Person, teacher: Person, door: Door) -> None:
    ada.do("FetchAssignment")
    ada.do("Submit")
    (removed,) = teacher.do("List", remove=True)
    assert removed["status"] == "removed"
    assert ada.do("List", "") == []
    assert len(mine(ada)) == 1
    with pytest.raises(ExchangeError, match="Assignment not found"):
        ada.do("Submit")
    with pytest.raises(ExchangeError, match="kept for good"):
        ada.do("List", "", cached=True, remove=True)
    with pytest.raises(ExchangeError, match="incompatible"):
        ada.do("List", "", cached=True, inbound=True)


def test_who_is_not_signed_in_is_told_so(
    person: Callable[..., Person], door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    mallory = person("mallory", door.address)
    monkeypatch.setattr(Person, "environment", {"JUPYTERHUB_API_TOKEN": "forged", "DATAUAB_WEB_URL": door.address})
    with pytest.raises(ExchangeError, match="the hub does not know this token"):
        mallory.do("FetchAssignment")
    monkeypatch.setattr(Person, "environment", {"JUPYTERHUB_API_TOKEN": "token-x", "DATAUAB_WEB_URL": ""})
    with pytest.raises(ExchangeError, match="DATAUAB_WEB_URL, found nothing"):
        mallory.do("FetchAssignment")
