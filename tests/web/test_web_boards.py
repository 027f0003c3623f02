"""What boards show to whom: order, ties, pages, search, files, hidden and blind phases, the reveal, live news."""

from __future__ import annotations

import csv
import io
import json
import random
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from boards import Filler, Table, change_description  # type: ignore[import-not-found]
from web_course import Clock, Members  # type: ignore[import-not-found]

from datauab.doorbell import WEB, ring
from datauab.ledger import Ledger
from datauab.ranking import rank, tied_with_next
from datauab.settings import Settings
from datauab.web.auth import Identity

Client = Callable[[str | None], httpx.Client]
BOARD = "competitions/bitcoin"
API = "api/v1/competitions/bitcoin/leaderboard"
AFTER = datetime(2026, 12, 2, tzinfo=UTC)
WAYS = (BOARD, f"{BOARD}?search=a", f"{BOARD}/leaderboard.csv", f"{BOARD}/leaderboard.json", API, f"{API}?page=1",
        f"{API}?search=a", "", "api/v1/competitions", "api/v1/competitions/bitcoin")  # fmt: skip


@pytest.fixture
def filler(ledger: Ledger) -> Filler:
    return Filler(ledger)


def csv_rows(client: httpx.Client, query: str = "") -> list[dict[str, str]]:
    answer = client.get(f"{BOARD}/leaderboard.csv{query}")
    assert answer.status_code == 200
    return list(csv.DictReader(io.StringIO(answer.text)))


@pytest.mark.parametrize("seed", range(3))
def test_every_way_out_has_the_order_and_ranks_of_the_ranking(
    api: Client, ledger: Ledger, filler: Filler, seed: int
) -> None:
    chance = random.Random(seed)
    people = [f"m{number:02d}" for number in range(25)]
    filler.score("Mean", 0.25, origin="baseline")
    for step in range(70):
        filler.act(chance, people, step)
    rows = rank(ledger.public_board("bitcoin"), "maximize")
    expected = [(row.member, row.score, row.verified) for row in rows]
    whole = api(None).get(API).json()["rows"]
    assert [(row["name"], row["score"], row["verified"]) for row in whole] == expected
    assert api(None).get(f"{BOARD}/leaderboard.json").json()["rows"] == whole
    assert api(None).get(f"{API}?page=1").json()["rows"] == whole
    assert [(row["name"], float(row["score"]), row["verified"] == "yes") for row in csv_rows(api(None))] == expected
    shown = Table(api(None).get(BOARD).text).rows[1:]
    assert [row[1].split()[0] for row in shown] == [row.member for row in rows]
    ranks = [row["rank"] for row in whole if not row["baseline"]]
    assert ranks == list(range(1, len(ranks) + 1))
    assert [row["tied_with_next"] for row in whole] == tied_with_next(rows)


def test_scores_that_look_equal_rank_by_every_digit(api: Client, filler: Filler) -> None:
    filler.score("ada", 0.50001, hours=9)
    filler.score("bob", 0.50002, hours=3)
    filler.score("carla", 0.50002, hours=5)
    page = api(None).get(BOARD).text
    assert page.count("0.5000") >= 3
    assert [row[2][:7] for row in Table(page).rows[1:]] == ["0.5000≈", "0.5000≈", "0.50000"]
    assert [row[1].split()[0] for row in Table(page).rows[1:]] == ["carla", "bob", "ada"]
    assert [row["score"] for row in csv_rows(api(None))] == ["0.50002", "0.50002", "0.50001"]


def test_rows_whose_intervals_overlap_are_marked_as_tied(api: Client, filler: Filler) -> None:
    for name, score in (("ada", 0.9), ("bob", 0.88), ("carla", 0.5)):
        filler.score(name, score, width=0.015)
    assert [row["tied_with_next"] for row in api(None).get(API).json()["rows"]] == [True, False, False]
    found = api(None).get(f"{API}?search=bob").json()["rows"]
    assert [row["tied_with_next"] for row in found] == [False]
    assert api(None).get(f"{API}?search=ada").json()["rows"][0]["tied_with_next"] is True
    page = api(None).get(BOARD).text
    assert page.count("tied with the next row") == 1
    assert "may be chance" in page


