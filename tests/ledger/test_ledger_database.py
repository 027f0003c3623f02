"""Opening: tables are migrated once, by one process; failures of the database have words."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import threading
import time
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, text

from datauab import ledger as package
from datauab.errors import LedgerError
from datauab.ledger import Ledger
from datauab.ledger.engine import HEAD, VERSION_TABLE, Database
from datauab.ledger.tables import APPEND_ONLY, metadata
from datauab.settings import Settings


def test_the_code_names_the_newest_migration():
    folder = Path(package.__file__).parent / "migrations"
    assert ScriptDirectory(str(folder)).get_current_head() == HEAD


def test_migrated_tables_are_those_the_code_uses(ledger, deployment):
    engine = create_engine(deployment.database)
    options = {"include_name": lambda name, kind, _: kind != "table" or name in metadata.tables, "compare_type": True}
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []
    engine.dispose()
    assert set(APPEND_ONLY) < set(metadata.tables)


def _open_at_once(settings: Settings, barrier) -> None:
    barrier.wait()
    Ledger.open(settings).close()


def test_processes_that_open_a_new_database_at_once_all_succeed(deployment):
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(6)
    workers = [context.Process(target=_open_at_once, args=(deployment, barrier)) for _ in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0


def test_opening_again_is_cheap(deployment):
    Ledger.open(deployment).close()
    begun = time.perf_counter()
    Ledger.open(deployment).close()
    assert time.perf_counter() - begun < 0.5


def test_tables_of_a_newer_version_are_refused(deployment):
    Ledger.open(deployment).close()
    engine = create_engine(deployment.database)
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))  # noqa: S608 - a constant
    engine.dispose()
    with pytest.raises(LedgerError, match="found 9999; they were made by a newer version"):
        Ledger.open(deployment)


def test_sqlite_keeps_its_log_its_keys_and_every_commit(tmp_path):
    settings = Settings(root=tmp_path)
    with Ledger.open(settings) as ledger, ledger._database.reading() as connection:
        found = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "foreign_keys")]
        assert found == ["wal", 1]
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 30_000


def test_other_accounts_cannot_read_the_database(tmp_path):
    settings = Settings(root=tmp_path)
    with Ledger.open(settings) as ledger:
        ledger.add_attempt(competition="got", member="ana", blob=b"x")
        for path in settings.gradebook.glob("gradebook.db*"):
            assert path.stat().st_mode & 0o007 == 0, path


def test_a_writer_that_hangs_is_told_about_and_reading_goes_on(tmp_path):
    settings = Settings(root=tmp_path)
    Ledger.open(settings).close()
    hanging = sqlite3.connect(tmp_path / "gradebook" / "gradebook.db", isolation_level=None)
    hanging.execute("BEGIN IMMEDIATE")
    database = Database(settings.database, busy_seconds=0.1)
    with pytest.raises(LedgerError, match="holds the write lock"), database.writing():
        pass
    with database.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM club_attempt").scalar() == 0
    hanging.close()


def test_what_is_read_together_shares_a_connection_and_sees_what_comes_meanwhile(deployment):
    with Ledger.open(deployment) as ledger:
        database = ledger._database
        with ledger.together(), ledger.together(), database.reading() as first, database.reading() as second:
            assert (first is second) is not database.sqlite
        with ledger.together():
            assert ledger.attempts("got") == []
            other = threading.Thread(
                target=ledger.add_attempt, kwargs={"competition": "got", "member": "ana", "blob": b"x"}
            )
            other.start()
            other.join()
            own = ledger.add_attempt(competition="got", member="bob", blob=b"y")
            assert [one.member for one in ledger.attempts("got")] == ["bob", "ana"]
            with database.writing() as writer, database.reading() as inside:
                assert writer is inside
        with database.reading() as third, database.reading() as fourth:
            assert third is not fourth
        assert ledger.attempt(own.id).member == "bob"


def test_reading_together_that_fails_leaves_nothing_held(deployment):
    with Ledger.open(deployment) as ledger:
        with (
            pytest.raises(LedgerError, match="cannot read"),
            ledger.together(),
            ledger._database.reading() as connection,
        ):
            connection.execute(text("SELECT nothing FROM nowhere"))
        with ledger._database.reading() as first, ledger._database.reading() as second:
            assert first is not second
        assert ledger.attempts("got") == []


def test_a_file_that_is_no_database_is_refused(tmp_path):
    settings = Settings(root=tmp_path)
    (tmp_path / "gradebook").mkdir()
    (tmp_path / "gradebook" / "gradebook.db").write_bytes(b"no database" * 1000)
    with pytest.raises(LedgerError, match="not a database"):
        Ledger.open(settings)


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///:memory:", "nosuch:///x", "postgresql://club:hidden@127.0.0.1:1/x"]
)
def test_a_database_that_cannot_be_used_is_named_without_its_password(tmp_path, url):
    with pytest.raises(LedgerError) as caught:
        Ledger.open(Settings(root=tmp_path, database=url))
    assert "hidden" not in str(caught.value)


def test_what_a_killed_process_left_is_removed_after_a_day(tmp_path):
    settings = Settings(root=tmp_path)
    with Ledger.open(settings) as ledger:
        ledger.add_attempt(competition="got", member="ana", blob=b"x")
    incoming = settings.attempts / "incoming"
    old, new = incoming / "old", incoming / "new"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 90_000,) * 2)
    Ledger.open(settings).close()
    assert sorted(path.name for path in incoming.iterdir()) == ["new"]


@pytest.mark.parametrize("ledger_first", [True, False])
def test_nbgrader_and_the_ledger_live_in_one_database(deployment, ledger_first):
    from datauab import gradebook

    steps = [lambda: Ledger.open(deployment).close(), lambda: gradebook.ensure_student(deployment, "ana")]
    for step in steps if ledger_first else steps[::-1]:
        step()
    engine = create_engine(deployment.database)
    names = set(inspect(engine).get_table_names())
    with engine.connect() as connection:
        assert connection.execute(text("SELECT id FROM student")).scalars().all() == ["ana"]
        assert connection.execute(text("SELECT count(*) FROM alembic_version")).scalar() == 1
    engine.dispose()
    assert gradebook.all_points(deployment) == {}
    assert {"assignment", "alembic_version", VERSION_TABLE, *metadata.tables} <= names


@pytest.mark.postgres
def test_connections_that_a_server_closed_are_not_used_again(postgres_server, monkeypatch):
    url = f"postgresql:///postgres?host={postgres_server}&user=club"
    database, other = Database(url), create_engine(url)
    with database.reading() as connection:
        connection.execute(text("SELECT 1"))
    with other.connect() as connection:
        connection.execute(text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"))
    monkeypatch.setattr("datauab.ledger.engine._FRESH_SECONDS", 0.0)  # it lay idle for longer
    with database.reading() as connection:
        assert connection.execute(text("SELECT 2")).scalar() == 2
    with database.writing() as connection:
        assert connection.execute(text("SELECT 3")).scalar() == 3
    database.engine.dispose()
    other.dispose()
