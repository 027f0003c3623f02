"""A class run at the desk: who may be asked for, how far it has come, and what became of it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from datauab.doorbell import GRADER, ring
from datauab.ledger import Task
from datauab.task_results import STAGES, ClassDone, ClassGraded, ClassProgress
from datauab.web.club import Club
from datauab.web.desk_acts import ask, task_of
from datauab.web.problems import Problem
from datauab.web.wording import span_text

_NAMES_SHOWN = 8
_CHARACTERS_SHOWN = 40

_PARTS = ("prepare", "transfer", "run", "mark", "wait", "write")
"""Stages that follow one another; what they leave of the whole was spent waiting for a place."""


@dataclass(frozen=True)
class StageCost:
    """What one stage cost a submission on average; `share` of the whole is in [0, 1]."""

    words: str
    seconds: float
    share: float


@dataclass(frozen=True)
class ProgressView:
    """How far a run has come, in words for a page.

    Attributes
    ----------
    left : str
        Time left at the speed so far; empty before it is known.
    rate : str
        Submissions a minute; empty before it is known.
    """

    done: int
    total: int
    skipped: int
    failed: int
    left: str
    rate: str
    newest: Sequence[ClassGraded]


@dataclass(frozen=True)
class DoneView:
    """What became of a run, in words for a page.

    Attributes
    ----------
    nothing : str
        Why nothing had to run; empty where something did.
    """

    task: Task
    answer: ClassDone
    asked: str
    took: str
    rate: str
    nothing: str
    stages: Sequence[StageCost]
    whole: float


def students_with_notebooks(club: Club, competition: str) -> list[str]:
    """Accounts that handed in a notebook through the club, in their order.

    Folders that somebody put into ``submitted/`` by hand are known to the grader only.
    """
    return [attempt.member for attempt in club.ledger.latest_attempts(competition)]


def split_names(text: str) -> list[str]:
    """Names separated by commas, semicolons or white space, each once."""
    return list(dict.fromkeys(name for name in re.split(r"[,;\s]+", text) if name))


def ask_for_class(club: Club, competition: str, students: Sequence[str], *, failed: bool, force: bool, by: str) -> Task:
    """Ask the grader to autograde a class; see `datauab.grader.classroom.autograde_class` for what is asked.

    Raises
    ------
    Problem
        400 where a student is named who handed in no notebook; 409 where a run waits or goes on already.
    """
    _check_known(club, competition, students)
    chosen = [*dict.fromkeys(students)]
    return ask(club, competition, "autograde", by, {"students": chosen, "failed": failed, "force": force})


def stop_class(club: Club, competition: str, number: int, by: str) -> Task:
    """Stop a class run: what is graded stays, what runs is put back.

    Raises
    ------
    Problem
        404 where this competition has no class run of that number; 409 where it has ended.
    """
    found = task_of(club, competition, number)
    if found.kind != "autograde":
        raise Problem(404, "NotFound", f"task {number} of {competition} is no class run; only those can be stopped")
    if not club.ledger.stop_task(number, by):
        raise Problem(409, "Contradiction", f"run {number} has ended already; there is nothing to stop")
    ring(club.settings.state, GRADER)
    return club.ledger.task(number)


def newest_runs(club: Club, competition: str) -> tuple[Task | None, Task | None]:
    """The newest run that was asked for, and the newest that is done."""
    found = club.ledger.tasks(competition, kind="autograde", limit=20)
    return next(iter(found), None), next((one for one in found if one.state == "done"), None)


def view_progress(task: Task) -> ProgressView | None:
    """How far `task` has come; None before it has said so."""
    if task.progress is None:
        return None
    said = ClassProgress.model_validate(task.progress)
    left, open_ones = said.seconds_left, said.total - said.done
    return ProgressView(
        done=said.done,
        total=said.total,
        skipped=said.skipped,
        failed=said.failed,
        left="" if left is None or not open_ones else span_text(left),
        rate=_rate(open_ones, left or 0.0),
        newest=said.newest,
    )


def view_done(task: Task) -> DoneView:
    """Arrange the answer of a run that is done."""
    answer = ClassDone.model_validate(task.result)
    stages, whole = _stages(answer)
    return DoneView(
        task=task,
        answer=answer,
        asked=asked_text(task.parameters),
        took=span_text(answer.seconds),
        rate=_rate(answer.graded, answer.seconds),
        nothing="" if answer.graded else _nothing(answer, failed=bool(task.parameters.get("failed"))),
        stages=stages,
        whole=whole,
    )


def asked_text(parameters: Mapping[str, object]) -> str:
    """For whom a run was asked, in a few words."""
    named = parameters.get("students")
    students = [str(one) for one in named] if isinstance(named, list) else []
    if not students:
        who = "everybody"
    else:
        who = f"{len(students)} students ({_listed(students)})" if len(students) > 1 else students[0]
    if parameters.get("failed"):
        return f"{who}, only those that failed"
    return f"{who}, unchanged ones too" if parameters.get("force") else who


def _check_known(club: Club, competition: str, students: Collection[str]) -> None:
    if not students:
        return
    known = students_with_notebooks(club, competition)
    unknown = sorted(set(students) - set(known))
    if unknown:
        words = (
            f"students: expected accounts that handed in a notebook for {competition}, found {_listed(unknown)}; "
            f"notebooks came from {_listed(known) or 'nobody so far'}; name those, or nobody to take everybody"
        )
        raise Problem(400, "InvalidRequest", words)


def _listed(names: Sequence[str]) -> str:
    shown = [name if len(name) <= _CHARACTERS_SHOWN else f"{name[:_CHARACTERS_SHOWN]}…" for name in names]
    more = len(names) - _NAMES_SHOWN
    return ", ".join(shown[:_NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _rate(count: int, seconds: float) -> str:
    if not count or seconds <= 0:
        return ""
    rate = 60 * count / seconds
    return f"{rate:.0f}" if rate >= 20 else f"{rate:.1f}"


def _nothing(answer: ClassDone, *, failed: bool) -> str:
    if not answer.skipped:
        return "There was nothing to grade: nobody of them has handed in a notebook."
    if failed:
        return "Nothing had to run: nobody's last result is a failure."
    return "Nothing had to run: every notebook is as it was when it was graded, and so is what grades it."


def _stages(answer: ClassDone) -> tuple[list[StageCost], float]:
    counted, spent = answer.graded - len(answer.faults), dict(answer.stages)
    whole = spent.get("whole", 0.0)
    if counted <= 0 or whole <= 0:
        return [], 0.0
    spent["slot"] = max(0.0, whole - sum(spent.get(part, 0.0) for part in _PARTS))
    costs = [
        StageCost(words, spent[stage] / counted, spent[stage] / whole)
        for stage, words in STAGES.items()
        if stage in spent
    ]
    return costs, whole / counted
