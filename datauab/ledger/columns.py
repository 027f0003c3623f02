"""What the ledger's tables are made of: one set of tables, and columns that mean the same on every database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Column, DateTime, Dialect, MetaData, TypeDecorator

metadata = MetaData()


class UtcDateTime(TypeDecorator[datetime]):
    """Aware datetimes in UTC; SQLite, which keeps no zone, stores them without one."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a time without a zone: which moment it means would depend on the machine."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"expected a time with its zone, found {value!r}")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        """Give every time its zone back."""
        if value is None:
            return None
        moment: datetime = value
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def moment(name: str, *, nullable: bool = False) -> Column[datetime]:
    """Make a column of times."""
    return Column(name, UtcDateTime, nullable=nullable)