def test_a_tie_across_the_end_of_a_page_is_marked(api: Client, filler: Filler) -> None:
    for number in range(101):
        filler.score(f"m{number:03d}", 0.9 - number / 1000)
    first = api(None).get(f"{API}?page=1").json()
    assert (first["pages"], first["entrants"], len(first["rows"])) == (2, 101, 100)
    assert first["rows"][-1]["tied_with_next"] is True
    last = api(None).get(f"{API}?page=2").json()
    assert [(row["rank"], row["tied_with_next"]) for row in last["rows"]] == [(101, False)]
    assert api(None).get(f"{API}?page=99").json()["rows"] == last["rows"]
    assert api(None).get(f"{API}?page=0").status_code == 422
    whole = api(None).get(API).json()["rows"]
    assert whole == [*first["rows"], *last["rows"]]
    assert len(csv_rows(api(None))) == 101


def test_search_finds_shown_names_with_their_ranks(api: Client, filler: Filler, ledger: Ledger) -> None:
    ledger.upsert_member("ada", "Núria Soler")
    for name, score in (("ada", 0.4), ("bob", 0.9), ("carla", 0.8)):
        filler.score(name, score)
    found = api(None).get(API, params={"search": "núria"}).json()
    assert [(row["rank"], row["name"]) for row in found["rows"]] == [(3, "Núria Soler")]
    assert api(None).get(API, params={"search": "ada"}).json()["rows"] == []
    assert "No name here contains" in api(None).get(BOARD, params={"search": "ada"}).text
    page = api(None).get(BOARD, params={"search": "<script>alert(1)</script>"}).text
    assert "<script>alert" not in page


def test_my_own_row_says_where_i_am(api: Client, filler: Filler, members: Members) -> None:
    members.known["tok-m104"] = Identity("m104")
    for number in range(105):
        filler.score(f"m{number:03d}", 0.9 - number / 1000)
    page = api("m104").get(BOARD).text
    assert 'href="?page=2#me"' in page
    assert "<strong>105</strong> of 105" in page
    assert 'id="me"' not in page
    assert 'id="me"' in api("m104").get(f"{BOARD}?page=2").text
    assert 'id="me"' not in api(None).get(f"{BOARD}?page=2").text


@pytest.mark.parametrize("view", ["hidden", "blind"])
def test_no_byte_of_a_public_answer_holds_a_score_of_a_hidden_or_blind_board(
    api: Client, filler: Filler, course: Settings, ledger: Ledger, view: str
) -> None:
    change_description(course.root, 'name = "main"', f'name = "main"\nboard = "{view}"')
    scores = {"ada": 0.7373, "bob": 0.6161, "carla": 0.5959}
    for name, score in scores.items():
        filler.score(name, score, private=score + 0.01)
    filler.score("Mean", 0.4242, origin="baseline")
    secrets = ["0.7373", "0.6161", "0.5959", "0.4242", "0.7473", "0.6261"]
    key = api("bob").get("me").text.split("members/")[1][:16]
    for way in (*WAYS, f"members/{key}"):
        answer = api(None).get(way)
        assert answer.status_code == 200
        assert not [text for text in secrets if text in answer.text], way
    for way in WAYS:
        text = api("ada").get(way).text
        assert not [one for one in secrets[1:] if one in text], way
    own = api("ada").get(API).json()
    assert own["view"] == view
    assert own["note"]
    assert [(row["rank"], row["score"]) for row in own["rows"]] == ([(None, 0.7373)] if view == "hidden" else [])
    assert ("0.7373" in api("ada").get(BOARD).text) == (view == "hidden")
    assert ("chart-line" in api("ada").get(BOARD).text) is False
    assert len(api("teacher").get(API).json()["rows"]) == 4
    ledger.rule("bitcoin", "board", "public", by="teacher")
    assert len(api(None).get(API).json()["rows"]) == 4


