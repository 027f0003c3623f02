"""Members, attempts, their queue, endings, scores, feedback and releases."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

APPEND_ONLY = ("club_attempt", "club_ending", "club_score", "club_private_score", "club_feedback", "club_release")


def _moment(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _attempt(*, primary_key: bool = False, index: bool = False) -> sa.Column[object]:
    key = sa.ForeignKey("club_attempt.id")
    return sa.Column(
        "attempt_id", sa.Integer, key, primary_key=primary_key, autoincrement=False, nullable=False, index=index
    )


def upgrade() -> None:
    """Make the tables and the triggers that keep rows as they were written."""
    _members_and_attempts()
    _results()
    _archives()
    for table in APPEND_ONLY:
        _keep_rows(table)


def _members_and_attempts() -> None:
    op.create_table(
        "club_member",
        sa.Column("name", sa.String(255), primary_key=True),
        sa.Column("display_name", sa.String(255), nullable=False),
        _moment("updated_at"),
    )
    op.create_table(
        "club_attempt",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("competition", sa.String(128), nullable=False),
        sa.Column("member", sa.String(255), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("origin", sa.String(16), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        _moment("received_at"),
        sqlite_autoincrement=True,
    )
    op.create_index("club_attempt_member_day", "club_attempt", ["competition", "member", "received_at"])
    op.create_table(
        "club_queue",
        _attempt(primary_key=True),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("token", sa.String(32)),
        sa.Column("worker", sa.String(255)),
        _moment("leased_until", nullable=True),
        sa.Column("expiries", sa.Integer, nullable=False),
    )


def _results() -> None:
    op.create_table(
        "club_ending",
        _attempt(primary_key=True),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("platform_fault", sa.Boolean, nullable=False),
        sa.Column("worker", sa.String(255)),
        _moment("finished_at"),
    )
    op.create_table(
        "club_score",
        sa.Column("id", sa.Integer, primary_key=True),
        _attempt(),
        sa.Column("scorer_hash", sa.String(64), nullable=False),
        sa.Column("solution_hash", sa.String(64), nullable=False),
        sa.Column("metric", sa.String(64), nullable=False),
        sa.Column("public", sa.Float(53), nullable=False),
        sa.Column("interval_low", sa.Float(53), nullable=False),
        sa.Column("interval_high", sa.Float(53), nullable=False),
        sa.Column("secondary", sa.JSON, nullable=False),
        sa.Column("points", sa.Float(53)),
        sa.Column("max_points", sa.Float(53)),
        _moment("scored_at"),
        sa.UniqueConstraint("attempt_id", "scorer_hash", "solution_hash", name="club_score_once"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "club_private_score",
        sa.Column("score_id", sa.Integer, sa.ForeignKey("club_score.id"), primary_key=True, autoincrement=False),
        sa.Column("private", sa.Float(53), nullable=False),
        sa.Column("secondary", sa.JSON, nullable=False),
    )


def _archives() -> None:
    op.create_table(
        "club_feedback",
        sa.Column("id", sa.Integer, primary_key=True),
        _attempt(index=True),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        _moment("published_at"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "club_release",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("assignment", sa.String(128), nullable=False, index=True),
        sa.Column("sha256", sa.String(64)),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("by", sa.String(255), nullable=False),
        _moment("at"),
        sqlite_autoincrement=True,
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
        "CREATE OR REPLACE FUNCTION club_append_only() RETURNS trigger AS "
        "$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$ LANGUAGE plpgsql"
    )
    op.execute(
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
        "FOR EACH ROW EXECUTE FUNCTION club_append_only()"
    )
