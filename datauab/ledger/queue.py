"""The queue: who grades which attempt, and how each attempt ends, once."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, func, or_, select, true

from datauab.errors import LedgerError
from datauab.ledger.attempts import find_attempt, utc_now
from datauab.ledger.engine import Database
from datauab.ledger.records import Lease, QueueCounts, ScoreRecord
from datauab.ledger.tables import attempt, ending, private_score, queue, score

MAX_EXPIRIES = 3
"""A lease may run out twice; at the third time the attempt fails, since it may be what kills the workers."""


class Queue:
    """The part of the ledger that hands attempts to workers and takes their results."""

    _database: Database

    def lease(self, worker: str, seconds: float = 60.0, attempt_id: int | None = None) -> Lease | None:
        """Take the next attempt: members' before baselines, the oldest first; None where nothing waits.

        Attempts whose lease ran out go back to the queue first; see `sweep`.

        Parameters
        ----------
        worker : str
            Name of the worker, for the operator.
        seconds : float
            How long the lease holds without a heartbeat.
        attempt_id : int, optional
            Take this attempt only, as ``nbgrader autograde`` does for the submission it is told to grade.
        """
        now = utc_now()
        with self._database.writing() as connection:
            _expire(connection, now)
            wanted = queue.c.attempt_id == attempt_id if attempt_id is not None else true()
            query = (
                select(queue.c.attempt_id)
                .where(queue.c.token.is_(None), wanted)
                .order_by(queue.c.priority, queue.c.attempt_id)
                .limit(1)
                .with_for_update(skip_locked=True)
            )
            found = connection.execute(query).scalar()
            if found is None:
                return None
            token, until = secrets.token_hex(16), now + timedelta(seconds=seconds)
            connection.execute(
                queue.update().where(queue.c.attempt_id == found).values(token=token, worker=worker, leased_until=until)
            )
            return Lease(find_attempt(connection, found, now), token, until)

    def heartbeat(self, lease: Lease, seconds: float = 60.0) -> Lease:
        """Hold a lease for `seconds` from now on.

        Raises
        ------
        LedgerError
            Where the lease is lost; stop grading this attempt.
        """
        until = utc_now() + timedelta(seconds=seconds)
        with self._database.writing() as connection:
            held = and_(queue.c.attempt_id == lease.attempt.id, queue.c.token == lease.token)
            if connection.execute(queue.update().where(held).values(leased_until=until)).rowcount != 1:
                raise _lost(lease)
        return Lease(lease.attempt, lease.token, until)

    def give_up(self, lease: Lease) -> None:
        """Put a leased attempt back to where it waited, as a worker does that is told to stop.

        Raises
        ------
        LedgerError
            Where the lease is lost.
        """
        with self._database.writing() as connection:
            held = and_(queue.c.attempt_id == lease.attempt.id, queue.c.token == lease.token)
            free = {"token": None, "worker": None, "leased_until": None}
            if connection.execute(queue.update().where(held).values(free)).rowcount != 1:
                raise _lost(lease)

    def finish_scored(self, lease: Lease, record: ScoreRecord) -> None:
        """Record the scores of a leased attempt, all or nothing, and end it.

        Raises
        ------
        LedgerError
            Where the lease is lost or a value is not finite; nothing is recorded then.
        """
        record.check_finite()
        now = utc_now()
        with self._database.writing() as connection:
            _end(connection, lease, {"state": "scored", "platform_fault": False, "finished_at": now})
            values = {
                "attempt_id": lease.attempt.id,
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
            }
            score_id = connection.execute(score.insert().values(values).returning(score.c.id)).scalar_one()
            hidden = {"score_id": score_id, "private": record.private, "secondary": _side(record, "private")}
            connection.execute(private_score.insert().values(hidden))

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
        if not reason.strip():
            raise LedgerError(f"attempt {lease.attempt.id}: expected a reason for its failure, found none")
        with self._database.writing() as connection:
            values = {"state": "failed", "reason": reason, "platform_fault": platform, "finished_at": utc_now()}
            _end(connection, lease, values)

    def sweep(self) -> None:
        """Send attempts whose lease ran out back to the queue; those that lost `MAX_EXPIRIES` leases fail."""
        with self._database.writing() as connection:
            _expire(connection, utc_now())

    def queue_position(self, attempt_id: int) -> int | None:
        """Place among the attempts that wait, 1 for the next; None for one that runs or has ended."""
        now = utc_now()
        waits = or_(queue.c.leased_until.is_(None), queue.c.leased_until <= now)
        with self._database.reading() as connection:
            own = connection.execute(select(queue.c.priority).where(queue.c.attempt_id == attempt_id, waits)).scalar()
            if own is None:
                return None
            ahead = or_(queue.c.priority < own, and_(queue.c.priority == own, queue.c.attempt_id < attempt_id))
            count = connection.execute(select(func.count()).select_from(queue).where(waits, ahead)).scalar_one()
            return int(count) + 1

    def queue_counts(self) -> QueueCounts:
        """Count what waits and what runs, and tell since when the oldest waits."""
        running = and_(queue.c.leased_until.is_not(None), queue.c.leased_until > utc_now())
        query = select(running.label("running"), func.count(), func.min(attempt.c.received_at))
        query = query.select_from(queue).join(attempt, attempt.c.id == queue.c.attempt_id).group_by("running")
        with self._database.reading() as connection:
            found = {bool(is_running): (count, oldest) for is_running, count, oldest in connection.execute(query)}
        waiting, oldest = found.get(False, (0, None))
        return QueueCounts(waiting=waiting, running=found.get(True, (0, None))[0], oldest=oldest)


def _lost(lease: Lease) -> LedgerError:
    return LedgerError(
        f"attempt {lease.attempt.id}: the lease is lost (it held until {lease.until.isoformat()}): the attempt went "
        "back to the queue or has ended; discard this result"
    )


def _end(connection: Connection, lease: Lease, values: dict[str, Any]) -> None:
    held = and_(queue.c.attempt_id == lease.attempt.id, queue.c.token == lease.token)
    worker = connection.execute(select(queue.c.worker).where(held)).scalar()
    if connection.execute(queue.delete().where(held)).rowcount != 1:
        raise _lost(lease)
    connection.execute(ending.insert().values(attempt_id=lease.attempt.id, worker=worker, **values))


def _expire(connection: Connection, now: datetime) -> None:
    query = (
        select(queue.c.attempt_id, queue.c.expiries, queue.c.worker)
        .where(queue.c.leased_until < now)
        .with_for_update(skip_locked=True)
    )
    for attempt_id, expiries, worker in connection.execute(query).all():
        row = queue.c.attempt_id == attempt_id
        if expiries + 1 < MAX_EXPIRIES:
            free = {"token": None, "worker": None, "leased_until": None, "expiries": expiries + 1}
            connection.execute(queue.update().where(row).values(free))
            continue
        connection.execute(queue.delete().where(row))
        reason = (
            f"the grader stopped {MAX_EXPIRIES} times while it worked on this attempt; it costs no quota. "
            "Hand it in again; if it happens again, tell an instructor the attempt's number"
        )
        values = {"state": "failed", "reason": reason, "platform_fault": True, "finished_at": now}
        connection.execute(ending.insert().values(attempt_id=attempt_id, worker=worker, **values))


def _side(record: ScoreRecord, side: str) -> dict[str, float]:
    return {name: float(values[side]) for name, values in record.secondary.items() if side in values}
