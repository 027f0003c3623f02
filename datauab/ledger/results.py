"""How each attempt ends: scored or failed, once for each time that it waited."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, select
from sqlalchemy.sql.elements import ColumnElement

from datauab.errors import LedgerError
from datauab.ledger.attempt_rows import chunks, find_attempt, utc_now
from datauab.ledger.attempts import priority_of
from datauab.ledger.audit import write_audit
from datauab.ledger.blobs import BlobStore
from datauab.ledger.changes import note_changes
from datauab.ledger.engine import Database
from datauab.ledger.records import Lease, ScoreRecord
from datauab.ledger.tables import attempt, author_view, deletion, ending, kept, private_score, queue, score


class Results:
    """The part of the ledger that takes results, deletions and retries."""

    _database: Database
    _blobs: BlobStore

    def finish_scored(self, lease: Lease, record: ScoreRecord, predictions: bytes | None = None) -> None:
        """Record the scores of a leased attempt, all or nothing, and end it.

        Parameters
        ----------
        predictions : bytes, optional
            What a notebook predicted, as a ``.npy`` file: kept, so that it can be scored again.

        Raises
        ------
        LedgerError
            Where the lease is lost or a value is not finite; nothing is recorded then.
        """
        record.check_finite()
        staged = None if predictions is None else self._blobs.stage(predictions)
        try:
            with self._database.writing() as connection:
                if not self._finish(connection, [(lease, record)]):
                    raise lost(lease)
                if staged is not None:
                    values = {"sha256": staged.sha256, "size": staged.size, "at": utc_now()}
                    connection.execute(kept.insert().values(attempt_id=lease.attempt.id, **values))
                    staged.keep()
        finally:
            if staged is not None:
                staged.discard()

    def finish_many(self, results: Sequence[tuple[Lease, ScoreRecord | str]]) -> list[int]:
        """Record the results of several leased attempts in one transaction, and end them.

        Parameters
        ----------
        results : sequence of (Lease, ScoreRecord or str)
            A text is the reason, for the member to act on, why the attempt failed by the member's fault.

        Returns
        -------
        list of int
            Numbers of the attempts whose lease was lost: nothing was recorded for them.

        Raises
        ------
        LedgerError
            Where a value is not finite or a reason empty; nothing at all is recorded then.
        """
        for lease, outcome in results:
            if isinstance(outcome, ScoreRecord):
                outcome.check_finite()
            else:
                _check_reason(lease, outcome)
        if not results:
            return []
        with self._database.writing() as connection:
            ended = self._finish(connection, results)
        return [lease.attempt.id for lease, _ in results if (lease.attempt.id, lease.token) not in ended]

    def finish_failed(self, lease: Lease, reason: str, platform: bool) -> None:
        """End a leased attempt without a score.

        Parameters
        ----------
        reason : str
            For the member to act on; not empty.
        platform : bool
            True where the platform failed: the attempt then uses up no quota.

        Raises
        ------
        LedgerError
            Where the lease is lost, or the reason empty.
        """
        _check_reason(lease, reason)
        with self._database.writing() as connection:
            if not self._finish(connection, [(lease, reason)], platform):
                raise lost(lease)

    def delete_attempt(self, attempt_id: int, by: str) -> None:
        """Hide an attempt from boards; it stays in the ledger and in the quota. Nothing happens the second time.

        Raises
        ------
        LedgerError
            Where there is no such attempt, or it has not ended yet.
        """
        now = utc_now()
        with self._database.writing() as connection:
            self._database.lock(connection, ("attempt", str(attempt_id)))
            item = find_attempt(connection, attempt_id, now)
            if item.deleted_at is not None:
                return
            if item.state not in ("scored", "failed"):
                raise LedgerError(
                    f"attempt {attempt_id}: expected one that has ended, found it {item.state}; "
                    "delete it when it is scored"
                )
            connection.execute(deletion.insert().values(attempt_id=attempt_id, by=by, at=now))
            note_changes(self._database, connection, [(item.competition, item.member)])

    def retry(self, attempt_id: int, by: str) -> None:
        """Let a failed attempt wait again; how it ended before stays readable with `endings`.

        Raises
        ------
        LedgerError
            Where there is no such attempt, or it has not failed.
        """
        with self._database.writing() as connection:
            self._database.lock(connection, ("attempt", str(attempt_id)))
            item = find_attempt(connection, attempt_id, utc_now())
            if item.state != "failed":
                raise LedgerError(
                    f"attempt {attempt_id}: expected one that failed, found it {item.state}; only those are tried again"
                )
            place = {"attempt_id": attempt_id, "priority": priority_of(item.origin), "expiries": 0, "kind": item.kind}
            connection.execute(queue.insert().values(place))
            note_changes(self._database, connection, [(item.competition, item.member)])
            detail = {"member": item.member, "reason": item.reason}
            write_audit(connection, by, "attempt.retry", item.competition, str(attempt_id), detail=detail)

    def _finish(
        self, connection: Connection, results: Sequence[tuple[Lease, ScoreRecord | str]], platform: bool = False
    ) -> set[tuple[int, str]]:
        """End those attempts whose lease is held; gives number and token of each."""
        now = utc_now()
        workers = _take_out(connection, {(lease.attempt.id, lease.token) for lease, _ in results})
        ended = {
            lease.attempt.id: (lease, outcome)
            for lease, outcome in results
            if (lease.attempt.id, lease.token) in workers
        }
        if not ended:
            return set()
        rows = []
        for number, (lease, outcome) in ended.items():
            scored = isinstance(outcome, ScoreRecord)
            row: dict[str, Any] = {"attempt_id": number, "state": "scored" if scored else "failed", "reason": outcome}
            row |= {"platform_fault": platform, "worker": workers[number, lease.token], "finished_at": now}
            rows.append(row | {"reason": None} if scored else row)
        connection.execute(ending.insert(), rows)
        records = {number: outcome for number, (_, outcome) in ended.items() if isinstance(outcome, ScoreRecord)}
        write_scores(connection, records, now)
        items = [lease.attempt for lease, _ in ended.values()]
        note_changes(self._database, connection, [(item.competition, item.member) for item in items])
        return set(workers)


def held(lease: Lease) -> ColumnElement[bool]:
    """SQL for the row of the queue that a lease still holds."""
    return and_(queue.c.attempt_id == lease.attempt.id, queue.c.token == lease.token)


def lost(lease: Lease) -> LedgerError:
    """Make the error of a lease that another worker has, or that ended."""
    return LedgerError(
        f"attempt {lease.attempt.id}: the lease is lost (it held until {lease.until.isoformat()}): the attempt went "
        "back to the queue or has ended; discard this result"
    )


def write_scores(connection: Connection, records: Mapping[int, ScoreRecord], now: datetime, rescore: int = 0) -> None:
    """Add scores, by number of the attempt, with their private part and their author's view."""
    if not records:
        return
    rows = [_score_row(number, record, now, rescore) for number, record in records.items()]
    insert = score.insert().returning(score.c.id, sort_by_parameter_order=True)
    numbers = connection.execute(insert, rows).scalars().all()
    pairs = list(zip(numbers, records.values(), strict=True))
    hidden = [
        {"score_id": number, "private": record.private, "secondary": _side(record, "private")}
        for number, record in pairs
    ]
    connection.execute(private_score.insert(), hidden)
    views = [{"score_id": number, "view": dict(record.author_view)} for number, record in pairs if record.author_view]
    if views:
        connection.execute(author_view.insert(), views)


