"""Teams through the real service: every act, every refusal, and what others may know."""

from __future__ import annotations

from datetime import datetime, timedelta

import httpx
import pytest
from web_course import NOW, Clock, Members, archive  # type: ignore[import-not-found]
from web_teams import API, NAMES, PAGE, Client, accounts, describe, form_of, know, make_team, team  # type: ignore[import-not-found]

from datauab.ledger import Ledger
from datauab.settings import Settings

UNTIL = datetime.fromisoformat("2026-11-01T12:00:00+00:00")
OPENED = datetime.fromisoformat("2026-09-01T00:00:00+00:00")
INSTANT = timedelta(microseconds=1)


@pytest.fixture
def course(course: Settings, members: Members) -> Settings:
    describe(course, f"[teams]\nmax_size = 3\nmerge_until = {UNTIL.isoformat()}\n")
    know(members, *NAMES)
    return course


def invite(api: Client, captain: str, account: str) -> int:
    answer = api(captain).post(f"{API}/team/invitations", json={"account": account})
    assert answer.status_code == 201, answer.text
    return int(answer.json()["team"]["invited"][-1]["id"])


def refused(answer: httpx.Response, status: int, *says: str) -> None:
    assert answer.status_code == status, answer.text
    message = answer.json()["message"]
    for part in says:
        assert part in message


def test_a_team_is_made_and_its_maker_is_captain(api: Client) -> None:
    answer = api("ada").post(f"{API}/team", json={"name": "  The   Null\tHypotheses "})
    assert answer.status_code == 201
    found = answer.json()["team"]
    assert (found["name"], found["captain"], found["you_lead"]) == ("The Null Hypotheses", "ada", True)
    assert found["members"] == [{"account": "ada", "name": "ada", "captain": True, "you": True}]
    assert api("bob").get(f"{API}/team").json()["team"] is None


def test_who_is_in_a_team_makes_no_second_one(api: Client) -> None:
    make_team(api, "One", "ada", "bob")
    for member in ("ada", "bob"):
        refused(api(member).post(f"{API}/team", json={"name": "Two"}), 409, "in a team already")


def test_a_name_that_cannot_be_shown_is_refused(api: Client) -> None:
    for name in ("", "   ", "x" * 61, "tab\x00null", "right\u202eleft", "zero\u200bwidth"):
        refused(api("ada").post(f"{API}/team", json={"name": name}), 400, "team name", "choose another")
    assert team(api, "ada") is None


def test_two_teams_never_look_alike(api: Client) -> None:
    make_team(api, "One", "ada")
    for name in ("One", "ONE", " one ", "\uff2f\uff4e\uff45"):
        refused(api("bob").post(f"{API}/team", json={"name": name}), 400, "choose another")


def test_a_team_cannot_take_the_shown_name_of_a_member(api: Client, ledger: Ledger) -> None:
    ledger.upsert_member("carla", "Carla Vidal")
    refused(api("ada").post(f"{API}/team", json={"name": "carla vidal"}), 400, "choose another")
    assert api("carla").post(f"{API}/team", json={"name": "Carla Vidal"}).status_code == 201


def test_a_captain_renames_and_keeps_the_own_name(api: Client) -> None:
    make_team(api, "One", "ada", "bob")
    assert api("ada").patch(f"{API}/team", json={"name": "ONE"}).json()["team"]["name"] == "ONE"
    refused(api("bob").patch(f"{API}/team", json={"name": "Mine"}), 409, "only the captain of ONE may rename it")
    refused(api("carla").patch(f"{API}/team", json={"name": "Mine"}), 409, "you are in no team")


def test_an_invited_member_joins(api: Client) -> None:
    make_team(api, "One", "ada")
    number = invite(api, "ada", " Bob ")
    assert [one["account"] for one in team(api, "ada")["invited"]] == ["bob"]  # type: ignore[index]
    waiting = api("bob").get(f"{API}/team").json()["invitations"]
    assert [(one["id"], one["team"]["name"], one["team"]["members"]) for one in waiting] == [(number, "One", ["ada"])]
    joined = api("bob").post(f"{API}/team/invitations/{number}/accept").json()
    assert joined["invitations"] == []
    assert accounts(api, "ada") == accounts(api, "bob") == ["ada", "bob"]
    assert team(api, "ada")["invited"] == []  # type: ignore[index]
    refused(api("bob").post(f"{API}/team/invitations/{number}/accept"), 404, "no open invitation")


