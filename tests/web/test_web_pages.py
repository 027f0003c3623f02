"""What pages show: boards, hostile names, long boards, covers, notices, live news."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from html.parser import HTMLParser

import httpx
import pytest
from web_course import NOW, PNG, Clock, Members, add_attempt, archive  # type: ignore[import-not-found]

from datauab.ledger import Attempt, Ledger
from datauab.settings import Settings
from datauab.web.auth import Identity

Client = Callable[[str | None], httpx.Client]
Scored = Callable[..., Attempt]
HOSTILE = "<script>alert(1)</script>\"'&{{7*7}}"


class Rows(HTMLParser):
    """The rows of a page's board, each as the texts of its cells, with the row's classes first."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self._inside = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([str(dict(attrs).get("class", "")).strip()])
        self._inside = tag in ("td", "th") or (self._inside and tag != "caption")
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self._inside and self.rows:
            self.rows[-1][-1] += data


def test_the_board_ranks_members_among_visible_baselines(api: Client, scored: Scored, ledger: Ledger) -> None:
    ledger.upsert_member("ada", "Ada Puig")
    scored("Mean", 0.0, origin="baseline")
    scored("bob", 0.4)
    scored("Linear regression", 0.7, origin="baseline")
    scored("ada", 0.8)
    scored("ada", 0.6)
    add_attempt(ledger, "carla")
    rows = Rows(api("ada").get("competitions/bitcoin").text).rows[1:]
    assert [(row[1], row[2].split(" ")[0], row[3][:6], row[4].split(" ")[0]) for row in rows] == [
        ("1", "Ada", "0.8000", "2"),
        ("–", "Linear", "0.7000", "–"),
        ("2", "bob", "0.4000", "1"),
        ("–", "Mean", "0.0000", "–"),
    ]
    assert [row[0].split(" ")[0] for row in rows] == ["mine", "baseline", "top", "baseline"]
    assert "mine" not in "".join(row[0] for row in Rows(api(None).get("competitions/bitcoin").text).rows)
    data = api("bob").get("api/v1/competitions/bitcoin/leaderboard").json()
    assert [(row["rank"], row["baseline"], row["mine"]) for row in data["rows"]] == [
        (1, False, False),
        (None, True, False),
        (2, False, True),
        (None, True, False),
    ]


def test_names_are_text_and_never_markup(api: Client, scored: Scored, ledger: Ledger) -> None:
    ledger.upsert_member("ada", HOSTILE)
    attempt = scored("ada", 0.8)
    scored("<img src=x onerror=alert(2)>", 0.5)
    paths = ["competitions/bitcoin", "competitions/bitcoin/manage", f"attempts/{attempt.id}"]
    for path in paths:
        page = api("teacher").get(path).text
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert "49" not in page.split("alert(1)")[1][:40]
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_reasons_and_addresses_are_text_too(api: Client, ledger: Ledger) -> None:
    add_attempt(ledger, "ada")
    lease = ledger.lease("test")
    assert lease is not None
    ledger.finish_failed(lease, f"cell 3 raised {HOSTILE}", platform=False)
    for path in ("competitions/bitcoin/attempts", "attempts/1", "competitions/<script>alert(1)</script>"):
        assert "<script>alert" not in api("ada").get(path).text
    assert "It could not be scored" in api("ada").get("attempts/1").text


def test_a_long_board_has_pages_of_a_hundred(api: Client, members: Members, scored: Scored) -> None:
    members.known["tok-m101"] = Identity("m101")
    for index in range(103):
        scored(f"m{index:03d}", 0.9 - index / 1000)
    first, second = (Rows(api("m101").get(f"competitions/bitcoin?page={page}").text).rows[1:] for page in (1, 2))
    assert [row[1] for row in first] == [str(place) for place in range(1, 101)]
    assert [row[1] for row in second] == ["101", "102", "103"]
    assert "Your row is on" in api("m101").get("competitions/bitcoin").text
    assert (
        Rows(api(None).get("competitions/bitcoin?page=99").text).rows[1:]
        == Rows(api(None).get("competitions/bitcoin?page=2").text).rows[1:]
    )
    assert api(None).get("competitions/bitcoin?page=x").status_code == 422
    assert len(api(None).get("api/v1/competitions/bitcoin/leaderboard").json()["rows"]) == 103


