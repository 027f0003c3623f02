"""Phases and deletions, scores that are recomputed, teams, the organiser's desk, tasks, and the log of changes."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

APPEND_ONLY = (
    "club_acceptance",
    "club_announcement",
    "club_audit",
    "club_author_view",
    "club_change",
    "club_deletion",
    "club_extension",
    "club_final_selection",
    "club_invitation",
    "club_invitation_answer",
    "club_kept",
    "club_membership",
    "club_merge_answer",
    "club_merge_request",
    "club_ruling",
    "club_task",
    "club_task_ending",
    "club_team",
    "club_team_state",
    "club_withdrawal",
)
"""New tables; on SQLite, where a key cannot be changed in place, `REBUILT` ones need their triggers again too."""

REBUILT = ("club_ending", "club_score", "club_private_score")

_WAITS: dict[str, Any] = {"sqlite_where": sa.text("token IS NULL"), "postgresql_where": sa.text("token IS NULL")}


def upgrade() -> None:
    """Add columns, keys and tables; every row that was there stays as it was."""
    sqlite = op.get_bind().dialect.name == "sqlite"
    _attempts()
    if sqlite:
        _rebuild_results()
    else:
        _alter_results()
    op.create_index("club_ending_newest", "club_ending", ["attempt_id", "id"])
    op.create_index("club_score_newest", "club_score", ["attempt_id", "id"])
    op.create_index("club_ending_state", "club_ending", ["state", "attempt_id"])
    _more_results()
    _teams()
    _invitations()
    _decisions()
    _desk()
    _tasks()
    for table in (*APPEND_ONLY, *(REBUILT if sqlite else ())):
        _keep_rows(table)


def _id() -> sa.Column[int]:
    return sa.Column("id", sa.Integer, primary_key=True)


def _text(name: str, length: int | None = None, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(length) if length else sa.Text(), nullable=nullable)


def _competition(*, index: bool = False) -> sa.Column[str]:
    return sa.Column("competition", sa.String(128), nullable=False, index=index)


def _account(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return _text(name, 255, nullable=nullable)


def _moment(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _to(name: str, table: str, *, nullable: bool = False, index: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, sa.ForeignKey(f"{table}.id"), nullable=nullable, index=index)


def _only(name: str, table: str) -> sa.Column[int]:
    """Key of a table with at most one row for each row of `table`."""
    return sa.Column(name, sa.Integer, sa.ForeignKey(f"{table}.id"), primary_key=True, autoincrement=False)


def _numbered(name: str, *columns: sa.Column[Any] | sa.Constraint) -> None:
    op.create_table(name, _id(), *columns, sqlite_autoincrement=True)


def _attempts() -> None:
    op.add_column("club_attempt", sa.Column("filename", sa.Text, nullable=False, server_default=""))
    op.add_column("club_attempt", sa.Column("phase", sa.Text))
    op.add_column("club_attempt", sa.Column("late_days", sa.Integer, nullable=False, server_default="0"))
    op.create_index("club_attempt_competition", "club_attempt", ["competition", "id"])
    op.create_index("club_attempt_member", "club_attempt", ["member", "id"])
    op.add_column("club_queue", sa.Column("kind", sa.String(16), nullable=False, server_default="notebook"))
    op.execute(
        "UPDATE club_queue SET kind = (SELECT kind FROM club_attempt WHERE club_attempt.id = club_queue.attempt_id)"
    )
    op.create_index("club_queue_next", "club_queue", ["priority", "attempt_id"], **_WAITS)
    op.create_index("club_queue_next_of_kind", "club_queue", ["kind", "priority", "attempt_id"], **_WAITS)
    op.create_index("club_queue_leased", "club_queue", ["leased_until"])


def _alter_results() -> None:
    op.drop_constraint("club_ending_pkey", "club_ending", type_="primary")
    op.execute("ALTER TABLE club_ending ADD COLUMN id SERIAL PRIMARY KEY")
    op.add_column("club_score", sa.Column("rescore", sa.Integer, nullable=False, server_default="0"))
    op.drop_constraint("club_score_once", "club_score", type_="unique")
    op.create_unique_constraint(
        "club_score_once", "club_score", ["attempt_id", "scorer_hash", "solution_hash", "rescore"]
    )


def _rebuild_results() -> None:
    _numbered(
        "club_new_ending",
        _to("attempt_id", "club_attempt"),
        _text("state", 8),
        _text("reason", nullable=True),
        sa.Column("platform_fault", sa.Boolean, nullable=False),
        _account("worker", nullable=True),
        _moment("finished_at"),
    )
    _numbered(
        "club_new_score",
        _to("attempt_id", "club_attempt"),
        _text("scorer_hash", 64),
        _text("solution_hash", 64),
        _text("metric", 64),
        sa.Column("public", sa.Float(53), nullable=False),
        sa.Column("interval_low", sa.Float(53), nullable=False),
        sa.Column("interval_high", sa.Float(53), nullable=False),
        sa.Column("secondary", sa.JSON, nullable=False),
        sa.Column("points", sa.Float(53)),
        sa.Column("max_points", sa.Float(53)),
        _moment("scored_at"),
        sa.Column("rescore", sa.Integer, nullable=False, server_default="0"),
        sa.UniqueConstraint("attempt_id", "scorer_hash", "solution_hash", "rescore", name="club_score_once"),
    )
    op.create_table(
        "club_new_private_score",
        _only("score_id", "club_new_score"),
        sa.Column("private", sa.Float(53), nullable=False),
        sa.Column("secondary", sa.JSON, nullable=False),
    )
    ending = "attempt_id, state, reason, platform_fault, worker, finished_at"
    score = (
        "id, attempt_id, scorer_hash, solution_hash, metric, public, interval_low, interval_high, secondary, points, "
        "max_points, scored_at"
    )
    hidden = "score_id, private, secondary"
    for table, columns in (("ending", f"{ending}"), ("score", score), ("private_score", hidden)):
        order = "finished_at, attempt_id" if table == "ending" else "1"
        op.execute(
            f"INSERT INTO club_new_{table} ({columns}) SELECT {columns} FROM club_{table} ORDER BY {order}"  # noqa: S608
        )
    for table in ("ending", "private_score", "score"):  # what refers to another goes first
        op.drop_table(f"club_{table}")
    for table in ("ending", "score", "private_score"):  # renaming carries the keys that refer to the table along
        op.rename_table(f"club_new_{table}", f"club_{table}")


def _more_results() -> None:
    op.create_table("club_deletion", _only("attempt_id", "club_attempt"), _account("by"), _moment("at"))
    op.create_table("club_author_view", _only("score_id", "club_score"), sa.Column("view", sa.JSON, nullable=False))
    op.create_table(
        "club_kept",
        _only("attempt_id", "club_attempt"),
        _text("sha256", 64),
        sa.Column("size", sa.Integer, nullable=False),
        _moment("at"),
    )
    _numbered("club_change", _competition(), _account("member", nullable=True))
    op.create_index("club_change_mark", "club_change", ["competition", "id"])


def _teams() -> None:
    _numbered("club_team", _competition(index=True), _moment("made_at"))
    _numbered(
        "club_team_state",
        _to("team_id", "club_team"),
        _account("name"),
        _account("captain"),
        sa.Column("ended", sa.Boolean, nullable=False),
        _account("by"),
        _moment("at"),
    )
    op.create_index("club_team_state_newest", "club_team_state", ["team_id", "id"])
    _numbered(
        "club_membership",
        _competition(),
        _account("member"),
        _to("team_id", "club_team", nullable=True, index=True),
        _moment("at"),
    )
    op.create_index("club_membership_newest", "club_membership", ["competition", "member", "id"])


def _invitations() -> None:
    _numbered(
        "club_invitation",
        _to("team_id", "club_team", index=True),
        _competition(),
        _account("member"),
        _account("by"),
        _moment("at"),
    )
    op.create_index("club_invitation_member", "club_invitation", ["competition", "member"])
    op.create_table(
        "club_invitation_answer",
        _only("invitation_id", "club_invitation"),
        sa.Column("accepted", sa.Boolean, nullable=False),
        _moment("at"),
    )
    _numbered(
        "club_merge_request",
        _to("team_id", "club_team", index=True),
        _to("other_id", "club_team", index=True),
        _competition(),
        _account("by"),
        _moment("at"),
    )
    op.create_table(
        "club_merge_answer",
        _only("request_id", "club_merge_request"),
        sa.Column("accepted", sa.Boolean, nullable=False),
        _account("by"),
        _moment("at"),
    )


def _decisions() -> None:
    _numbered("club_acceptance", _competition(), _account("member"), _text("sha256", 64), _moment("at"))
    op.create_index("club_acceptance_newest", "club_acceptance", ["competition", "member", "id"])
    _numbered(
        "club_extension",
        _competition(),
        _account("member"),
        _moment("closes", nullable=True),
        sa.Column("daily_scored", sa.Integer),
        _text("note"),
        _account("by"),
        _moment("at"),
    )
    op.create_index("club_extension_newest", "club_extension", ["competition", "member", "id"])
    value = sa.Column("value", sa.JSON, nullable=False)
    _numbered("club_ruling", _competition(), _text("key", 64), value, _account("by"), _moment("at"))
    op.create_index("club_ruling_newest", "club_ruling", ["competition", "key", "id"])
    numbers = sa.Column("numbers", sa.JSON, nullable=False)
    _numbered("club_final_selection", _competition(), _account("entrant"), numbers, _account("by"), _moment("at"))
    op.create_index("club_final_selection_newest", "club_final_selection", ["competition", "entrant", "id"])


def _desk() -> None:
    _numbered("club_announcement", _competition(index=True), _text("text"), _account("by"), _moment("at"))
    op.create_table("club_withdrawal", _only("announcement_id", "club_announcement"), _account("by"), _moment("at"))
    _numbered(
        "club_audit",
        _moment("at"),
        _account("actor"),
        _text("action", 64),
        _competition(),
        _text("target"),
        sa.Column("detail", sa.JSON, nullable=False),
    )
    op.create_index("club_audit_competition", "club_audit", ["competition", "id"])


def _tasks() -> None:
    _numbered(
        "club_task",
        _text("kind", 32),
        _competition(),
        _account("by"),
        sa.Column("parameters", sa.JSON, nullable=False),
        _moment("asked_at"),
    )
    op.create_index("club_task_competition", "club_task", ["competition", "id"])
    op.create_table(
        "club_task_queue",
        _only("task_id", "club_task"),
        _text("token", 32, nullable=True),
        _account("worker", nullable=True),
        _moment("leased_until", nullable=True),
        sa.Column("expiries", sa.Integer, nullable=False),
    )
    op.create_index("club_task_queue_next", "club_task_queue", ["task_id"], **_WAITS)
    op.create_table(
        "club_task_ending",
        _only("task_id", "club_task"),
        _text("state", 8),
        sa.Column("result", sa.JSON),
        _text("reason", nullable=True),
        _account("worker", nullable=True),
        _moment("finished_at"),
    )


def _keep_rows(table: str) -> None:
    if op.get_bind().dialect.name == "sqlite":
        for action in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{action.lower()} BEFORE {action} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
        return
    op.execute(
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
        "FOR EACH ROW EXECUTE FUNCTION club_append_only()"
    )
