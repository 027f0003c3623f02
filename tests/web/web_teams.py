"""What the tests of teams, rules and final choices share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
from web_course import Members  # type: ignore[import-not-found]

from datauab.settings import Settings
from datauab.web.auth import Identity

Client = Callable[[str | None], httpx.Client]
API = "api/v1/competitions/bitcoin"
PAGE = "competitions/bitcoin"
NAMES = ("carla", "dan", "eve", "fay", "gus")


def know(members: Members, *names: str) -> None:
    """Give accounts to `names`."""
    members.known.update({f"tok-{name}": Identity(name) for name in names})


def describe(course: Settings, toml: str, **replaced: str) -> None:
    """Add `toml` to the competition's description, and replace whole lines that begin with a key."""
    path = course.source / "bitcoin" / "competition.toml"
    lines = [
        f"{key} = {replaced[key]}" if (key := line.partition(" = ")[0]) in replaced else line
        for line in path.read_text().splitlines()
    ]
    path.write_text("\n".join(lines) + "\n" + toml)


def form_of(client: httpx.Client, path: str, **fields: Any) -> httpx.Response:
    """Send a form as a browser without script would: with the token that the page carries."""
    token = client.get(path).text.split('name="_xsrf" value="')[1].split('"')[0]
    return client.post(path, data={"_xsrf": token, **fields})


def make_team(api: Client, name: str, captain: str, *others: str) -> int:
    """Make a team by the API, with everybody in it; gives its number."""
    answer = api(captain).post(f"{API}/team", json={"name": name})
    assert answer.status_code == 201, answer.text
    for other in others:
        invited = api(captain).post(f"{API}/team/invitations", json={"account": other})
        assert invited.status_code == 201, invited.text
        number = invited.json()["team"]["invited"][-1]["id"]
        joined = api(other).post(f"{API}/team/invitations/{number}/accept")
        assert joined.status_code == 200, joined.text
    return int(answer.json()["team"]["id"])


def team(api: Client, member: str) -> dict[str, Any] | None:
    """The member's team, as the API tells it."""
    found: dict[str, Any] | None = api(member).get(f"{API}/team").json()["team"]
    return found


def accounts(api: Client, member: str) -> list[str]:
    """Accounts in the member's team; none where the member is alone."""
    found = team(api, member)
    return [one["account"] for one in found["members"]] if found else []