def scored_competitions(connection: Connection, attempt_ids: Iterable[int]) -> dict[int, str]:
    """Competition of each attempt that has a score, by number."""
    has_score = select(score.c.id).where(score.c.attempt_id == attempt.c.id).correlate(attempt).exists()
    found: dict[int, str] = {}
    for chunk in chunks(attempt_ids):
        query = select(attempt.c.id, attempt.c.competition).where(attempt.c.id.in_(chunk), has_score)
        found |= {row[0]: row[1] for row in connection.execute(query)}
    return found


def _take_out(connection: Connection, wanted: set[tuple[int, str]]) -> dict[tuple[int, str], str | None]:
    """Remove the rows of the queue that leases (number of the attempt, token) hold; gives the worker of each."""
    workers: dict[tuple[int, str], str | None] = {}
    for chunk in chunks(number for number, _ in wanted):
        numbers = set(chunk)
        tokens = [token for number, token in wanted if number in numbers]
        mine = queue.delete().where(queue.c.attempt_id.in_(chunk), queue.c.token.in_(tokens))
        rows = connection.execute(mine.returning(queue.c.attempt_id, queue.c.token, queue.c.worker))
        workers |= {(number, token): worker for number, token, worker in rows}
    return workers


def _score_row(number: int, record: ScoreRecord, now: datetime, rescore: int) -> dict[str, Any]:
    return {
        "attempt_id": number,
        "scorer_hash": record.scorer_hash,
        "solution_hash": record.solution_hash,
        "metric": record.metric,
        "public": record.public,
        "interval_low": record.interval_low,
        "interval_high": record.interval_high,
        "secondary": _side(record, "public"),
        "points": record.points,
        "max_points": record.max_points,
        "scored_at": now,
        "rescore": rescore,
    }


def _side(record: ScoreRecord, side: str) -> dict[str, float]:
    return {name: float(values[side]) for name, values in record.secondary.items() if side in values}


def _check_reason(lease: Lease, reason: str) -> None:
    if not reason.strip():
        raise LedgerError(f"attempt {lease.attempt.id}: expected a reason for its failure, found none")
