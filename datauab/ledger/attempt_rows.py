"""Queries of attempts with what became of them, and the records made of their rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, Select, bindparam, case, func, null, or_, select
from sqlalchemy.sql.elements import ColumnElement

from datauab.errors import LedgerError
from datauab.ledger.columns import UtcDateTime
from datauab.ledger.records import Attempt
from datauab.ledger.tables import attempt, deletion, ending, feedback, queue, score

Name = TypeVar("Name", int, str)

_newest_ending = select(func.max(ending.c.id)).where(ending.c.attempt_id == attempt.c.id).correlate(attempt)
_newest_score = select(func.max(score.c.id)).where(score.c.attempt_id == attempt.c.id).correlate(attempt)
_feedback = select(feedback.c.id).where(feedback.c.attempt_id == attempt.c.id).correlate(attempt).exists()

newest_ending: ColumnElement[bool] = ending.c.id == _newest_ending.scalar_subquery()
newest_score: ColumnElement[bool] = score.c.id == _newest_score.scalar_subquery()
waits: ColumnElement[bool] = queue.c.attempt_id.is_not(None)
"""Whether an attempt of a query that joins the queue waits or runs: endings from before a retry count no more."""


def utc_now() -> datetime:
    """Now, aware, in UTC."""
    return datetime.now(UTC)


def chunks(names: Iterable[Name], size: int = 500) -> Iterator[Sequence[Name]]:
    """Cut names or numbers, each once and in order, into parts: databases limit the parameters of one query."""
    ordered = sorted(set(names))
    for begin in range(0, len(ordered), size):
        yield ordered[begin : begin + size]


def state_at(now: datetime | ColumnElement[datetime]) -> ColumnElement[Any]:
    """SQL for an attempt's state: "running" under a lease valid at `now`, "queued", else that of its newest ending."""
    return case((queue.c.leased_until > now, "running"), (waits, "queued"), else_=ending.c.state)


def attempt_query(now: datetime | ColumnElement[datetime]) -> Select[Any]:
    """Every attempt with its state and its newest public score; private scores are in a table not read here."""
    return (
        select(
            attempt,
            state_at(now).label("state"),
            case((waits, null()), else_=ending.c.reason).label("reason"),
            case((waits, null()), else_=ending.c.platform_fault).label("platform_fault"),
            case((waits, null()), else_=ending.c.finished_at).label("finished_at"),
            score.c.public,
            score.c.secondary,
            score.c.interval_low,
            score.c.interval_high,
            score.c.metric,
            score.c.points,
            score.c.max_points,
            deletion.c.at.label("deleted_at"),
            _feedback.label("has_feedback"),
        )
        .select_from(attempt)
        .outerjoin(queue, queue.c.attempt_id == attempt.c.id)
        .outerjoin(ending, newest_ending)
        .outerjoin(score, newest_score)
        .outerjoin(deletion, deletion.c.attempt_id == attempt.c.id)
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


# Made once: making this statement costs more than running it.
_ONE = attempt_query(bindparam("now", type_=UtcDateTime)).where(attempt.c.id == bindparam("number"))


def find_attempt(connection: Connection, attempt_id: int, now: datetime) -> Attempt:
    """Read one attempt, or raise `LedgerError`."""
    row = connection.execute(_ONE, {"now": now, "number": attempt_id}).one_or_none()
    if row is None:
        raise LedgerError(f"attempt {attempt_id}: no such attempt in the ledger")
    return to_attempt(row)


def find_attempts(connection: Connection, attempt_ids: Iterable[int], now: datetime) -> dict[int, Attempt]:
    """Read several attempts, by number; those that are not there are left out."""
    found: dict[int, Attempt] = {}
    for chunk in chunks(attempt_ids):
        for row in connection.execute(attempt_query(now).where(attempt.c.id.in_(chunk))):
            found[row.id] = to_attempt(row)
    return found


def not_the_platforms_fault() -> ColumnElement[bool]:
    """SQL for what boards and quotas hold: everything but what the platform failed."""
    return or_(waits, ending.c.platform_fault.is_not(True))
