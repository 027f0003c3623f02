"""The queue: who grades which attempt."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Update, and_, bindparam, func, not_, or_, select
from sqlalchemy.sql.elements import ColumnElement

from datauab.ledger.attempt_rows import find_attempts, utc_now
from datauab.ledger.changes import note_changes
from datauab.ledger.engine import Database
from datauab.ledger.records import Kind, Lease, Origin, QueueCounts
from datauab.ledger.results import held, lost
from datauab.ledger.tables import attempt, ending, queue

MAX_EXPIRIES = 3
"""A lease may run out twice; at the third time the attempt fails, since it may be what kills the workers."""

_FREE = {"token": None, "worker": None, "leased_until": None}


@dataclass(frozen=True, slots=True)
class Waiting:
    """An attempt that waits to be graded."""

    attempt_id: int
    competition: str
    member: str
    origin: Origin


class Queue:
    """The part of the ledger that hands attempts to workers."""

    _database: Database

    def lease(
        self,
        worker: str,
        seconds: float = 60.0,
        attempt_id: int | None = None,
        kinds: Collection[Kind] | None = None,
        competitions: Collection[str] | None = None,
    ) -> Lease | None:
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
        kinds : collection of {"notebook", "predictions"}, optional
            Take attempts of these kinds only.
        competitions : collection of str, optional
            Take attempts of these competitions only.
        """
        wanted = [] if attempt_id is None else [queue.c.attempt_id == attempt_id]
        if competitions is not None:
            wanted.append(_of(competitions))
        return next(iter(self._lease(worker, 1, seconds, kinds, wanted)), None)

    def lease_many(
        self,
        worker: str,
        most: int,
        seconds: float = 60.0,
        kinds: Collection[Kind] | None = None,
        without: Collection[str] = (),
    ) -> list[Lease]:
        """Take up to `most` attempts in one transaction, in the order in which `lease` would; empty where none wait.

        Attempts of the competitions `without` are left to others.
        """
        return self._lease(worker, most, seconds, kinds, [not_(_of(without))] if without else [])

    def _lease(
        self,
        worker: str,
        most: int,
        seconds: float,
        kinds: Collection[Kind] | None,
        wanted: Sequence[ColumnElement[bool]],
    ) -> list[Lease]:
        with self._database.reading() as connection:  # a look that takes no lock, since the queue is empty mostly
            if not _anything(connection, utc_now()):
                return []
        with self._database.writing() as connection:
            now = utc_now()
            _expire(self._database, connection, now)
            found = _next(connection, most, kinds, wanted)
            if not found:
                return []
            until = now + timedelta(seconds=seconds)
            tokens = {number: secrets.token_hex(16) for number in found}
            rows = [{"number": number, "proof": token} for number, token in tokens.items()]
            connection.execute(_TAKE, [{**row, "taker": worker, "end": until} for row in rows])
            attempts = find_attempts(connection, found, now)
        return [Lease(attempts[number], tokens[number], until) for number in found]

    def heartbeat(self, lease: Lease, seconds: float = 60.0) -> Lease:
        """Hold a lease for `seconds` from now on.

        Raises
        ------
        LedgerError
            Where the lease is lost; stop grading this attempt.
        """
        until = utc_now() + timedelta(seconds=seconds)
        with self._database.writing() as connection:
            if connection.execute(queue.update().where(held(lease)).values(leased_until=until)).rowcount != 1:
                raise lost(lease)
        return Lease(lease.attempt, lease.token, until)

    def give_up(self, lease: Lease) -> None:
        """Put a leased attempt back to where it waited, as a worker does that is told to stop.

        Raises
        ------
        LedgerError
            Where the lease is lost.
        """
        with self._database.writing() as connection:
            if connection.execute(queue.update().where(held(lease)).values(_FREE)).rowcount != 1:
                raise lost(lease)

    def sweep(self) -> None:
        """Send attempts whose lease ran out back to the queue; those that lost `MAX_EXPIRIES` leases fail."""
        with self._database.writing() as connection:
            _expire(self._database, connection, utc_now())

    def queue_position(self, attempt_id: int) -> int | None:
        """Place among the attempts that wait, 1 for the next; None for one that runs or has ended."""
        now = utc_now()
        waiting = or_(queue.c.leased_until.is_(None), queue.c.leased_until <= now)
        own_row = select(queue.c.priority).where(queue.c.attempt_id == attempt_id, waiting)
        with self._database.reading() as connection:
            own = connection.execute(own_row).scalar()
            if own is None:
                return None
            ahead = or_(queue.c.priority < own, and_(queue.c.priority == own, queue.c.attempt_id < attempt_id))
            count = connection.execute(select(func.count()).select_from(queue).where(waiting, ahead)).scalar_one()
            return int(count) + 1

    def waiting(self, kinds: Collection[Kind], limit: int = 1000) -> list[Waiting]:
        """List what waits, those whose lease ran out among it, in the order in which `lease` takes it."""
        now = utc_now()
        free = or_(queue.c.leased_until.is_(None), queue.c.leased_until < now)
        query = (
            select(attempt.c.id, attempt.c.competition, attempt.c.member, attempt.c.origin)
            .join(queue, queue.c.attempt_id == attempt.c.id)
            .where(free, queue.c.kind.in_(list(kinds)))
            .order_by(queue.c.priority, queue.c.attempt_id)
            .limit(limit)
        )
        with self._database.reading() as connection:
            return [Waiting(*row) for row in connection.execute(query)]

    def unfinished(self, attempt_ids: Collection[int]) -> set[int]:
        """Those of `attempt_ids` that wait or run."""
        with self._database.reading() as connection:
            found = connection.execute(select(queue.c.attempt_id).where(queue.c.attempt_id.in_(list(attempt_ids))))
            return {int(number) for (number,) in found}

    def queue_counts(self) -> QueueCounts:
        """Count what waits and what runs, and tell since when the oldest waits."""
        now = utc_now()
        running = select(func.count()).select_from(queue).where(queue.c.leased_until > now)
        oldest = (
            select(attempt.c.received_at)
            .join(queue, queue.c.attempt_id == attempt.c.id)
            .where(or_(queue.c.leased_until.is_(None), queue.c.leased_until <= now))
            .order_by(queue.c.attempt_id)
            .limit(1)
        )
        with self._database.reading() as connection:
            runs = int(connection.execute(running).scalar_one())
            everything = int(connection.execute(select(func.count()).select_from(queue)).scalar_one())
            return QueueCounts(everything - runs, runs, connection.execute(oldest).scalar())