def test_only_captains_invite_and_only_once(api: Client) -> None:
    make_team(api, "One", "ada", "bob")
    refused(api("bob").post(f"{API}/team/invitations", json={"account": "carla"}), 409, "only the captain")
    invite(api, "ada", "carla")
    refused(api("ada").post(f"{API}/team/invitations", json={"account": "carla"}), 409, "you invited carla already")
    refused(api("ada").post(f"{API}/team/invitations", json={"account": "bob"}), 409, "has bob in it already")
    refused(api("ada").post(f"{API}/team/invitations", json={"account": "two words"}), 400, "without spaces")


def test_an_invitation_tells_nothing_about_the_account(api: Client) -> None:
    make_team(api, "Two", "carla", "dan")
    make_team(api, "One", "ada")
    answers = [api("ada").post(f"{API}/team/invitations", json={"account": name}) for name in ("bob", "dan", "ghost")]
    assert [one.status_code for one in answers] == [201, 201, 201]
    told = [set(one.json()["team"]["invited"][-1]) for one in answers]
    assert told == [{"id", "account", "at"}] * 3


def test_few_invitations_wait_at_once(api: Client) -> None:
    make_team(api, "One", "ada")
    numbers = [invite(api, "ada", f"guess{index}") for index in range(10)]
    refused(api("ada").post(f"{API}/team/invitations", json={"account": "bob"}), 409, "at most 10", "take one back")
    assert api("ada").delete(f"{API}/team/invitations/{numbers[3]}").status_code == 200
    invite(api, "ada", "bob")


def test_an_invitation_taken_back_cannot_be_accepted(api: Client) -> None:
    make_team(api, "One", "ada", "bob")
    number = invite(api, "ada", "carla")
    refused(api("bob").delete(f"{API}/team/invitations/{number}"), 409, "only the captain")
    make_team(api, "Two", "dan")
    refused(api("dan").delete(f"{API}/team/invitations/{number}"), 404, "no open invitation")
    assert api("ada").delete(f"{API}/team/invitations/{number}").status_code == 200
    refused(api("carla").post(f"{API}/team/invitations/{number}/accept"), 404, "no open invitation")


def test_other_peoples_invitations_can_be_neither_seen_nor_answered(api: Client) -> None:
    make_team(api, "One", "ada")
    number = invite(api, "ada", "bob")
    assert api("carla").get(f"{API}/team").json()["invitations"] == []
    for act in ("accept", "decline"):
        refused(api("carla").post(f"{API}/team/invitations/{number}/{act}"), 404, "no open invitation")
        refused(api("ada").post(f"{API}/team/invitations/{number}/{act}"), 404, "no open invitation")
        refused(api("bob").post(f"{API}/team/invitations/{10**30}/{act}"), 404, "no open invitation")
    assert accounts(api, "bob") == []
    assert len(api("bob").get(f"{API}/team").json()["invitations"]) == 1


def test_a_declined_invitation_is_over(api: Client) -> None:
    make_team(api, "One", "ada")
    number = invite(api, "ada", "bob")
    assert api("bob").post(f"{API}/team/invitations/{number}/decline").json()["invitations"] == []
    refused(api("bob").post(f"{API}/team/invitations/{number}/accept"), 404, "no open invitation")
    assert team(api, "ada")["invited"] == []  # type: ignore[index]
    invite(api, "ada", "bob")


def test_a_team_never_grows_above_its_size(api: Client) -> None:
    make_team(api, "One", "ada", "bob")
    numbers = {name: invite(api, "ada", name) for name in ("carla", "dan")}
    assert api("carla").post(f"{API}/team/invitations/{numbers['carla']}/accept").status_code == 200
    refused(
        api("dan").post(f"{API}/team/invitations/{numbers['dan']}/accept"), 409, "at most 3 members", "would have 4"
    )
    refused(api("ada").post(f"{API}/team/invitations", json={"account": "eve"}), 409, "at most 3 members")
    assert accounts(api, "ada") == ["ada", "bob", "carla"]


