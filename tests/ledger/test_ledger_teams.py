"""Teams: any sequence of acts leaves each member in at most one, and their quota and changes follow."""

from __future__ import annotations

import multiprocessing
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datauab.errors import LedgerError, LimitReached
from datauab.ledger import Ledger, Team, UsageToday
from datauab.settings import Settings

PEOPLE = ("ana", "bo", "cy", "dee")


def join(ledger: Ledger, team: Team, *members: str) -> None:
    for member in members:
        ledger.accept(ledger.invite(team.id, team.captain, member).id, member)


def test_a_team_grows_by_invitation_and_shrinks_by_leaving(ledger):
    made = ledger.create_team("got", "Wolves", "ana")
    assert ledger.team(made.id) == made
    assert ledger.invitations("got", "bo") == ledger.team_invitations(made.id) == []
    invitation = ledger.invite(made.id, "ana", "bo")
    assert ledger.invite(made.id, "ana", "bo") == invitation
    assert ledger.invitations("got", "bo") == ledger.team_invitations(made.id) == [invitation]
    assert ledger.accept(invitation.id, "bo").members == ("ana", "bo")
    assert ledger.team_of("got", "bo") == ledger.team(made.id)
    assert ledger.team_of("mnist", "bo") is None
    assert ledger.entrants("got") == {"ana": made.entrant, "bo": made.entrant}
    assert (ledger.entrant_of("got", "bo"), ledger.entrant_of("got", "cy")) == (made.entrant, "cy")
    ledger.rename_team(made.id, "Dragons", "ana")
    ledger.leave(made.id, "ana")
    assert [(team.name, team.captain, team.members) for team in ledger.teams("got")] == [("Dragons", "bo", ("bo",))]
    ledger.leave(made.id, "bo")
    assert ledger.teams("got") == []
    for gone in (lambda: ledger.team(made.id), lambda: ledger.leave(made.id, "bo"), lambda: ledger.team(99)):
        with pytest.raises(LedgerError, match="no such team"):
            gone()
    join(ledger, ledger.create_team("got", "Wolves", "bo"), "ana")
    assert ledger.team_of("got", "ana").members == ("bo", "ana")


def test_an_invitation_is_answered_once_by_the_invited_alone(ledger):
    made = ledger.create_team("got", "Wolves", "ana")
    invitation = ledger.invite(made.id, "ana", "bo")
    for who, number in [("cy", invitation.id), ("bo", 99)]:
        with pytest.raises(LedgerError, match="no open one"):
            ledger.accept(number, who)
    ledger.decline(invitation.id, "bo")
    for answer in (ledger.accept, ledger.decline):
        with pytest.raises(LedgerError, match="no open one"):
            answer(invitation.id, "bo")
    assert ledger.invitations("got", "bo") == []
    last = ledger.invite(made.id, "ana", "bo")
    ledger.leave(made.id, "ana")
    assert ledger.invitations("got", "bo") == []
    with pytest.raises(LedgerError, match="no open one"):
        ledger.accept(last.id, "bo")


def test_nobody_is_in_two_teams(ledger):
    first, second = ledger.create_team("got", "Wolves", "ana"), ledger.create_team("got", "Dragons", "bo")
    with pytest.raises(LedgerError, match="leave it first"):
        ledger.create_team("got", "Ravens", "ana")
    invitation = ledger.invite(second.id, "bo", "ana")
    with pytest.raises(LedgerError, match="leave it first"):
        ledger.accept(invitation.id, "ana")
    with pytest.raises(LedgerError, match="is in it already"):
        ledger.invite(first.id, "ana", "ana")
    ledger.create_team("mnist", "Wolves", "ana")
    ledger.leave(first.id, "ana")
    assert ledger.accept(invitation.id, "ana").id == second.id


