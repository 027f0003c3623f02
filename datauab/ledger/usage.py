"""How much of its quotas an entrant used: one query over the attempts of the entrant's members."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, and_, bindparam, case, func, select
from sqlalchemy.sql.elements import ColumnElement

from datauab.ledger.attempt_rows import newest_ending, waits
from datauab.ledger.columns import UtcDateTime
from datauab.ledger.membership import Entrant
from datauab.ledger.records import MEMBER_ORIGINS, UsageToday
from datauab.ledger.tables import attempt, ending, queue

_EVER = datetime.min.replace(tzinfo=UTC)


def _moment(name: str) -> ColumnElement[datetime]:
    return bindparam(name, type_=UtcDateTime)


# Made once: every attempt asks twice, and making this statement costs more than running it.
_USAGE = (
    select(
        and_(attempt.c.received_at >= _moment("begin"), attempt.c.received_at < _moment("end")).label("today"),
        (attempt.c.received_at >= _moment("opens")).label("in_phase"),
        case((waits, "pending"), (ending.c.platform_fault, "platform_faults"), else_=ending.c.state).label("became"),
        func.count(),
    )
    .select_from(attempt)
    .outerjoin(queue, queue.c.attempt_id == attempt.c.id)
    .outerjoin(ending, newest_ending)
    .where(attempt.c.competition == bindparam("competition"))
    .where(attempt.c.member.in_(bindparam("members", expanding=True)))
    .where(attempt.c.origin.in_(MEMBER_ORIGINS), attempt.c.received_at >= _moment("since"))
    .group_by("today", "in_phase", "became")
)


def usage_of(
    connection: Connection,
    competition: str,
    entrant: Entrant,
    now: datetime,
    zone: ZoneInfo,
    *,
    phase_opens: datetime | None,
) -> UsageToday:
    """Count the attempts of an entrant's members on the day of `now` in `zone`, and since the phase opened."""
    day = now.astimezone(zone).date()
    begin = datetime.combine(day, time.min, zone).astimezone(UTC)
    end = datetime.combine(day + timedelta(days=1), time.min, zone).astimezone(UTC)
    opens = phase_opens or _EVER
    asked = {
        "competition": competition,
        "members": entrant.members,
        "begin": begin,
        "end": end,
        "opens": opens,
        "since": min(begin, opens),
    }
    counts = {"scored": 0, "pending": 0, "failed": 0, "platform_faults": 0}
    total = 0
    for is_today, is_in_phase, found, count in connection.execute(_USAGE, asked):
        if is_today:
            counts[found] += count
        if is_in_phase and found in ("scored", "pending"):
            total += count
    return UsageToday(
        day=day, resets_at=end, total_scored=total, entrant=entrant.key, members=entrant.members, **counts
    )
