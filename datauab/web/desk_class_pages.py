"""The organiser's desk: autograding a whole class, with its progress and what became of it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from datauab.web.api import InClub
from datauab.web.club import Club
from datauab.web.desk_class import (
    ask_for_class,
    asked_text,
    newest_runs,
    split_names,
    stop_class,
    students_with_notebooks,
    view_done,
    view_progress,
)
from datauab.web.desk_forms import STUDENTS_AT_ONCE, UnclearForm, field
from datauab.web.desk_frame import done, show
from datauab.web.exchange_api import Teacher
from datauab.web.problems import Problem
from datauab.web.session import Viewer

ROWS_SHOWN = 300
"""Students of each kind that the page of one run lists."""

_WHICH = {"changed": (False, False), "failed": (True, False), "all": (False, True)}
"""What the form offers, as `failed` and `force`."""

_DIGITS = 18
"""The longest number of a run that the ledger can hold."""

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/competitions/{name}/manage/autograde")
def autograde(request: Request, name: str, club: InClub, viewer: Teacher) -> Response:
    """Show the run that goes on, or what became of the last one."""
    return _page(request, club, viewer, name)


@router.post("/competitions/{name}/manage/autograde")
def autograde_class(request: Request, name: str, club: InClub, viewer: Teacher) -> Response:
    """Ask for a run."""
    club.competition(name, instructor=True)
    try:
        students = split_names(field(viewer, "students"))
        if len(students) > STUDENTS_AT_ONCE:
            raise UnclearForm(f"students: expected at most {STUDENTS_AT_ONCE}, found {len(students)}")
        which = _WHICH.get(field(viewer, "which") or "changed")
        if which is None:
            raise UnclearForm("the form does not say which notebooks are to run; reload the page and choose one")
        ask_for_class(club, name, students, failed=which[0], force=which[1], by=viewer.name)
    except Problem as problem:
        if problem.status != 400:
            raise
        return _page(request, club, viewer, name, problem)
    return done(club, name, "/autograde", "asked-class")


@router.post("/competitions/{name}/manage/autograde/stop")
def stop(name: str, club: InClub, viewer: Teacher) -> Response:
    """Stop the run that goes on; where it ended a moment ago, its result is shown."""
    club.competition(name, instructor=True)
    text = field(viewer, "run")
    if not text.isascii() or not text.isdecimal() or len(text) > _DIGITS:
        raise Problem(400, "InvalidRequest", "the form does not say which run to stop; reload the page")
    try:
        stop_class(club, name, int(text), viewer.name)
    except Problem as problem:
        if problem.status != 409:
            raise
        return done(club, name, "/autograde", "ended-class")
    return done(club, name, "/autograde", "stopped-class")


def _page(request: Request, club: Club, viewer: Viewer, name: str, problem: Problem | None = None) -> Response:
    competition = club.competition(name, instructor=True)
    task, ready = newest_runs(club, name)
    pending = task is not None and task.state in ("queued", "running")
    progress = view_progress(task) if task is not None else None
    view = view_done(ready) if ready is not None and not pending else None
    shown = {one.student for one in progress.newest} if progress and pending else set()
    if view:
        shown |= {student for student, _ in (*view.answer.failed, *view.answer.faults)}
    values: dict[str, Any] = {
        "task": task,
        "asked": asked_text(task.parameters) if task is not None else "",
        "pending": pending,
        "progress": progress,
        "view": view,
        "students": [] if pending else students_with_notebooks(club, name),
        "most": ROWS_SHOWN,
        "names": club.ledger.display_names(shown) if shown else {},
    }
    return show(request, club, viewer, competition, part="autograde", values=values, problem=problem)
