"""Predictions by every way in: what is right is scored, what is wrong is refused before anything is stored."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import pytest
from web_course import NOW, Clock, archive, notebook  # type: ignore[import-not-found]

import datauab
from datauab.cli.submit import submit as submit_command
from datauab.doorbell import ring
from datauab.errors import ClubError, InvalidSubmission, LimitReached, PhaseClosed
from datauab.keys import ensure_secret
from datauab.ledger import Attempt, Ledger, ScoreRecord
from datauab.receipts import public_key, verify_receipt
from datauab.settings import Settings
from datauab.submission import to_npy

Client = Callable[[str | None], httpx.Client]
PATH = "api/v1/competitions/bitcoin/attempts"
ROWS = 292
VALUES = np.linspace(100.0, 900.0, ROWS)


def zipped(name: str, content: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(name, content)
    return target.getvalue()


def csv(values: np.ndarray, ids: list[int] | None = None) -> bytes:
    frame = pd.DataFrame({"id": ids or list(range(len(values))), "prediction": values})
    return frame.to_csv(index=False).encode()


def parquet(values: np.ndarray) -> bytes:
    target = io.BytesIO()
    pd.DataFrame({"id": range(len(values)), "prediction": values}).to_parquet(target)
    return target.getvalue()


GOOD = {
    "p.npy": to_npy(VALUES),
    "p.csv": csv(VALUES),
    "p.parquet": parquet(VALUES),
    "p.pkl": pickle.dumps(VALUES, protocol=2),
    "p.zip": zipped("p.csv", csv(VALUES)),
}
WRONG = np.where(np.arange(ROWS) == 7, np.nan, VALUES)
BAD = {
    "missing.npy": (to_npy(WRONG), ["row 7", "expected", "found nan"]),
    "missing.csv": (csv(WRONG), ["line 9 (id '7')", "expected a number", "found ''"]),
    "missing.parquet": (parquet(WRONG), ["row 7", "expected"]),
    "missing.pkl": (pickle.dumps(WRONG), ["row 7", "expected", "found nan"]),
    "missing.zip": (zipped("p.npy", to_npy(WRONG)), ["row 7", "expected"]),
    "short.npy": (to_npy(VALUES[:-1]), ["(292,)", "(291,)"]),
    "twice.csv": (csv(VALUES, [0, 0, *range(2, ROWS)]), ["expected"]),
    "unknown.csv": (csv(VALUES, [*range(1, ROWS), 5000]), ["5000", "expected"]),
    "objects.npy": (b"\x93NUMPY\x01\x00v\x00{'descr': '|O', 'fortran_order': False, 'shape': (1,), }" + b" " * 50, []),
    "code.pkl": (b"cposix\nsystem\n(S'touch /tmp/x'\ntR.", ["expected"]),
    "two.zip": (archive({"a.npy": b"x", "b.npy": b"y"}), ["expected one predictions file"]),
    "other.zip": (archive({"chess.ipynb": notebook()}), ["expected bitcoin.ipynb at its root"]),
    "notes.txt": (b"hello", []),
    "picture.png": (b"\x89PNG\r\n\x1a\n" + bytes(99), ["expected one of .npy"]),
    "broken.ipynb": (b'{"nbformat": 3, "cells": []}', ["format 4"]),
}


@pytest.fixture
def marker(ledger: Ledger, course: Settings) -> Iterator[None]:
    """Score every attempt that waits by its first number, and ring, as the grader does."""
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            lease = ledger.lease("marker")
            if lease is None:
                stop.wait(0.005)
                continue
            value = min(1.0, int(lease.attempt.sha256[:4], 16) / 65536)
            record = ScoreRecord(
                public=value,
                private=0.123456,
                interval_low=value - 0.01,
                interval_high=value + 0.01,
                metric="r2",
                scorer_hash="s" * 64,
                solution_hash="t" * 64,
                points=8.5,
                max_points=10.0,
            )
            ledger.finish_scored(lease, record)
            ring(course.state, "web")

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    yield
    stop.set()
    thread.join(5)


def change(course: Settings, old: str, new: str) -> None:
    path = course.source / "bitcoin" / "competition.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def form_post(browser: httpx.Client, filename: str, content: bytes) -> httpx.Response:
    token = browser.get("competitions/bitcoin/attempts").text.split('name="_xsrf" value="')[1].split('"')[0]
    return browser.post(
        "competitions/bitcoin/attempts", data={"_xsrf": token}, files={"file": (filename, content)}
    )  # fmt: skip


@pytest.mark.parametrize("filename", list(GOOD))
def test_each_format_is_scored_while_its_author_waits(
    api: Client, ledger: Ledger, course: Settings, marker: None, filename: str
) -> None:
    body = GOOD[filename]
    answer = api("ada").post(PATH, params={"filename": filename, "wait": 20}, content=body)
    assert answer.status_code == 201, answer.text
    found = answer.json()
    assert (found["state"], found["kind"], found["origin"], found["filename"]) == (
        "scored",
        "predictions",
        "api",
        filename,
    )
    assert found["sha256"] == hashlib.sha256(body).hexdigest()
    assert ledger.blob(ledger.attempt(found["id"])) == body
    assert found["interval"] == pytest.approx([found["score"] - 0.01, found["score"] + 0.01])
    assert (found["rank"], found["entrants"], found["left_today"]) == (1, 1, 2)
    proof = verify_receipt(found["receipt"], public_key(ensure_secret(course, "receipts")))
    assert (proof.sha256, proof.attempt) == (found["sha256"], found["id"])


@pytest.mark.parametrize("filename", list(BAD))
def test_a_wrong_file_is_refused_by_the_api_and_costs_nothing(api: Client, ledger: Ledger, filename: str) -> None:
    body, says = BAD[filename]
    answer = api("ada").post(PATH, params={"filename": filename}, content=body)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"] == "InvalidSubmission"
    for words in says:
        assert words in answer.json()["message"]
    assert ledger.attempts() == []
    assert ledger.usage_today("bitcoin", "ada", NOW).attempts == 0


@pytest.mark.parametrize("filename", list(BAD))
def test_a_wrong_file_is_refused_by_the_form_with_the_same_words(
    api: Client, browser: Client, ledger: Ledger, filename: str
) -> None:
    body, _ = BAD[filename]
    said = api("ada").post(PATH, params={"filename": filename}, content=body).json()["message"]
    answer = form_post(browser("ada"), filename, body)
    assert answer.status_code == 400
    assert said[1:60].split("'")[0].split("&")[0] in answer.text.replace("&#39;", "'")
    assert ledger.attempts() == []


@pytest.mark.parametrize("filename", list(GOOD))
def test_the_form_takes_each_format_and_lands_on_the_score(
    browser: Client, ledger: Ledger, marker: None, filename: str
) -> None:
    answer = form_post(browser("ada"), filename, GOOD[filename])
    assert answer.status_code == 303
    (attempt,) = ledger.attempts()
    assert (attempt.kind, attempt.origin, attempt.filename) == ("predictions", "web", filename)
    page = browser("ada").get(f"attempts/{attempt.id}").text
    assert f"{attempt.public:.4f}" in page
    assert "1 of 1" in page
    assert "datauab receipt verify" in page


def test_a_multipart_body_serves_as_well(api: Client, ledger: Ledger) -> None:
    answer = api("ada").post(PATH, files={"file": ("mine.csv", GOOD["p.csv"])})
    assert answer.status_code == 201
    assert ledger.attempt(answer.json()["id"]).filename == "mine.csv"
    assert api("ada").post(PATH, files={"other": ("mine.csv", b"1")}).status_code == 400


def test_a_zip_is_a_notebook_only_with_a_notebook_at_its_root(api: Client, ledger: Ledger) -> None:
    for body, kind in ((archive(), "notebook"), (GOOD["p.zip"], "predictions"), (notebook(), "notebook")):
        answer = api("ada").post(PATH, params={"filename": "sent.zip"}, content=body)
        assert (answer.status_code, answer.json().get("kind")) == (201, kind)


def test_without_wait_the_answer_comes_at_once_and_with_it_not_later_than_said(api: Client) -> None:
    ada = api("ada")
    first = ada.post(PATH, content=GOOD["p.npy"]).json()
    assert (first["state"], first["score"], first["rank"], first["left_today"]) == ("queued", None, None, 2)
    assert first["queue_position"] == 1
    begin = time.monotonic()
    again = ada.get(f"api/v1/attempts/{first['id']}", params={"wait": 0.4}).json()
    assert again["state"] == "queued"
    assert 0.3 < time.monotonic() - begin < 5


def test_who_waits_is_told_of_a_failure_too(api: Client, ledger: Ledger, course: Settings) -> None:
    number = api("ada").post(PATH, content=GOOD["p.npy"]).json()["id"]

    def fail() -> None:
        lease = ledger.lease("test")
        assert lease is not None
        ledger.finish_failed(lease, "the metric found no number", platform=True)

    threading.Timer(0.2, fail).start()  # and nobody rings
    found = api("ada").get(f"api/v1/attempts/{number}", params={"wait": 20}).json()
    assert (found["state"], found["reason"], found["left_today"]) == ("failed", "the metric found no number", 3)


def test_a_repeated_request_makes_one_attempt_and_one_score(api: Client, ledger: Ledger, marker: None) -> None:
    headers = {"Idempotency-Key": "once"}
    answers = [
        api("ada").post(PATH, params={"wait": 20}, content=GOOD["p.npy"], headers=headers).json() for _ in range(3)
    ]
    assert len({answer["id"] for answer in answers}) == 1
    assert len({answer["score"] for answer in answers}) == 1
    assert len(ledger.attempts()) == 1


@pytest.mark.parametrize("board", ["blind", "hidden"])
def test_a_phase_that_hides_scores_hides_them_in_every_answer(
    api: Client, browser: Client, course: Settings, ledger: Ledger, marker: None, *, board: str
) -> None:
    change(course, 'name = "main"', f'name = "main"\nboard = "{board}"')
    found = api("ada").post(PATH, params={"wait": 20}, content=GOOD["p.npy"]).json()
    assert found["state"] == "scored"
    assert (found["rank"], found["entrants"], found["private"]) == (None, None, None)
    told = ledger.attempt(found["id"]).public
    listed = api("ada").get(PATH).json()[0]
    exchange = api("ada").get("api/v1/exchange/submissions").json()
    page = browser("ada").get(f"attempts/{found['id']}").text + browser("ada").get(f"{PATH[7:]}").text
    if board == "blind":
        assert {found["score"], found["points"], listed["score"], listed["points"]} == {None}
        assert found["note"]
        assert f"{told:.4f}" not in page
        assert exchange == []  # predictions files are no notebooks
    else:
        assert found["score"] == listed["score"] == told
        assert f"{told:.4f}" in page
    assert api("teacher").get(f"api/v1/attempts/{found['id']}").json()["score"] == told


def test_a_ladder_tells_no_more_than_its_steps(api: Client, course: Settings, marker: None, ledger: Ledger) -> None:
    change(course, "[points]", "[board]\nladder_step = 0.25\nauthor_view = true\n\n[points]")
    found = api("ada").post(PATH, params={"wait": 20}, content=GOOD["p.npy"]).json()
    exact = ledger.attempt(found["id"]).public
    assert found["score"] != exact
    assert found["score"] % 0.25 == 0
    assert (found["interval"], found["points"], found["secondary"]) == (None, None, {})


def test_the_exchange_hides_the_marks_of_a_blind_phase(api: Client, course: Settings, marker: None) -> None:
    change(course, 'name = "main"', 'name = "main"\nboard = "blind"')
    number = api("ada").post("api/v1/exchange/assignments/bitcoin/submissions", content=archive()).json()["id"]
    assert api("ada").get(f"api/v1/attempts/{number}", params={"wait": 20}).json()["state"] == "scored"
    (row,) = api("ada").get("api/v1/exchange/submissions").json()
    assert (row["state"], row["public"], row["points"]) == ("scored", None, None)


def test_every_way_in_shares_one_quota_and_one_clock(
    api: Client, browser: Client, ledger: Ledger, clock: Clock
) -> None:
    ways = [
        lambda: api("ada").post(PATH, content=GOOD["p.npy"]),
        lambda: form_post(browser("ada"), "p.npy", GOOD["p.npy"]),
        lambda: api("ada").post("api/v1/exchange/assignments/bitcoin/submissions", content=archive()),
    ]
    assert [way().status_code for way in ways] == [201, 303, 201]
    assert [way().status_code for way in ways] == [429, 429, 429]
    clock.now = NOW + timedelta(days=90)
    assert [way().status_code for way in ways[::2]] == [423, 423]
    page = browser("ada").get("competitions/bitcoin/attempts").text
    assert "nothing can be submitted" in page
    assert len(ledger.attempts()) == 3


def test_late_attempts_are_marked_and_an_extension_moves_the_end(
    api: Client, browser: Client, course: Settings, ledger: Ledger, clock: Clock
) -> None:
    change(course, "[points]", "[late]\ndays = 3\n\n[points]")
    end = NOW.replace(month=12, day=1, hour=0)
    clock.now = end + timedelta(days=1, hours=1)
    number = api("ada").post(PATH, content=GOOD["p.npy"]).json()
    assert (number["late_days"], number["phase"]) == (2, None)
    assert "2 days late" in browser("ada").get("competitions/bitcoin/attempts").text
    ledger.extend("bitcoin", "bob", closes=end + timedelta(days=2), daily_scored=1, note="ill", by="teacher")
    found = api("bob").post(PATH, content=GOOD["p.npy"]).json()
    assert (found["late_days"], found["phase"], found["left_today"]) == (0, "main", 0)
    assert api("bob").post(PATH, content=GOOD["p.npy"]).status_code == 429
    clock.now = end + timedelta(days=3)
    assert api("ada").post(PATH, content=GOOD["p.npy"]).status_code == 423


def test_rules_are_accepted_before_anything_is_taken(api: Client, course: Settings, ledger: Ledger) -> None:
    change(course, "[points]", '[rules]\ntext = "Be fair."\n\n[points]')
    answer = api("ada").post(PATH, content=GOOD["p.npy"])
    assert (answer.status_code, answer.json()["error"]) == (403, "RulesNotAccepted")
    ledger.accept_rules("bitcoin", "ada", hashlib.sha256(b"Be fair.").hexdigest())
    assert api("ada").post(PATH, content=GOOD["p.npy"]).status_code == 201


def test_its_author_deletes_an_attempt_and_the_next_best_returns(
    api: Client, browser: Client, scored: Callable[..., Attempt], ledger: Ledger
) -> None:
    worse, best = scored("ada", 0.5), scored("ada", 0.8)
    assert api("bob").delete(f"api/v1/attempts/{best.id}").status_code == 404
    assert api("teacher").delete(f"api/v1/attempts/{best.id}").status_code == 403
    assert "Delete this attempt" in browser("ada").get(f"attempts/{best.id}").text
    found = api("ada").delete(f"api/v1/attempts/{best.id}").json()
    assert found["deleted_at"] is not None
    assert api("ada").delete(f"api/v1/attempts/{best.id}").json() == found, "asking again changes nothing"
    assert api("ada").get(f"api/v1/attempts/{worse.id}").json()["rank"] == 1
    assert "deleted" in browser("ada").get("competitions/bitcoin/attempts").text
    ada = browser("ada")
    token = ada.get(f"attempts/{worse.id}").text.split('name="_xsrf" value="')[1].split('"')[0]
    assert ada.post(f"attempts/{worse.id}/delete", data={"_xsrf": "wrong"}).status_code == 403
    assert ada.post(f"attempts/{worse.id}/delete", data={"_xsrf": token}).status_code == 303
    assert ledger.attempt(worse.id).deleted_at is not None


def test_what_waits_cannot_be_deleted(api: Client) -> None:
    number = api("ada").post(PATH, content=GOOD["p.npy"]).json()["id"]
    assert api("ada").delete(f"api/v1/attempts/{number}").status_code == 409


def test_lists_go_on_where_they_stop(api: Client, scored: Callable[..., Attempt]) -> None:
    numbers = [scored("ada", 0.1).id for _ in range(5)][::-1]
    first = api("ada").get(PATH, params={"limit": 2}).json()
    rest = api("ada").get(PATH, params={"before": first[-1]["id"]}).json()
    assert [one["id"] for one in (*first, *rest)] == numbers


def test_a_team_sees_its_members_attempts_and_shares_their_quota(
    api: Client, browser: Client, course: Settings, ledger: Ledger, scored: Callable[..., Attempt]
) -> None:
    change(course, "[points]", "[teams]\nmax_size = 2\n\n[points]")
    attempt = scored("ada", 0.5)
    assert api("bob").get(f"api/v1/attempts/{attempt.id}").status_code == 404
    team = ledger.create_team("bitcoin", "Owls", "ada")
    ledger.accept(ledger.invite(team.id, "ada", "bob").id, "bob", lambda members: None)
    assert api("bob").get(f"api/v1/attempts/{attempt.id}").json()["score"] == 0.5
    assert [one["id"] for one in api("bob").get(PATH).json()] == [attempt.id]
    assert "ada" in browser("bob").get("competitions/bitcoin/attempts").text
    assert api("bob").delete(f"api/v1/attempts/{attempt.id}").status_code == 403
    codes = [api(name).post(PATH, content=GOOD["p.npy"]).status_code for name in ("ada", "bob", "ada", "bob")]
    assert codes == [201, 201, 201, 429]


def test_announcements_are_listed(api: Client, ledger: Ledger) -> None:
    ledger.announce("bitcoin", "The data was corrected.", "teacher")
    (found,) = api(None).get("api/v1/competitions/bitcoin/announcements").json()
    assert found["text"] == "The data was corrected."


@pytest.fixture
def student(address: str, course: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand where a student's notebook stands, with the club's real service beside it."""
    from datauab.competition import load_competition

    folder = course.public / "bitcoin"
    competition = load_competition(course.source / "bitcoin")
    (folder / "competition.json").write_text(competition.model_dump_json())
    prepared = {
        "name": "bitcoin",
        "title": "Bitcoin",
        "source": "a course",
        "licence": "none",
        "withheld": [],
        "version": 1,
        "stand_in": False,
        "rows": {"train": 9, "test": ROWS},
        "raw": "",
        "fingerprint": "",
        "baselines": {},
        "size": 9,
    }
    (folder / "dataset.json").write_text(json.dumps(prepared))
    monkeypatch.setenv("DATAUAB_PUBLIC", str(course.public))
    monkeypatch.setenv("DATAUAB_WEB_URL", address)
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "tok-ada")