def test_an_attempts_page_tells_state_place_and_reason(api: Client, ledger: Ledger) -> None:
    add_attempt(ledger, "bob", received_at=NOW - timedelta(hours=3))
    add_attempt(ledger, "ada", received_at=NOW - timedelta(hours=2))
    page = api("ada").get("competitions/bitcoin/attempts").text
    assert "in the queue" in page
    assert "place 2" in page
    assert "14 Oct 2026, 10:00:00" in page, "times are those of Madrid"
    ledger.lease("test", 600)
    ledger.lease("test", 600)
    assert "being graded" in api("ada").get("attempts/2").text
    assert api("ada").get("api/v1/attempts/2").json()["state"] == "running"


def test_the_page_of_an_attempt_holds_its_receipt_and_downloads(api: Client, ledger: Ledger, scored: Scored) -> None:
    attempt = scored("ada", 0.8)
    receipt = api("ada").get(f"api/v1/attempts/{attempt.id}").json()["receipt"]
    page = api("ada").get(f"attempts/{attempt.id}").text
    assert receipt in page
    assert "/feedback" not in page
    ledger.publish_feedback(attempt.id, archive({"bitcoin.html": b"well done"}))
    assert f"attempts/{attempt.id}/feedback" in api("ada").get(f"attempts/{attempt.id}").text
    answer = api("ada").get(f"attempts/{attempt.id}/archive")
    assert answer.content == ledger.blob(attempt)
    assert answer.headers["content-disposition"] == f'attachment; filename="bitcoin-{attempt.id}.zip"'


def test_made_up_data_is_marked_on_every_page(api: Client, course: Settings, scored: Scored) -> None:
    attempt = scored("ada", 0.8)
    paths = ["", "competitions/bitcoin", "competitions/bitcoin/attempts", f"attempts/{attempt.id}"]
    assert not any("ade-up data" in api("ada").get(path).text for path in paths)
    note = course.public / "bitcoin" / "dataset.json"
    note.write_text(json.dumps({**json.loads(note.read_text()), "stand_in": True}))
    assert all("ade-up data" in api("ada").get(path).text for path in paths)
    assert "Made-up data" in api("teacher").get("competitions/bitcoin/manage").text
    assert api(None).get("api/v1/competitions/bitcoin/leaderboard").json()["stand_in"] is True


@pytest.mark.parametrize("content", ["", "{", '{"rows": {"train": "many"}}', "[]"])
def test_a_damaged_dataset_note_breaks_no_page(api: Client, course: Settings, content: str) -> None:
    (course.public / "bitcoin" / "dataset.json").write_text(content)
    assert api(None).get("competitions/bitcoin").status_code == 200


def test_the_cover_is_the_only_file_of_source_that_is_served(api: Client, course: Settings) -> None:
    answer = api(None).get("competitions/bitcoin/cover")
    assert answer.content == PNG
    assert answer.headers["content-type"] == "image/png"
    assert "sandbox" in answer.headers["content-security-policy"]
    (course.source / "bitcoin" / "img" / "other.png").write_bytes(PNG)
    for path in (
        "source/bitcoin/bitcoin.ipynb",
        "competitions/bitcoin/img/other.png",
        "competitions/bitcoin/cover/../bitcoin.ipynb",
        "competitions/..%2f..%2fgradebook/cover",
        "static/x/..%2fservice.py",
        "static/x/%2e%2e%2f%2e%2e%2fservice.py",
        "static/x/base.html",
    ):
        assert api(None).get(path).status_code == 404


@pytest.mark.parametrize(
    "cover", ["../bitcoin.ipynb", "../../../gradebook/gradebook.db", "/etc/passwd", "cover.html", "", "none.png"]
)
def test_a_cover_that_leads_elsewhere_is_not_served(api: Client, course: Settings, cover: str) -> None:
    path = course.source / "bitcoin" / "competition.toml"
    path.write_text(path.read_text().replace('cover = "cover.png"', f'cover = "{cover}"'))
    (course.source / "bitcoin" / "img" / "cover.html").write_text("<script>alert(1)</script>")
    assert api(None).get("competitions/bitcoin/cover").status_code == 404
    assert api(None).get("competitions/bitcoin").status_code == 200


def test_a_linked_cover_is_not_served(api: Client, course: Settings) -> None:
    folder = course.source / "bitcoin" / "img"
    (folder / "cover.png").unlink()
    (folder / "cover.png").symlink_to("/etc/hostname")
    assert api(None).get("competitions/bitcoin/cover").status_code == 404


