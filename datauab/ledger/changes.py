"""The log of what alters boards: a row in the same transaction as everything that does.

The state of an attempt that waits shows on no board, so handing in writes no row; how it ends does.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, bindparam, func, select

from datauab.ledger.engine import Database
from datauab.ledger.records import Change
from datauab.ledger.tables import change


def note_changes(database: Database, connection: Connection, changed: Iterable[tuple[str, str | None]]) -> None:
    """Write that boards changed: of a competition's member, or of everybody where the member is None.

    Numbers of one competition become visible in their order: on PostgreSQL later writers wait for this transaction.
    """
    rows = [{"competition": competition, "member": member} for competition, member in dict.fromkeys(changed)]
    for competition in sorted({row["competition"] or "" for row in rows}):
        database.lock(connection, ("change", competition))
    if rows:
        connection.execute(change.insert(), rows)


# Made once: boards ask at every request, and making a statement costs more than running it.
_MARK = select(func.max(change.c.id)).where(change.c.competition == bindparam("competition"))
_CHANGES = (
    select(change.c.id, change.c.member)
    .where(change.c.competition == bindparam("competition"), change.c.id > bindparam("after"))
    .order_by(change.c.id)
    .limit(bindparam("most"))
)


class Changes:
    """The part of the ledger that boards in memory follow."""

    _database: Database

    def change_mark(self, competition: str) -> int:
        """Give the number of the newest change of a competition's boards; 0 where there is none."""
        with self._database.reading() as connection:
            return int(connection.execute(_MARK, {"competition": competition}).scalar() or 0)

    def changes(self, competition: str, after: int, limit: int) -> list[Change]:
        """List changes with numbers above `after`, oldest first, `limit` at most."""
        asked = {"competition": competition, "after": after, "most": limit}
        with self._database.reading() as connection:
            return [Change(*row) for row in connection.execute(_CHANGES, asked)]
