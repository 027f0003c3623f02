"""How teams grow: invitations of members, and requests of teams to become one."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, Select, or_, select
from sqlalchemy.sql.elements import ColumnElement

from datauab.errors import LedgerError
from datauab.ledger.attempt_rows import utc_now
from datauab.ledger.engine import Database
from datauab.ledger.membership import lock_teams
from datauab.ledger.records import Invitation, MergeRequest, Team
from datauab.ledger.tables_teams import invitation, invitation_answer, merge_answer, merge_request, team_state
from datauab.ledger.teams import TeamGate, check_alone, find_team, move, write_state


class Invitations:
    """The part of the ledger that keeps what members and teams were asked, and what they answered."""

    _database: Database

    def invite(self, team_id: int, by: str, member: str) -> Invitation:
        """Invite a member into a team; an open invitation of the same member is given again.

        Raises
        ------
        LedgerError
            Where there is no such team, or the member is in it.
        """
        now = utc_now()
        with self._database.writing() as connection:
            found = find_team(connection, team_id)
            lock_teams(self._database, connection, found.competition)
            found = find_team(connection, team_id)
            if member in found.members:
                raise LedgerError(f"team {team_id}: {member} is in it already")
            known = connection.execute(_open().where(invitation.c.team_id == team_id, invitation.c.member == member))
            row = known.first()
            if row is not None:
                return Invitation(*row)
            values: dict[str, Any] = {"team_id": team_id, "competition": found.competition, "member": member}
            values |= {"by": by, "at": now}
            number = connection.execute(invitation.insert().values(values).returning(invitation.c.id)).scalar_one()
        return Invitation(id=number, **values)

    def invitations(self, competition: str, member: str) -> list[Invitation]:
        """List the invitations of a member that wait for an answer, oldest first."""
        query = _open().where(invitation.c.competition == competition, invitation.c.member == member)
        return self._invitations(query)

    def team_invitations(self, team_id: int) -> list[Invitation]:
        """List the invitations of a team that wait for an answer, oldest first."""
        return self._invitations(_open().where(invitation.c.team_id == team_id))

    def _invitations(self, query: Select[Any]) -> list[Invitation]:
        with self._database.reading() as connection:
            return [Invitation(*row) for row in connection.execute(query.order_by(invitation.c.id))]

    def accept(self, number: int, member: str, gate: TeamGate | None = None) -> Team:
        """Let an invited member join.

        Parameters
        ----------
        gate : callable, optional
            Called with the members that the team would have, while no team of the competition changes; what it
            raises refuses, and the invitation stays open.

        Raises
        ------
        LedgerError
            Where the invitation is not this member's or not open, or the member is in a team already.
        """
        now = utc_now()
        with self._database.writing() as connection:
            asked = self._open_invitation(connection, number, member)
            check_alone(connection, asked.competition, member)
            found = find_team(connection, asked.team_id)
            if gate is not None:
                gate((*found.members, member))
            connection.execute(invitation_answer.insert().values(invitation_id=number, accepted=True, at=now))
            move(self._database, connection, found, [member], now)
            return find_team(connection, found.id)

    def decline(self, number: int, member: str) -> None:
        """Let an invited member say no.

        Raises
        ------
        LedgerError
            Where the invitation is not this member's or not open.
        """
        with self._database.writing() as connection:
            self._open_invitation(connection, number, member)
            connection.execute(invitation_answer.insert().values(invitation_id=number, accepted=False, at=utc_now()))

    def _open_invitation(self, connection: Connection, number: int, member: str) -> Invitation:
        query = _open().where(invitation.c.id == number, invitation.c.member == member)
        row = connection.execute(query).one_or_none()
        if row is not None:
            lock_teams(self._database, connection, row.competition)
            row = connection.execute(query).one_or_none()
        if row is None:
            raise LedgerError(f"invitation {number}: {member} has no open one of this number; see invitations")
        return Invitation(*row)

    def request_merge(self, team_id: int, other_id: int, by: str) -> MergeRequest:
        """Let a team ask another to become one with it; an open request of the same teams is given again.

        Raises
        ------
        LedgerError
            Where one of the teams is not there, or they are not two of one competition.
        """
        now = utc_now()
        with self._database.writing() as connection:
            competition = find_team(connection, team_id).competition
            lock_teams(self._database, connection, competition)
            find_team(connection, team_id)
            if team_id == other_id or find_team(connection, other_id).competition != competition:
                raise LedgerError(f"teams {team_id} and {other_id}: expected two teams of one competition")
            same = (merge_request.c.team_id == team_id, merge_request.c.other_id == other_id)
            row = connection.execute(_open_merges().where(*same)).first()
            if row is not None:
                return _merge(row)
            values: dict[str, Any] = {"team_id": team_id, "other_id": other_id, "competition": competition}
            values |= {"by": by, "at": now}
            insert = merge_request.insert().values(values).returning(merge_request.c.id)
            return MergeRequest(id=connection.execute(insert).scalar_one(), **values)

    def merge_requests(self, competition: str, team_id: int) -> list[MergeRequest]:
        """List the requests that a team made or got and that wait for an answer, oldest first."""
        concerns = or_(merge_request.c.team_id == team_id, merge_request.c.other_id == team_id)
        query = _open_merges().where(merge_request.c.competition == competition, concerns)
        with self._database.reading() as connection:
            return [_merge(row) for row in connection.execute(query.order_by(merge_request.c.id))]

    def accept_merge(self, number: int, member: str, gate: TeamGate | None = None) -> Team:
        """Let a member of the asked team say yes: its members join the team that asked, and it ends.

        Parameters
        ----------
        gate : callable, optional
            As for `accept`, with the members of both teams.

        Raises
        ------
        LedgerError
            Where the request is not open, or not to a team of this member.
        """
        now = utc_now()
        with self._database.writing() as connection:
            asking, other = self._open_merge(connection, number, member)
            if gate is not None:
                gate((*asking.members, *other.members))
            answer = {"request_id": number, "accepted": True, "by": member, "at": now}
            connection.execute(merge_answer.insert().values(answer))
            write_state(connection, other, member, now, ended=True)
            move(self._database, connection, asking, other.members, now)
            return find_team(connection, asking.id)

    def decline_merge(self, number: int, member: str) -> None:
        """Let a member of the asked team say no, or one of the asking team take the request back.

        Raises
        ------
        LedgerError
            Where the request is not open, or concerns no team of this member.
        """
        with self._database.writing() as connection:
            self._open_merge(connection, number, member, either=True)
            answer = {"request_id": number, "accepted": False, "by": member, "at": utc_now()}
            connection.execute(merge_answer.insert().values(answer))

    def _open_merge(
        self, connection: Connection, number: int, member: str, *, either: bool = False
    ) -> tuple[Team, Team]:
        query = _open_merges().where(merge_request.c.id == number)
        row = connection.execute(query).one_or_none()
        if row is not None:
            lock_teams(self._database, connection, row.competition)
            row = connection.execute(query).one_or_none()
        if row is not None:
            asked = _merge(row)
            asking, other = find_team(connection, asked.team_id), find_team(connection, asked.other_id)
            if member in other.members or (either and member in asking.members):
                return asking, other
        raise LedgerError(f"request {number}: no open one to merge with a team of {member}; see merge_requests")


def _lives(team_id: ColumnElement[int]) -> ColumnElement[bool]:
    return ~select(team_state.c.id).where(team_state.c.team_id == team_id, team_state.c.ended.is_(True)).exists()


def _open() -> Select[Any]:
    columns = (getattr(invitation.c, name) for name in ("id", "team_id", "competition", "member", "by", "at"))
    return (
        select(*columns)
        .outerjoin(invitation_answer, invitation_answer.c.invitation_id == invitation.c.id)
        .where(invitation_answer.c.invitation_id.is_(None), _lives(invitation.c.team_id))
    )


def _open_merges() -> Select[Any]:
    return (
        select(merge_request)
        .outerjoin(merge_answer, merge_answer.c.request_id == merge_request.c.id)
        .where(merge_answer.c.request_id.is_(None))
        .where(_lives(merge_request.c.team_id), _lives(merge_request.c.other_id))
    )


def _merge(row: Row[Any]) -> MergeRequest:
    return MergeRequest(**row._mapping)
