"""Teams: made, joined, left and merged, one change after the other within a competition."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select

from datauab.errors import LedgerError
from datauab.ledger.attempt_rows import utc_now
from datauab.ledger.changes import note_changes
from datauab.ledger.engine import Database
from datauab.ledger.membership import all_members, lock_teams, members_of, team_number
from datauab.ledger.records import Team
from datauab.ledger.tables_teams import membership, team, team_state

TeamGate = Callable[[tuple[str, ...]], object]
"""Called in the write transaction with the members that a team would have; raises to refuse."""

_newest = select(func.max(team_state.c.id)).where(team_state.c.team_id == team.c.id).correlate(team).scalar_subquery()
_teams: Select[Any] = select(
    team.c.id, team.c.competition, team_state.c.name, team_state.c.captain, team_state.c.ended, team.c.made_at
).join(team_state, team_state.c.id == _newest)


class Teams:
    """The part of the ledger that knows who takes part together."""

    _database: Database

    def teams(self, competition: str) -> list[Team]:
        """List the teams of a competition, oldest first."""
        query = _teams.where(team.c.competition == competition, team_state.c.ended.is_(False)).order_by(team.c.id)
        with self._database.reading() as connection:
            members = all_members(connection, competition)
            return [_team(row, members.get(row.id, ())) for row in connection.execute(query)]

    def team(self, team_id: int) -> Team:
        """Read one team.

        Raises
        ------
        LedgerError
            Where there is none of this number, or it has ended.
        """
        with self._database.reading() as connection:
            return find_team(connection, team_id)

    def team_of(self, competition: str, member: str) -> Team | None:
        """Find the team of a member; None for a member alone."""
        with self._database.reading() as connection:
            number = team_number(connection, competition, member)
            return None if number is None else find_team(connection, number)

    def entrant_of(self, competition: str, member: str) -> str:
        """Give the key of the member's team (``team:<id>``), or the member alone."""
        with self._database.reading() as connection:
            number = team_number(connection, competition, member)
        return member if number is None else f"team:{number}"

    def entrants(self, competition: str) -> dict[str, str]:
        """Map every member who is in a team to its key."""
        with self._database.reading() as connection:
            teams = all_members(connection, competition)
        return {member: f"team:{number}" for number, members in teams.items() for member in members}

    def create_team(self, competition: str, name: str, captain: str) -> Team:
        """Make a team of one.

        Raises
        ------
        LedgerError
            Where the captain is in a team already.
        """
        now = utc_now()
        with self._database.writing() as connection:
            lock_teams(self._database, connection, competition)
            check_alone(connection, competition, captain)
            insert = team.insert().values(competition=competition, made_at=now).returning(team.c.id)
            made = Team(connection.execute(insert).scalar_one(), competition, name, captain, (captain,), now)
            write_state(connection, made, captain, now)
            move(self._database, connection, made, made.members, now)
        return made

    def rename_team(self, team_id: int, name: str, by: str) -> None:
        """Give a team another name.

        Raises
        ------
        LedgerError
            Where there is no such team.
        """
        now = utc_now()
        with self._changing(team_id) as (connection, found):
            write_state(connection, replace(found, name=name), by, now)
            note_changes(self._database, connection, [(found.competition, member) for member in found.members])

    def leave(self, team_id: int, member: str) -> None:
        """Let a member leave: after the captain the next member is captain; the last one ends the team.

        Raises
        ------
        LedgerError
            Where there is no such team, or the member is not in it.
        """
        now = utc_now()
        with self._changing(team_id) as (connection, found):
            if member not in found.members:
                raise LedgerError(f"team {team_id}: {member} is no member of it, so cannot leave it; see team_of")
            rest = tuple(one for one in found.members if one != member)
            left = replace(found, members=rest, captain=found.captain if found.captain in rest else (*rest, member)[0])
            if not rest or left.captain != found.captain:
                write_state(connection, left, member, now, ended=not rest)
            note_changes(self._database, connection, [(found.competition, one) for one in found.members])
            connection.execute(
                membership.insert().values(competition=found.competition, member=member, team_id=None, at=now)
            )

    @contextmanager
    def _changing(self, team_id: int) -> Iterator[tuple[Connection, Team]]:
        """Write while no other change of the competition's teams does."""
        competition = self.team(team_id).competition
        with self._database.writing() as connection:
            lock_teams(self._database, connection, competition)
            yield connection, find_team(connection, team_id)


def find_team(connection: Connection, team_id: int) -> Team:
    """Read one team that has not ended, or raise `LedgerError`."""
    row = connection.execute(_teams.where(team.c.id == team_id, team_state.c.ended.is_(False))).one_or_none()
    if row is None:
        raise LedgerError(f"team {team_id}: no such team in the ledger, or it has ended")
    return _team(row, members_of(connection, team_id))


def check_alone(connection: Connection, competition: str, member: str) -> None:
    """Raise `LedgerError` where the member is in a team."""
    number = team_number(connection, competition, member)
    if number is not None:
        raise LedgerError(f"{competition}: {member} is in team {number} already; leave it first")


def write_state(connection: Connection, found: Team, by: str, now: datetime, *, ended: bool = False) -> None:
    """Write what a team is from now on."""
    values = {"team_id": found.id, "name": found.name, "captain": found.captain, "ended": ended, "by": by, "at": now}
    connection.execute(team_state.insert().values(values))


def move(
    database: Database,
    connection: Connection,
    found: Team,
    members: Sequence[str],
    now: datetime,
) -> None:
    """Put members into a team; boards change for them and for those that are in it."""
    rows = [{"competition": found.competition, "member": one, "team_id": found.id, "at": now} for one in members]
    connection.execute(membership.insert(), rows)
    everybody = dict.fromkeys((*found.members, *members))
    note_changes(database, connection, [(found.competition, member) for member in everybody])


def _team(row: Row[Any], members: Sequence[str]) -> Team:
    return Team(row.id, row.competition, row.name, row.captain, tuple(members), row.made_at)
