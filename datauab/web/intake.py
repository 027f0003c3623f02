"""From the bytes that arrived to an attempt in the ledger: the same steps for every way in."""

from __future__ import annotations

from datauab.archive import check_notebook, make_archive, read_archive
from datauab.competition import Competition
from datauab.errors import InvalidSubmission
from datauab.ledger import Attempt, Origin, UsageToday
from datauab.web.club import Club
from datauab.web.gate import admit, check_size
from datauab.web.session import Viewer


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


def as_archive(competition: Competition, filename: str, data: bytes) -> bytes:
    """Make the archive of an upload: a bare notebook is packed under the assignment's name, a zip stays as it is.

    Raises
    ------
    InvalidSubmission
        Where the file is neither, or empty.
    """
    check_size(len(data), 2**40)
    if data[:4] == b"PK\x03\x04" or filename.lower().endswith(".zip"):
        return data
    check_notebook(data, filename or "the file")
    return make_archive({f"{competition.name}.ipynb": data})


def take_in(
    club: Club, viewer: Viewer, competition: Competition, blob: bytes, *, origin: Origin, key: str | None = None
) -> Attempt:
    """Check `blob`, pass the gate, and store it; when this returns, the attempt is on disk and queued.

    Parameters
    ----------
    club : Club
        The running service.
    viewer : Viewer
        Whose attempt it is: nobody can hand in for somebody else.
    competition : Competition
        What it is for.
    blob : bytes
        A zip with the assignment's files at its root.
    origin : {"exchange", "web"}
        The way in.
    key : str, optional
        The request's ``Idempotency-Key``: the same key gives the same attempt.

    Raises
    ------
    InvalidSubmission, PhaseClosed, LimitReached
        Where it is refused, with the reason.
    """
    if key is None:
        return _store(club, viewer, competition, blob, origin)
    answered = club.answered
    mark = (viewer.name, f"{competition.name}\0{key[:200]}")
    with answered.guard(mark):
        before = answered.find(mark)
        if before is not None:
            return club.ledger.attempt(before)
        attempt = _store(club, viewer, competition, blob, origin)
        answered.remember(mark, attempt.id)
        return attempt


def _store(club: Club, viewer: Viewer, competition: Competition, blob: bytes, origin: Origin) -> Attempt:
    now = club.clock()
    limit = club.settings.upload_mb

    def gate(usage: UsageToday) -> None:
        admit(
            competition,
            viewer.name,
            viewer.instructor,
            len(blob),
            now,
            usage,
            limit_mb=limit,
            zone=club.zone,
        )

    # what can be said without the database is said first: a closed phase, then what is wrong with the file
    gate(club.ledger.usage_today(competition.name, viewer.name, now))
    check_archive(competition, blob)
    return club.ledger.add_attempt(
        competition=competition.name, member=viewer.name, origin=origin, blob=blob, received_at=now, gate=gate
    )
