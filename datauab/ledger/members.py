"""The names that members show."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select

from datauab.ledger.attempt_rows import chunks, utc_now
from datauab.ledger.engine import Database
from datauab.ledger.tables import member


class Members:
    """The part of the ledger that knows what members call themselves."""

    _database: Database

    def display_names(self, members: Collection[str] | None = None) -> dict[str, str]:
        """Map account names, all or those of `members`, to the names they show; who chose none is left out."""
        query = select(member.c.name, member.c.display_name)
        with self._database.reading() as connection:
            if members is None:
                return {row.name: row.display_name for row in connection.execute(query)}
            found: dict[str, str] = {}
            for chunk in chunks(members):
                rows = connection.execute(query.where(member.c.name.in_(chunk)))
                found |= {row.name: row.display_name for row in rows}
        return found

    def upsert_member(self, name: str, display_name: str) -> None:
        """Set the name that a member shows."""
        values = {"display_name": display_name, "updated_at": utc_now()}
        with self._database.writing() as connection:
            self._database.lock(connection, ("members",))
            if connection.execute(member.update().where(member.c.name == name).values(values)).rowcount == 0:
                connection.execute(member.insert().values(name=name, **values))
