"""The API of the organiser's desk; instructors only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Path, Query

from datauab.ledger import Attempt
from datauab.web import desk_acts as acts
from datauab.web.api import REFUSALS, InClub
from datauab.web.club import Club
from datauab.web.desk_class import ask_for_class, stop_class
from datauab.web.desk_forms import ACCOUNT, NO_NUL
from datauab.web.desk_models import (
    AnnouncementAnswer,
    AnnouncementAsked,
    AttemptHistoryAnswer,
    AuditAnswer,
    AuditPageAnswer,
    DeskAnswer,
    DeskAttemptAnswer,
    DeskAttemptsAnswer,
    EndingAnswer,
    ExtensionAnswer,
    ExtensionAsked,
    RetriedAnswer,
    RulingAnswer,
    RulingAsked,
    ScoreVersionAnswer,
    TaskAnswer,
    TaskAsked,
)
from datauab.web.desk_reading import (
    AttemptFilter,
    AuditFilter,
    KindFilter,
    StateFilter,
    find_attempts,
    find_audit,
    trouble,
)
from datauab.web.desk_rulings import RulingKey, standings
from datauab.web.exchange_api import Teacher
from datauab.web.problems import Problem

LIST_LIMIT = 500

router = APIRouter(prefix="/competitions/{name}/desk", tags=["organiser's desk"], responses=REFUSALS)

Number = Annotated[int, Path(ge=1, lt=2**62)]
Account = Annotated[str, Path(pattern=f"^{ACCOUNT}$")]
Before = Annotated[int | None, Query(ge=1, lt=2**62)]
Most = Annotated[int, Query(ge=1, le=LIST_LIMIT)]
Begins = Annotated[str, Query(max_length=64, pattern=NO_NUL)]


@router.get("")
def show_desk(name: str, club: InClub, viewer: Teacher) -> DeskAnswer:
    """Tell how a competition stands: its queue, and what went wrong."""
    competition = club.competition(name, instructor=True)
    counts, wrong = club.ledger.attempts_by_state(name), trouble(club, name)
    waiting = club.ledger.queue_counts()
    return DeskAnswer(
        competition=name,
        **counts,
        failed_today=len(wrong.today),
        platform_faults=len(wrong.faults),
        grading_errors=[AuditAnswer.model_validate(one, from_attributes=True) for one in wrong.grading],
        oldest_wait=waiting.oldest,
        revealed=competition.is_revealed(club.clock()),
    )


@router.get("/attempts")
def list_attempts(
    name: str,
    club: InClub,
    viewer: Teacher,
    *,
    state: StateFilter = "",
    kind: KindFilter = "",
    member: Begins = "",
    before: Before = None,
    limit: Most = 100,
) -> DeskAttemptsAnswer:
    """List everybody's attempts with private scores, newest first."""
    club.competition(name, instructor=True)
    found, older = find_attempts(club.ledger, name, AttemptFilter(state, kind, member), before, limit)
    private = club.ledger.private_scores([one.id for one in found])
    return DeskAttemptsAnswer(attempts=[_attempt(one, private) for one in found], older=older)


@router.get("/attempts/{number}")
def show_history(name: str, number: Number, club: InClub, viewer: Teacher) -> AttemptHistoryAnswer:
    """Give one attempt with every ending and every score it had."""
    club.competition(name, instructor=True)
    found = acts.attempt_of(club, name, number)
    return AttemptHistoryAnswer(
        attempt=_attempt(found, club.ledger.private_scores([number])),
        endings=[EndingAnswer.model_validate(one, from_attributes=True) for one in club.ledger.endings(number)],
        scores=[
            ScoreVersionAnswer.model_validate(one, from_attributes=True) for one in club.ledger.score_history(number)
        ],
    )


@router.post("/attempts/{number}/retry")
def retry_attempt(name: str, number: Number, club: InClub, viewer: Teacher) -> DeskAttemptAnswer:
    """Send a failed attempt to the grader once more."""
    club.competition(name, instructor=True)
    return _attempt(acts.retry(club, name, number, viewer.name), {})


@router.post("/retry-faults")
def retry_platform_faults(name: str, club: InClub, viewer: Teacher) -> RetriedAnswer:
    """Send everything that the platform failed to the grader once more."""
    club.competition(name, instructor=True)
    return RetriedAnswer(retried=acts.retry_faults(club, name, viewer.name))


@router.get("/extensions")
def list_extensions(name: str, club: InClub, viewer: Teacher) -> list[ExtensionAnswer]:
    """List what single members were allowed, the newest for each."""
    club.competition(name, instructor=True)
    return [ExtensionAnswer.model_validate(one, from_attributes=True) for one in club.ledger.extensions(name)]


@router.put("/extensions/{member}")
def set_extension(name: str, member: Account, asked: ExtensionAsked, club: InClub, viewer: Teacher) -> ExtensionAnswer:
    """Allow one member more than everybody has, in place of what was allowed before."""
    competition = club.competition(name, instructor=True)
    given = acts.extend(
        club,
        competition,
        member,
        closes=asked.closes,
        daily_scored=asked.daily_scored,
        note=asked.note,
        by=viewer.name,
    )
    return ExtensionAnswer.model_validate(given, from_attributes=True)


