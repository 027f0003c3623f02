"""Every refusal at the door, and that what is accepted is on disk, queued and proven."""

from __future__ import annotations

import hashlib
import io
import stat
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from web_course import NOW, Clock, archive, notebook  # type: ignore[import-not-found]

from datauab.competition import load_competition
from datauab.keys import ensure_secret
from datauab.ledger import Ledger
from datauab.receipts import Receipt, public_key, verify_receipt
from datauab.settings import Settings

Client = Callable[[str | None], httpx.Client]
PATH = "api/v1/exchange/assignments/bitcoin/submissions"
MIB = 2**20


def with_link() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as file:
        file.writestr("bitcoin.ipynb", notebook())
        link = zipfile.ZipInfo("data.csv")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        file.writestr(link, "/etc/passwd")
    return target.getvalue()


def bomb() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("bitcoin.ipynb", notebook())
        file.writestr("zeros", bytes(300 * MIB))
    return target.getvalue()


def test_an_accepted_submission_is_stored_queued_and_proven(
    api: Client, ledger: Ledger, course: Settings, clock: Clock
) -> None:
    body = archive()
    answer = api("ada").post(PATH, content=body)
    assert answer.status_code == 201
    found = answer.json()
    attempt = ledger.attempt(found["id"])
    assert (attempt.member, attempt.origin, attempt.state) == ("ada", "exchange", "queued")
    assert ledger.blob(attempt) == body
    assert found["sha256"] == hashlib.sha256(body).hexdigest()
    assert found["timestamp"] == "2026-10-14 10:00:00.000000 UTC"
    proof = verify_receipt(found["receipt"], public_key(ensure_secret(course, "receipts")))
    assert proof == Receipt("Data UAB", "bitcoin", "ada", attempt.id, attempt.sha256, len(body), NOW)
    assert api(None).get("api/v1/receipts/key").json() == {"key": public_key(ensure_secret(course, "receipts"))}


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "empty"),
        (b"not a zip at all", "expected a zip"),
        (archive()[:-30], "zip"),
        (archive({"other.ipynb": notebook()}), "expected bitcoin.ipynb at its root, found other.ipynb"),
        (archive({"bitcoin/bitcoin.ipynb": notebook()}), "not their folder"),
        (archive({"bitcoin.ipynb": b"print('hello')"}), "no notebook"),
        (archive({"bitcoin.ipynb": b'{"nbformat": 3}'}), "format 4"),
        (archive({"bitcoin.ipynb": b'{"nbformat": 4, "nbformat_minor": 5, "cells": 7}'}), "notebook"),
        (archive({"bitcoin.ipynb": notebook(), "../../evil.py": b""}), "not allowed"),
        (archive({"bitcoin.ipynb": notebook(), "/etc/cron.d/x": b""}), "not allowed"),
        (with_link(), "link"),
        (bomb(), "too large"),
    ],
    ids=[
        "empty",
        "no zip",
        "cut off",
        "other name",
        "nested",
        "no notebook",
        "old format",
        "broken",
        "leaves",
        "absolute",
        "link",
        "bomb",
    ],
)
def test_a_bad_archive_is_refused_with_the_reason(api: Client, ledger: Ledger, body: bytes, says: str) -> None:
    answer = api("ada").post(PATH, content=body)
    assert answer.status_code == 400
    assert answer.json()["error"] == "InvalidSubmission"
    assert says in answer.json()["message"]
    assert ledger.attempts() == []


def chunks(size: int) -> Iterator[bytes]:
    for _ in range(size // 65536):
        yield bytes(65536)


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "chunked"])
def test_too_large_is_refused_while_it_arrives(api: Client, ledger: Ledger, announced: bool) -> None:
    body = bytes(3 * MIB) if announced else chunks(3 * MIB)
    answer = api("ada").post(PATH, content=body)
    assert answer.status_code == 413
    assert answer.json()["error"] == "InvalidSubmission"
    assert "at most 1 MiB" in answer.json()["message"]
    assert ledger.attempts() == []


def test_too_large_a_file_in_the_form_is_refused_with_a_page(browser: Client, ledger: Ledger) -> None:
    ada = browser("ada")
    token = ada.get("competitions/bitcoin/attempts").text.split('name="_xsrf" value="')[1].split('"')[0]
    files = {"file": ("bitcoin.zip", bytes(3 * MIB))}
    answer = ada.post("competitions/bitcoin/attempts", data={"_xsrf": token}, files=files)
    assert answer.status_code == 413
    assert "Too large" in answer.text
    assert ledger.attempts() == []


@pytest.mark.parametrize(
    ("moment", "says"),
    [
        (datetime(2026, 8, 31, 23, 59, 59, tzinfo=UTC), "opens on 01 September 2026, 02:00 (Europe/Madrid)"),
        (datetime(2026, 12, 1, 0, 0, 0, tzinfo=UTC), "ended on 01 December 2026, 01:00 (Europe/Madrid)"),
    ],
)
def test_outside_its_phases_a_competition_is_closed_for_everybody(
    api: Client, ledger: Ledger, clock: Clock, moment: datetime, says: str
) -> None:
    clock.now = moment
    for name in ("ada", "teacher"):
        answer = api(name).post(PATH, content=archive())
        assert answer.status_code == 423
        assert answer.json()["error"] == "PhaseClosed"
        assert says in answer.json()["message"]
    assert ledger.attempts() == []
    clock.now = datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC)
    assert api("ada").post(PATH, content=archive()).status_code == 201