def test_who_is_in_a_team_leaves_it_before_joining_another(api: Client) -> None:
    make_team(api, "One", "ada", "bob")
    make_team(api, "Two", "carla")
    number = invite(api, "carla", "bob")
    path = f"{API}/team/invitations/{number}/accept"
    refused(api("bob").post(path), 409, "in a team already")
    assert api("bob").delete(f"{API}/team").json()["team"] is None
    assert api("bob").post(path).status_code == 200
    assert (accounts(api, "ada"), accounts(api, "carla")) == (["ada"], ["carla", "bob"])


def test_the_next_member_leads_when_the_captain_leaves(api: Client) -> None:
    number = make_team(api, "One", "ada", "bob", "carla")
    assert api("ada").delete(f"{API}/team").status_code == 200
    assert [(one["account"], one["captain"]) for one in team(api, "bob")["members"]] == [  # type: ignore[index]
        ("bob", True),
        ("carla", False),
    ]
    assert api("bob").patch(f"{API}/team", json={"name": "Two"}).status_code == 200
    for member in ("bob", "carla"):
        assert api(member).delete(f"{API}/team").status_code == 200
    assert number not in {one["id"] for one in api(None).get(f"{API}/teams").json()}
    refused(api("carla").delete(f"{API}/team"), 409, "you are in no team")
    make_team(api, "Two", "carla")


def test_an_invitation_into_a_team_that_ended_is_gone(api: Client) -> None:
    make_team(api, "One", "ada")
    number = invite(api, "ada", "bob")
    api("ada").delete(f"{API}/team")
    assert api("bob").get(f"{API}/team").json()["invitations"] == []
    refused(api("bob").post(f"{API}/team/invitations/{number}/accept"), 404, "no open invitation")
    assert api("bob").get(f"{PAGE}/team").status_code == 200


def test_two_teams_merge_where_both_captains_want_it(api: Client) -> None:
    make_team(api, "One", "ada", "bob")
    other = make_team(api, "Two", "carla")
    assert api("carla").post(f"{API}/team/merges", json={"team": "ONE"}).status_code == 201
    wish = team(api, "ada")["merges"][0]  # type: ignore[index]
    assert (wish["team"]["id"], wish["team"]["name"], wish["asked"]) == (other, "Two", True)
    assert team(api, "carla")["merges"][0]["asked"] is False  # type: ignore[index]
    path = f"{API}/team/merges/{wish['id']}/accept"
    refused(api("bob").post(path), 409, "only the captain")
    refused(api("carla").post(path), 404, "no team asks yours")
    refused(api("dan").post(path), 409, "you are in no team")
    assert api("ada").post(path).status_code == 200
    assert sorted(accounts(api, "carla")) == sorted(accounts(api, "ada")) == ["ada", "bob", "carla"]
    assert len(api(None).get(f"{API}/teams").json()) == 1
    refused(api("carla").post(path), 404, "no team asks yours")


def test_a_wish_to_merge_can_be_refused_and_taken_back(api: Client) -> None:
    make_team(api, "One", "ada", "bob")
    make_team(api, "Two", "carla")
    make_team(api, "Three", "dan")
    for who in ("ada", "carla"):
        api("carla").post(f"{API}/team/merges", json={"team": "One"})
        number = team(api, "carla")["merges"][0]["id"]  # type: ignore[index]
        refused(api("carla").post(f"{API}/team/merges", json={"team": "One"}), 409, "waits for an answer")
        refused(api("dan").post(f"{API}/team/merges/{number}/decline"), 404, "no wish to merge")
        refused(api("bob").post(f"{API}/team/merges/{number}/decline"), 409, "only the captain")
        assert api(who).post(f"{API}/team/merges/{number}/decline").json()["team"]["merges"] == []
        refused(api("ada").post(f"{API}/team/merges/{number}/accept"), 404, "no team asks yours")
    assert len(accounts(api, "ada")) == 2


def test_teams_that_would_be_too_large_cannot_merge(api: Client) -> None:
    make_team(api, "One", "ada", "bob")
    make_team(api, "Two", "carla", "dan")
    refused(api("ada").post(f"{API}/team/merges", json={"team": "Two"}), 409, "at most 3 members", "would have 4")
    refused(api("ada").post(f"{API}/team/merges", json={"team": "One"}), 404, "no other team")
    refused(api("ada").post(f"{API}/team/merges", json={"team": "None"}), 404, "no other team 'None'")
    refused(api("bob").post(f"{API}/team/merges", json={"team": "Two"}), 409, "only the captain")
    make_team(api, "Three", "eve")
    api("eve").post(f"{API}/team/merges", json={"team": "One"})
    number = team(api, "ada")["merges"][0]["id"]  # type: ignore[index]
    joins = invite(api, "ada", "fay")
    assert api("fay").post(f"{API}/team/invitations/{joins}/accept").status_code == 200
    refused(api("ada").post(f"{API}/team/merges/{number}/accept"), 409, "at most 3 members, and yours would have 4")


