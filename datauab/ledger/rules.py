"""What members accept and choose, and what organisers decide; the newest of each counts, the older ones stay."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import String, Table, bindparam, func, select
from sqlalchemy.sql.elements import ColumnElement

from datauab.ledger.attempt_rows import utc_now
from datauab.ledger.audit import write_audit
from datauab.ledger.changes import note_changes
from datauab.ledger.engine import Database
from datauab.ledger.membership import members_of
from datauab.ledger.records import Extension
from datauab.ledger.tables_desk import acceptance, extension, final_selection, ruling


class Rules:
    """The part of the ledger that knows under which rules a competition runs, and for whom."""

    _database: Database

    def accept_rules(self, competition: str, member: str, sha256: str) -> None:
        """Record that a member accepts the rules whose text has this hash."""
        with self._database.writing() as connection:
            values = {"competition": competition, "member": member, "sha256": sha256, "at": utc_now()}
            connection.execute(acceptance.insert().values(values))

    def accepted_rules(self, competition: str, member: str) -> str | None:
        """Give the hash of the rules that a member accepted last; None for none."""
        query = select(acceptance.c.sha256).where(
            acceptance.c.competition == competition, acceptance.c.member == member
        )
        with self._database.reading() as connection:
            found: str | None = connection.execute(query.order_by(acceptance.c.id.desc()).limit(1)).scalar()
        return found

    def extend(
        self,
        competition: str,
        member: str,
        *,
        closes: datetime | None,
        daily_scored: int | None,
        note: str,
        by: str,
    ) -> None:
        """Allow one member more than everybody has, in place of what was allowed before.

        Parameters
        ----------
        closes : datetime or None
            Aware; see `Extension`.
        """
        values = {"competition": competition, "member": member, "closes": closes, "daily_scored": daily_scored}
        detail = {"closes": closes and closes.isoformat(), "daily_scored": daily_scored, "note": note}
        with self._database.writing() as connection:
            connection.execute(extension.insert().values({**values, "note": note, "by": by, "at": utc_now()}))
            write_audit(connection, by, "quota.extend", competition, member, detail=detail)

    def extension(self, competition: str, member: str) -> Extension | None:
        """Give what a member is allowed alone; None for nothing."""
        with self._database.reading() as connection:
            row = connection.execute(_EXTENSION, {"competition": competition, "member": member}).first()
        return None if row is None else Extension(*row)

    def extensions(self, competition: str) -> list[Extension]:
        """List the newest extension of each member that has one, by member."""
        query = _extensions.where(extension.c.id.in_(_newest(extension, competition, extension.c.member)))
        with self._database.reading() as connection:
            return [Extension(*row) for row in connection.execute(query.order_by(extension.c.member))]

    def rule(self, competition: str, key: str, value: Any, by: str) -> None:
        """Decide something for everybody, such as when the competition closes.

        Parameters
        ----------
        value : object
            Ready for JSON; see `datauab.competition.Competition.ruled`.
        """
        with self._database.writing() as connection:
            values = {"competition": competition, "key": key, "value": value, "by": by, "at": utc_now()}
            connection.execute(ruling.insert().values(values))
            note_changes(self._database, connection, [(competition, None)])
            write_audit(connection, by, "ruling.set", competition, key, detail={"value": value})

    def rulings(self, competition: str) -> dict[str, Any]:
        """Give the newest decision under each key."""
        with self._database.reading() as connection:
            return {row.key: row.value for row in connection.execute(_RULINGS, {"competition": competition})}

    def select_final(self, competition: str, entrant: str, numbers: Sequence[int], by: str) -> None:
        """Record which attempts an entrant chose for the private board, in place of an earlier choice."""
        with self._database.writing() as connection:
            values = {"competition": competition, "entrant": entrant, "numbers": list(numbers), "by": by}
            connection.execute(final_selection.insert().values({**values, "at": utc_now()}))
            team = entrant.removeprefix("team:")
            is_team = entrant.startswith("team:") and team.isdecimal()
            members = members_of(connection, int(team)) if is_team else ()
            note_changes(self._database, connection, [(competition, member) for member in members or (entrant,)])

    def final_selection(self, competition: str, entrant: str) -> tuple[int, ...]:
        """Give the attempts that an entrant chose last; empty where the rule chooses."""
        query = select(final_selection.c.numbers).where(
            final_selection.c.competition == competition, final_selection.c.entrant == entrant
        )
        with self._database.reading() as connection:
            found = connection.execute(query.order_by(final_selection.c.id.desc()).limit(1)).scalar()
        return tuple(found or ())

    def final_selections(self, competition: str) -> dict[str, tuple[int, ...]]:
        """Give what each entrant chose last; those who left it to the rule are left out."""
        query = select(final_selection.c.entrant, final_selection.c.numbers).where(
            final_selection.c.id.in_(_newest(final_selection, competition, final_selection.c.entrant))
        )
        with self._database.reading() as connection:
            return {row.entrant: tuple(row.numbers) for row in connection.execute(query) if row.numbers}


_extensions = select(
    extension.c.competition,
    extension.c.member,
    extension.c.closes,
    extension.c.daily_scored,
    extension.c.note,
    extension.c.by,
    extension.c.at,
)


def _newest(table: Table, competition: str | ColumnElement[str], key: ColumnElement[str]) -> Any:
    return select(func.max(table.c.id)).where(table.c.competition == competition).group_by(key)


# Made once: each attempt asks for both, and making a statement costs more than running it.
_COMPETITION: ColumnElement[str] = bindparam("competition", type_=String)
_EXTENSION = (
    _extensions.where(extension.c.competition == _COMPETITION, extension.c.member == bindparam("member"))
    .order_by(extension.c.id.desc())
    .limit(1)
)
_RULINGS = select(ruling.c.key, ruling.c.value).where(ruling.c.id.in_(_newest(ruling, _COMPETITION, ruling.c.key)))
