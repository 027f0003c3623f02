"""The one gate for every way in: whether this attempt, by this member, now, is accepted."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from datauab.competition import Competition, Phase
from datauab.errors import InvalidSubmission, LimitReached, PhaseClosed
from datauab.ledger.records import UsageToday

MIB = 2**20


class TooLarge(InvalidSubmission):
    """What was sent is larger than the deployment accepts."""


def check_size(size: int, limit_mb: int) -> None:
    """Raise `TooLarge` where `size` (bytes) is above `limit_mb` (MiB); 0 bytes are no submission either."""
    if size > limit_mb * MIB:
        raise TooLarge(
            f"the submission is too large: expected at most {limit_mb} MiB, found {size / MIB:.1f} MiB or more; "
            "clear the outputs of large cells and leave data files out"
        )
    if size == 0:
        raise InvalidSubmission("the submission is empty: expected a notebook or a zip, found 0 bytes; send it again")


def admit(  # noqa: PLR0917 - the order in which an attempt is told everywhere
    competition: Competition,
    member: str,
    is_instructor: bool,
    size: int,
    now: datetime,
    usage: UsageToday,
    *,
    limit_mb: int,
    zone: ZoneInfo,
) -> None:
    """Accept an attempt by returning, or refuse it with the reason.

    Called inside the ledger's write transaction, so that quotas hold when several attempts arrive at once. Phases
    bind everybody: a board that is closed stays as it is. Instructors have no quota, because they try assignments.

    Parameters
    ----------
    competition : Competition
        What the attempt is for.
    member : str
        The account whose attempt it is.
    is_instructor : bool
        Whether the account is an instructor of the course.
    size : int
        Bytes that arrived.
    now : datetime
        When they arrived, by the server's clock (aware).
    usage : UsageToday
        What the member used today; attempts that wait or run count as scored until they end.
    limit_mb : int
        Largest submission, in MiB.
    zone : ZoneInfo
        Zone in which the message tells times.

    Raises
    ------
    PhaseClosed
        Where no phase is open at `now`.
    LimitReached
        Where a quota of the day is used up.
    InvalidSubmission
        Where it is empty or too large.
    """
    check_size(size, limit_mb)
    if competition.phase_at(now) is None:
        raise PhaseClosed(_closed(competition, now, zone))
    if is_instructor:
        return
    quotas = competition.quotas
    again = f"you can submit again from {_moment(usage.resets_at, zone)}"
    if usage.attempts >= quotas.daily_attempts:
        raise LimitReached(
            f"{member} has made {usage.attempts} attempts at {competition.name} today, expected at most "
            f"{quotas.daily_attempts}; {again}"
        )
    if usage.scored + usage.pending >= quotas.daily_scored:
        waiting = f" and {usage.pending} waiting for their score" if usage.pending else ""
        raise LimitReached(
            f"{member} has {usage.scored} scored attempts{waiting} at {competition.name} today, expected at most "
            f"{quotas.daily_scored}; {again}"
        )


def next_phase(competition: Competition, now: datetime) -> Phase | None:
    """The phase that opens next after `now`, or None."""
    later = [phase for phase in competition.phases if phase.opens > now]
    return min(later, key=lambda phase: phase.opens, default=None)


def _closed(competition: Competition, now: datetime, zone: ZoneInfo) -> str:
    upcoming = next_phase(competition, now)
    if upcoming:
        return f"{competition.name} is not open: phase {upcoming.name!r} opens on {_moment(upcoming.opens, zone)}"
    ended = max((phase.closes for phase in competition.phases if phase.closes), default=now)
    return (
        f"{competition.name} is closed: its last phase ended on {_moment(ended, zone)} and it is "
        f"{_moment(now, zone)} now; ask an instructor whether it opens again"
    )


def _moment(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%d %B %Y, %H:%M} ({zone.key})"