def test_teams_change_until_the_very_moment_that_is_told(api: Client, clock: Clock) -> None:
    make_team(api, "One", "ada", "bob")
    make_team(api, "Two", "carla")
    make_team(api, "Three", "dan")
    joins = invite(api, "ada", "fay")
    api("carla").post(f"{API}/team/merges", json={"team": "One"})
    wish = team(api, "ada")["merges"][0]["id"]  # type: ignore[index]
    acts = [
        ("gus", "POST", "team", {"name": "New"}),
        ("ada", "PATCH", "team", {"name": "Other"}),
        ("ada", "POST", "team/invitations", {"account": "eve"}),
        ("ada", "POST", "team/merges", {"team": "Three"}),
        ("bob", "DELETE", "team", None),
        ("fay", "POST", f"team/invitations/{joins}/accept", None),
        ("ada", "POST", f"team/merges/{wish}/accept", None),
    ]
    clock.now = UNTIL
    for who, method, path, body in acts:
        answer = api(who).request(method, f"{API}/{path}", json=body)
        refused(answer, 409, "teams of bitcoin could change until 01 November 2026, 13:00")
    assert "could change until 01 November 2026, 13:00" in api("gus").get(f"{PAGE}/team").text
    clock.now = UNTIL - INSTANT
    for who, method, path, body in acts:
        assert api(who).request(method, f"{API}/{path}", json=body).is_success


def test_invitations_and_wishes_can_be_refused_after_the_end(api: Client, clock: Clock) -> None:
    make_team(api, "One", "ada")
    make_team(api, "Two", "carla")
    number = invite(api, "ada", "bob")
    api("carla").post(f"{API}/team/merges", json={"team": "One"})
    wish = team(api, "ada")["merges"][0]["id"]  # type: ignore[index]
    clock.now = UNTIL + timedelta(days=1)
    assert api("bob").post(f"{API}/team/invitations/{number}/decline").is_success
    assert api("ada").post(f"{API}/team/merges/{wish}/decline").is_success


@pytest.mark.parametrize(
    ("toml", "until"),
    [
        ("[teams]\nmax_size = 2\n", "2026-12-01T00:00:00Z"),
        ("[teams]\nmax_size = 2\nmerge_until = 2027-03-01T00:00:00Z\n", "2026-12-01T00:00:00Z"),
        ("[teams]\nmax_size = 2\n[reveal]\nat = 2026-11-20T08:00:00Z\n", "2026-11-20T08:00:00Z"),
    ],
)
def test_teams_stop_changing_before_private_scores_are_known(
    api: Client, course: Settings, clock: Clock, toml: str, until: str
) -> None:
    path = course.source / "bitcoin" / "competition.toml"
    path.write_text(path.read_text().split("[teams]")[0] + toml)
    assert api("ada").get(f"{API}/team").json()["until"] == until
    clock.now = datetime.fromisoformat(until)
    refused(api("ada").post(f"{API}/team", json={"name": "One"}), 409, "could change until")
    clock.now -= INSTANT
    make_team(api, "One", "ada")


def test_where_everybody_enters_alone_there_are_no_teams(api: Client, course: Settings) -> None:
    path = course.source / "bitcoin" / "competition.toml"
    path.write_text(path.read_text().split("[teams]")[0])
    found = api("ada").get(f"{API}/team").json()
    assert (found["max_size"], found["team"], found["invitations"]) == (1, None, [])
    refused(api("ada").post(f"{API}/team", json={"name": "One"}), 409, "everybody enters bitcoin alone")
    assert "everybody enters bitcoin alone" in api("ada").get(f"{PAGE}/team").text


def hand_in(api: Client, member: str) -> httpx.Response:
    return api(member).post("api/v1/exchange/assignments/bitcoin/submissions", content=archive())


