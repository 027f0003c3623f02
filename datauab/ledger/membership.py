"""Who is in which team now: what quotas and boards ask, and what changes of teams are made of."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, func, select

from datauab.ledger.engine import Database
from datauab.ledger.tables_teams import membership

_now = membership.alias("now")
_newest = (
    select(func.max(membership.c.id))
    .where(membership.c.competition == _now.c.competition, membership.c.member == _now.c.member)
    .correlate(_now)
    .scalar_subquery()
)


_TEAM = (  # made once: every attempt asks for it
    select(membership.c.team_id)
    .where(membership.c.competition == bindparam("competition"), membership.c.member == bindparam("member"))
    .order_by(membership.c.id.desc())
    .limit(1)
)


@dataclass(frozen=True, slots=True)
class Entrant:
    """Who has one quota and one row: a team with its members, or a member alone."""

    key: str
    members: tuple[str, ...]

    @classmethod
    def of(cls, connection: Connection, competition: str, member: str) -> Entrant:
        """Find the entrant of a member."""
        team_id = team_number(connection, competition, member)
        return cls(member, (member,)) if team_id is None else cls(f"team:{team_id}", members_of(connection, team_id))


def team_number(connection: Connection, competition: str, member: str) -> int | None:
    """Number of the member's team; None for a member alone."""
    found: int | None = connection.execute(_TEAM, {"competition": competition, "member": member}).scalar()
    return found


def members_of(connection: Connection, team_id: int) -> tuple[str, ...]:
    """Members of a team, in the order in which they joined."""
    query = select(_now.c.member).where(_now.c.team_id == team_id, _now.c.id == _newest).order_by(_now.c.id)
    return tuple(connection.execute(query).scalars())


def all_members(connection: Connection, competition: str) -> dict[int, list[str]]:
    """Members of every team of a competition that has any, in the order in which they joined."""
    query = select(_now.c.team_id, _now.c.member).where(
        _now.c.competition == competition, _now.c.team_id.is_not(None), _now.c.id == _newest
    )
    found: dict[int, list[str]] = {}
    for team_id, member in connection.execute(query.order_by(_now.c.id)):
        found.setdefault(team_id, []).append(member)
    return found


def lock_teams(database: Database, connection: Connection, competition: str, *, shared: bool = False) -> None:
    """Let no team of the competition change until the transaction ends; `shared` by those that change none."""
    database.lock(connection, ("teams", competition), shared=shared)


def lock_entrant(database: Database, connection: Connection, competition: str, member: str) -> Entrant:
    """Let no other attempt of the member's entrant enter, nor the entrant change, until the transaction ends."""
    lock_teams(database, connection, competition, shared=True)
    entrant = Entrant.of(connection, competition, member)
    database.lock(connection, ("entrant", competition, entrant.key))
    return entrant