def test_a_description_that_turns_bad_keeps_its_last_good_content(api: Client, course: Settings) -> None:
    path = course.source / "bitcoin" / "competition.toml"
    good = path.read_text()
    assert "Daily network data" in api(None).get("").text
    path.write_text(good.replace("r2", "no quotes\n", 1) + "colour = 3\n")
    assert "Daily network data" in api(None).get("competitions/bitcoin").text
    path.write_text(good.replace("Daily network data", "Weekly network data"))
    os.utime(path, (time.time() + 5, time.time() + 5))
    assert "Weekly network data" in api(None).get("competitions/bitcoin").text


def test_static_files_are_kept_by_browsers_under_their_version(api: Client) -> None:
    page = api(None).get("").text
    sheet = page.split('rel="stylesheet" href="')[1].split('"')[0]
    answer = api(None).get(sheet.removeprefix("/services/club/"))
    assert answer.headers["content-type"].startswith("text/css")
    assert "immutable" in answer.headers["cache-control"]


def test_an_open_board_hears_of_a_score_within_a_second(address: str, scored: Scored) -> None:
    scored("ada", 0.5)
    heard: list[tuple[float, str]] = []
    ready = threading.Event()

    def listen() -> None:
        with httpx.stream("GET", f"{address}competitions/bitcoin/events", trust_env=False, timeout=20) as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            for line in stream.iter_lines():
                if line.startswith("data: "):
                    heard.append((time.monotonic(), line))
                    ready.set()
                    if len(heard) == 2:
                        return

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    assert ready.wait(20)
    scored("ada", 0.9)
    at = time.monotonic()
    listener.join(20)
    assert len({line for _, line in heard}) == 2
    assert heard[1][0] - at < 1.0


def test_error_pages_and_api_errors_say_what_to_do(api: Client) -> None:
    page = api(None).get("no/such/page")
    assert page.status_code == 404
    assert "There is nothing here" in page.text
    assert '<html lang="en">' in page.text
    answer = api(None).get("api/v1/no/such")
    assert answer.status_code == 404
    assert set(answer.json()) == {"error", "message"}
    assert api("ada").post("api/v1/competitions").status_code == 405


def test_openapi_describes_every_way_in(api: Client) -> None:
    document = api(None).get("api/openapi.json").json()
    prefix = "/services/club/api/v1"
    assert f"{prefix}/exchange/assignments/{{name}}/submissions" in document["paths"]
    for path, methods in document["paths"].items():
        assert path.startswith(prefix)
        for method in methods.values():
            assert any(code in method["responses"] for code in ("200", "201", "204"))
            assert "ProblemAnswer" in json.dumps(method["responses"]["403"])


def test_instructors_release_withdraw_and_give_feedback(api: Client, ledger: Ledger) -> None:
    teacher, ada = api("teacher"), api("ada")
    body = archive({"bitcoin.ipynb": b"{}", "img/one.png": PNG})
    assert teacher.put("api/v1/exchange/assignments/bitcoin", content=body).status_code == 200
    assert ada.get("api/v1/exchange/assignments").json()[0]["name"] == "bitcoin"
    assert ada.get("api/v1/exchange/assignments/bitcoin/archive").content == body
    assert teacher.put("api/v1/exchange/assignments/none", content=body).status_code == 404
    assert teacher.put("api/v1/exchange/assignments/bitcoin", content=b"no zip").status_code == 400
    assert teacher.put("api/v1/exchange/assignments/bitcoin", content=archive({"a": b""})).status_code == 400
    attempt = add_attempt(ledger, "ada")
    path = f"api/v1/exchange/submissions/{attempt.id}/feedback"
    assert teacher.put(path, content=archive({"bitcoin.html": b"good"})).status_code == 204
    assert ada.get(path).content == archive({"bitcoin.html": b"good"})
    assert ada.get("api/v1/exchange/submissions").json()[0]["has_feedback"] is True
    assert teacher.delete("api/v1/exchange/assignments/bitcoin").status_code == 204
    assert ada.get("api/v1/exchange/assignments/bitcoin/archive").status_code == 404


def test_pages_read_without_script_and_name_their_parts(api: Client, scored: Scored, clock: Clock) -> None:
    scored("ada", 0.8)
    page = api("ada").get("competitions/bitcoin").text
    for part in ("<caption>", 'scope="col"', 'lang="en"', 'for="file"', "Skip to content", "<desc", "<title id="):
        assert part in page
    clock.now = NOW + timedelta(days=90)
    assert 'type="file"' not in api("ada").get("competitions/bitcoin").text