def test_what_waits_counts_until_it_ends(api: Client, clock: Clock) -> None:
    ada = api("ada")
    for _ in range(3):
        assert ada.post(PATH, content=archive()).status_code == 201
    answer = ada.post(PATH, content=archive())
    assert answer.status_code == 429
    assert answer.json()["error"] == "LimitReached"
    assert "3 waiting" in answer.json()["message"]
    assert "15 October 2026, 00:00 (Europe/Madrid)" in answer.json()["message"]
    assert api("bob").post(PATH, content=archive()).status_code == 201
    clock.now = NOW + timedelta(hours=12)
    assert ada.post(PATH, content=archive()).status_code == 201, "midnight of the club's zone has passed"


@pytest.mark.parametrize(("platform", "accepted"), [(False, 5), (True, 6)])
def test_failures_cost_only_the_cap_and_platform_faults_nothing(
    api: Client, ledger: Ledger, platform: bool, accepted: int
) -> None:
    ada = api("ada")
    for _ in range(accepted):
        assert ada.post(PATH, content=archive()).status_code == 201
        lease = ledger.lease("test")
        assert lease is not None
        ledger.finish_failed(lease, "cell 3 raised NameError", platform=platform)
    assert ada.post(PATH, content=archive()).status_code == (201 if platform else 429)


def test_quotas_hold_when_attempts_arrive_at_once(api: Client, ledger: Ledger) -> None:
    ada = api("ada")
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: ada.post(PATH, content=archive(), timeout=60).status_code, range(12)))
    assert sorted(set(found)) == [201, 429]
    assert found.count(201) == 3
    assert len(ledger.attempts()) == 3


def test_instructors_have_no_quota(api: Client) -> None:
    assert {api("teacher").post(PATH, content=archive()).status_code for _ in range(6)} == {201}


def test_a_repeated_request_makes_one_attempt(api: Client, ledger: Ledger) -> None:
    headers = {"Idempotency-Key": "abc-1"}
    first, second = (api("ada").post(PATH, content=archive(), headers=headers).json() for _ in range(2))
    assert first == second
    other = api("bob").post(PATH, content=archive(), headers=headers).json()
    assert other["id"] != first["id"], "a key is good for its own member only"
    assert len(ledger.attempts()) == 2


def test_nobody_hands_in_for_a_competition_that_is_not_there(api: Client) -> None:
    for name in ("nothing", "..", "%2e%2e%2fsource", "Bitcoin"):
        answer = api("ada").post(f"api/v1/exchange/assignments/{name}/submissions", content=archive())
        assert answer.status_code in (404, 405)


@pytest.mark.parametrize(
    ("filename", "content"), [("my work (3).ipynb", notebook("x = 2")), ("bitcoin.zip", archive())]
)
def test_the_form_takes_notebook_or_zip(browser: Client, ledger: Ledger, filename: str, content: bytes) -> None:
    ada = browser("ada")
    token = ada.get("competitions/bitcoin/attempts").text.split('name="_xsrf" value="')[1].split('"')[0]
    answer = ada.post("competitions/bitcoin/attempts", data={"_xsrf": token}, files={"file": (filename, content)})
    assert answer.status_code == 303
    (attempt,) = ledger.attempts()
    assert answer.headers["location"] == f"/services/club/attempts/{attempt.id}"
    assert attempt.origin == "web"
    with zipfile.ZipFile(io.BytesIO(ledger.blob(attempt))) as stored:
        assert stored.namelist() == ["bitcoin.ipynb"]


@pytest.mark.parametrize("files", [{"file": ("notes.txt", b"hello")}, {"file": ("x.zip", b"hello")}, {}])
def test_the_form_refuses_other_files(browser: Client, ledger: Ledger, files: dict[str, tuple[str, bytes]]) -> None:
    ada = browser("ada")
    token = ada.get("competitions/bitcoin/attempts").text.split('name="_xsrf" value="')[1].split('"')[0]
    answer = ada.post("competitions/bitcoin/attempts", data={"_xsrf": token}, files=files)
    assert answer.status_code == 400
    assert "This cannot be accepted" in answer.text
    assert ledger.attempts() == []


def test_the_gate_reads_the_competition_as_it_is_now(api: Client, course: Settings) -> None:
    path = course.source / "bitcoin" / "competition.toml"
    path.write_text(path.read_text().replace("2026-12-01", "2026-10-01"))
    assert load_competition(path.parent).phases[0].closes == datetime(2026, 10, 1, tzinfo=UTC)
    assert api("ada").post(PATH, content=archive()).status_code == 423


def test_a_changed_receipt_is_refused_by_the_page(api: Client) -> None:
    token = api("ada").post(PATH, content=archive()).json()["receipt"]
    for wrong in (token[:-2] + "xx", token[2:], "", "a.b"):
        assert api(None).get("receipts", params={"token": wrong}).status_code == 400


def test_anybody_can_check_a_receipt(api: Client) -> None:
    token = api("ada").post(PATH, content=archive()).json()["receipt"]
    page = api(None).get("receipts", params={"token": token})
    assert page.status_code == 200
    assert "genuine" in page.text
    assert "ada" in page.text
