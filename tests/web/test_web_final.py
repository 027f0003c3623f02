"""The final choice of attempts through the real service: by whom, of what, until when, and what it shows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from web_course import NOW, Clock, Members, add_attempt  # type: ignore[import-not-found]
from web_teams import API, PAGE, Client, describe, form_of, know, make_team  # type: ignore[import-not-found]

from datauab.ledger import Attempt, Ledger
from datauab.settings import Settings

Scored = Callable[..., Attempt]
END = datetime(2026, 12, 1, tzinfo=UTC)
INSTANT = timedelta(microseconds=1)


@pytest.fixture
def course(course: Settings, members: Members) -> Settings:
    describe(course, "[teams]\nmax_size = 3\n")
    know(members, "carla")
    return course


def put(client: httpx.Client, *numbers: int) -> httpx.Response:
    return client.put(f"{API}/final", json={"attempts": list(numbers)})


def refused(answer: httpx.Response, status: int, *says: str) -> None:
    assert answer.status_code == status, answer.text
    for part in says:
        assert part in answer.json()["message"]


def test_a_choice_is_kept_and_can_be_changed(api: Client, scored: Scored, ledger: Ledger) -> None:
    first, second, third = (scored("ada", score).id for score in (0.5, 0.7, 0.6))
    found = api("ada").get(f"{API}/final").json()
    assert [(one["id"], one["score"], one["by_rule"]) for one in found["attempts"]] == [
        (third, 0.6, True),
        (second, 0.7, True),
        (first, 0.5, False),
    ]
    assert (found["most"], found["chosen"], found["closed"]) == (2, [], "")
    assert "2 attempts with the best public scores" in found["rule"]
    assert put(api("ada"), first).json()["chosen"] == [first]
    assert put(api("ada"), third, first, third).json()["chosen"] == [third, first]
    assert ledger.final_selections("bitcoin") == {"ada": (third, first)}
    assert put(api("ada")).json()["chosen"] == []
    assert ledger.final_selections("bitcoin") == {}


def test_only_own_scored_attempts_can_be_chosen_and_no_more_than_allowed(
    api: Client, scored: Scored, ledger: Ledger
) -> None:
    numbers = [scored("ada", score).id for score in (0.1, 0.2, 0.3)]
    bobs = scored("bob", 0.9).id
    baseline = scored("ada", 0.9, origin="baseline").id
    deleted = scored("ada", 0.4).id
    ledger.delete_attempt(deleted, by="ada")
    waiting = add_attempt(ledger, "ada").id
    refused(put(api("ada"), *numbers), 400, "at most 2 attempts", "found 3")
    for wrong in (bobs, baseline, deleted, waiting, 0, -1, 10**9, 2**62, 10**30):
        refused(put(api("ada"), numbers[0], wrong), 400, f"attempt {wrong} cannot be chosen")
    assert api("ada").get(f"{API}/final").json()["chosen"] == []
    assert {one["id"] for one in api("ada").get(f"{API}/final").json()["attempts"]} == set(numbers)


def test_a_deleted_attempt_is_chosen_no_more(api: Client, scored: Scored, ledger: Ledger) -> None:
    first, second = scored("ada", 0.5).id, scored("ada", 0.7).id
    put(api("ada"), first, second)
    ledger.delete_attempt(first, by="ada")
    assert api("ada").get(f"{API}/final").json()["chosen"] == [second]


def test_a_team_chooses_together(api: Client, scored: Scored, ledger: Ledger) -> None:
    adas, bobs, carlas = scored("ada", 0.5).id, scored("bob", 0.7).id, scored("carla", 0.9).id
    number = make_team(api, "One", "ada", "bob")
    assert put(api("bob"), adas, bobs).json()["chosen"] == [adas, bobs]
    found = api("ada").get(f"{API}/final").json()
    assert found["chosen"] == [adas, bobs]
    assert {one["id"]: (one["author"], one["score"]) for one in found["attempts"]} == {
        adas: ("ada", 0.5),
        bobs: ("bob", 0.7),
    }
    assert ledger.final_selections("bitcoin") == {f"team:{number}": (adas, bobs)}
    refused(put(api("ada"), carlas), 400, "cannot be chosen")
    api("bob").delete(f"{API}/team")
    assert api("ada").get(f"{API}/final").json()["chosen"] == [adas]
    refused(put(api("ada"), bobs), 400, "cannot be chosen")
    assert api("bob").get(f"{API}/final").json()["chosen"] == []


def test_the_choice_is_open_until_the_very_end(api: Client, scored: Scored, clock: Clock) -> None:
    number = scored("ada", 0.5).id
    clock.now = END - INSTANT
    assert put(api("ada"), number).status_code == 200
    clock.now = END
    answer = put(api("ada"))
    assert (answer.status_code, answer.json()["error"]) == (423, "PhaseClosed")
    found = api("ada").get(f"{API}/final").json()
    assert found["chosen"] == [number]
    assert found["closed"]
    page = api("ada").get(f"{PAGE}/final").text
    assert "Keep this choice" not in page
    assert "disabled" in page


def test_with_a_later_reveal_the_choice_ends_with_the_last_phase(
    api: Client, course: Settings, scored: Scored, clock: Clock
) -> None:
    describe(course, "[reveal]\nat = 2026-12-10T00:00:00Z\n")
    number = scored("ada", 0.5).id
    clock.now = END
    refused(put(api("ada"), number), 423, "could be chosen until 01 December 2026, 01:00")


def test_an_early_reveal_ends_the_choice(api: Client, course: Settings, scored: Scored, clock: Clock) -> None:
    describe(course, "[reveal]\nat = 2026-11-20T00:00:00Z\n")
    number = scored("ada", 0.5).id
    clock.now = datetime(2026, 11, 20, tzinfo=UTC)
    refused(put(api("ada"), number), 423, "the private scores are shown already")
    clock.now -= INSTANT
    assert put(api("ada"), number).status_code == 200


def test_an_extension_is_time_to_choose_too(
    api: Client, course: Settings, scored: Scored, clock: Clock, ledger: Ledger
) -> None:
    describe(course, "[reveal]\nat = 2026-12-20T00:00:00Z\n")
    number = scored("ada", 0.5).id
    longer = END + timedelta(days=5)
    ledger.extend("bitcoin", "ada", closes=longer, daily_scored=None, note="ill", by="teacher")
    clock.now = longer - INSTANT
    assert put(api("ada"), number).status_code == 200
    refused(put(api("bob")), 423)
    clock.now = longer
    refused(put(api("ada")), 423)


def test_late_attempts_cannot_be_chosen_where_they_are_not_ranked(
    api: Client, course: Settings, scored: Scored
) -> None:
    describe(course, "[late]\ndays = 7\n")
    late = scored("ada", 0.9, late_days=1, phase=None).id
    refused(put(api("ada"), late), 400, "cannot be chosen")
    path = course.source / "bitcoin" / "competition.toml"
    path.write_text(path.read_text() + "ranked = true\n")
    assert put(api("ada"), late).status_code == 200


@pytest.mark.parametrize(
    ("view", "toml", "told"),
    [
        ("hidden", "", ([0.7, 0.5], "board is hidden")),
        ("blind", "", ([None, None], "phase is blind")),
        ("public", "[board]\nladder_step = 0.5\n", ([0.5, 0.5], "climbs in steps of 0.5")),
    ],
)
def test_no_score_is_shown_that_may_not_be_seen_yet(
    api: Client, course: Settings, scored: Scored, *, view: str, toml: str, told: tuple[list[float | None], str]
) -> None:
    shown, note = told
    describe(course, toml, closes=f'2026-12-01T00:00:00Z\nboard = "{view}"')
    scored("ada", 0.5)
    scored("ada", 0.7)
    found = api("ada").get(f"{API}/final").json()
    assert [one["score"] for one in found["attempts"]] == shown
    assert note in found["note"]
    if view != "hidden":
        assert not any(one["by_rule"] for one in found["attempts"]), "a mark would tell which one is better"
        page = api("ada").get(f"{PAGE}/final").text
        assert "0.7000" not in page
        assert "counts by rule" not in page
    for text in (api("ada").get(f"{PAGE}/final").text, api("ada").get(f"{API}/final").text):
        assert "0.69" not in text, "no private score"


def test_where_the_newest_attempt_counts_the_page_says_so(api: Client, course: Settings, scored: Scored) -> None:
    describe(course, '[board]\npolicy = "last"\n')
    scored("ada", 0.9)
    newest = scored("ada", 0.5).id
    found = api("ada").get(f"{API}/final").json()
    assert [one["id"] for one in found["attempts"] if one["by_rule"]] == [newest]
    assert "newest scored attempt" in found["rule"]


def test_the_form_keeps_the_ticked_attempts(api: Client, browser: Client, course: Settings, scored: Scored) -> None:
    describe(course, "[board]\nfinalists = 10\n")
    numbers = [scored("ada", index / 20, received_at=NOW - timedelta(hours=index)).id for index in range(12)]
    ada = browser("ada")
    sent = form_of(ada, f"{PAGE}/final", attempt=[str(number) for number in numbers[:10]])
    assert sent.status_code == 303
    assert sorted(api("ada").get(f"{API}/final").json()["chosen"]) == numbers[:10]
    page = ada.get(f"{PAGE}/final").text
    assert page.count(" checked>") == 10
    too_many = form_of(ada, f"{PAGE}/final", attempt=[str(number) for number in numbers])
    assert too_many.status_code == 400
    assert "Expected at most 10 attempts" in too_many.text
    assert form_of(ada, f"{PAGE}/final", attempt=["x"]).status_code == 400
    assert form_of(ada, f"{PAGE}/final").status_code == 303
    assert api("ada").get(f"{API}/final").json()["chosen"] == []


def test_who_has_no_score_finds_nothing_to_choose(api: Client) -> None:
    assert "Nothing can be chosen yet" in api("ada").get(f"{PAGE}/final").text
    assert put(api("ada")).json()["attempts"] == []
