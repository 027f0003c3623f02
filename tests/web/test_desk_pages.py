"""The organiser's desk as its pages work: what went wrong, retrying, extensions, rulings, news, the audit log."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx
from desk_course import MANAGE, fail, send  # type: ignore[import-not-found]
from web_course import NOW, Clock, add_attempt  # type: ignore[import-not-found]

from datauab.ledger import Attempt, Ledger

Client = Callable[[str | None], httpx.Client]
Scored = Callable[..., Attempt]
HOSTILE = "<script>alert(1)</script>"


def said(answer: httpx.Response, client: httpx.Client) -> str:
    """The page that a form leads on to."""
    assert answer.status_code == 303, answer.text
    return client.get(client.base_url.join(answer.headers["location"])).text


def test_the_overview_tells_what_went_wrong_and_whose_fault_it_was(api: Client, ledger: Ledger) -> None:
    mine, ours = add_attempt(ledger, "ada"), add_attempt(ledger, "bob")
    fail(ledger, mine, "line 3: expected a number, found 'x'")
    fail(ledger, ours, "the grader could not score this attempt", platform=True)
    detail = {"error": "metric.py, line 12: division by zero", "kind": "GradingError"}
    for target in (ours.id, ours.id + 1):
        ledger.audit("grader", "grading.error", "bitcoin", str(target), detail)
    page = api("teacher").get(MANAGE).text
    assert "expected a number, found &#39;x&#39;" in page
    assert page.count("division by zero") == 1, "one wrong metric is told once, with its attempts"
    assert "1 attempt was failed by the platform" in page
    assert "Retry all of them" in page
    assert "division by zero" in api("teacher").get(f"{MANAGE}/attempts/{ours.id}").text
    assert "division by zero" not in api("bob").get(f"attempts/{ours.id}").text


def test_both_boards_stand_side_by_side_in_pages(api: Client, scored: Scored) -> None:
    for index in range(103):
        scored(f"m{index:03d}", 0.2 + index / 1000, private=0.9 - index / 1000)
    first = api("teacher").get(MANAGE).text
    assert "page 1 of 2" in first
    assert first.index("m000") < first.index("m001")
    assert "up </span>102" in first
    second = api("teacher").get(f"{MANAGE}?page=2").text
    assert "m102" in second
    assert "m000" not in second
    assert api("teacher").get(f"{MANAGE}?page=99").text.count("<tr") == second.count("<tr")
    found = api("teacher").get(f"{MANAGE}?wanted=M10").text
    assert [f"m{n}" in found for n in ("100", "102", "099")] == [True, True, False]
    assert "Nobody on the boards has this name" in api("teacher").get(f"{MANAGE}?wanted=zoe").text


def test_attempts_are_found_by_state_kind_and_member_and_paged(api: Client, ledger: Ledger, scored: Scored) -> None:
    ids = [scored("ada", 0.5 + index / 1000).id for index in range(52)]
    fault = add_attempt(ledger, "bob")
    fail(ledger, fault, "the grader broke", platform=True)
    base = scored("Mean", 0.0, origin="baseline")
    own = add_attempt(ledger, "bob", kind="predictions", filename="mine.npy")
    fail(ledger, own, "line 3: expected a number")

    def listed(query: str) -> set[int]:
        page = api("teacher").get(f"{MANAGE}/attempts?{query}").text
        return {int(part.split("<")[0]) for part in page.split(">#")[1:]}

    assert listed("state=fault") == {fault.id}
    assert listed("state=failed") == {fault.id, own.id}
    assert listed("kind=baseline") == {base.id}
    assert listed("kind=predictions") == {own.id}
    assert listed("member=bob") == {fault.id, own.id}
    first = listed("state=scored&member=ada")
    assert first == set(ids[2:])
    assert listed(f"state=scored&member=ada&before={min(first)}") == set(ids[:2])
    assert api("teacher").get(f"{MANAGE}/attempts?state=lost").status_code == 422


def test_a_failed_attempt_is_graded_once_more_and_its_endings_stay(browser: Client, ledger: Ledger) -> None:
    teacher, attempt = browser("teacher"), add_attempt(ledger, "ada")
    fail(ledger, attempt, "the grader broke", platform=True)
    page = said(send(teacher, f"/attempts/{attempt.id}/retry"), teacher)
    assert "waits in the queue again" in page
    assert ledger.attempt(attempt.id).state == "queued"
    again = send(teacher, f"/attempts/{attempt.id}/retry")
    assert again.status_code == 409
    assert "expected a failed one" in again.text
    fail(ledger, attempt, "line 3: expected a number")
    page = teacher.get(f"{MANAGE}/attempts/{attempt.id}").text
    assert page.index("the grader broke") < page.rindex("line 3: expected a number")
    assert len(ledger.endings(attempt.id)) == 2


def test_all_faults_of_the_platform_are_retried_and_nothing_else(browser: Client, ledger: Ledger) -> None:
    faults = [add_attempt(ledger, member) for member in ("ada", "bob", "ada")]
    for one in faults:
        fail(ledger, one, "the grader broke", platform=True)
    own = add_attempt(ledger, "bob")
    fail(ledger, own, "line 3: expected a number")
    assert send(browser("teacher"), "/retry-faults").status_code == 303
    assert [ledger.attempt(one.id).state for one in (*faults, own)] == ["queued"] * 3 + ["failed"]
    assert send(browser("teacher"), "/retry-faults").status_code == 409


def test_every_score_names_the_hashes_that_made_it(api: Client, scored: Scored) -> None:
    attempt = scored("ada", 0.75, private=0.625)
    page = api("teacher").get(f"{MANAGE}/attempts/{attempt.id}").text
    assert f'title="{"s" * 64}"' in page
    assert f'title="{"t" * 64}"' in page
    assert "0.6250" in page
    assert f"attempts/{attempt.id}/archive" in page
    assert api("teacher").get(f"{MANAGE}/attempts/{attempt.id + 1}").status_code == 404


def test_an_extension_is_given_changed_and_taken_back(browser: Client, ledger: Ledger, clock: Clock) -> None:
    teacher = browser("teacher")
    answer = send(teacher, "/members/ada", closes="2026-12-08T23:59", daily_scored="10", note="two weeks ill")
    page = said(answer, teacher)
    assert "8 Dec 2026, 23:59" in page
    assert "0 of 10" in page
    given = ledger.extension("bitcoin", "ada")
    assert given is not None
    assert (given.closes, given.daily_scored, given.note, given.by) == (
        datetime(2026, 12, 8, 22, 59, tzinfo=UTC),
        10,
        "two weeks ill",
        "teacher",
    )
    assert "two weeks ill" in teacher.get(f"{MANAGE}/members").text
    assert "before this extension ends" in page, "the private board would be shown while she may still hand in"
    send(teacher, "/members/ada/take-back")
    taken = ledger.extension("bitcoin", "ada")
    assert taken is not None
    assert (taken.closes, taken.daily_scored) == (None, None)
    assert "Nobody has an extension" in teacher.get(f"{MANAGE}/members").text


UNCLEAR: list[tuple[dict[str, str], str]] = [
    ({}, "fill in one of the two fields"),
    ({"closes": "2026-11-01T12:00"}, "expected a time after 01 December 2026, 01:00"),
    ({"daily_scored": "0"}, "expected a whole number from 1 to"),
    ({"daily_scored": "many"}, "found &#39;many&#39;"),
    ({"closes": "2027-03-28T02:30"}, "does not exist"),
    ({"closes": "2027-10-31T02:30"}, "say which one you mean"),
    ({"daily_scored": "4", "note": "x" * 501}, "at most 500 characters"),
]


def test_a_form_that_cannot_be_taken_comes_again_filled_in_and_changes_nothing(browser: Client, ledger: Ledger) -> None:
    teacher = browser("teacher")
    for fields, message in UNCLEAR:
        answer = send(teacher, "/members/ada", **{"note": "a note worth keeping", **fields})
        assert answer.status_code == 400, fields
        assert message in answer.text
        assert fields.get("note", "a note worth keeping") in answer.text
        assert ('name="closes_which"' in answer.text) is ("10-31" in fields.get("closes", ""))
    assert ledger.extension("bitcoin", "ada") is None


def test_a_time_that_comes_twice_is_settled_by_saying_which(browser: Client, ledger: Ledger) -> None:
    send(browser("teacher"), "/members/ada", closes="2027-10-31T02:30", closes_which="second")
    given = ledger.extension("bitcoin", "ada")
    assert given is not None
    assert given.closes == datetime(2027, 10, 31, 1, 30, tzinfo=UTC)


def test_members_are_found_by_account_and_name(api: Client, ledger: Ledger) -> None:
    ledger.upsert_member("ada", "Núria Bosch")
    add_attempt(ledger, "carla")
    page = api("teacher").get(f"{MANAGE}/members?wanted=núr").text
    assert "members/ada" in page
    assert "members/carla" in api("teacher").get(f"{MANAGE}/members?wanted=carla").text
    assert "Nobody here has" in api("teacher").get(f"{MANAGE}/members?wanted=zoe").text
    assert api("teacher").get(f"{MANAGE}/members/no%20body").status_code == 404


def test_a_ruling_weighs_more_than_the_file_on_every_way_in_until_it_is_undone(
    browser: Client, api: Client, ledger: Ledger, clock: Clock
) -> None:
    teacher = browser("teacher")
    assert send(teacher, "/boards", key="closes", how="now").status_code == 400, "closing needs the tick"
    page = said(send(teacher, "/boards", key="closes", how="now", confirm="yes"), teacher)
    assert "Nothing is accepted now" in page
    shown = api(None).get("api/v1/competitions/bitcoin").json()
    assert shown["state"] == "closed"
    assert shown["phases"][0]["closes"] == NOW.isoformat().replace("+00:00", "Z")
    said(send(teacher, "/boards/undo", key="closes"), teacher)
    assert api(None).get("api/v1/competitions/bitcoin").json()["state"] == "open"
    assert send(teacher, "/boards/undo", key="closes").status_code == 409
    clock.now = datetime(2026, 12, 5, tzinfo=UTC)
    assert api(None).get("api/v1/competitions/bitcoin").json()["state"] == "closed"
    assert send(teacher, "/boards", key="closes", closes="2026-12-10T12:00").status_code == 303
    assert api(None).get("api/v1/competitions/bitcoin").json()["state"] == "open"
    assert send(teacher, "/boards", key="closes", how="never").status_code == 303
    assert api(None).get("api/v1/competitions/bitcoin").json()["phases"][0]["closes"] is None


def test_quotas_are_ruled_for_everybody(browser: Client, api: Client) -> None:
    send(browser("teacher"), "/boards", key="daily_scored", daily_scored="17")
    assert api(None).get("api/v1/competitions/bitcoin").json()["daily_scored"] == 17
    page = browser("teacher").get(f"{MANAGE}/boards").text
    assert "<strong>17</strong>" in page
    assert page.count(">ruled</span>") == 1


IMPOSSIBLE: list[tuple[dict[str, str], str]] = [
    ({"key": "points", "points": "3"}, "xpected one of closes"),
    ({"key": "closes", "closes": ""}, "the field is empty"),
    ({"key": "closes", "closes": "2026-08-01T00:00"}, "expected an end after that"),
    ({"key": "reveal_at", "reveal_at": "2026-10-20T00:00"}, "while attempts are accepted"),
    ({"key": "reveal_at", "how": "now", "confirm": "yes"}, "while attempts are accepted"),
    ({"key": "board", "board": "secret"}, "expected public, hidden or blind"),
    ({"key": "daily_scored", "daily_scored": "-1"}, "expected a whole number"),
]


def test_a_ruling_that_cannot_hold_is_refused_with_the_reason(browser: Client, ledger: Ledger) -> None:
    teacher = browser("teacher")
    for fields, message in IMPOSSIBLE:
        answer = send(teacher, "/boards", **fields)
        assert answer.status_code == 400, fields
        assert message in answer.text
    assert ledger.rulings("bitcoin") == {}


def test_the_shake_up_is_seen_before_the_reveal_and_by_nobody_else(
    browser: Client, api: Client, scored: Scored, clock: Clock, ledger: Ledger
) -> None:
    scored("ada", 0.9, private=0.5123)
    scored("bob", 0.8, private=0.7123)
    scored("carla", 0.7, private=0.6123)
    page = browser("teacher").get(f"{MANAGE}/boards/preview").text
    assert "<strong>3 of 3</strong>" in page
    assert "changes hands" in page
    assert page.index("from 2 to 1") < page.index("from 1 to 3")
    assert "0.7123" in page
    ledger.rule("bitcoin", "reveal_at", datetime(2027, 1, 1, tzinfo=UTC).isoformat(), "teacher")
    clock.now = datetime(2026, 12, 2, tzinfo=UTC)
    assert api(None).get("api/v1/competitions/bitcoin").json()["state"] == "closed"
    assert "0.7123" not in api("ada").get("competitions/bitcoin").text
    answer = send(browser("teacher"), "/boards", key="reveal_at", how="now", confirm="yes")
    assert "Everybody sees the private board now" in said(answer, browser("teacher"))
    assert ledger.rulings("bitcoin")["reveal_at"] == clock.now.isoformat()


def test_announcements_are_text_shown_to_everybody_until_withdrawn(
    browser: Client, api: Client, ledger: Ledger
) -> None:
    teacher = browser("teacher")
    send(teacher, "/announcements", text=f"New data: {HOSTILE}")
    for page in (teacher.get(f"{MANAGE}/announcements").text, api(None).get("competitions/bitcoin").text):
        assert "New data: &lt;script&gt;" in page
        assert HOSTILE not in page
    number = ledger.announcements("bitcoin")[0].id
    send(teacher, f"/announcements/{number}/withdraw")
    assert "New data" not in api(None).get("competitions/bitcoin").text
    assert send(teacher, f"/announcements/{number}/withdraw").status_code == 404
    refused = send(teacher, "/announcements", text="  \n ")
    assert refused.status_code == 400
    assert "expected some words" in refused.text


def test_the_audit_log_is_filtered_paged_and_downloaded(api: Client, ledger: Ledger) -> None:
    for index in range(60):
        ledger.audit("teacher", "data.publish", "bitcoin", f"file-{index:02d}", {"note": HOSTILE})
    ledger.audit("operator", "bundle.import", "bitcoin", "old.zip", {"remarks": ["terms.html: not in the bundle"]})
    ledger.audit("teacher", "data.publish", "got", "elsewhere")
    page = api("teacher").get(f"{MANAGE}/audit").text
    assert "file-59" in page
    assert "file-05" not in page
    assert HOSTILE not in page
    older = page.split("before=")[1].split('"')[0]
    assert "file-05" in api("teacher").get(f"{MANAGE}/audit?before={older}").text
    only = api("teacher").get(f"{MANAGE}/audit?action=bundle&actor=oper").text
    assert "old.zip" in only
    assert "file-" not in only
    answer = api("teacher").get(f"{MANAGE}/audit.json?action=data.publish")
    assert answer.headers["content-disposition"] == 'attachment; filename="bitcoin-audit.json"'
    rows = json.loads(answer.text)
    assert len(rows) == 60
    assert set(rows[0]) == {"id", "at", "actor", "action", "target", "detail"}
    assert "terms.html: not in the bundle" in api("teacher").get(f"{MANAGE}/bundle").text


def test_hostile_reasons_and_members_stay_text(api: Client, ledger: Ledger) -> None:
    attempt = add_attempt(ledger, "ada", filename=HOSTILE)
    ledger.upsert_member("ada", HOSTILE)
    fail(ledger, attempt, f"cell 3 raised {HOSTILE}")
    ledger.audit("grader", "grading.error", "bitcoin", str(attempt.id), {"error": HOSTILE, "detail": HOSTILE})
    for rest in ("", "/attempts", f"/attempts/{attempt.id}", "/members?wanted=ada", "/members/ada", "/audit"):
        assert HOSTILE not in api("teacher").get(f"{MANAGE}{rest}").text, rest


def test_searching_for_a_nul_is_refused_before_the_database_sees_it(api: Client) -> None:
    for rest in ("?wanted=%00", "/attempts?member=a%00", "/members?wanted=%00", "/audit?action=%00"):
        assert api("teacher").get(f"{MANAGE}{rest}").status_code == 422, rest


def test_old_faults_stay_in_sight_and_old_failures_do_not(api: Client, ledger: Ledger, clock: Clock) -> None:
    own, ours = add_attempt(ledger, "ada"), add_attempt(ledger, "bob")
    fail(ledger, own, "line 3: expected a number")
    fail(ledger, ours, "the grader broke", platform=True)
    clock.now = datetime.now(UTC) + timedelta(days=3)
    page = api("teacher").get(MANAGE).text
    assert "line 3: expected a number" not in page
    assert "the grader broke" in page
