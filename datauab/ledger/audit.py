"""Who did what: acts of organisers, written where they happen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select

from datauab.ledger.attempt_rows import utc_now
from datauab.ledger.engine import Database
from datauab.ledger.records import AuditRecord
from datauab.ledger.tables_desk import audit


def write_audit(
    connection: Connection,
    actor: str,
    action: str,
    competition: str,
    target: str,
    *,
    detail: Mapping[str, Any],
) -> None:
    """Write an act into the log, in the transaction that does it."""
    values = {"at": utc_now(), "actor": actor, "action": action, "competition": competition, "target": target}
    connection.execute(audit.insert().values({**values, "detail": dict(detail)}))


class Audit:
    """The part of the ledger that remembers acts of organisers."""

    _database: Database

    def audit(
        self,
        actor: str,
        action: str,
        competition: str = "",
        target: str = "",
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """Write an act into the log.

        Parameters
        ----------
        actor : str
            The account, or who else acted, such as an operator's command.
        action : str
            Such as ``bundle.import``.
        target : str
            What it was done to.
        detail : mapping, optional
            Plain values, ready for JSON.
        """
        with self._database.writing() as connection:
            write_audit(connection, actor, action, competition, target, detail=detail or {})

    def audit_log(
        self, competition: str | None = None, limit: int = 200, before: int | None = None
    ) -> list[AuditRecord]:
        """List acts, newest first, of one competition or of all; `before`: only those with a smaller number."""
        query = select(audit).order_by(audit.c.id.desc()).limit(limit)
        if competition is not None:
            query = query.where(audit.c.competition == competition)
        if before is not None:
            query = query.where(audit.c.id < before)
        with self._database.reading() as connection:
            return [AuditRecord(**row._mapping) for row in connection.execute(query)]
