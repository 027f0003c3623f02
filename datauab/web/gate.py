"""The one gate for every way in: whether this attempt, by this member, now, is accepted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
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


class RulesNotAccepted(InvalidSubmission):
    """The competition's rules, as they are now, were not accepted yet."""


class TeamTooLarge(InvalidSubmission):
    """The team has more members than the competition allows."""


@dataclass(frozen=True)
class Entering:
    """Who hands something in, and what an organiser decided for this member alone.

    Attributes
    ----------
    member : str
        The account whose attempt it is.
    instructor : bool
        Whether the account is an instructor of the course.
    accepted : str or None
        Hash of the rules that the member accepted last.
    closes : datetime or None
        Until when the last phase is open for this member (aware); None for the end that everybody has.
    daily_scored : int or None
        Scored attempts a day for this member; None for what everybody has.
    """

    member: str
    instructor: bool = False
    accepted: str | None = None
    closes: datetime | None = None
    daily_scored: int | None = None


@dataclass(frozen=True)
class Admission:
    """How an attempt was accepted: in which phase (None when late), and how many days late (0: in time)."""

    phase: str | None
    late_days: int = 0


def admit(
    competition: Competition,
    entering: Entering,
    size: int,
    now: datetime,
    usage: UsageToday,
    *,
    limit_mb: int,
    zone: ZoneInfo,
) -> Admission:
    """Accept an attempt, or refuse it with the reason.

    Called inside the ledger's write transaction, so that quotas hold when several attempts arrive at once. Phases
    bind everybody: a board that is closed stays as it is. Instructors have no quota, because they try assignments.

    Parameters
    ----------
    competition : Competition
        What the attempt is for, under its rulings.
    entering : Entering
        Who hands it in.
    size : int
        Bytes that arrived.
    now : datetime
        When they arrived, by the server's clock (aware).
    usage : UsageToday
        What the entrant used today; attempts that wait or run count as scored until they end.
    limit_mb : int
        Largest submission, in MiB.
    zone : ZoneInfo
        Zone in which the message tells times.

    Raises
    ------
    PhaseClosed
        Where no phase is open for this member at `now`, and late attempts are not accepted either.
    LimitReached
        Where a quota of the day or of the phase is used up.
    InvalidSubmission
        Where it is empty or too large, the rules are not accepted, or the team is too large.
    """
    admission = check_door(competition, entering, size, now, limit_mb=limit_mb, zone=zone)
    if entering.instructor:
        return admission
    if len(usage.members) > competition.teams.max_size:
        raise TeamTooLarge(
            f"your team at {competition.name} has {len(usage.members)} members, expected at most "
            f"{competition.teams.max_size}; somebody must leave it before it can hand in"
        )
    _check_quotas(competition, phase_of(competition, admission), entering, usage, zone)
    return admission


def check_door(
    competition: Competition, entering: Entering, size: int, now: datetime, *, limit_mb: int, zone: ZoneInfo
) -> Admission:
    """The part of `admit` that needs no count of attempts: size, time and rules. Parameters and errors as there."""
    check_size(size, limit_mb)
    admission = admission_at(competition, entering.closes, now)
    if admission is None:
        raise PhaseClosed(_closed(_extended(competition, entering.closes), now, zone))
    if not entering.instructor:
        _check_rules(competition, entering)
    return admission


def admission_at(competition: Competition, closes: datetime | None, now: datetime) -> Admission | None:
    """How an attempt at `now` is accepted by the clock alone; None where it is not.

    Parameters
    ----------
    closes : datetime or None
        The end of the last phase for this member, where an organiser moved it. It never shortens anybody's time.
    """
    own = _extended(competition, closes)
    phase = own.phase_at(now)
    if phase is not None:
        return Admission(phase.name)
    if own.ends is None or own.late_until is None or not own.ends <= now < own.late_until:
        return None
    return Admission(None, late_days=(now - own.ends) // timedelta(days=1) + 1)


def daily_scored(competition: Competition, phase: Phase, own: int | None) -> int:
    """How many scored attempts a day an entrant has, where an organiser may have given `own` to this member."""
    return own or phase.daily_scored or competition.quotas.daily_scored


def limits_today(competition: Competition, phase: Phase, own: int | None) -> tuple[int, int]:
    """Scored attempts and attempts in all that an entrant has a day; `own` as in `daily_scored`."""
    # a student who was given more scored attempts must be able to make them
    cap = max(phase.daily_attempts or competition.quotas.daily_attempts, own or 0)
    return daily_scored(competition, phase, own), cap


def left_today(competition: Competition, entering: Entering, usage: UsageToday, now: datetime) -> int | None:
    """How many scored attempts the entrant can still make today; None where there is no limit.

    Parameters
    ----------
    now : datetime
        Aware; outside all phases nothing is left.
    """
    admission = admission_at(competition, entering.closes, now)
    if admission is None:
        return 0
    if entering.instructor:
        return None
    phase = phase_of(competition, admission)
    scored, cap = limits_today(competition, phase, entering.daily_scored)
    left = [scored - usage.scored - usage.pending, cap - usage.attempts]
    if phase.total_scored is not None:
        left.append(phase.total_scored - usage.total_scored)
    return max(0, min(left))


def _extended(competition: Competition, closes: datetime | None) -> Competition:
    if closes is None or competition.ends is None or closes <= competition.ends:
        return competition
    last = max(competition.phases, key=lambda phase: phase.closes or phase.opens)
    longer = last.model_copy(update={"closes": closes})
    phases = tuple(longer if phase is last else phase for phase in competition.phases)
    return competition.model_copy(update={"phases": phases})


def phase_of(competition: Competition, admission: Admission) -> Phase:
    """The phase whose quotas bind an attempt: the one it is accepted in, or the last one where it is late."""
    named = [phase for phase in competition.phases if phase.name == admission.phase]
    return named[0] if named else max(competition.phases, key=lambda phase: phase.closes or phase.opens)


def _check_rules(competition: Competition, entering: Entering) -> None:
    rules = competition.rules
    if rules.text and entering.accepted != rules.sha256:
        changed = "they changed since you did" if entering.accepted else "you did not yet"
        raise RulesNotAccepted(
            f"{competition.name} expects that you accept its rules before you hand in, and {changed}; "
            "read and accept them on the competition's page, then send it again"
        )


def _check_quotas(
    competition: Competition, phase: Phase, entering: Entering, usage: UsageToday, zone: ZoneInfo
) -> None:
    who = entering.member if len(usage.members) < 2 else "your team"
    has = "has" if len(usage.members) < 2 else "together has"
    again = f"you can submit again from {_moment(usage.resets_at, zone)}"
    waiting = f" and {usage.pending} waiting for their score" if usage.pending else ""
    scored, cap = limits_today(competition, phase, entering.daily_scored)
    if usage.attempts >= cap:
        raise LimitReached(
            f"{who} {has} made {usage.attempts} attempts at {competition.name} today, expected at most {cap}; {again}"
        )
    if usage.scored + usage.pending >= scored:
        raise LimitReached(
            f"{who} {has} {usage.scored} scored attempts{waiting} at {competition.name} today, expected at most "
            f"{scored}; {again}"
        )
    if phase.total_scored is not None and usage.total_scored >= phase.total_scored:
        raise LimitReached(
            f"{who} {has} {usage.total_scored} attempts scored or waiting in phase {phase.name!r} of "
            f"{competition.name}, expected at most {phase.total_scored} in the whole phase; choose your final ones"
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