def test_a_spreadsheet_takes_no_name_for_a_formula(api: Client, filler: Filler, ledger: Ledger) -> None:
    names = {"ada": '=HYPERLINK("http://x")', "bob": "+1+1", "carla": "-2", "david": "@SUM(A1)", "elena": 'a, "b"'}
    for place, (name, shown) in enumerate(names.items()):
        ledger.upsert_member(name, shown)
        filler.score(name, -0.1 - place)
    rows = csv_rows(api(None))
    assert [row["name"] for row in rows] == ['\'=HYPERLINK("http://x")', "'+1+1", "'-2", "'@SUM(A1)", 'a, "b"']
    assert [float(row["score"]) for row in rows] == [-0.1, -1.1, -2.1, -3.1, -4.1]
    assert [row["name"] for row in api(None).get(API).json()["rows"]] == list(names.values())
    answer = api(None).get(f"{BOARD}/leaderboard.csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="bitcoin-public-leaderboard.csv"'


def test_the_private_board_is_for_instructors_until_the_reveal(
    api: Client, filler: Filler, clock: Clock, ledger: Ledger
) -> None:
    for number in range(10):
        filler.score(f"m{number}", 0.9 - number / 100, private=0.111 + number / 100)
    ways = (f"{BOARD}/private", f"{API}?side=private", f"{BOARD}/leaderboard.csv?side=private",
            f"{BOARD}/leaderboard.json?side=private", f"{API}?side=private&page=1")  # fmt: skip
    for way in ways:
        assert api("ada").get(way).status_code == 403
        assert api(None).get(way).status_code == 403
        assert "0.111" not in api("ada").get(way).text
        assert api("teacher").get(way).status_code == 200
    assert "Private leaderboard" not in api("ada").get(BOARD).text
    assert "1 Dec 2026, 01:00" in api(None).get(BOARD).text, "the time of the reveal, in Madrid"
    assert "Seen by instructors only" in api("teacher").get(f"{BOARD}/private").text
    assert all(row["medal"] is None for row in api("teacher").get(f"{API}?side=private").json()["rows"])
    clock.now = AFTER
    for way in ways:
        assert api(None).get(way).status_code == 200
    rows = api(None).get(f"{API}?side=private").json()["rows"]
    assert [(row["name"], row["rank"], row["public_rank"], row["moved"], row["medal"]) for row in rows] == [
        (f"m{9 - place}", place + 1, 10 - place, 9 - 2 * place, medal)
        for place, medal in enumerate(["gold", "silver", "bronze", "bronze", *[None] * 6])
    ]
    page = api(None).get(f"{BOARD}/private").text
    assert "Private leaderboard" in api(None).get(BOARD).text
    assert page.count("medal-gold") == 1
    assert Table(page).rows[1][5].split() == ["▲up", "9"]
    assert [row["moved"] for row in csv_rows(api(None), "?side=private")] == [str(9 - 2 * place) for place in range(10)]
    ledger.rule("bitcoin", "reveal_at", (AFTER + timedelta(days=1)).isoformat(), by="teacher")
    assert api(None).get(f"{BOARD}/private").status_code == 403


def test_a_team_is_one_row_with_its_members(api: Client, filler: Filler, ledger: Ledger, course: Settings) -> None:
    change_description(course.root, "[points]", "[teams]\nmax_size = 2\n\n[points]")
    team = ledger.create_team("bitcoin", "Els Quatre Gats", "ada")
    filler.score("ada", 0.5)
    filler.score("bob", 0.9)
    assert len(api(None).get(API).json()["rows"]) == 2
    ledger.accept(ledger.invite(team.id, "ada", "bob").id, "bob", lambda members: None)
    rows = api("ada").get(API).json()["rows"]
    assert [(row["rank"], row["name"], row["score"], row["members"], row["mine"]) for row in rows] == [
        (1, "Els Quatre Gats", 0.9, ["ada", "bob"], True)
    ]
    assert [row["rank"] for row in api(None).get(f"{API}?search=quatre").json()["rows"]] == [1]
    assert [row["rank"] for row in api(None).get(f"{API}?search=bob").json()["rows"]] == [1]
    assert "Els Quatre Gats" in api(None).get(BOARD).text


def test_a_ladder_tells_rounded_scores_only_and_is_explained(api: Client, filler: Filler, course: Settings) -> None:
    change_description(course.root, "[points]", "[board]\nladder_step = 0.1\n\n[points]")
    filler.score("ada", 0.5123, hours=9)
    filler.score("ada", 0.5456, hours=8)
    rows = api(None).get(API).json()["rows"]
    assert [(row["score"], row["interval"]) for row in rows] == [(0.5, None)]
    for way in WAYS:
        assert not [text for text in ("0.5123", "0.5456", "0.4923", "0.5256") if text in api(None).get(way).text]
    page = api(None).get(BOARD).text
    assert "This board is a Ladder" in page
    assert "1502.04585" in page


def test_announcements_stand_on_the_page_newest_first_in_the_clubs_zone(api: Client, ledger: Ledger) -> None:
    ledger.announce("bitcoin", "First <b>news</b>", by="teacher")
    ledger.announce("bitcoin", "Second news", by="teacher")
    page = api(None).get(BOARD).text
    assert page.index("Second news") < page.index("First &lt;b&gt;news&lt;/b&gt;")
    assert "teacher" not in page


def test_the_list_shows_counts_and_the_top_score(api: Client, filler: Filler) -> None:
    filler.score("ada", 0.75)
    filler.score("bob", 0.5)
    filler.score("Mean", 0.99, origin="baseline")
    page = api(None).get("").text
    assert "0.7500" in page
    assert "<dd>2</dd>" in page
    answer = api(None).get("api/v1/competitions").json()[0]
    assert (answer["members"], answer["top_score"], answer["revealed"]) == (2, 0.75, False)


def test_a_ring_of_the_doorbell_shows_at_once(address: str, filler: Filler, course: Settings) -> None:
    filler.score("ada", 0.5)
    heard: list[float] = []
    ready = threading.Event()

    def listen() -> None:
        with httpx.stream("GET", f"{address}{BOARD}/events", trust_env=False, timeout=20) as stream:
            for line in stream.iter_lines():
                if line.startswith("data: "):
                    assert "0.9" not in line
                    heard.append(time.monotonic())
                    ready.set()
                    if len(heard) == 4:
                        return

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    assert ready.wait(20)
    waits = []
    for score in (0.91, 0.92, 0.93):
        time.sleep(0.3)
        filler.score("bob", score)
        ring(course.state, WEB)
        began = time.monotonic()
        while len(heard) < len(waits) + 2 and time.monotonic() < began + 5:
            time.sleep(0.005)
        waits.append(heard[-1] - began)
    listener.join(10)
    assert max(waits) < 1.0
    assert min(waits) < 0.3


def test_a_board_in_json_is_what_the_api_describes(api: Client, filler: Filler) -> None:
    for number in range(3):
        filler.score(f"m{number}", number / 10)
    document = api(None).get("api/openapi.json").json()
    fields = set(document["components"]["schemas"]["BoardRowAnswer"]["properties"])
    answer = json.loads(api(None).get(API).text)
    assert set(answer) == set(document["components"]["schemas"]["BoardAnswer"]["properties"])
    assert all(set(row) <= fields for row in answer["rows"])
    assert set(api(None).get(f"{API}?page=1").json()["rows"][0]) == fields


def test_my_attempts_are_drawn_for_me_alone_and_not_in_a_blind_phase(
    api: Client, filler: Filler, course: Settings
) -> None:
    for hours, score in ((9, 0.3), (7, 0.5), (5, 0.4)):
        filler.score("ada", score, hours=hours)
    page = api("ada").get(f"{BOARD}/attempts").text
    assert page.count('class="chart-dot"') == 6, "three attempts, drawn for a wide and for a narrow screen"
    assert "chart-dot" not in api("bob").get(f"{BOARD}/attempts").text
    change_description(course.root, 'name = "main"', 'name = "main"\nboard = "blind"')
    assert "chart-dot" not in api("ada").get(f"{BOARD}/attempts").text