def test_a_notebook_hands_in_and_sees_its_score(
    student: None, marker: None, ledger: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger.announce("bitcoin", "The data was corrected.", "teacher")
    result = datauab.submit("bitcoin", list(VALUES))
    said = capsys.readouterr().out
    assert (result.state, result.rank, result.entrants, result.left_today) == ("scored", 1, 1, 2)
    assert f"{result.score:.4f}" in said
    assert "The data was corrected." in said
    assert "rank 1 of 1" in said
    assert result.receipt in said
    assert f"attempts/{result.attempt}" in result._repr_html_()
    assert ledger.blob(ledger.attempt(result.attempt)) == to_npy(VALUES)


@pytest.mark.parametrize("filename", list(GOOD))
def test_a_file_is_checked_and_handed_in_as_it_is(student: None, ledger: Ledger, tmp_path: Path, filename: str) -> None:
    path = tmp_path / filename
    path.write_bytes(GOOD[filename])
    assert datauab.check("bitcoin", path)
    result = datauab.submit("bitcoin", path, wait=0)
    assert result.state == "queued"
    assert ledger.blob(ledger.attempt(result.attempt)) == GOOD[filename]


@pytest.mark.parametrize("filename", [name for name in BAD if "ipynb" not in name])
def test_the_check_says_beforehand_what_the_club_would_say(
    student: None, api: Client, tmp_path: Path, filename: str
) -> None:
    body, _ = BAD[filename]
    said = api("ada").post(PATH, params={"filename": filename}, content=body).json()["message"]
    path = tmp_path / filename
    path.write_bytes(body)
    with pytest.raises(InvalidSubmission) as found:
        datauab.check("bitcoin", str(path))
    assert str(found.value)[:60] == said[:60]


def test_refusals_reach_the_notebook_as_what_they_are(student: None, clock: Clock) -> None:
    for _ in range(3):
        datauab.submit("bitcoin", VALUES, wait=0)
    with pytest.raises(LimitReached, match="expected at most 3"):
        datauab.submit("bitcoin", VALUES, wait=0)
    clock.now = NOW + timedelta(days=90)
    with pytest.raises(PhaseClosed, match="is closed"):
        datauab.submit("bitcoin", VALUES, wait=0)
    with pytest.raises(ClubError, match="no competition"):
        datauab.submit("chess", VALUES, wait=0)


def test_the_command_line_hands_in(
    student: None, marker: None, address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bitcoin.ipynb"
    path.write_bytes(notebook("predictions = 2"))
    submit_command("bitcoin", path, url=address, token="tok-bob", wait=20)
    said = capsys.readouterr().out
    assert "public score" in said
    assert "rank 1 of 1" in said
