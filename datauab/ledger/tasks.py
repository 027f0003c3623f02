"""Work that organisers ask of the grader, with a queue of its own, and how it ends."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, case, select
from sqlalchemy.sql.elements import ColumnElement

from datauab.errors import LedgerError
from datauab.ledger.attempt_rows import utc_now
from datauab.ledger.audit import write_audit
from datauab.ledger.changes import note_changes
from datauab.ledger.engine import Database
from datauab.ledger.records import ScoreRecord, Task, TaskKind, TaskLease
from datauab.ledger.results import scored_competitions, write_scores
from datauab.ledger.tables_desk import task, task_ending, task_progress, task_queue

MAX_EXPIRIES = 3
"""At the third lease that runs out a task fails, since it may be what kills the workers."""

_FREE = {"token": None, "worker": None, "leased_until": None}


class Tasks:
    """The part of the ledger that hands tasks to the grader and takes their answers."""

    _database: Database

    def add_task(self, kind: TaskKind, competition: str, by: str, parameters: Mapping[str, Any] | None = None) -> Task:
        """Ask for work.

        Parameters
        ----------
        parameters : mapping, optional
            Ready for JSON.
        """
        given = dict(parameters or {})
        values: dict[str, Any] = {"kind": kind, "competition": competition, "by": by, "parameters": given}
        values["asked_at"] = utc_now()
        with self._database.writing() as connection:
            number = connection.execute(task.insert().values(values).returning(task.c.id)).scalar_one()
            connection.execute(task_queue.insert().values(task_id=number, expiries=0))
            write_audit(connection, by, kind.replace("_", "."), competition, f"task {number}", detail=given)
        return Task(id=number, **values)

    def task(self, task_id: int) -> Task:
        """Read one task.

        Raises
        ------
        LedgerError
            Where there is none of this number.
        """
        with self._database.reading() as connection:
            return _find(connection, task_id, utc_now())

    def tasks(self, competition: str, kind: TaskKind | None = None, limit: int = 20) -> list[Task]:
        """List tasks of a competition, newest first."""
        query = _tasks(utc_now()).where(task.c.competition == competition).order_by(task.c.id.desc()).limit(limit)
        if kind is not None:
            query = query.where(task.c.kind == kind)
        with self._database.reading() as connection:
            return [Task(**row._mapping) for row in connection.execute(query)]

    def lease_task(self, worker: str, seconds: float = 60.0, *, kinds: Collection[TaskKind] = ()) -> TaskLease | None:
        """Take the oldest task that waits; None where none does. Expired leases go back first.

        Parameters
        ----------
        kinds : collection of str
            Only tasks of these kinds; any where it is empty.
        """
        now = utc_now()
        with self._database.reading() as connection:  # a look that takes no lock, since there is rarely a task
            if connection.execute(select(task_queue.c.task_id).limit(1)).first() is None:
                return None
        with self._database.writing() as connection:
            _expire(connection, now)
            query = (
                select(task_queue.c.task_id)
                .where(task_queue.c.token.is_(None))
                .order_by(task_queue.c.task_id)
                .limit(1)
                .with_for_update(skip_locked=True)
            )
            if kinds:
                query = query.where(task_queue.c.task_id.in_(select(task.c.id).where(task.c.kind.in_(sorted(kinds)))))
            number = connection.execute(query).scalar()
            if number is None:
                return None
            token, until = secrets.token_hex(16), now + timedelta(seconds=seconds)
            taken = {"token": token, "worker": worker, "leased_until": until}
            connection.execute(task_queue.update().where(task_queue.c.task_id == number).values(taken))
            return TaskLease(_find(connection, number, now), token, until)

    def heartbeat_task(self, lease: TaskLease, seconds: float = 60.0) -> TaskLease:
        """Hold a lease for `seconds` from now on.

        Raises
        ------
        LedgerError
            Where the lease is lost; stop working on this task.
        """
        until = utc_now() + timedelta(seconds=seconds)
        with self._database.writing() as connection:
            if connection.execute(task_queue.update().where(_held(lease)).values(leased_until=until)).rowcount != 1:
                raise _lost(lease)
        return TaskLease(lease.task, lease.token, until)

    def report_task(self, lease: TaskLease, progress: Mapping[str, Any]) -> None:
        """Say how far a leased task has come; `progress` is ready for JSON.

        Raises
        ------
        LedgerError
            Where the lease is lost; stop working on this task.
        """
        with self._database.writing() as connection:
            if connection.execute(select(task_queue.c.task_id).where(_held(lease))).first() is None:
                raise _lost(lease)
            values = {"task_id": lease.task.id, "progress": dict(progress), "at": utc_now()}
            connection.execute(task_progress.insert().values(values))

    def give_up_task(self, lease: TaskLease) -> None:
        """Put a leased task back, as a worker does that is told to stop.

        Raises
        ------
        LedgerError
            Where the lease is lost.
        """
        with self._database.writing() as connection:
            if connection.execute(task_queue.update().where(_held(lease)).values(_FREE)).rowcount != 1:
                raise _lost(lease)

    def finish_task(self, lease: TaskLease, result: Mapping[str, Any]) -> None:
        """End a leased task with its answer, ready for JSON.

        Raises
        ------
        LedgerError
            Where the lease is lost.
        """
        with self._database.writing() as connection:
            _end(connection, lease, {"state": "done", "result": dict(result), "finished_at": utc_now()})

    def fail_task(self, lease: TaskLease, reason: str) -> None:
        """End a leased task without an answer.

        Raises
        ------
        LedgerError
            Where the lease is lost, or the reason empty.
        """
        if not reason.strip():
            raise LedgerError(f"task {lease.task.id}: expected a reason for its failure, found none")
        with self._database.writing() as connection:
            _end(connection, lease, {"state": "failed", "reason": reason, "finished_at": utc_now()})

    def stop_task(self, task_id: int, by: str) -> bool:
        """End a task that waits or runs; whoever works on it finds its lease lost. False where it has ended already."""
        with self._database.writing() as connection:
            row = task_queue.c.task_id == task_id
            worker = connection.execute(select(task_queue.c.worker).where(row)).scalar()
            if connection.execute(task_queue.delete().where(row)).rowcount != 1:
                return False
            values = {"state": "stopped", "reason": f"stopped by {by}", "worker": worker, "finished_at": utc_now()}
            connection.execute(task_ending.insert().values(task_id=task_id, **values))
            asked = connection.execute(select(task.c.kind, task.c.competition).where(task.c.id == task_id)).one()
            write_audit(connection, by, f"{asked.kind}.stopped", asked.competition, f"task {task_id}", detail={})
        return True

    def apply_rescore(self, lease: TaskLease, records: Mapping[int, ScoreRecord], result: Mapping[str, Any]) -> None:
        """Give attempts new scores and end the task, all or nothing; older scores stay in the history.

        Parameters
        ----------
        records : mapping
            The new scores, by number of the attempt.

        Raises
        ------
        LedgerError
            Where the lease is lost, a value is not finite, or an attempt is not a scored one of the task's
            competition.
        """
        for record in records.values():
            record.check_finite()
        now = utc_now()
        with self._database.writing() as connection:
            _end(connection, lease, {"state": "done", "result": dict(result), "finished_at": now})
            competitions = scored_competitions(connection, records)
            wrong = sorted(number for number in records if competitions.get(number) != lease.task.competition)
            if wrong:
                raise LedgerError(
                    f"task {lease.task.id}: expected scored attempts of {lease.task.competition}, found attempts "
                    f"{wrong[:10]}; nothing was recorded"
                )
            write_scores(connection, records, now, rescore=lease.task.id)
            note_changes(self._database, connection, [(lease.task.competition, None)])


def _tasks(now: datetime) -> Select[Any]:
    runs = and_(task_queue.c.leased_until.is_not(None), task_queue.c.leased_until > now)
    state: ColumnElement[str] = case(
        (task_ending.c.state.is_not(None), task_ending.c.state), (runs, "running"), else_="queued"
    )
    newest = select(task_progress.c.progress).where(task_progress.c.task_id == task.c.id)
    progress = newest.order_by(task_progress.c.id.desc()).limit(1).scalar_subquery().label("progress")
    ended = (task_ending.c.result, task_ending.c.reason, task_ending.c.finished_at)
    return (
        select(task, state.label("state"), *ended, progress)
        .select_from(task)
        .outerjoin(task_queue, task_queue.c.task_id == task.c.id)
        .outerjoin(task_ending, task_ending.c.task_id == task.c.id)
    )


def _find(connection: Connection, task_id: int, now: datetime) -> Task:
    row: Row[Any] | None = connection.execute(_tasks(now).where(task.c.id == task_id)).one_or_none()
    if row is None:
        raise LedgerError(f"task {task_id}: no such task in the ledger")
    return Task(**row._mapping)


def _held(lease: TaskLease) -> ColumnElement[bool]:
    return and_(task_queue.c.task_id == lease.task.id, task_queue.c.token == lease.token)


def _lost(lease: TaskLease) -> LedgerError:
    return LedgerError(
        f"task {lease.task.id}: the lease is lost (it held until {lease.until.isoformat()}): the task went back to "
        "the queue or has ended; discard this result"
    )


def _end(connection: Connection, lease: TaskLease, values: dict[str, Any]) -> None:
    worker = connection.execute(select(task_queue.c.worker).where(_held(lease))).scalar()
    if connection.execute(task_queue.delete().where(_held(lease))).rowcount != 1:
        raise _lost(lease)
    connection.execute(task_ending.insert().values(task_id=lease.task.id, worker=worker, **values))


def _expire(connection: Connection, now: datetime) -> None:
    query = (
        select(task_queue.c.task_id, task_queue.c.expiries, task_queue.c.worker)
        .where(task_queue.c.leased_until < now)
        .with_for_update(skip_locked=True)
    )
    for task_id, expiries, worker in connection.execute(query).all():
        row = task_queue.c.task_id == task_id
        if expiries + 1 < MAX_EXPIRIES:
            connection.execute(task_queue.update().where(row).values({**_FREE, "expiries": expiries + 1}))
            continue
        connection.execute(task_queue.delete().where(row))
        reason = f"the grader stopped {MAX_EXPIRIES} times while it worked on this task; see the grader's log"
        values = {"state": "failed", "reason": reason, "worker": worker, "finished_at": now}
        connection.execute(task_ending.insert().values(task_id=task_id, **values))
