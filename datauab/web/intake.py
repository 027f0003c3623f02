"""From the bytes that arrived to an attempt in the ledger: the same steps for every way in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from datauab.archive import check_notebook, make_archive, read_archive
from datauab.competition import Competition
from datauab.doorbell import GRADER, ring
from datauab.errors import InvalidSubmission
from datauab.ledger import Attempt, Origin, UsageToday
from datauab.ledger.records import Kind
from datauab.submission import kind_of, plain_name, read_predictions
from datauab.web.club import Club
from datauab.web.gate import (
    MIB,
    Admission,
    Entering,
    admission_at,
    admit,
    check_door,
    check_size,
    left_today,
    phase_of,
)
from datauab.web.session import Viewer

UNPACKED = 8
"""How many times the largest submission an archive may hold when it is unpacked."""


@dataclass(frozen=True)
class Arrival:
    """What arrived, sorted.

    Attributes
    ----------
    kind : {"notebook", "predictions"}
        Whether it is run, or scored as it is.
    content : bytes
        What is stored: its hash stands in the receipt.
    filename : str
        How its sender calls it.
    """

    kind: Kind
    content: bytes
    filename: str


def sort_out(competition: Competition, filename: str, data: bytes) -> Arrival:
    """Tell what a file is; a bare notebook is packed under the assignment's name, everything else stays as it is.

    Raises
    ------
    InvalidSubmission
        Where the file is empty, or a bare notebook that Jupyter would not open.
    """
    check_size(len(data), 2**40)
    name = plain_name(filename)
    kind = kind_of(data, name, competition)
    if kind == "predictions" or data[:2] == b"PK":
        return Arrival(kind, data, name)
    check_notebook(data, name or "the file")
    return Arrival(kind, make_archive({f"{competition.name}.ipynb": data}), name)


def check_archive(competition: Competition, data: bytes) -> None:
    """Raise `InvalidSubmission` where `data` is no zip with the assignment's notebook at its root."""
    files = read_archive(data)
    wanted = f"{competition.name}.ipynb"
    if wanted not in files:
        found = ", ".join(sorted(files)[:5]) or "nothing"
        raise InvalidSubmission(
            f"the archive lacks the assignment's notebook: expected {wanted} at its root, found {found}; "
            "keep the notebook's name and pack the files, not their folder"
        )
    check_notebook(files[wanted], wanted)


def check_content(club: Club, competition: Competition, arrival: Arrival) -> None:
    """Check what arrived by everything that needs no solution.

    Raises
    ------
    InvalidSubmission
        Names the row or the file, what was expected and found.
    """
    most = club.settings.upload_mb * MIB
    if arrival.kind == "notebook":
        check_archive(competition, arrival.content)
    elif competition.predictions.kind == "files":
        read_archive(arrival.content, max_bytes=UNPACKED * most)
    else:
        read_predictions(
            arrival.content,
            arrival.filename,
            competition=competition,
            ids=club.row_ids.of(competition),
            max_bytes=most,
        )


def entering(club: Club, competition: Competition, viewer: Viewer) -> Entering:
    """Who hands in, with what an organiser decided for this member alone."""
    ledger, name = club.ledger, competition.name
    accepted = ledger.accepted_rules(name, viewer.name) if competition.rules.text else None
    own = ledger.extension(name, viewer.name)
    return Entering(
        viewer.name, viewer.instructor, accepted, own.closes if own else None, own.daily_scored if own else None
    )


def phase_opens(competition: Competition, admission: Admission | None, now: datetime) -> datetime:
    """Since when the attempts of the phase count; `now` where it has no total, so that no older ones are read."""
    if admission is None:
        return now
    phase = phase_of(competition, admission)
    return phase.opens if phase.total_scored is not None else now


@dataclass(frozen=True)
class Allowance:
    """What an entrant used today, and how many scored attempts are left (None: no limit)."""

    usage: UsageToday
    left: int | None


def allowance(club: Club, competition: Competition, viewer: Viewer, who: Entering | None = None) -> Allowance:
    """What the viewer's entrant used of the competition's quotas today; `who` where that was read a moment ago."""
    now, who = club.clock(), who or entering(club, competition, viewer)
    since = phase_opens(competition, admission_at(competition, who.closes, now), now)
    usage = club.ledger.usage_today(competition.name, viewer.name, now, phase_opens=since)
    return Allowance(usage, left_today(competition, who, usage, now))


def take_in(
    club: Club,
    viewer: Viewer,
    competition: Competition,
    arrival: Arrival,
    *,
    origin: Origin,
    key: str | None = None,
    who: Entering | None = None,
) -> Attempt:
    """Check what arrived, pass the gate, and store it; when this returns, the attempt is on disk and queued.

    Parameters
    ----------
    club : Club
        The running service.
    viewer : Viewer
        Whose attempt it is: nobody can hand in for somebody else.
    competition : Competition
        What it is for, under its rulings.
    arrival : Arrival
        What arrived.
    origin : {"exchange", "web", "api"}
        The way in.
    key : str, optional
        The request's ``Idempotency-Key``: the same key gives the same attempt.
    who : Entering, optional
        As `entering` gives it, where that was read a moment ago.

    Raises
    ------
    InvalidSubmission, PhaseClosed, LimitReached
        Where it is refused, with the reason.
    """
    if key is None:
        return _store(club, viewer, competition, arrival, origin, known=who)
    answered = club.answered
    mark = (viewer.name, f"{competition.name}\0{key[:200]}")
    with answered.guard(mark):
        before = answered.find(mark)
        if before is not None:
            return club.ledger.attempt(before)
        attempt = _store(club, viewer, competition, arrival, origin, known=who)
        answered.remember(mark, attempt.id)
        return attempt


def _store(
    club: Club, viewer: Viewer, competition: Competition, arrival: Arrival, origin: Origin, *, known: Entering | None
) -> Attempt:
    now, who = club.clock(), known or entering(club, competition, viewer)
    size, limit, zone = len(arrival.content), club.settings.upload_mb, club.zone
    # what can be said without a lock is said first: a closed phase, then what is wrong with the file
    door = check_door(competition, who, size, now, limit_mb=limit, zone=zone)
    check_content(club, competition, arrival)

    def gate(usage: UsageToday) -> Admission:
        return admit(competition, who, size, now, usage, limit_mb=limit, zone=zone)

    attempt = club.ledger.add_attempt(
        competition=competition.name,
        member=viewer.name,
        kind=arrival.kind,
        origin=origin,
        blob=arrival.content,
        filename=arrival.filename,
        received_at=now,
        gate=gate,
        phase_opens=phase_opens(competition, door, now),
    )
    ring(club.settings.state, GRADER)
    return attempt
