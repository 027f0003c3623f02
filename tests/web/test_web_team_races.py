"""Teams under acts that come at the same time, through the real service."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from web_course import Members, archive  # type: ignore[import-not-found]
from web_teams import API, NAMES, Client, accounts, describe, know, make_team, team  # type: ignore[import-not-found]

from datauab.ledger import Ledger
from datauab.settings import Settings

ROUNDS = 3


@pytest.fixture
def course(course: Settings, members: Members) -> Settings:
    describe(course, "[teams]\nmax_size = 3\n", daily_scored="50", daily_attempts="100")
    know(members, *NAMES)
    return course


def together(*acts: Callable[[], httpx.Response]) -> list[int]:
    """Do all at the same moment; gives the answers' statuses, which say who won and never that something broke."""
    gate = threading.Barrier(len(acts))

    def do(act: Callable[[], httpx.Response]) -> httpx.Response:
        gate.wait(10)
        return act()

    with ThreadPoolExecutor(len(acts)) as pool:
        answers = list(pool.map(do, acts))
    for answer in answers:
        assert answer.status_code in (200, 201, 400, 404, 409), answer.text
    return [answer.status_code for answer in answers]


def invited(api: Client, captain: str, account: str) -> Callable[[], httpx.Response]:
    answer = api(captain).post(f"{API}/team/invitations", json={"account": account})
    number = answer.json()["team"]["invited"][-1]["id"]
    client = api(account)
    return lambda: client.post(f"{API}/team/invitations/{number}/accept")


def disband(api: Client, *members: str) -> None:
    for member in members:
        api(member).delete(f"{API}/team")


def in_one_team_at_most(ledger: Ledger) -> None:
    seen = [member for one in ledger.teams("bitcoin") for member in one.members]
    assert len(seen) == len(set(seen))
    assert all(one.captain in one.members and len(one.members) <= 3 for one in ledger.teams("bitcoin"))
    assert ledger.entrants("bitcoin") == {
        member: one.entrant for one in ledger.teams("bitcoin") for member in one.members
    }


def test_two_who_accept_at_once_do_not_both_take_the_last_place(api: Client, ledger: Ledger) -> None:
    for _ in range(ROUNDS):
        make_team(api, "One", "ada", "bob")
        acts = [invited(api, "ada", name) for name in ("carla", "dan", "eve")]
        assert sorted(together(*acts)) == [200, 409, 409]
        assert len(accounts(api, "ada")) == 3
        in_one_team_at_most(ledger)
        disband(api, "ada", "bob", "carla", "dan", "eve")


def test_one_who_accepts_two_invitations_at_once_is_in_one_team(api: Client, ledger: Ledger) -> None:
    for _ in range(ROUNDS):
        make_team(api, "One", "ada")
        make_team(api, "Two", "bob")
        acts = [invited(api, "ada", "carla"), invited(api, "bob", "carla")]
        assert sorted(together(*acts)) == [200, 409]
        in_one_team_at_most(ledger)
        disband(api, "ada", "bob", "carla")


def test_who_makes_a_team_and_accepts_at_once_is_in_one(api: Client, ledger: Ledger) -> None:
    for _ in range(ROUNDS):
        make_team(api, "One", "ada")
        acts = [invited(api, "ada", "bob"), lambda: api("bob").post(f"{API}/team", json={"name": "Two"})]
        assert sorted(together(*acts)) in ([200, 409], [201, 409])
        in_one_team_at_most(ledger)
        disband(api, "ada", "bob")


def test_a_captain_who_leaves_while_somebody_joins_leaves_a_team_with_a_captain_or_none(
    api: Client, ledger: Ledger
) -> None:
    for _ in range(ROUNDS):
        make_team(api, "One", "ada")
        statuses = together(invited(api, "ada", "bob"), lambda: api("ada").delete(f"{API}/team"))
        assert statuses in ([200, 200], [404, 200])
        in_one_team_at_most(ledger)
        assert team(api, "ada") is None
        assert accounts(api, "bob") == (["bob"] if statuses[0] == 200 else [])
        disband(api, "bob")


def test_teams_that_ask_each_other_merge_once(api: Client, ledger: Ledger) -> None:
    for _ in range(ROUNDS):
        make_team(api, "One", "ada")
        make_team(api, "Two", "bob")
        make_team(api, "Three", "carla", "dan")
        acts = []
        for asking, asked in (("Two", "carla"), ("One", "carla")):
            captain = {"One": "ada", "Two": "bob"}[asking]
            assert api(captain).post(f"{API}/team/merges", json={"team": "Three"}).status_code == 201
            number = team(api, captain)["merges"][-1]["id"]  # type: ignore[index]
            acts.append(lambda who=asked, number=number: api(who).post(f"{API}/team/merges/{number}/accept"))
        assert sorted(together(*acts))[0] == 200
        in_one_team_at_most(ledger)
        disband(api, "ada", "bob", "carla", "dan")


def test_two_teams_never_get_the_same_name_at_once(api: Client) -> None:
    for index in range(ROUNDS):
        acts = [
            lambda who=who, index=index: api(who).post(f"{API}/team", json={"name": f"Name {index}"})
            for who in ("ada", "bob", "carla")
        ]
        assert sorted(together(*acts)) == [201, 400, 400]
        assert [one["name"] for one in api(None).get(f"{API}/teams").json()] == [f"Name {index}"]
        disband(api, "ada", "bob", "carla")


def test_nobody_gains_attempts_by_joining_while_handing_in(api: Client, course: Settings, ledger: Ledger) -> None:
    path = course.source / "bitcoin" / "competition.toml"
    path.write_text(path.read_text().replace("daily_scored = 50", "daily_scored = 4"))
    body = archive()
    make_team(api, "One", "ada")
    joins = invited(api, "ada", "bob")
    send = "api/v1/exchange/assignments/bitcoin/submissions"
    acts = [lambda who=who: api(who).post(send, content=body) for who in ("ada", "bob") * 4]
    with ThreadPoolExecutor(9) as pool:
        answers = [one.result().status_code for one in [pool.submit(act) for act in (*acts[:4], joins, *acts[4:])]]
    assert set(answers) <= {200, 201, 429}
    used = len(ledger.attempts(competition="bitcoin"))
    after = [api(who).post(send, content=body).status_code for who in ("ada", "bob")]
    assert after == [429, 429]
    assert used == answers.count(201) <= 8
