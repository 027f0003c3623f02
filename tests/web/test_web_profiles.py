"""Profiles and names: what a visitor learns of a member is what the member shows, and nothing leads to the account."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime

import httpx
import pytest
from boards import KEY, Filler  # type: ignore[import-not-found]
from web_course import Clock, Members  # type: ignore[import-not-found]

from datauab.ledger import Ledger
from datauab.ranking import ranking_points
from datauab.settings import Settings
from datauab.web.auth import Identity
from datauab.web.pseudonyms import is_pseudonym, random_pseudonym

Client = Callable[[str | None], httpx.Client]
Browser = Callable[[str], httpx.Client]
BOARD = "competitions/bitcoin"
API = "api/v1/competitions/bitcoin/leaderboard"
AFTER = datetime(2026, 12, 2, tzinfo=UTC)
ACCOUNT = "zz-1234567"


def choose(browser: httpx.Client, choice: str, name: str = "", again: str = "") -> httpx.Response:
    xsrf = re.search(r'name="_xsrf" value="([^"]+)"', browser.get("me").text)
    assert xsrf
    sent = {"_xsrf": xsrf[1], "choice": choice, "name": name, "again": again}
    return browser.post("me", data=sent, headers={"Sec-Fetch-Site": "same-origin"})


def test_a_pseudonym_hides_the_account_in_every_public_answer(
    api: Client, browser: Browser, members: Members, ledger: Ledger, clock: Clock
) -> None:
    members.known[f"tok-{ACCOUNT}"] = Identity(ACCOUNT)
    filler = Filler(ledger)
    for number in range(6):
        filler.score(f"m{number}", number / 10)
    filler.score(ACCOUNT, 0.8)
    assert choose(browser(ACCOUNT), "pseudonym").status_code == 303
    shown = api(None).get(API).json()["rows"][0]["name"]
    assert is_pseudonym(shown)
    clock.now = AFTER
    key = KEY.search(api(None).get(BOARD).text)
    assert key
    ways = ["", BOARD, f"{BOARD}?search={shown}", f"{BOARD}/private", f"{BOARD}/leaderboard.csv",
            f"{BOARD}/leaderboard.csv?side=private", f"{BOARD}/leaderboard.json", API, f"{API}?page=1&side=private",
            f"members/{key[1]}"]  # fmt: skip
    for way in ways:
        for who in (None, "bob"):
            text = api(who).get(way).text
            assert ACCOUNT not in text, way
            assert way == "" or shown in text, way
    assert api("bob").get(API, params={"search": ACCOUNT}).json()["rows"] == []
    assert ACCOUNT in api("teacher").get(f"members/{key[1]}").text


def test_a_profile_tells_places_medals_and_points_after_the_reveal(api: Client, ledger: Ledger, clock: Clock) -> None:
    filler = Filler(ledger)
    for number in range(10):
        filler.score(f"m{number}", 0.9 - number / 100, private=number / 100)
    key = KEY.findall(api(None).get(BOARD).text)[9]
    page = api(None).get(f"members/{key}").text
    assert "not yet" in page
    assert "gold" not in page.split("</dl>")[1].split("<details")[0]
    clock.now = AFTER
    page = api(None).get(f"members/{key}").text
    assert "medal-gold" in page.split("</dl>")[1]
    assert f"{ranking_points(1, 10, 1, 1.0):,.0f}" in page


def test_a_profile_says_nothing_of_boards_that_the_viewer_may_not_see(
    api: Client, ledger: Ledger, course: Settings
) -> None:
    Filler(ledger).score("ada", 0.7)
    key = KEY.findall(api(None).get(BOARD).text)[0]
    path = course.source / "bitcoin" / "competition.toml"
    path.write_text(path.read_text().replace('name = "main"', 'name = "main"\nboard = "hidden"'))
    assert "Predict the price" not in api(None).get(f"members/{key}").text
    assert "Predict the price" in api("teacher").get(f"members/{key}").text


@pytest.mark.parametrize("key", ["0" * 16, "ada", "../me", "A" * 16, "0" * 15])
def test_an_unknown_key_is_no_profile(api: Client, key: str) -> None:
    assert api(None).get(f"members/{key}").status_code in {404, 302}
    assert "ada" not in api(None).get(f"members/{'0' * 16}").text


def test_nobody_takes_the_name_of_another_member(browser: Browser, ledger: Ledger) -> None:
    filler = Filler(ledger)
    for name in ("ada", "bob", "carla"):
        filler.score(name, 0.5)
    ledger.upsert_member("carla", "Núria Soler")
    for name in ("bob", "BOB", "ｂｏｂ", "Núria Soler", "núria soler", "carla"):
        assert choose(browser("ada"), "own", name).status_code == 409
    for name in ("", "   ", "a\u202eb", "x" * 61):
        assert choose(browser("ada"), "own", name).status_code == 400
    assert choose(browser("ada"), "nonsense").status_code == 400
    assert choose(browser("ada"), "own", "  Ada   Puig ").status_code == 303
    assert ledger.display_names(["ada"]) == {"ada": "Ada Puig"}
    assert choose(browser("bob"), "own", "ada puig").status_code == 409
    assert choose(browser("ada"), "account").status_code == 303
    assert "checked" in browser("ada").get("me").text.split('value="account"')[1].split(">")[0]


def test_a_pseudonym_stays_until_another_is_drawn(browser: Browser, ledger: Ledger) -> None:
    choose(browser("ada"), "pseudonym")
    first = ledger.display_names(["ada"])["ada"]
    choose(browser("ada"), "pseudonym")
    assert ledger.display_names(["ada"])["ada"] == first
    choose(browser("ada"), "pseudonym", again="1")
    assert ledger.display_names(["ada"])["ada"] != first


def test_pseudonyms_are_two_words_and_a_number() -> None:
    drawn = {random_pseudonym() for _ in range(300)}
    assert len(drawn) > 290
    assert all(is_pseudonym(one) for one in drawn)
    assert not any(is_pseudonym(one) for one in ("ada", "Quiet Otter", "Quiet Otter 5", "Quiet Ada 42", ""))


def test_only_the_own_page_sets_a_name(api: Client, browser: Browser, ledger: Ledger) -> None:
    assert api(None).get("me").status_code in {302, 403}
    answer = browser("ada").post("me", data={"choice": "own", "name": "Eve", "_xsrf": "0" * 64})
    assert answer.status_code == 403
    assert ledger.display_names(["ada"]) == {}
