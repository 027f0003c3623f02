"""What the organiser's desk reads from the ledger: attempts by filter, members, the audit log, what went wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypeVar

from datauab.competition import Competition, Phase
from datauab.ledger import Attempt, AuditRecord, Extension, Ledger, Team, UsageToday
from datauab.web.club import Club
from datauab.web.gate import daily_scored

PAGE_ROWS = 50
CHUNK = 250
MOST_CHUNKS = 40
"""How far one page looks for rows that fit its filter; a link goes on from there."""

MEMBERS_SHOWN = 50
LAST_HOUR_MOST = 1000

FAILURES_READ = 1000
"""How many failures are looked through for faults of the platform, the newest."""

StateFilter = Literal["", "queued", "running", "scored", "failed", "fault"]
KindFilter = Literal["", "notebook", "predictions", "baseline"]

Item = TypeVar("Item", Attempt, AuditRecord)


@dataclass(frozen=True)
class AttemptFilter:
    """Which attempts to list; empty texts admit all. "fault" are those that the platform failed."""

    state: StateFilter = ""
    kind: KindFilter = ""
    member: str = ""


@dataclass(frozen=True)
class AuditFilter:
    """Which rows of the audit log to list: beginnings of action and actor, a whole target; empty texts admit all."""

    action: str = ""
    actor: str = ""
    target: str = ""


def find_attempts(
    ledger: Ledger, competition: str, wanted: AttemptFilter, before: int | None = None, most: int = PAGE_ROWS
) -> tuple[list[Attempt], int | None]:
    """Attempts that fit, newest first, deleted ones too, and from which number an older page goes on.

    Parameters
    ----------
    before : int, optional
        Only attempts with a smaller number.
    """
    states = [wanted.state] if wanted.state and wanted.state != "fault" else None
    if wanted.state == "fault":
        states = ["failed"]

    def read(before: int | None) -> list[Attempt]:
        return ledger.attempts(
            competition=competition, member=wanted.member or None, states=states, limit=CHUNK, before=before
        )

    return _gather(read, lambda one: _fits(one, wanted), before, most)


def find_audit(
    ledger: Ledger, competition: str, wanted: AuditFilter, before: int | None = None, most: int = PAGE_ROWS
) -> tuple[list[AuditRecord], int | None]:
    """Rows of the audit log that fit, newest first, and from which number an older page goes on."""

    def read(before: int | None) -> list[AuditRecord]:
        return ledger.audit_log(competition, limit=CHUNK, before=before)

    def fits(one: AuditRecord) -> bool:
        begins = one.action.startswith(wanted.action) and one.actor.startswith(wanted.actor)
        return begins and wanted.target in ("", one.target)

    return _gather(read, fits, before, most)


@dataclass(frozen=True)
class Trouble:
    """What went wrong.

    Attributes
    ----------
    today : sequence of Attempt
        Attempts that failed today, the newest first.
    faults : sequence of Attempt
        Attempts that the platform failed and that wait for somebody to retry them, whenever they failed.
    grading : sequence of AuditRecord
        Errors of scoring that are the organiser's, of the last days, the newest first.
    """

    today: Sequence[Attempt]
    faults: Sequence[Attempt]
    grading: Sequence[AuditRecord]

    @property
    def causes(self) -> list[tuple[str, list[AuditRecord]]]:
        """The errors of scoring by what they say: one wrong metric fails everybody's attempt in the same words."""
        found: dict[str, list[AuditRecord]] = {}
        for one in self.grading:
            found.setdefault(str(one.detail.get("error") or dict(one.detail)), []).append(one)
        return list(found.items())


def trouble(club: Club, competition: str) -> Trouble:
    """Read what went wrong at a competition; the newest `FAILURES_READ` failures are looked at."""
    now = club.clock()
    begin = now.astimezone(club.zone).replace(hour=0, minute=0, second=0, microsecond=0)
    failed = _failures(club.ledger, competition)
    errors, _ = find_audit(club.ledger, competition, AuditFilter(action="grading.error"), most=200)
    return Trouble(
        today=[one for one in failed if (one.finished_at or one.received_at) >= begin],
        faults=[one for one in failed if one.platform_fault],
        grading=[one for one in errors if one.at >= now - timedelta(days=7)],
    )


