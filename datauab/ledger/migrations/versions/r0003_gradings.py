"""What autograding did, so that nothing unchanged is done again; and how far a task has come."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from datauab.ledger.columns import UtcDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

APPEND_ONLY = ("club_grading", "club_task_progress")


def upgrade() -> None:
    """Add two tables."""
    op.create_table(
        "club_grading",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("competition", sa.String(128), nullable=False),
        sa.Column("member", sa.String(255), nullable=False),
        sa.Column("attempt_id", sa.Integer, sa.ForeignKey("club_attempt.id"), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("seconds", sa.JSON, nullable=False),
        sa.Column("graded_at", UtcDateTime, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("club_grading_newest", "club_grading", ["competition", "member", "id"])
    op.create_table(
        "club_task_progress",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("task_id", sa.Integer, sa.ForeignKey("club_task.id"), nullable=False),
        sa.Column("progress", sa.JSON, nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("club_task_progress_newest", "club_task_progress", ["task_id", "id"])
    for table in APPEND_ONLY:
        _keep_rows(table)


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
