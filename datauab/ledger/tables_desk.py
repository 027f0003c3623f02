"""Tables of what organisers decide and ask for, and of what members accept and choose; the newest row counts."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, Column, ForeignKey, Index, Integer, String, Table, Text, text

from datauab.ledger.columns import UtcDateTime, metadata, moment

acceptance = Table(
    "club_acceptance",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("competition", String(128), nullable=False),
    Column("member", String(255), nullable=False),
    Column("sha256", String(64), nullable=False),
    moment("at"),
    Index("club_acceptance_newest", "competition", "member", "id"),
    sqlite_autoincrement=True,
)

extension = Table(
    "club_extension",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("competition", String(128), nullable=False),
    Column("member", String(255), nullable=False),
    Column("closes", UtcDateTime),
    Column("daily_scored", Integer),
    Column("note", Text, nullable=False),
    Column("by", String(255), nullable=False),
    moment("at"),
    Index("club_extension_newest", "competition", "member", "id"),
    sqlite_autoincrement=True,
)

ruling = Table(
    "club_ruling",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("competition", String(128), nullable=False),
    Column("key", String(64), nullable=False),
    Column("value", JSON, nullable=False),
    Column("by", String(255), nullable=False),
    moment("at"),
    Index("club_ruling_newest", "competition", "key", "id"),
    sqlite_autoincrement=True,
)

final_selection = Table(
    "club_final_selection",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("competition", String(128), nullable=False),
    Column("entrant", String(255), nullable=False),
    Column("numbers", JSON, nullable=False),
    Column("by", String(255), nullable=False),
    moment("at"),
    Index("club_final_selection_newest", "competition", "entrant", "id"),
    sqlite_autoincrement=True,
)

announcement = Table(
    "club_announcement",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("competition", String(128), nullable=False, index=True),
    Column("text", Text, nullable=False),
    Column("by", String(255), nullable=False),
    moment("at"),
    sqlite_autoincrement=True,
)

withdrawal = Table(
    "club_withdrawal",
    metadata,
    Column("announcement_id", ForeignKey("club_announcement.id"), primary_key=True, autoincrement=False),
    Column("by", String(255), nullable=False),
    moment("at"),
)

audit = Table(
    "club_audit",
    metadata,
    Column("id", Integer, primary_key=True),
    moment("at"),
    Column("actor", String(255), nullable=False),
    Column("action", String(64), nullable=False),
    Column("competition", String(128), nullable=False),
    Column("target", Text, nullable=False),
    Column("detail", JSON, nullable=False),
    Index("club_audit_competition", "competition", "id"),
    sqlite_autoincrement=True,
)

task = Table(
    "club_task",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("competition", String(128), nullable=False),
    Column("by", String(255), nullable=False),
    Column("parameters", JSON, nullable=False),
    moment("asked_at"),
    Index("club_task_competition", "competition", "id"),
    sqlite_autoincrement=True,
)

_WAITS: dict[str, Any] = {"sqlite_where": text("token IS NULL"), "postgresql_where": text("token IS NULL")}

task_queue = Table(
    "club_task_queue",
    metadata,
    Column("task_id", ForeignKey("club_task.id"), primary_key=True, autoincrement=False),
    Column("token", String(32)),
    Column("worker", String(255)),
    Column("leased_until", UtcDateTime),
    Column("expiries", Integer, nullable=False),
    Index("club_task_queue_next", "task_id", **_WAITS),
)

task_ending = Table(
    "club_task_ending",
    metadata,
    Column("task_id", ForeignKey("club_task.id"), primary_key=True, autoincrement=False),
    Column("state", String(8), nullable=False),
    Column("result", JSON(none_as_null=True)),
    Column("reason", Text),
    Column("worker", String(255)),
    moment("finished_at"),
)

task_progress = Table(
    "club_task_progress",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("task_id", ForeignKey("club_task.id"), nullable=False),
    Column("progress", JSON, nullable=False),
    moment("at"),
    Index("club_task_progress_newest", "task_id", "id"),
    sqlite_autoincrement=True,
)

grading = Table(
    "club_grading",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("competition", String(128), nullable=False),
    Column("member", String(255), nullable=False),
    Column("attempt_id", ForeignKey("club_attempt.id"), nullable=False),
    Column("key", String(64), nullable=False),
    Column("state", String(8), nullable=False),
    Column("seconds", JSON, nullable=False),
    moment("graded_at"),
    Index("club_grading_newest", "competition", "member", "id"),
    sqlite_autoincrement=True,
)
