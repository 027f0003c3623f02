"""The ledger as one object: its parts over one database and one folder of blobs."""

from __future__ import annotations

from contextlib import AbstractContextManager
from types import TracebackType
from zoneinfo import ZoneInfo

from datauab.ledger.announcements import Announcements
from datauab.ledger.attempts import Attempts
from datauab.ledger.audit import Audit
from datauab.ledger.blobs import BlobStore
from datauab.ledger.boards import Boards
from datauab.ledger.changes import Changes
from datauab.ledger.engine import Database
from datauab.ledger.gradings import Gradings
from datauab.ledger.invitations import Invitations
from datauab.ledger.members import Members
from datauab.ledger.queue import Queue
from datauab.ledger.releases import Archives
from datauab.ledger.results import Results
from datauab.ledger.rules import Rules
from datauab.ledger.tasks import Tasks
from datauab.ledger.teams import Teams
from datauab.settings import Settings


class Ledger(
    Attempts,
    Queue,
    Results,
    Boards,
    Changes,
    Archives,
    Members,
    Teams,
    Invitations,
    Rules,
    Announcements,
    Audit,
    Tasks,
    Gradings,
):
    """What was handed in, when, by whom, and what became of it; make one with `Ledger.open`.

    Threads may share it. Another process opens its own: a connection must not cross a fork.

    What is acknowledged survives a ``kill -9`` and a power cut: the blob is flushed and renamed into place before its
    row commits, and the commit is flushed too (``synchronous=FULL``).
    """

    def __init__(self, database: Database, blobs: BlobStore, zone: ZoneInfo) -> None:
        self._database = database
        self._blobs = blobs
        self._zone = zone

    @classmethod
    def open(cls, settings: Settings) -> Ledger:
        """Open the ledger of a deployment; makes or migrates its tables where needed.

        Raises
        ------
        LedgerError
            Where the database cannot be opened, or its tables are newer than this package.
        """
        blobs = BlobStore(settings.attempts)
        blobs.remove_left_overs()
        database = Database(settings.database)
        database.migrate()
        return cls(database, blobs, ZoneInfo(settings.timezone))

    def together(self) -> AbstractContextManager[None]:
        """Let all that this thread reads inside share a connection; see `datauab.ledger.engine.Database.together`."""
        return self._database.together()

    def close(self) -> None:
        """Close the connections."""
        self._database.engine.dispose()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
