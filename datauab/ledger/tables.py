"""The ledger's tables, beside nbgrader's own in one database.

Rows of every table but ``club_queue`` and ``club_member`` are only ever added: triggers of the first migration refuse
an update or a delete. What changes with time (who grades what) has its own table, the queue.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

metadata = MetaData()

APPEND_ONLY = ("club_attempt", "club_ending", "club_score", "club_private_score", "club_feedback", "club_release")


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


member = Table(
    "club_member",
    metadata,
    Column("name", String(255), primary_key=True),
    Column("display_name", String(255), nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
)

attempt = Table(
    "club_attempt",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("competition", String(128), nullable=False),
    Column("member", String(255), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("origin", String(16), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("size", Integer, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Index("club_attempt_member_day", "competition", "member", "received_at"),
    sqlite_autoincrement=True,
)

queue = Table(
    "club_queue",
    metadata,
    Column("attempt_id", ForeignKey("club_attempt.id"), primary_key=True, autoincrement=False),
    Column("priority", Integer, nullable=False),
    Column("token", String(32)),
    Column("worker", String(255)),
    Column("leased_until", UtcDateTime),
    Column("expiries", Integer, nullable=False),
)

ending = Table(
    "club_ending",
    metadata,
    Column("attempt_id", ForeignKey("club_attempt.id"), primary_key=True, autoincrement=False),
    Column("state", String(8), nullable=False),
    Column("reason", Text),
    Column("platform_fault", Boolean, nullable=False),
    Column("worker", String(255)),
    Column("finished_at", UtcDateTime, nullable=False),
)

score = Table(
    "club_score",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("attempt_id", ForeignKey("club_attempt.id"), nullable=False),
    Column("scorer_hash", String(64), nullable=False),
    Column("solution_hash", String(64), nullable=False),
    Column("metric", String(64), nullable=False),
    Column("public", Float(53), nullable=False),
    Column("interval_low", Float(53), nullable=False),
    Column("interval_high", Float(53), nullable=False),
    Column("secondary", JSON, nullable=False),
    Column("points", Float(53)),
    Column("max_points", Float(53)),
    Column("scored_at", UtcDateTime, nullable=False),
    UniqueConstraint("attempt_id", "scorer_hash", "solution_hash", name="club_score_once"),
    sqlite_autoincrement=True,
)

private_score = Table(
    "club_private_score",
    metadata,
    Column("score_id", ForeignKey("club_score.id"), primary_key=True, autoincrement=False),
    Column("private", Float(53), nullable=False),
    Column("secondary", JSON, nullable=False),
)

feedback = Table(
    "club_feedback",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("attempt_id", ForeignKey("club_attempt.id"), nullable=False, index=True),
    Column("sha256", String(64), nullable=False),
    Column("size", Integer, nullable=False),
    Column("published_at", UtcDateTime, nullable=False),
    sqlite_autoincrement=True,
)

release = Table(
    "club_release",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("assignment", String(128), nullable=False, index=True),
    Column("sha256", String(64)),  # None: the assignment was withdrawn
    Column("size", Integer, nullable=False),
    Column("by", String(255), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    sqlite_autoincrement=True,
)
