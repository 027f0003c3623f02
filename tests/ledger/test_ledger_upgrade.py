"""A ledger of the first version, with rows in it, becomes one of this version and loses nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from datauab import ledger as package
from datauab.errors import LedgerError
from datauab.ledger import Ledger, ScoreVersion
from datauab.ledger.engine import VERSION_TABLE, Database
from datauab.settings import Settings

OLD = {
    "club_member": "name, display_name, updated_at",
    "club_attempt": "id, competition, member, kind, origin, sha256, size, received_at",
    "club_queue": "attempt_id, priority, token, worker, leased_until, expiries",
    "club_ending": "attempt_id, state, reason, platform_fault, worker, finished_at",
    "club_score": "id, attempt_id, scorer_hash, solution_hash, metric, public, interval_low, interval_high, secondary, "
    "points, max_points, scored_at",
    "club_private_score": "score_id, private, secondary",
    "club_feedback": "id, attempt_id, sha256, size, published_at",
    "club_release": "id, assignment, sha256, size, by, at",
}
ROWS = """
INSERT INTO club_member VALUES ('ana', 'Ana Núñez', '<now>');
INSERT INTO club_attempt VALUES (3, 'got', 'ana', 'notebook', 'web', '<a>', 9, '<now>');
INSERT INTO club_attempt VALUES (4, 'got', 'bo', 'predictions', 'web', '<a>', 9, '<now>');
INSERT INTO club_attempt VALUES (7, 'got', 'ana', 'predictions', 'web', '<a>', 9, '<now>');
INSERT INTO club_queue VALUES (7, 0, 'token', 'w', '<now>', 1);
INSERT INTO club_ending VALUES (4, 'failed', 'row 3 is NaN', false, 'w', '<now>');
INSERT INTO club_ending VALUES (3, 'scored', NULL, false, 'w', '<now>');
INSERT INTO club_score VALUES
  (5, 3, '<b>', '<c>', 'r2', 0.1234567890123456789, 0.1, 0.2, '{"rmse": 3.5}', 8.0, 10.0, '<now>');
INSERT INTO club_private_score VALUES (5, 0.75, '{"rmse": 4.5}');
INSERT INTO club_feedback VALUES (2, 3, '<a>', 9, '<now>');
INSERT INTO club_release VALUES (1, 'got', NULL, 0, 'teacher', '<now>');
"""
ORPHANS = """
INSERT INTO club_private_score VALUES (999, 0.5, '{}');
INSERT INTO club_ending (attempt_id, state, platform_fault, finished_at) VALUES (999, 'failed', true, '<now>');
"""


def statements(script: str) -> list[str]:
    filled = script.replace("<now>", "2026-09-14 08:00:00.250000")
    for letter in "abc":
        filled = filled.replace(f"<{letter}>", letter * 64)
    return [one.strip() for one in filled.split(";") if one.strip()]


@pytest.fixture
def first_version(deployment: Settings) -> Iterator[Database]:
    """Give a database with the first version's tables and rows in each."""
    database = Database(deployment.database)
    config = Config()
    config.set_main_option("script_location", str(Path(package.__file__).parent / "migrations"))
    with database.writing() as connection:
        config.attributes.update(connection=connection, version_table=VERSION_TABLE)
        command.upgrade(config, "0001")
        for statement in statements(ROWS):
            connection.exec_driver_sql(statement)
        if not database.sqlite:  # rows above name their numbers, which a sequence does not see
            for table in ("club_attempt", "club_score", "club_feedback", "club_release"):
                connection.execute(text(f"SELECT setval('{table}_id_seq', 50)"))
    yield database
    database.engine.dispose()


def _rows(connection: Connection, table: str) -> list[tuple[Any, ...]]:
    return sorted(map(tuple, connection.execute(text(f"SELECT {OLD[table]} FROM {table}"))), key=repr)  # noqa: S608


def test_every_row_is_as_it_was(first_version, deployment):
    with first_version.reading() as connection:
        before = {table: _rows(connection, table) for table in OLD}
    assert all(before.values())
    with Ledger.open(deployment), first_version.reading() as connection:
        assert {table: _rows(connection, table) for table in OLD} == before


def test_what_was_there_works_as_if_it_were_new(first_version, deployment, result):
    with Ledger.open(deployment) as ledger:
        scored, failed, waits = (ledger.attempt(number) for number in (3, 4, 7))
        assert (scored.state, scored.public, scored.interval) == ("scored", 0.1234567890123456789, (0.1, 0.2))
        assert (scored.filename, scored.phase, scored.late_days, scored.deleted_at) == ("", None, 0, None)
        assert (failed.state, failed.reason, waits.state) == ("failed", "row 3 is NaN", "queued")
        assert ledger.private_scores([3]) == {3: 0.75}
        assert ledger.score_history(3) == [
            ScoreVersion("r2", 0.1234567890123456789, 0.75, "b" * 64, "c" * 64, scored.finished_at)
        ]
        assert scored.finished_at == datetime(2026, 9, 14, 8, 0, 0, 250_000, tzinfo=UTC)
        ledger.retry(4, "teacher")
        leases = ledger.lease_many("w", 5, kinds=["predictions"])
        assert [lease.attempt.id for lease in leases] == [4, 7]
        ledger.finish_many([(lease, result) for lease in leases])
        assert [one.state for one in ledger.endings(4)] == ["failed", "scored"]
        assert ledger.add_attempt(competition="got", member="ana", blob=b"x").id > 7
        assert {row.member for row in ledger.best_entries("got", "maximize")} == {"ana", "bo"}


@pytest.mark.parametrize("table", ["club_attempt", "club_ending", "club_score", "club_private_score"])
def test_rows_of_the_first_version_stay_unchangeable(first_version, deployment, table):
    Ledger.open(deployment).close()
    engine = create_engine(deployment.database)
    column = OLD[table].split(",")[0]
    for statement in (f"UPDATE {table} SET {column} = 99", f"DELETE FROM {table}"):  # noqa: S608 - names of tables
        with pytest.raises(SQLAlchemyError, match="append-only"), engine.begin() as connection:
            connection.execute(text(statement))
    engine.dispose()


def test_keys_still_lead_to_their_rows(first_version, deployment):
    Ledger.open(deployment).close()
    for statement in statements(ORPHANS):
        with pytest.raises(LedgerError, match=r"(?i)foreign key"), first_version.writing() as connection:
            connection.exec_driver_sql(statement)