def test_teams_merge_into_the_one_that_asked(ledger):
    first, second = ledger.create_team("got", "Wolves", "ana"), ledger.create_team("got", "Dragons", "bo")
    join(ledger, second, "cy")
    request = ledger.request_merge(first.id, second.id, "ana")
    assert ledger.request_merge(first.id, second.id, "ana") == request
    assert ledger.merge_requests("got", first.id) == ledger.merge_requests("got", second.id) == [request]
    with pytest.raises(LedgerError, match="no open one"):
        ledger.accept_merge(request.id, "ana")
    asked = []
    merged = ledger.accept_merge(request.id, "bo", gate=asked.append)
    assert asked == [("ana", "bo", "cy")]
    assert (merged.id, merged.name, merged.captain, merged.members) == (first.id, "Wolves", "ana", ("ana", "bo", "cy"))
    assert ledger.teams("got") == [merged]
    assert ledger.merge_requests("got", first.id) == []
    third = ledger.create_team("got", "Ravens", "dee")
    declined = ledger.request_merge(third.id, first.id, "dee")
    ledger.decline_merge(declined.id, "bo")
    assert ledger.merge_requests("got", third.id) == []
    for wrong in (third.id, 99, ledger.create_team("mnist", "Ravens", "dee").id):
        with pytest.raises(LedgerError, match="team"):
            ledger.request_merge(third.id, wrong, "dee")


def test_a_gate_that_refuses_leaves_everything_as_it_was(ledger):
    def refuse(members: tuple[str, ...]) -> None:
        assert ledger.usage_today("got", members[0]).attempts == 0  # a gate may ask the ledger
        raise LimitReached("too many")

    first, second = ledger.create_team("got", "Wolves", "ana"), ledger.create_team("got", "Dragons", "bo")
    invitation, request = ledger.invite(first.id, "ana", "cy"), ledger.request_merge(first.id, second.id, "ana")
    mark = ledger.change_mark("got")
    with pytest.raises(LimitReached):
        ledger.accept(invitation.id, "cy", gate=refuse)
    with pytest.raises(LimitReached):
        ledger.accept_merge(request.id, "bo", gate=refuse)
    assert ledger.teams("got") == [first, second]
    assert ledger.invitations("got", "cy") == [invitation]
    assert ledger.merge_requests("got", second.id) == [request]
    assert ledger.change_mark("got") == mark


def test_a_gate_that_writes_is_refused(ledger):
    with pytest.raises(LedgerError, match="not write to it"):
        ledger.add_attempt(
            competition="got", member="ana", blob=b"x", gate=lambda _: ledger.accept_rules("got", "ana", "a" * 64)
        )
    assert ledger.attempts() == []


def test_changes_of_teams_name_everybody_whose_row_changes(ledger):
    def changed() -> list[str | None]:
        nonlocal mark
        found = ledger.changes("got", mark, 99)
        mark = found[-1].id
        return [one.member for one in found]

    mark = 0
    team = ledger.create_team("got", "Wolves", "ana")
    assert changed() == ["ana"]
    join(ledger, team, "bo")
    assert changed() == ["ana", "bo"]
    ledger.rename_team(team.id, "Dragons", "ana")
    assert changed() == ["ana", "bo"]
    ledger.leave(team.id, "ana")
    assert changed() == ["ana", "bo"]
    other = ledger.create_team("got", "Wolves", "cy")
    assert changed() == ["cy"]
    ledger.accept_merge(ledger.request_merge(other.id, team.id, "cy").id, "bo")
    assert changed() == ["cy", "bo"]


ACTS = st.lists(
    st.tuples(
        st.sampled_from(["create", "invite", "accept", "leave", "ask", "merge"]), st.integers(0, 3), st.integers(0, 3)
    ),
    max_size=14,
)
_names = count()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=ACTS)
def test_any_sequence_of_acts_leaves_each_member_in_at_most_one_team(ledger, acts):
    competition = f"c{next(_names)}"
    model: dict[str, set[str]] = {}  # member: the whole team
    for act, one, two in acts:
        _act(ledger, competition, model, act, member=PEOPLE[one], other=PEOPLE[two])
        teams = ledger.teams(competition)
        members = [member for team in teams for member in team.members]
        assert len(members) == len(set(members))
        assert all(team.captain in team.members for team in teams)
        assert {frozenset(team.members) for team in teams} == {frozenset(team) for team in model.values()}
        assert ledger.entrants(competition) == {member: team.entrant for team in teams for member in team.members}
        for member in PEOPLE:
            found = ledger.team_of(competition, member)
            assert set(found.members if found else ()) == model.get(member, set())