def test_a_team_shares_one_quota(api: Client) -> None:
    assert hand_in(api, "ada").status_code == 201
    assert hand_in(api, "bob").status_code == 201
    make_team(api, "One", "ada", "bob", "carla")
    quota = api("carla").get(f"{API}/team").json()["quota"]
    assert (quota["scored"], quota["daily_scored"], quota["attempts"], quota["daily_attempts"]) == (2, 3, 2, 5)
    assert hand_in(api, "carla").status_code == 201
    for member in ("ada", "bob", "carla"):
        answer = hand_in(api, member)
        assert answer.status_code == 429
        assert "your team together has" in answer.json()["message"]
    page = api("bob").get(f"{PAGE}/team").text
    assert "Shared quota" in page
    assert "3 of 3" in page


def test_nobody_gains_attempts_by_joining(api: Client, clock: Clock) -> None:
    clock.now = OPENED + timedelta(hours=8)
    make_team(api, "One", "ada")
    number = invite(api, "ada", "bob")
    for member in ("ada", "ada", "bob", "bob"):
        assert hand_in(api, member).status_code == 201
    path = f"{API}/team/invitations/{number}/accept"
    refused(api("bob").post(path), 409, "together you made 4 scored attempts", "at most 3", "later day")
    assert accounts(api, "bob") == []
    clock.now += timedelta(days=1)
    assert api("bob").post(path).status_code == 200
    make_team(api, "Two", "carla")
    for _ in range(3):
        assert hand_in(api, "carla").status_code == 201
    api("ada").post(f"{API}/team/merges", json={"team": "Two"})
    wish = team(api, "carla")["merges"][0]["id"]  # type: ignore[index]
    refused(api("carla").post(f"{API}/team/merges/{wish}/accept"), 409, "together you made 7 scored attempts", "most 6")


def test_who_leaves_takes_the_own_attempts_along(api: Client) -> None:
    make_team(api, "One", "ada", "bob")
    for _ in range(3):
        assert hand_in(api, "ada").status_code == 201
    assert hand_in(api, "bob").status_code == 429
    api("ada").delete(f"{API}/team")
    assert api("ada").get(f"{API}/team").json()["quota"]["scored"] == 3
    assert api("bob").get(f"{API}/team").json()["quota"]["scored"] == 0
    assert hand_in(api, "ada").status_code == 429


def test_others_see_shown_names_and_never_accounts(api: Client, ledger: Ledger) -> None:
    for account, shown in {"ada": "Quiet Heron", "bob": "Amber Otter"}.items():
        ledger.upsert_member(account, shown)
    make_team(api, "One", "ada", "bob")
    make_team(api, "Two", "carla")
    invite(api, "ada", "dan")
    api("ada").post(f"{API}/team/merges", json={"team": "Two"})
    for who, path in ((None, f"{API}/teams"), ("dan", f"{API}/team"), ("carla", f"{API}/team")):
        told = api(who).get(path).text
        assert "Quiet Heron" in told
        assert '"ada"' not in told
        assert '"bob"' not in told
    for who, path in (("dan", f"{PAGE}/team"), ("carla", f"{PAGE}/team"), ("dan", PAGE), ("dan", f"{PAGE}/attempts")):
        told = api(who).get(path).text
        assert "Amber Otter" in told
        assert ">ada<" not in told
        assert "bob" not in told
    mates = team(api, "bob")["members"]  # type: ignore[index]
    assert [(one["account"], one["name"]) for one in mates] == [("ada", "Quiet Heron"), ("bob", "Amber Otter")]


def test_an_open_invitation_waits_on_every_page_of_the_competition(api: Client, browser: Client) -> None:
    make_team(api, "One", "ada")
    invite(api, "ada", "bob")
    bob = browser("bob")
    for path in (PAGE, f"{PAGE}/attempts", f"{PAGE}/team"):
        assert "Join One" in bob.get(path).text
        assert "Join One" not in browser("carla").get(path).text
    number = bob.get(f"{API}/team", headers={"X-XSRFToken": ""}).json()["invitations"][0]["id"]
    answer = form_of(bob, f"{PAGE}/team", act="accept", value=str(number))
    assert answer.status_code == 303
    assert answer.headers["location"].endswith("/competitions/bitcoin/team")
    assert accounts(api, "bob") == ["ada", "bob"]