def platform_faults(ledger: Ledger, competition: str) -> list[Attempt]:
    """Attempts that the platform failed and that may be retried, among the newest `FAILURES_READ` failures."""
    return [one for one in _failures(ledger, competition) if one.platform_fault]


def _failures(ledger: Ledger, competition: str) -> list[Attempt]:
    return ledger.attempts(competition=competition, states=["failed"], limit=FAILURES_READ, include_deleted=False)


def scored_last_hour(club: Club, competition: str) -> int:
    """Attempts scored within the last hour, at most `LAST_HOUR_MOST`."""
    since = club.clock() - timedelta(hours=1)
    found = club.ledger.attempts(competition=competition, states=["scored"], limit=LAST_HOUR_MOST)
    return sum(one.finished_at is not None and one.finished_at >= since for one in found)


@dataclass(frozen=True)
class MemberView:
    """One member as the desk sees him.

    Attributes
    ----------
    usage : UsageToday
        Of the entrant: the whole team where there is one.
    daily_scored, daily_attempts : int
        What the member has a day now.
    attempts : sequence of Attempt
        The newest.
    """

    member: str
    name: str
    team: Team | None
    usage: UsageToday
    daily_scored: int
    daily_attempts: int
    extension: Extension | None
    attempts: Sequence[Attempt]


def view_member(club: Club, competition: Competition, member: str) -> MemberView:
    """Read what the desk shows of one member."""
    now, ledger = club.clock(), club.ledger
    phase = phase_for_quotas(competition, now)
    extension = ledger.extension(competition.name, member)
    own = extension.daily_scored if extension else None
    cap = phase.daily_attempts or competition.quotas.daily_attempts
    return MemberView(
        member=member,
        name=ledger.display_names({member}).get(member) or "",
        team=ledger.team_of(competition.name, member),
        usage=ledger.usage_today(competition.name, member, now, club.zone),
        daily_scored=daily_scored(competition, phase, own),
        daily_attempts=max(cap, own or 0),
        extension=extension,
        attempts=ledger.attempts(competition=competition.name, member=member, limit=10),
    )


def phase_for_quotas(competition: Competition, now: datetime) -> Phase:
    """The open phase, else the last one: late and extended attempts go by its quotas."""
    return competition.phase_at(now) or max(competition.phases, key=lambda one: one.closes or one.opens)


def search_members(club: Club, competition: str, text: str) -> list[tuple[str, str]]:
    """Accounts and display names that contain `text`, in order of the accounts, at most `MEMBERS_SHOWN`.

    An account that never signed in by a name of its own is found by its whole name, where it handed something in.
    """
    wanted = text.casefold()
    names = club.ledger.display_names()
    found = {who: shown for who, shown in names.items() if wanted in who.casefold() or wanted in shown.casefold()}
    if text not in found and club.ledger.attempts(competition=competition, member=text, limit=1):
        found[text] = ""
    recent = club.ledger.attempts(competition=competition, limit=CHUNK)
    found |= {
        one.member: names.get(one.member, "")
        for one in recent
        if one.origin != "baseline" and wanted in one.member.casefold()
    }
    return sorted(found.items())[:MEMBERS_SHOWN]


def _fits(one: Attempt, wanted: AttemptFilter) -> bool:
    if wanted.state == "fault" and not one.platform_fault:
        return False
    if wanted.kind == "baseline":
        return one.origin == "baseline"
    return not wanted.kind or (one.kind == wanted.kind and one.origin != "baseline")


def _gather(
    read: Callable[[int | None], list[Item]], fits: Callable[[Item], bool], before: int | None, most: int
) -> tuple[list[Item], int | None]:
    found: list[Item] = []
    for _ in range(MOST_CHUNKS):
        chunk = read(before)
        for one in chunk:
            if len(found) == most:
                return found, before
            before = one.id
            if fits(one):
                found.append(one)
        if len(chunk) < CHUNK:
            return found, None
    return found, before
