"""The database below the ledger: connections, transactions and migrations, on SQLite and PostgreSQL."""

from __future__ import annotations

import contextlib
import hashlib
import math
import random
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DisconnectionError, OperationalError, SQLAlchemyError

from datauab.errors import LedgerError

HEAD = "0003"
VERSION_TABLE = "datauab_alembic_version"
BUSY_SECONDS = 30.0
_KEPT_FILES = 40  # opening a SQLite file reads its whole schema; a thread of the web service keeps its own
_MOST_CONNECTIONS = 60  # beyond the few that are kept open: as many as the web service has threads, and some more
_FRESH_SECONDS = 1.0  # a connection that was used since is taken to be alive
_USED = "used"
_MIGRATION_LOCK = 0x64617461  # any constant number, the same in every process: PostgreSQL's advisory locks are numbers

_LOCK = text("SELECT pg_advisory_xact_lock(:key)")
_SHARED_LOCK = text("SELECT pg_advisory_xact_lock_shared(:key)")


class Database:
    """One database with the ledger's tables; safe to use from several threads and several processes.

    Parameters
    ----------
    url : str
        SQLAlchemy URL of nbgrader's gradebook.
    busy_seconds : float
        How long SQLite itself waits for another writer before a transaction is tried again.
    """

    def __init__(self, url: str, *, busy_seconds: float = BUSY_SECONDS) -> None:
        parsed = make_url(url)
        self.sqlite = parsed.get_backend_name() == "sqlite"
        self._busy_seconds = busy_seconds
        self._writer, self._held = threading.local(), threading.local()
        self._turn = threading.Lock()  # writers of one process take turns: SQLite itself lets them sleep and starve
        try:
            if self.sqlite:
                if not parsed.database or parsed.database == ":memory:":
                    raise LedgerError(f"database {url!r}: expected a file, since several processes share it")
                Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
                self.engine: Engine = create_engine(parsed, pool_size=_KEPT_FILES, max_overflow=_MOST_CONNECTIONS)
                event.listen(self.engine, "connect", self._on_connect)
            else:
                self.engine = create_engine(parsed, max_overflow=_MOST_CONNECTIONS)
                event.listen(self.engine, "checkin", _note_use)
                event.listen(self.engine, "checkout", self._check_use)
        except (SQLAlchemyError, OSError, ImportError) as error:
            where = parsed.render_as_string(hide_password=True)
            raise LedgerError(f"database {where}: cannot be used: {error}; check the setting `database`") from error
        # PostgreSQL shows each query a moment of its own, inside a transaction or not: without one a read is one trip
        # to the server, with one it is three.
        self._reader = self.engine if self.sqlite else self.engine.execution_options(isolation_level="AUTOCOMMIT")

    def _check_use(self, connection: Any, record: Any, _proxy: Any) -> None:
        """Ask a connection that lay idle whether its server is still there; every time would cost a trip each."""
        if time.monotonic() - record.info.get(_USED, -math.inf) < _FRESH_SECONDS:
            return
        try:
            alive = self.engine.dialect.do_ping(connection)
        except self.engine.dialect.loaded_dbapi.Error:
            alive = False
        if not alive:
            raise DisconnectionError("the server closed the connection")  # the pool then takes another one

    def _on_connect(self, connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # transactions begin where `reading` and `writing` say, not by themselves
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {int(self._busy_seconds * 1000)}")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA synchronous = FULL")
        mode = self._set_wal(cursor)
        cursor.close()
        if mode != "wal":
            raise LedgerError(f"SQLite refused WAL mode (found {mode!r}): put the gradebook on a local file system")

    def _set_wal(self, cursor: sqlite3.Cursor) -> str:
        # The switch to WAL needs the file for itself and does not honour busy_timeout when two processes race for it.
        give_up = time.monotonic() + self._busy_seconds
        while True:
            try:
                return str(cursor.execute("PRAGMA journal_mode = WAL").fetchone()[0])
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > give_up:
                    raise
                time.sleep(0.02)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Read: on SQLite every query sees the same moment, on PostgreSQL each the one at which it is asked.

        Inside a write transaction of the same thread it reads in that one, so that a gate which asks the ledger sees
        what is being written, and needs no second connection while it holds a lock. Inside `together` it
        reads over that connection.

        Raises
        ------
        LedgerError
            Where the database fails.
        """
        held: Connection | None = getattr(self._writer, "connection", None) or getattr(self._held, "connection", None)
        if held is not None:
            yield held
            return
        with self._translated("read"), self._reader.connect() as connection:
            if self.sqlite:
                connection.exec_driver_sql("BEGIN")
            yield connection

    @contextmanager
    def together(self) -> Iterator[None]:
        """Let all that this thread reads inside share a connection, where taking one costs much: on PostgreSQL.

        Every query goes on to see a moment of its own, so that who keeps what was read never goes back to an older one.
        """
        if self.sqlite or getattr(self._held, "connection", None) is not None:
            yield
            return
        with self.reading() as connection:
            self._held.connection = connection
            try:
                yield
            finally:
                self._held.connection = None

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Open a write transaction: committed at the end, rolled back on any error.

        On SQLite it holds the write lock from its beginning, so what it reads cannot change before it writes.

        Raises
        ------
        LedgerError
            Where the database fails or stays busy, or this thread is writing already.
        """
        if getattr(self._writer, "connection", None) is not None:
            raise LedgerError("ledger: a gate may read the ledger, but not write to it; act after it has answered")
        turn = self._turn if self.sqlite else contextlib.nullcontext()
        with turn, self._translated("write"), self._begin_write() as connection:
            self._writer.connection = connection
            try:
                yield connection
                connection.commit()
            finally:
                self._writer.connection = None

    def _begin_write(self) -> Connection:
        give_up = time.monotonic() + 2 * self._busy_seconds
        while True:
            connection = self.engine.connect()
            if not self.sqlite:
                return connection
            try:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            except OperationalError as error:
                connection.close()
                if not _is_busy(error) or time.monotonic() > give_up:
                    raise
                time.sleep(random.uniform(0.01, 0.1))  # noqa: S311 - spreads waiting writers, guards nothing
            else:
                return connection

    @contextmanager
    def _translated(self, verb: str) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, sqlite3.Error) as error:
            where = self.engine.url.render_as_string(hide_password=True)
            cause = getattr(error, "orig", None) or error
            if _is_busy(error):
                advice = "another process holds the write lock; try again, and look for one that hangs"
            elif "full" in str(cause):
                advice = "free some disk space and try again"
            else:
                advice = "nothing was changed; see the operator's log for the cause"
            raise LedgerError(f"ledger at {where}: cannot {verb}: {cause}; {advice}") from error

    def lock(self, connection: Connection, key: int | tuple[str, ...], *, shared: bool = False) -> None:
        """Make transactions with the same `key` follow each other, where the engine needs telling.

        Parameters
        ----------
        key : int or tuple of str
            A number of 64 bits, signed, or words of which one is made.
        shared : bool
            Let others in that hold the lock in the same way.
        """
        if not self.sqlite:
            number = key if isinstance(key, int) else _number(key)
            connection.execute(_SHARED_LOCK if shared else _LOCK, {"key": number})

    def migrate(self) -> None:
        """Bring the ledger's tables to this version; one small query where they are.

        Raises
        ------
        LedgerError
            Where the tables were made by a newer version.
        """
        with self.reading() as connection:
            if _version(connection) == HEAD:
                return
        with self.writing() as connection:
            self.lock(connection, _MIGRATION_LOCK)
            if _version(connection) != HEAD:
                _upgrade(connection)
        if self.sqlite:
            self._close_to_others()

    def _close_to_others(self) -> None:
        # The files hold private scores and marks; later -wal and -shm files take the mode of the first.
        for suffix in ("", "-wal", "-shm"):
            path = Path(f"{self.engine.url.database}{suffix}")
            with contextlib.suppress(PermissionError, FileNotFoundError):  # another account's file: its owner decides
                path.chmod(path.stat().st_mode & 0o770)


def _note_use(_connection: Any, record: Any) -> None:
    record.info[_USED] = time.monotonic()


def _number(words: tuple[str, ...]) -> int:
    return int.from_bytes(hashlib.sha256("\0".join(words).encode()).digest()[:8], "big", signed=True)


def _is_busy(error: Exception) -> bool:
    message = str(getattr(error, "orig", error))
    return "database is locked" in message or "database table is locked" in message


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608 - a constant
    return None if found is None else str(found)


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes.update(connection=connection, version_table=VERSION_TABLE)
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise LedgerError(
            f"ledger: expected tables of version {HEAD} or older, found {_version(connection)}; "
            "they were made by a newer version of this package: install that one"
        ) from error