def test_forms_do_all_that_the_api_does(api: Client, browser: Client) -> None:
    ada, bob, carla = browser("ada"), browser("bob"), browser("carla")
    path = f"{PAGE}/team"
    assert form_of(ada, path, act="create", value="One").status_code == 303
    assert form_of(ada, path, act="rename", value="First").status_code == 303
    assert form_of(ada, path, act="invite", value="bob").status_code == 303
    number = str(team(api, "ada")["invited"][0]["id"])  # type: ignore[index]
    assert form_of(ada, path, act="withdraw", value=number).status_code == 303
    form_of(ada, path, act="invite", value="bob")
    number = str(team(api, "ada")["invited"][0]["id"])  # type: ignore[index]
    assert form_of(bob, path, act="decline", value=number).status_code == 303
    form_of(ada, path, act="invite", value="bob")
    number = str(team(api, "ada")["invited"][0]["id"])  # type: ignore[index]
    assert form_of(bob, path, act="accept", value=number).status_code == 303
    form_of(carla, path, act="create", value="Second")
    assert form_of(carla, path, act="merge", value="First").status_code == 303
    wish = str(team(api, "ada")["merges"][0]["id"])  # type: ignore[index]
    assert form_of(carla, path, act="decline-merge", value=wish).status_code == 303
    form_of(carla, path, act="merge", value="First")
    wish = str(team(api, "ada")["merges"][0]["id"])  # type: ignore[index]
    assert form_of(ada, path, act="accept-merge", value=wish).status_code == 303
    assert len(accounts(api, "carla")) == 3
    assert form_of(carla, path, act="leave", value="").status_code == 303
    assert accounts(api, "carla") == []


def test_a_refused_form_shows_the_page_again_with_the_reason(browser: Client) -> None:
    ada = browser("ada")
    answer = form_of(ada, f"{PAGE}/team", act="create", value="x" * 61)
    assert answer.status_code == 400
    assert 'role="alert"' in answer.text
    assert "Team name: expected 1 to 60 printable characters" in answer.text
    assert f'value="{"x" * 61}"' in answer.text, "what was typed is still there"
    form_of(ada, f"{PAGE}/team", act="create", value="<b>One</b>")
    page = ada.get(f"{PAGE}/team").text
    assert "<b>One" not in page
    assert "&lt;b&gt;One" in page
    assert form_of(ada, f"{PAGE}/team", act="explode", value="1").status_code == 400
    for act in ("accept", "decline", "withdraw", "accept-merge", "decline-merge"):
        for value in ("", "x", "-1", "9" * 40, "\u0663", "1"):
            assert form_of(ada, f"{PAGE}/team", act=act, value=value).status_code == 404


@pytest.mark.parametrize("page", ["team", "rules", "final"])
def test_no_form_works_without_the_sessions_token(api: Client, browser: Client, page: str) -> None:
    ada = browser("ada")
    fields = {"act": "create", "value": "One", "sha256": "0" * 64}
    for token in ({}, {"_xsrf": ""}, {"_xsrf": "f" * 64}):
        assert ada.post(f"{PAGE}/{page}", data={**fields, **token}).status_code == 403
    bobs = browser("bob").get(f"{PAGE}/team").text.split('name="_xsrf" value="')[1].split('"')[0]
    assert ada.post(f"{PAGE}/{page}", data={**fields, "_xsrf": bobs}).status_code == 403
    other_site = {"Sec-Fetch-Site": "cross-site"}
    own = ada.get(f"{PAGE}/team").text.split('name="_xsrf" value="')[1].split('"')[0]
    assert ada.post(f"{PAGE}/{page}", data={**fields, "_xsrf": own}, headers=other_site).status_code == 403
    assert ada.post(f"{API}/team", json={"name": "One"}).status_code == 403
    assert team(api, "ada") is None


@pytest.mark.parametrize("page", ["team", "final"])
def test_visitors_are_led_to_the_sign_in(api: Client, page: str) -> None:
    assert api(None).get(f"{PAGE}/{page}").status_code == 302
    assert api(None).get(f"{API}/{page}").status_code == 403


def test_teams_of_unreleased_competitions_are_nobodys_business(api: Client) -> None:
    for method, path in (("GET", "team"), ("POST", "team"), ("GET", "teams"), ("GET", "rules"), ("GET", "final")):
        answer = api("ada").request(method, f"api/v1/competitions/none/{path}", json={"name": "One"})
        assert answer.status_code == 404
    assert NOW < UNTIL
