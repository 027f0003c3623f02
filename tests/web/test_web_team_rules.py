"""Teams against a simple model: whatever members do, in whatever order, the rules and the model agree."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from web_course import TOML, Clock, Members  # type: ignore[import-not-found]

from datauab.competition import Competition, Teams, load_competition
from datauab.ledger import Ledger
from datauab.settings import load_settings
from datauab.web import team_rules
from datauab.web.app import create_app
from datauab.web.club import Club
from datauab.web.problems import Problem

PEOPLE = ("ada", "bob", "carla", "dan", "eve")
MOST = 3


@pytest.fixture(scope="module")
def club(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Club]:
    root = tmp_path_factory.mktemp("course")
    (root / "source" / "bitcoin").mkdir(parents=True)
    (root / "nbgrader_config.py").write_text("c = get_config()\n")
    (root / "source" / "bitcoin" / "competition.toml").write_text(TOML)
    course = load_settings(root)
    with Ledger.open(course) as ledger:
        yield create_app(course, ledger, Members(), Clock()).state.club


@pytest.fixture(scope="module")
def described(club: Club) -> Competition:
    found = load_competition(club.settings.source / "bitcoin")
    return found.model_copy(update={"teams": Teams(max_size=MOST)})


@dataclass
class Model:
    """Who is in which team: the first of each list is the captain."""

    teams: dict[str, list[str]] = field(default_factory=dict)
    invited: set[tuple[str, str]] = field(default_factory=set)
    asked: set[tuple[str, str]] = field(default_factory=set)

    def of(self, member: str) -> str | None:
        return next((name for name, members in self.teams.items() if member in members), None)

    def led(self, member: str) -> str | None:
        name = self.of(member)
        return name if name and self.teams[name][0] == member else None

    def create(self, member: str, name: str) -> bool:
        if self.of(member) or name in self.teams:
            return False
        self.teams[name] = [member]
        return True

    def invite(self, member: str, other: str) -> bool:
        name = self.led(member)
        full = name and len(self.teams[name]) >= MOST
        if not name or full or other in self.teams[name] or (name, other) in self.invited:
            return False
        self.invited.add((name, other))
        return True

    def accept(self, member: str, name: str) -> bool:
        if (name, member) not in self.invited or self.of(member) or len(self.teams[name]) >= MOST:
            return False
        self.invited.discard((name, member))
        self.teams[name].append(member)
        return True

    def decline(self, member: str, name: str) -> bool:
        known = (name, member) in self.invited
        self.invited.discard((name, member))
        return known

    def leave(self, member: str) -> bool:
        name = self.of(member)
        if not name:
            return False
        self.teams[name].remove(member)
        if not self.teams[name]:
            self._end(name)
        return True

    def ask(self, member: str, other: str) -> bool:
        name = self.led(member)
        if not name or other not in self.teams or other == name or {(name, other), (other, name)} & self.asked:
            return False
        if len(self.teams[name]) + len(self.teams[other]) > MOST:
            return False
        self.asked.add((name, other))
        return True

    def merge(self, member: str, asking: str) -> bool:
        name = self.led(member)
        if not name or (asking, name) not in self.asked:
            return False
        if len(self.teams[name]) + len(self.teams[asking]) > MOST:
            return False
        self.teams[asking] += self.teams[name]
        self._end(name)
        return True

    def refuse(self, member: str, other: str) -> bool:
        name = self.led(member)
        known = {(name, other), (other, name)} & self.asked
        self.asked -= known
        return bool(known)

    def _end(self, name: str) -> None:
        del self.teams[name]
        self.invited = {one for one in self.invited if one[0] != name}
        self.asked = {one for one in self.asked if name not in one}


person = st.sampled_from(PEOPLE)
title = st.sampled_from(("North", "South", "East"))
acts = st.one_of(
    st.tuples(st.just("create"), person, title),
    st.tuples(st.just("invite"), person, person),
    st.tuples(st.just("accept"), person, title),
    st.tuples(st.just("decline"), person, title),
    st.tuples(st.just("leave"), person, st.just("")),
    st.tuples(st.just("ask"), person, title),
    st.tuples(st.just("merge"), person, title),
    st.tuples(st.just("refuse"), person, title),
)
grown = st.permutations(PEOPLE).map(
    lambda people: [
        *(("create", one, name) for one, name in zip(people, ("North", "South"), strict=False)),
        ("invite", people[0], people[2]),
        ("invite", people[1], people[2]),
        ("invite", people[0], people[3]),
        ("accept", people[2], "North"),
    ]
)
numbers = itertools.count()


class Real:
    """The same acts by the rules themselves; what names nothing gets a number that nobody has."""

    def __init__(self, club: Club, competition: Competition) -> None:
        self.club = club
        self.competition = competition

    def do(self, act: str, member: str, value: str) -> bool:
        try:
            getattr(self, act)(member, value)
        except Problem as problem:
            if problem.status not in (400, 404, 409):
                raise
            return False
        return True

    def create(self, member: str, name: str) -> None:
        team_rules.create_team(self.club, self.competition, member, name)

    def invite(self, member: str, other: str) -> None:
        team_rules.invite(self.club, self.competition, member, other)

    def accept(self, member: str, name: str) -> None:
        team_rules.accept_invitation(self.club, self.competition, member, self._invitation(member, name))

    def decline(self, member: str, name: str) -> None:
        team_rules.decline_invitation(self.club, self.competition, member, self._invitation(member, name))

    def leave(self, member: str, _: str) -> None:
        team_rules.leave_team(self.club, self.competition, member)

    def ask(self, member: str, other: str) -> None:
        team_rules.ask_to_merge(self.club, self.competition, member, other)

    def merge(self, member: str, asking: str) -> None:
        team_rules.accept_merge(self.club, self.competition, member, self._wish(member, asking))

    def refuse(self, member: str, other: str) -> None:
        team_rules.decline_merge(self.club, self.competition, member, self._wish(member, other))

    def _named(self, name: str) -> int:
        return next((one.id for one in self.club.ledger.teams(self.competition.name) if one.name == name), 0)

    def _invitation(self, member: str, name: str) -> int:
        found = self.club.ledger.invitations(self.competition.name, member)
        return next((one.id for one in found if one.team_id == self._named(name)), 0)

    def _wish(self, member: str, name: str) -> int:
        own = self.club.ledger.team_of(self.competition.name, member)
        if own is None:
            return 0
        found = self.club.ledger.merge_requests(self.competition.name, own.id)
        others = {one.id: {one.team_id, one.other_id} - {own.id} for one in found}  # a wish is known by the other team
        return next((number for number, other in others.items() if other == {self._named(name)}), 0)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(first=st.just([]) | grown, then=st.lists(acts, max_size=25))
def test_whatever_members_do_the_rules_and_a_simple_model_agree(
    club: Club, described: Competition, first: list[tuple[str, str, str]], then: list[tuple[str, str, str]]
) -> None:
    competition = described.model_copy(update={"name": f"c{next(numbers)}"})
    real, model = Real(club, competition), Model()
    for act, member, value in (*first, *then):
        expected = getattr(model, act)(member, *([value] if value else []))
        assert real.do(act, member, value) == expected, (act, member, value)
        teams = club.ledger.teams(competition.name)
        assert {one.name: list(one.members) for one in teams} == model.teams
        assert all(one.captain == model.teams[one.name][0] for one in teams)
        seen = [one for team in teams for one in team.members]
        assert len(seen) == len(set(seen)), "nobody is in two teams"
        assert all(0 < len(team.members) <= MOST for team in teams)
