"""What an organiser does, the same for pages and API: each act is checked here and leaves its row in the audit log."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, get_args

from datauab.competition import FROM_FILE, Competition
from datauab.doorbell import GRADER, ring
from datauab.errors import LedgerError
from datauab.ledger import Announcement, Attempt, Extension, Task, TaskKind
from datauab.task_results import RescorePreview
from datauab.web.club import Club
from datauab.web.desk_reading import platform_faults
from datauab.web.desk_rulings import InvalidRuling, RulingKey, check_ruling
from datauab.web.problems import Problem

RETRIED_AT_ONCE = 500
"""Platform faults that one press sends back to the queue."""

TEXT_LIMIT = 4000
NOTE_LIMIT = 500

TASK_KINDS: tuple[TaskKind, ...] = get_args(TaskKind)


def attempt_of(club: Club, competition: str, number: int) -> Attempt:
    """Attempt `number` of `competition`, whoever made it.

    Raises
    ------
    Problem
        404 where this competition has none of that number.
    """
    missing = Problem(404, "NotFound", f"{competition} has no attempt {number}; see its list of attempts")
    if not 0 < number < 2**62:
        raise missing
    try:
        found = club.ledger.attempt(number)
    except LedgerError:
        raise missing from None
    if found.competition != competition:
        raise missing
    return found


def retry(club: Club, competition: str, number: int, by: str) -> Attempt:
    """Send a failed attempt to the grader once more.

    Raises
    ------
    Problem
        404 where there is none, 409 where it did not fail.
    """
    found = attempt_of(club, competition, number)
    if found.state != "failed":
        raise _not_failed(found)
    try:
        club.ledger.retry(number, by)
    except LedgerError:
        # somebody else pressed the same button a moment ago
        found = attempt_of(club, competition, number)
        if found.state != "failed":
            raise _not_failed(found) from None
        raise
    ring(club.settings.state, GRADER)
    return club.ledger.attempt(number)


def retry_faults(club: Club, competition: str, by: str) -> list[int]:
    """Send attempts that the platform failed to the grader once more, at most `RETRIED_AT_ONCE`; gives their numbers.

    Raises
    ------
    Problem
        409 where there is none.
    """
    faults = platform_faults(club.ledger, competition)[:RETRIED_AT_ONCE]
    if not faults:
        raise Problem(409, "Contradiction", f"no attempt at {competition} was failed by the platform; nothing to retry")
    retried = []
    for one in reversed(faults):
        try:
            club.ledger.retry(one.id, by)
        except LedgerError:
            if attempt_of(club, competition, one.id).state == "failed":
                raise
            continue
        retried.append(one.id)
    ring(club.settings.state, GRADER)
    return retried


def extend(
    club: Club,
    competition: Competition,
    member: str,
    *,
    closes: datetime | None,
    daily_scored: int | None,
    note: str,
    by: str,
) -> Extension:
    """Allow one member more than everybody has; both None takes an earlier extension back.

    Raises
    ------
    Problem
        400 where the end is no later than everybody's, is over, or there is none to extend.
    """
    if closes is not None:
        _check_later(club, competition, closes)
    club.ledger.extend(
        competition.name,
        member,
        closes=closes and closes.astimezone(UTC),
        daily_scored=daily_scored,
        note=plain_text(note, NOTE_LIMIT, "note", needed=False),
        by=by,
    )
    found = club.ledger.extension(competition.name, member)
    if found is None:
        raise LedgerError(f"the extension of {member} at {competition.name} was not kept")
    return found


def rule(club: Club, competition: Competition, key: RulingKey, value: object, by: str) -> None:
    """Decide over ``competition.toml``; see `check_ruling` for values.

    Raises
    ------
    Problem
        400 where the value cannot hold.
    """
    try:
        kept = check_ruling(competition, key, value)
    except InvalidRuling as error:
        raise Problem(400, "InvalidRequest", str(error)) from error
    club.ledger.rule(competition.name, key, kept, by)


def undo_ruling(club: Club, competition: Competition, key: RulingKey, by: str) -> None:
    """Let ``competition.toml`` hold again.

    Raises
    ------
    Problem
        409 where nothing is decided on this key.
    """
    if club.ledger.rulings(competition.name).get(key, FROM_FILE) == FROM_FILE:
        raise Problem(409, "Contradiction", f"there is no ruling on {key} of {competition.name}; the file holds")
    club.ledger.rule(competition.name, key, FROM_FILE, by)


def announce(club: Club, competition: str, text: str, by: str) -> Announcement:
    """Tell everybody who takes part.

    Raises
    ------
    Problem
        400 where the text is empty or too long.
    """
    return club.ledger.announce(competition, plain_text(text, TEXT_LIMIT, "text", needed=True), by)


def withdraw(club: Club, competition: str, number: int, by: str) -> None:
    """Take an announcement back.

    Raises
    ------
    Problem
        404 where it does not stand.
    """
    if number not in {one.id for one in club.ledger.announcements(competition)}:
        raise Problem(404, "NotFound", f"{competition} has no announcement {number} that stands; see the list")
    club.ledger.withdraw_announcement(number, by)


def ask(club: Club, competition: str, kind: TaskKind, by: str, parameters: Mapping[str, Any] | None = None) -> Task:
    """Ask the grader for work that needs solutions; one task of a kind at a time.

    Raises
    ------
    Problem
        409 where the same work waits or runs already.
    """
    busy = under_way(club, competition, kind)
    if busy is not None:
        raise Problem(409, "Contradiction", f"the grader works on this already (task {busy.id}); wait for its answer")
    task = club.ledger.add_task(kind, competition, by, parameters)
    ring(club.settings.state, GRADER)
    return task


def apply_rescoring(
    club: Club, competition: str, number: int, *, solution_hash: str, scorer_hash: str, by: str
) -> Task:
    """Let the scores of preview `number` count, as they were shown.

    Parameters
    ----------
    solution_hash, scorer_hash : str
        As the page showed them: what is applied is what somebody looked at.

    Raises
    ------
    Problem
        404 where there is no such preview; 409 where it is not ready, is not the newest, was applied, or has other
        hashes.
    """
    previews = club.ledger.tasks(competition, kind="rescore_preview", limit=1)
    newest = previews[0] if previews else None
    if newest is None:
        raise Problem(404, "NotFound", f"{competition} has no preview of a rescoring; ask for one first")
    if newest.id != number or newest.state != "done":
        words = f"preview {number} is not the newest that is ready; look at a new preview, then apply that"
        raise Problem(409, "Contradiction", words)
    preview = RescorePreview.model_validate(newest.result)
    if (preview.solution_hash, preview.scorer_hash) != (solution_hash, scorer_hash):
        raise Problem(409, "Contradiction", "the preview is not the one that you saw; reload the page and look again")
    if any(one.id > newest.id and one.state != "failed" for one in applied(club, competition)):
        raise Problem(409, "Contradiction", f"preview {number} was applied already; ask for a new one")
    parameters = {"preview": newest.id, "solution_hash": solution_hash, "scorer_hash": scorer_hash}
    return ask(club, competition, "rescore_apply", by, parameters)


def task_of(club: Club, competition: str, number: int) -> Task:
    """Task `number` of `competition`.

    Raises
    ------
    Problem
        404 where this competition has none of that number.
    """
    try:
        found = club.ledger.task(number)
    except LedgerError:
        found = None
    if found is None or found.competition != competition:
        raise Problem(404, "NotFound", f"{competition} has no task {number}; see the list of tasks")
    return found


def applied(club: Club, competition: str) -> list[Task]:
    """Rescorings that were asked for, the newest first."""
    return club.ledger.tasks(competition, kind="rescore_apply", limit=20)


def under_way(club: Club, competition: str, kind: TaskKind) -> Task | None:
    """The task of this kind that waits or runs."""
    found = club.ledger.tasks(competition, kind=kind, limit=5)
    return next((one for one in found if one.state in ("queued", "running")), None)


def plain_text(text: str, limit: int, what: str, *, needed: bool) -> str:
    """`text` without white space around it and with plain line ends.

    Raises
    ------
    Problem
        400 where it is longer than `limit` characters, has control characters, or is needed and empty.
    """
    plain = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    if needed and not plain:
        raise Problem(400, "InvalidRequest", f"{what}: expected some words, found none")
    if len(plain) > limit:
        raise Problem(400, "InvalidRequest", f"{what}: expected at most {limit} characters, found {len(plain)}")
    if any(ord(one) < 32 and one not in "\n\t" for one in plain):
        raise Problem(400, "InvalidRequest", f"{what}: expected text, found control characters; type it anew")
    return plain


def _check_later(club: Club, competition: Competition, closes: datetime) -> None:
    ends = competition.ends
    if ends is None:
        words = f"the last phase of {competition.name} has no end, so there is nothing to extend; leave the time empty"
        raise Problem(400, "InvalidRequest", words)
    if closes <= max(ends, club.clock()):
        shown = max(ends, club.clock()).astimezone(club.zone)
        words = f"an extension gives more time: expected a time after {shown:%d %B %Y, %H:%M}, found an earlier one"
        raise Problem(400, "InvalidRequest", words)


def _not_failed(found: Attempt) -> Problem:
    return Problem(
        409, "Contradiction", f"attempt {found.id} is {found.state}, expected a failed one; nothing to retry"
    )
