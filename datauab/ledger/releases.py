"""Archives that instructors publish: released assignments, and feedback on attempts."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select

from datauab.errors import LedgerError
from datauab.ledger.attempt_rows import find_attempt, utc_now
from datauab.ledger.blobs import BlobStore
from datauab.ledger.engine import Database
from datauab.ledger.records import Release
from datauab.ledger.tables import feedback, release

_newest = select(func.max(release.c.id)).group_by(release.c.assignment)


class Archives:
    """The part of the ledger that keeps released assignments and feedback, every version of them."""

    _database: Database
    _blobs: BlobStore

    def publish_release(self, assignment: str, archive: bytes, by: str) -> Release:
        """Release an assignment, or release it anew; members then fetch this archive.

        Raises
        ------
        LedgerError
            Where the archive cannot be written; the former release stays.
        """
        staged = self._blobs.stage(archive)
        now = utc_now()
        values = {"assignment": assignment, "sha256": staged.sha256, "size": staged.size, "by": by, "at": now}
        try:
            with self._database.writing() as connection:
                connection.execute(release.insert().values(values))
                staged.keep()
        finally:
            staged.discard()
        return Release(assignment, staged.sha256, staged.size, now, by)

    def withdraw_release(self, assignment: str, by: str = "") -> None:
        """Take an assignment back: members no longer see it. Does nothing where it is not released."""
        with self._database.writing() as connection:
            query = select(release.c.sha256).where(release.c.id.in_(_newest), release.c.assignment == assignment)
            if connection.execute(query).scalar() is not None:
                values = {"assignment": assignment, "sha256": None, "size": 0, "by": by, "at": utc_now()}
                connection.execute(release.insert().values(values))

    def releases(self) -> list[Release]:
        """List the assignments that are released now, by name."""
        query = (
            select(release.c.assignment, release.c.sha256, release.c.size, release.c.at, release.c.by)
            .where(release.c.id.in_(_newest), release.c.sha256.is_not(None))
            .order_by(release.c.assignment)
        )
        with self._database.reading() as connection:
            return [Release(*row) for row in connection.execute(query)]

    def ever_released(self) -> set[str]:
        """Name the assignments that were released at any time, withdrawn ones too."""
        with self._database.reading() as connection:
            return set(connection.execute(select(release.c.assignment).distinct()).scalars())

    def release_archive(self, assignment: str) -> bytes:
        """Read the archive of a released assignment.

        Raises
        ------
        LedgerError
            Where the assignment is not released, or its archive is missing or damaged.
        """
        query = select(release.c.sha256).where(release.c.id.in_(_newest), release.c.assignment == assignment)
        with self._database.reading() as connection:
            sha256 = connection.execute(query).scalar()
        if sha256 is None:
            raise LedgerError(f"assignment {assignment!r}: not released; an instructor releases it in Formgrader")
        return self._blobs.read(sha256)

    def publish_feedback(self, attempt_id: int, archive: bytes) -> None:
        """Give feedback on an attempt; a later one replaces it in view.

        Raises
        ------
        LedgerError
            Where there is no such attempt, or the archive cannot be written.
        """
        staged = self._blobs.stage(archive)
        now = utc_now()
        try:
            with self._database.writing() as connection:
                find_attempt(connection, attempt_id, now)
                values = {"attempt_id": attempt_id, "sha256": staged.sha256, "size": staged.size, "published_at": now}
                connection.execute(feedback.insert().values(values))
                staged.keep()
        finally:
            staged.discard()

    def feedback_hashes(self, attempt_ids: Sequence[int]) -> dict[int, str]:
        """Give the SHA-256 of the newest feedback archive of each of these attempts that has one."""
        newest = (
            select(func.max(feedback.c.id))
            .where(feedback.c.attempt_id.in_(attempt_ids))
            .group_by(feedback.c.attempt_id)
        )
        query = select(feedback.c.attempt_id, feedback.c.sha256).where(feedback.c.id.in_(newest))
        with self._database.reading() as connection:
            return {int(number): str(digest) for number, digest in connection.execute(query)}

    def feedback_archive(self, attempt_id: int) -> bytes | None:
        """Read the newest feedback on an attempt; None where there is none yet.

        Raises
        ------
        LedgerError
            Where its archive is missing or damaged.
        """
        query = select(feedback.c.sha256).where(feedback.c.attempt_id == attempt_id).order_by(feedback.c.id.desc())
        with self._database.reading() as connection:
            sha256 = connection.execute(query.limit(1)).scalar()
        return None if sha256 is None else self._blobs.read(sha256)