@router.get("/rulings")
def list_rulings(name: str, club: InClub, viewer: Teacher) -> list[RulingAnswer]:
    """Set what the file says beside what holds."""
    return _rulings(club, name)


@router.put("/rulings/{key}")
def set_ruling(name: str, key: RulingKey, asked: RulingAsked, club: InClub, viewer: Teacher) -> list[RulingAnswer]:
    """Decide over one key of the file."""
    acts.rule(club, club.competition(name, instructor=True), key, asked.value, viewer.name)
    return _rulings(club, name)


@router.delete("/rulings/{key}")
def remove_ruling(name: str, key: RulingKey, club: InClub, viewer: Teacher) -> list[RulingAnswer]:
    """Let the file hold again for one key."""
    acts.undo_ruling(club, club.competition(name, instructor=True), key, viewer.name)
    return _rulings(club, name)


@router.get("/announcements")
def list_announcements(name: str, club: InClub, viewer: Teacher) -> list[AnnouncementAnswer]:
    """List the announcements that stand, newest first."""
    club.competition(name, instructor=True)
    return [AnnouncementAnswer.model_validate(one, from_attributes=True) for one in club.ledger.announcements(name)]


@router.post("/announcements", status_code=201)
def add_announcement(name: str, asked: AnnouncementAsked, club: InClub, viewer: Teacher) -> AnnouncementAnswer:
    """Announce something to everybody who takes part."""
    club.competition(name, instructor=True)
    made = acts.announce(club, name, asked.text, viewer.name)
    return AnnouncementAnswer.model_validate(made, from_attributes=True)


@router.delete("/announcements/{number}", status_code=204)
def remove_announcement(name: str, number: Number, club: InClub, viewer: Teacher) -> None:
    """Take an announcement back."""
    club.competition(name, instructor=True)
    acts.withdraw(club, name, number, viewer.name)


@router.get("/tasks")
def list_tasks(name: str, club: InClub, viewer: Teacher) -> list[TaskAnswer]:
    """List what was asked of the grader, newest first."""
    club.competition(name, instructor=True)
    return [TaskAnswer.model_validate(one, from_attributes=True) for one in club.ledger.tasks(name, limit=50)]


@router.post("/tasks", status_code=201)
def add_task(name: str, asked: TaskAsked, club: InClub, viewer: Teacher) -> TaskAnswer:
    """Ask the grader for work that needs solutions."""
    club.competition(name, instructor=True)
    if asked.kind == "autograde":
        made = ask_for_class(club, name, asked.students, failed=asked.failed, force=asked.force, by=viewer.name)
    elif asked.kind != "rescore_apply":
        made = acts.ask(club, name, asked.kind, viewer.name)
    elif asked.preview is None:
        raise Problem(400, "InvalidRequest", "rescore_apply: expected the number of the preview, found none")
    else:
        made = acts.apply_rescoring(
            club,
            name,
            asked.preview,
            solution_hash=asked.solution_hash,
            scorer_hash=asked.scorer_hash,
            by=viewer.name,
        )
    return TaskAnswer.model_validate(made, from_attributes=True)


@router.get("/tasks/{number}")
def show_task(name: str, number: Number, club: InClub, viewer: Teacher) -> TaskAnswer:
    """Show one task with its answer."""
    club.competition(name, instructor=True)
    return TaskAnswer.model_validate(acts.task_of(club, name, number), from_attributes=True)


@router.post("/tasks/{number}/stop")
def stop_task(name: str, number: Number, club: InClub, viewer: Teacher) -> TaskAnswer:
    """Stop a class run; what is graded stays, what runs is put back."""
    club.competition(name, instructor=True)
    return TaskAnswer.model_validate(stop_class(club, name, number, viewer.name), from_attributes=True)


@router.get("/audit")
def list_audit(
    name: str,
    club: InClub,
    viewer: Teacher,
    *,
    action: Begins = "",
    actor: Begins = "",
    before: Before = None,
    limit: Most = 100,
) -> AuditPageAnswer:
    """List who did what, newest first; `action` and `actor` are beginnings."""
    club.competition(name, instructor=True)
    rows, older = find_audit(club.ledger, name, AuditFilter(action, actor), before, limit)
    return AuditPageAnswer(rows=[AuditAnswer.model_validate(one, from_attributes=True) for one in rows], older=older)


def _rulings(club: Club, name: str) -> list[RulingAnswer]:
    competition = club.competition(name, instructor=True)
    in_file = club.catalogue.get(name) or competition
    found = standings(in_file, club.ledger.rulings(name))
    return [RulingAnswer.model_validate(one, from_attributes=True) for one in found]


def _attempt(one: Attempt, private: Mapping[int, float]) -> DeskAttemptAnswer:
    values = {name: getattr(one, name) for name in DeskAttemptAnswer.model_fields if name != "private"}
    return DeskAttemptAnswer(**values, private=private.get(one.id))
