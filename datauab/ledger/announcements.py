"""What organisers tell everybody who takes part."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from datauab.errors import LedgerError
from datauab.ledger.attempt_rows import utc_now
from datauab.ledger.audit import write_audit
from datauab.ledger.engine import Database
from datauab.ledger.records import Announcement
from datauab.ledger.tables_desk import announcement, withdrawal


class Announcements:
    """The part of the ledger that keeps announcements."""

    _database: Database

    def announce(self, competition: str, text: str, by: str) -> Announcement:
        """Tell everybody who takes part in a competition something."""
        values: dict[str, Any] = {"competition": competition, "text": text, "by": by, "at": utc_now()}
        with self._database.writing() as connection:
            insert = announcement.insert().values(values).returning(announcement.c.id)
            number = connection.execute(insert).scalar_one()
            write_audit(connection, by, "announcement.publish", competition, str(number), detail={"text": text})
        return Announcement(id=number, **values)

    def announcements(self, competition: str) -> list[Announcement]:
        """List announcements that were not withdrawn, newest first."""
        query = (
            select(announcement)
            .outerjoin(withdrawal, withdrawal.c.announcement_id == announcement.c.id)
            .where(announcement.c.competition == competition, withdrawal.c.announcement_id.is_(None))
            .order_by(announcement.c.id.desc())
        )
        with self._database.reading() as connection:
            return [Announcement(**row._mapping) for row in connection.execute(query)]

    def withdraw_announcement(self, announcement_id: int, by: str) -> None:
        """Take an announcement back; nothing happens the second time.

        Raises
        ------
        LedgerError
            Where there is none of this number.
        """
        done = select(withdrawal.c.announcement_id).where(withdrawal.c.announcement_id == announcement_id)
        with self._database.writing() as connection:
            self._database.lock(connection, ("announcement", str(announcement_id)))
            row = connection.execute(select(announcement).where(announcement.c.id == announcement_id)).one_or_none()
            if row is None:
                raise LedgerError(f"announcement {announcement_id}: no such announcement in the ledger")
            if connection.execute(done).first() is not None:
                return
            connection.execute(withdrawal.insert().values(announcement_id=announcement_id, by=by, at=utc_now()))
            detail = {"text": row.text}
            write_audit(connection, by, "announcement.withdraw", row.competition, str(announcement_id), detail=detail)
