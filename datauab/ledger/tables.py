"""The ledger's tables, beside nbgrader's own in one database: attempts, their queue, and what became of them.

Rows of every table but `MUTABLE` are only ever added: triggers of the migrations refuse an update or a delete. What
changes with time (who grades what) has its own tables, the queues.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from datauab.ledger import tables_desk, tables_teams
from datauab.ledger.columns import UtcDateTime, metadata, moment

__all__ = [
    "APPEND_ONLY",
    "MUTABLE",
    "attempt",
    "author_view",
    "change",
    "deletion",
    "ending",
    "feedback",
    "kept",
    "member",
    "metadata",
    "private_score",
    "queue",
    "release",
    "score",
    "tables_desk",
    "tables_teams",
]

MUTABLE = ("club_member", "club_queue", "club_task_queue")

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
    Column("filename", Text, nullable=False, server_default=""),
    Column("phase", Text),
    Column("late_days", Integer, nullable=False, server_default="0"),
    Index("club_attempt_member_day", "competition", "member", "received_at"),
    Index("club_attempt_competition", "competition", "id"),
    Index("club_attempt_member", "member", "id"),
    sqlite_autoincrement=True,
)

deletion = Table(
    "club_deletion",
    metadata,
    Column("attempt_id", ForeignKey("club_attempt.id"), primary_key=True, autoincrement=False),
    Column("by", String(255), nullable=False),
    moment("at"),
)

_WAITS: dict[str, Any] = {"sqlite_where": text("token IS NULL"), "postgresql_where": text("token IS NULL")}

queue = Table(
    "club_queue",
    metadata,
    Column("attempt_id", ForeignKey("club_attempt.id"), primary_key=True, autoincrement=False),
    Column("priority", Integer, nullable=False),
    Column("token", String(32)),
    Column("worker", String(255)),
    Column("leased_until", UtcDateTime),
    Column("expiries", Integer, nullable=False),
    Column("kind", String(16), nullable=False, server_default="notebook"),
    Index("club_queue_next", "priority", "attempt_id", **_WAITS),
    Index("club_queue_next_of_kind", "kind", "priority", "attempt_id", **_WAITS),
    Index("club_queue_leased", "leased_until"),
)

ending = Table(
    "club_ending",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("attempt_id", ForeignKey("club_attempt.id"), nullable=False),
    Column("state", String(8), nullable=False),
    Column("reason", Text),
    Column("platform_fault", Boolean, nullable=False),
    Column("worker", String(255)),
    Column("finished_at", UtcDateTime, nullable=False),
    Index("club_ending_newest", "attempt_id", "id"),
    Index("club_ending_state", "state", "attempt_id"),
    sqlite_autoincrement=True,
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
    Column("rescore", Integer, nullable=False, server_default="0"),  # number of the task; 0: the first score
    UniqueConstraint("attempt_id", "scorer_hash", "solution_hash", "rescore", name="club_score_once"),
    Index("club_score_newest", "attempt_id", "id"),  # narrow: what reads many scores reads it in one sweep
    sqlite_autoincrement=True,
)

private_score = Table(
    "club_private_score",
    metadata,
    Column("score_id", ForeignKey("club_score.id"), primary_key=True, autoincrement=False),
    Column("private", Float(53), nullable=False),
    Column("secondary", JSON, nullable=False),
)

author_view = Table(
    "club_author_view",
    metadata,
    Column("score_id", ForeignKey("club_score.id"), primary_key=True, autoincrement=False),
    Column("view", JSON, nullable=False),
)

kept = Table(
    "club_kept",
    metadata,
    Column("attempt_id", ForeignKey("club_attempt.id"), primary_key=True, autoincrement=False),
    Column("sha256", String(64), nullable=False),
    Column("size", Integer, nullable=False),
    moment("at"),
)

change = Table(
    "club_change",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("competition", String(128), nullable=False),
    Column("member", String(255)),  # None: everybody
    Index("club_change_mark", "competition", "id"),
    sqlite_autoincrement=True,
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

APPEND_ONLY = tuple(sorted(set(metadata.tables) - set(MUTABLE)))