def _act(ledger: Ledger, competition: str, model: dict[str, set[str]], act: str, *, member: str, other: str) -> None:
    own, theirs = ledger.team_of(competition, member), ledger.team_of(competition, other)
    try:
        if act == "create":
            ledger.create_team(competition, f"Team of {member}", member)
            model[member] = {member}
        elif act == "accept":
            for invitation in ledger.invitations(competition, member)[:1]:
                joined = ledger.accept(invitation.id, member)
                _set(model, set(joined.members))
        elif act == "merge" and own:
            for request in ledger.merge_requests(competition, own.id)[:1]:
                merged = ledger.accept_merge(request.id, member)
                _set(model, set(merged.members))
        elif act == "leave" and own:
            ledger.leave(own.id, member)
            rest = model.pop(member) - {member}
            _set(model, rest)
        elif act == "invite" and own:
            ledger.invite(own.id, member, other)
        elif act == "ask" and own and theirs:
            ledger.request_merge(own.id, theirs.id, member)
    except LedgerError:
        return


def _set(model: dict[str, set[str]], members: set[str]) -> None:
    for member in members:
        model[member] = set(members)


def _join_at_once(deployment: Settings, number: int, barrier) -> None:
    with Ledger.open(deployment) as ledger:
        barrier.wait()
        try:
            ledger.accept(number, "dee", gate=lambda _: None)
        except LedgerError:
            return


def test_who_says_yes_to_several_at_once_is_in_one(deployment):
    with Ledger.open(deployment) as ledger:
        teams = [ledger.create_team("got", f"Team of {captain}", captain) for captain in PEOPLE[:3]]
        numbers = [ledger.invite(team.id, team.captain, "dee").id for team in teams]
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(3)
    workers = [context.Process(target=_join_at_once, args=(deployment, number, barrier)) for number in numbers]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    with Ledger.open(deployment) as ledger:
        assert sum("dee" in team.members for team in ledger.teams("got")) == 1
        assert len(ledger.invitations("got", "dee")) == 2


LIMIT = 6


def _hand_in_and_move(deployment: Settings, member: str, team_id: int, barrier) -> None:
    """Hand in again and again under a quota, and leave the team half way through."""

    def gate(usage: UsageToday) -> None:
        if usage.attempts >= LIMIT:
            raise LimitReached("enough")

    with Ledger.open(deployment) as ledger:
        barrier.wait()
        for number in range(8):
            if number == 4 and member == "cy":
                ledger.leave(team_id, member)
            try:
                ledger.add_attempt(competition="got", member=member, blob=b"x", gate=gate, origin="api")
            except LimitReached:
                continue


def test_the_quota_of_a_team_holds_when_its_members_hand_in_at_once(deployment):
    with Ledger.open(deployment) as ledger:
        team = ledger.create_team("got", "Wolves", "ana")
        join(ledger, team, "bo", "cy")
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(3)
    workers = [
        context.Process(target=_hand_in_and_move, args=(deployment, member, team.id, barrier)) for member in PEOPLE[:3]
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    with Ledger.open(deployment) as ledger:
        usage = ledger.usage_today("got", "ana")
        assert (usage.entrant, usage.members) == (team.entrant, ("ana", "bo"))
        assert usage.attempts == ledger.usage_today("got", "bo").attempts <= LIMIT
        assert ledger.usage_today("got", "cy").attempts <= LIMIT
        assert len(ledger.attempts("got")) >= LIMIT