def _take() -> Update:
    return (
        queue.update()
        .where(queue.c.attempt_id == bindparam("number"))
        .values(token=bindparam("proof"), worker=bindparam("taker"), leased_until=bindparam("end"))
    )


_TAKE = _take()


def _anything(connection: Connection, now: datetime) -> bool:
    free = select(queue.c.attempt_id).where(queue.c.token.is_(None)).limit(1)
    if connection.execute(free).first() is not None:
        return True
    return connection.execute(select(queue.c.attempt_id).where(queue.c.leased_until < now).limit(1)).first() is not None


def _of(competitions: Collection[str]) -> ColumnElement[bool]:
    """SQL for rows of the queue whose attempt is of one of `competitions`."""
    named = select(attempt.c.id).where(attempt.c.id == queue.c.attempt_id, attempt.c.competition.in_(competitions))
    return named.correlate(queue).exists()


def _next(
    connection: Connection, most: int, kinds: Collection[Kind] | None, wanted: Sequence[ColumnElement[bool]]
) -> list[int]:
    """Lock the rows of the queue that are next; each kind is read from its own end of an index."""
    query = select(queue.c.priority, queue.c.attempt_id).where(queue.c.token.is_(None), *wanted)
    query = query.order_by(queue.c.priority, queue.c.attempt_id).limit(most).with_for_update(skip_locked=True)
    queries = [query] if kinds is None else [query.where(queue.c.kind == kind) for kind in dict.fromkeys(kinds)]
    found = sorted((row[0], row[1]) for one in queries for row in connection.execute(one))
    return [number for _, number in found[:most]]


def _expire(database: Database, connection: Connection, now: datetime) -> None:
    query = (
        select(queue.c.attempt_id, queue.c.expiries, queue.c.worker, attempt.c.competition, attempt.c.member)
        .join(attempt, attempt.c.id == queue.c.attempt_id)
        .where(queue.c.leased_until < now)
        .with_for_update(skip_locked=True, of=queue)
    )
    failed: list[tuple[str, str | None]] = []
    for attempt_id, expiries, worker, competition, member in connection.execute(query).all():
        row = queue.c.attempt_id == attempt_id
        if expiries + 1 < MAX_EXPIRIES:
            connection.execute(queue.update().where(row).values({**_FREE, "expiries": expiries + 1}))
            continue
        connection.execute(queue.delete().where(row))
        reason = (
            f"the grader stopped {MAX_EXPIRIES} times while it worked on this attempt; it costs no quota. "
            "Hand it in again; if it happens again, tell an instructor the attempt's number"
        )
        values = {"state": "failed", "reason": reason, "platform_fault": True, "finished_at": now}
        connection.execute(ending.insert().values(attempt_id=attempt_id, worker=worker, **values))
        failed.append((competition, member))
    note_changes(database, connection, failed)
