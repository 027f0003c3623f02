"""Attempts: how they enter the ledger, and how they are read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row, Select, and_, case, func, select
from sqlalchemy.sql.elements import ColumnElement

from datauab.errors import LedgerError
from datauab.ledger.blobs import BlobStore, StagedBlob
from datauab.ledger.engine import Database
from datauab.ledger.records import MEMBER_ORIGINS, Attempt, Kind, Origin, State, UsageToday
from datauab.ledger.tables import attempt, ending, feedback, queue, score

Gate = Callable[[UsageToday], None]
"""Called in the write transaction with what the member used today; raises to refuse the attempt."""


def utc_now() -> datetime:
    """Now, aware, in UTC."""
    return datetime.now(UTC)


def state_at(now: datetime) -> ColumnElement[Any]:
    """SQL for an attempt's state: its ending's, else "running" under a lease valid at `now`, else "queued"."""
    return case(
        (ending.c.state.is_not(None), ending.c.state),
        (queue.c.leased_until > now, "running"),
        else_="queued",
    )


def attempt_query(now: datetime) -> Select[Any]:
    """Every attempt with its state and its newest public score; private scores are in a table not read here."""
    newest = select(func.max(score.c.id)).where(score.c.attempt_id == attempt.c.id).correlate(attempt)
    has_feedback = select(feedback.c.id).where(feedback.c.attempt_id == attempt.c.id).correlate(attempt).exists()
    return (
        select(
            attempt,
            state_at(now).label("state"),
            ending.c.reason,
            ending.c.platform_fault,
            ending.c.finished_at,
            score.c.public,
            score.c.secondary,
            score.c.interval_low,
            score.c.interval_high,
            score.c.metric,
            score.c.points,
            score.c.max_points,
            has_feedback.label("has_feedback"),
        )
        .select_from(attempt)
        .outerjoin(ending, ending.c.attempt_id == attempt.c.id)
        .outerjoin(queue, queue.c.attempt_id == attempt.c.id)
        .outerjoin(score, and_(score.c.attempt_id == attempt.c.id, score.c.id == newest.scalar_subquery()))
    )


def to_attempt(row: Row[Any]) -> Attempt:
    """Make the record of one row of `attempt_query`."""
    values = dict(row._mapping)
    low, high = values.pop("interval_low"), values.pop("interval_high")
    values["interval"] = None if low is None else (low, high)
    values["secondary_public"] = values.pop("secondary") or {}
    values["platform_fault"] = bool(values["platform_fault"])
    values["has_feedback"] = bool(values["has_feedback"])
    return Attempt(**values)


def find_attempt(connection: Connection, attempt_id: int, now: datetime) -> Attempt:
    """Read one attempt, or raise `LedgerError`."""
    row = connection.execute(attempt_query(now).where(attempt.c.id == attempt_id)).one_or_none()
    if row is None:
        raise LedgerError(f"attempt {attempt_id}: no such attempt in the ledger")
    return to_attempt(row)


class Attempts:
    """The part of the ledger that takes attempts in and shows them."""

    _database: Database
    _blobs: BlobStore
    _zone: ZoneInfo

    def add_attempt(
        self,
        *,
        competition: str,
        member: str,
        blob: bytes,
        kind: Kind = "notebook",
        origin: Origin = "exchange",
        received_at: datetime | None = None,
        gate: Gate | None = None,
    ) -> Attempt:
        """Take an attempt in: when this returns, blob and row are on disk and the attempt is queued.

        Parameters
        ----------
        competition, member : str
            Names, not empty.
        blob : bytes
            What was handed in.
        received_at : datetime, optional
            Aware; this machine's clock by default.
        gate : callable, optional
            Called with `UsageToday` while no other attempt of this member can enter; what it raises refuses the
            attempt, leaves nothing behind and reaches the caller.

        Raises
        ------
        LedgerError
            Where blob or row cannot be written; neither is left behind.
        """
        if not competition or not member:
            raise LedgerError(f"attempt: expected a competition and a member, found {competition!r} and {member!r}")
        if received_at is not None and received_at.tzinfo is None:
            raise LedgerError(f"attempt: expected received_at with its zone, found {received_at!r}")
        staged = self._blobs.stage(blob)
        try:
            with self._database.writing() as connection:
                self._database.lock(connection, _key(competition, member))
                moment = (received_at or utc_now()).astimezone(UTC)
                if gate is not None:
                    gate(_usage(connection, competition, member, moment, self._zone))
                values = {"competition": competition, "member": member, "kind": kind, "origin": origin}
                attempt_id = _insert(connection, {**values, "received_at": moment}, staged)
                staged.keep()
        finally:
            staged.discard()
        return Attempt(attempt_id, competition, member, kind, origin, staged.sha256, staged.size, moment)

    def attempt(self, attempt_id: int) -> Attempt:
        """Read one attempt.

        Raises
        ------
        LedgerError
            Where there is none of this number.
        """
        with self._database.reading() as connection:
            return find_attempt(connection, attempt_id, utc_now())

    def attempts(
        self,
        competition: str | None = None,
        member: str | None = None,
        states: Iterable[State] | None = None,
        limit: int | None = None,
    ) -> list[Attempt]:
        """List attempts, newest first; each argument that is given narrows the list."""
        now = utc_now()
        query = attempt_query(now).order_by(attempt.c.received_at.desc(), attempt.c.id.desc())
        if competition is not None:
            query = query.where(attempt.c.competition == competition)
        if member is not None:
            query = query.where(attempt.c.member == member)
        if states is not None:
            query = query.where(state_at(now).in_(list(states)))
        with self._database.reading() as connection:
            return [to_attempt(row) for row in connection.execute(query.limit(limit))]

    def latest_attempts(self, assignment: str) -> list[Attempt]:
        """List the newest notebook of each member, by member: what collecting an assignment takes."""
        newest = (
            func.row_number()
            .over(partition_by=attempt.c.member, order_by=(attempt.c.received_at.desc(), attempt.c.id.desc()))
            .label("place")
        )
        ranked = (
            select(attempt.c.id, newest)
            .where(attempt.c.competition == assignment, attempt.c.kind == "notebook")
            .where(attempt.c.origin.in_(MEMBER_ORIGINS))
            .subquery()
        )
        query = attempt_query(utc_now()).join(ranked, and_(ranked.c.id == attempt.c.id, ranked.c.place == 1))
        with self._database.reading() as connection:
            return [to_attempt(row) for row in connection.execute(query.order_by(attempt.c.member))]

    def attempts_by_state(self, competition: str | None = None) -> dict[State, int]:
        """Count attempts in each state, of one competition or of all; every state has its key."""
        state = state_at(utc_now()).label("state")
        query = (
            select(state, func.count())
            .select_from(attempt)
            .outerjoin(ending, ending.c.attempt_id == attempt.c.id)
            .outerjoin(queue, queue.c.attempt_id == attempt.c.id)
            .group_by(state)
        )
        if competition is not None:
            query = query.where(attempt.c.competition == competition)
        counts: dict[State, int] = {"queued": 0, "running": 0, "scored": 0, "failed": 0}
        with self._database.reading() as connection:
            for found, count in connection.execute(query):
                counts[found] = count
        return counts

    def blob(self, item: Attempt) -> bytes:
        """Read what was handed in.

        Raises
        ------
        LedgerError
            Where the file is missing or damaged.
        """
        return self._blobs.read(item.sha256)

    def usage_today(
        self, competition: str, member: str, now: datetime | None = None, zone: ZoneInfo | None = None
    ) -> UsageToday:
        """Count what `member` handed in on the day of `now` in `zone` (the club's by default).

        Only what members hand in themselves counts; baselines and regrading by an instructor do not.
        """
        with self._database.reading() as connection:
            return _usage(connection, competition, member, now or utc_now(), zone or self._zone)


def _insert(connection: Connection, values: dict[str, Any], staged: StagedBlob) -> int:
    row = {**values, "sha256": staged.sha256, "size": staged.size}
    attempt_id = int(connection.execute(attempt.insert().values(row).returning(attempt.c.id)).scalar_one())
    priority = 1 if values["origin"] == "baseline" else 0
    connection.execute(queue.insert().values(attempt_id=attempt_id, priority=priority, expiries=0))
    return attempt_id


def _usage(connection: Connection, competition: str, member: str, now: datetime, zone: ZoneInfo) -> UsageToday:
    day = now.astimezone(zone).date()
    begin = datetime.combine(day, time.min, zone).astimezone(UTC)
    end = datetime.combine(day + timedelta(days=1), time.min, zone).astimezone(UTC)
    query = (
        select(ending.c.state, ending.c.platform_fault, func.count())
        .select_from(attempt)
        .outerjoin(ending, ending.c.attempt_id == attempt.c.id)
        .where(attempt.c.competition == competition, attempt.c.member == member)
        .where(attempt.c.origin.in_(MEMBER_ORIGINS), attempt.c.received_at >= begin, attempt.c.received_at < end)
        .group_by(ending.c.state, ending.c.platform_fault)
    )
    counts = {"scored": 0, "pending": 0, "failed": 0, "platform_faults": 0}
    for state, platform_fault, count in connection.execute(query):
        counts["platform_faults" if platform_fault else state or "pending"] += count
    return UsageToday(day=day, resets_at=end, **counts)


def _key(competition: str, member: str) -> int:
    digest = hashlib.sha256(f"{competition}\0{member}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
