"""The organiser's desk: what the grader does when asked, because it needs solutions."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response

from datauab.ledger import Task, TaskKind
from datauab.task_results import LintFound, RescoreApplied, SimilarFound
from datauab.web.api import InClub
from datauab.web.club import Club
from datauab.web.desk_acts import applied, apply_rescoring, ask
from datauab.web.desk_forms import UnclearForm, confirmed, field
from datauab.web.desk_frame import done, show
from datauab.web.desk_rescoring import view_preview
from datauab.web.exchange_api import Teacher
from datauab.web.session import Viewer

PAIRS_SHOWN = 300

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/competitions/{name}/manage/rescoring")
def rescoring(
    request: Request,
    name: str,
    club: InClub,
    viewer: Teacher,
    number: Annotated[int, Query(alias="page", ge=1, le=1_000_000)] = 1,
) -> Response:
    """Show the newest preview, whether it may be applied, and what was applied before."""
    return _rescoring(request, club, viewer, name, number=number)


@router.post("/competitions/{name}/manage/rescoring/preview")
def preview_rescoring(name: str, club: InClub, viewer: Teacher) -> Response:
    """Ask for a preview."""
    club.competition(name, instructor=True)
    ask(club, name, "rescore_preview", viewer.name)
    return done(club, name, "/rescoring", "asked")


@router.post("/competitions/{name}/manage/rescoring")
def apply_preview(request: Request, name: str, club: InClub, viewer: Teacher) -> Response:
    """Let the scores of the preview that was shown count."""
    club.competition(name, instructor=True)
    try:
        confirmed(viewer, "Apply")
        number = field(viewer, "preview")
        if not (number.isascii() and number.isdigit() and len(number) < 18):
            raise UnclearForm("the form does not name the preview that it applies; reload the page")
    except UnclearForm as problem:
        return _rescoring(request, club, viewer, name, number=1, problem=problem)
    apply_rescoring(
        club,
        name,
        int(number),
        solution_hash=field(viewer, "solution_hash"),
        scorer_hash=field(viewer, "scorer_hash"),
        by=viewer.name,
    )
    return done(club, name, "/rescoring", "applied")


@router.get("/competitions/{name}/manage/similar")
def similar(request: Request, name: str, club: InClub, viewer: Teacher) -> Response:
    """Show pairs of attempts of different entrants whose predictions are alike."""
    competition = club.competition(name, instructor=True)
    task, ready = _newest(club, name, "similar")
    found = SimilarFound.model_validate(ready.result) if ready else None
    pairs = found.pairs[:PAIRS_SHOWN] if found else ()
    members = {member for pair in pairs for member in (pair.first_member, pair.second_member)}
    values = {
        **_state(task),
        "ready": ready,
        "found": found,
        "pairs": pairs,
        "names": club.ledger.display_names(members) if members else {},
    }
    return show(request, club, viewer, competition, part="similar", values=values)


@router.post("/competitions/{name}/manage/similar")
def look_for_similar(name: str, club: InClub, viewer: Teacher) -> Response:
    """Ask for the comparison."""
    club.competition(name, instructor=True)
    ask(club, name, "similar", viewer.name)
    return done(club, name, "/similar", "asked")


@router.get("/competitions/{name}/manage/checks")
def checks(request: Request, name: str, club: InClub, viewer: Teacher) -> Response:
    """Show what the checks before launch found."""
    competition = club.competition(name, instructor=True)
    task, ready = _newest(club, name, "lint")
    findings = LintFound.model_validate(ready.result).findings if ready else ()
    order = ("error", "warning", "note")
    values = {
        **_state(task),
        "ready": ready,
        "findings": sorted(findings, key=lambda one: order.index(one.severity)),
        "counts": {severity: sum(one.severity == severity for one in findings) for severity in order},
    }
    return show(request, club, viewer, competition, part="checks", values=values)


@router.post("/competitions/{name}/manage/checks")
def run_checks(name: str, club: InClub, viewer: Teacher) -> Response:
    """Ask for the checks."""
    club.competition(name, instructor=True)
    ask(club, name, "lint", viewer.name)
    return done(club, name, "/checks", "asked")


def _rescoring(
    request: Request, club: Club, viewer: Viewer, name: str, *, number: int, problem: UnclearForm | None = None
) -> Response:
    competition = club.competition(name, instructor=True)
    task, ready = _newest(club, name, "rescore_preview")
    history = applied(club, name)
    view = view_preview(ready, number) if ready else None
    used = bool(ready and any(one.id > ready.id and one.state != "failed" for one in history))
    members = {move.member for move in view.moves} if view else set()
    busy = any(one.state in ("queued", "running") for one in history)
    worth = bool(view and (view.changed or view.preview.why))  # the same score by another solution is told as well
    state = _state(task)
    values = {
        **state,
        "pending": state["pending"] or busy,
        "view": view,
        "used": used,
        "can_apply": bool(view and ready is task and not used and not busy and worth),
        "history": [
            (one, RescoreApplied.model_validate(one.result) if one.state == "done" else None) for one in history
        ],
        "names": club.ledger.display_names(members) if members else {},
    }
    return show(request, club, viewer, competition, part="rescoring", values=values, problem=problem)


def _newest(club: Club, name: str, kind: TaskKind) -> tuple[Task | None, Task | None]:
    """The newest task of a kind, and the newest that has an answer."""
    found = club.ledger.tasks(name, kind=kind, limit=20)
    return next(iter(found), None), next((one for one in found if one.state == "done"), None)


def _state(task: Task | None) -> dict[str, Any]:
    return {"task": task, "pending": bool(task and task.state in ("queued", "running"))}
