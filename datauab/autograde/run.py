"""One run of one submitted notebook through both kernels, seen from where the labels are.

`prepare` says what a worker may know, `datauab.autograde.student.run_student` runs it, `mark` scores what came back
and runs the autograder cells in the trusted kernel, `show` writes outputs and marks into the notebook.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from nbformat import NotebookNode
from numpy.typing import NDArray

from datauab.autograde import checkpoint
from datauab.autograde.assignment import Assignment, grade_id_of, public_line, score_predictions
from datauab.autograde.kernels import warm_kernels
from datauab.autograde.outcome import Outcome, Scores
from datauab.autograde.outputs import plain, safe_outputs
from datauab.autograde.request import CellKind, RunCell, RunRequest, RunResult
from datauab.autograde.student import run_student
from datauab.autograde.trusted import TrustedKernel, Verdict
from datauab.competition import Competition
from datauab.errors import GradingError, InvalidSubmission
from datauab.submission import read_npy, to_npy, validate

_MIB = 2**20
_AGREEMENT = 1e-9

Report = Callable[[str], None]
"""Told what an instructor should know: exceptions of autograder cells, which may show labels."""


def ignore(_: str) -> None:
    """Report to nobody."""


@dataclass(frozen=True)
class Finished:
    """A run that has been marked.

    Attributes
    ----------
    digest : str
        Of the request: what the notebook and its files must give again for this run to be theirs.
    """

    digest: str
    result: RunResult
    outcome: Outcome


@dataclass
class _Marking:
    marks: dict[str, float] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def spend(self, stage: str, began: float) -> None:
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.monotonic() - began


def run_notebook(
    notebook: NotebookNode,
    assignment: Assignment,
    files: Mapping[str, bytes],
    *,
    report: Report = ignore,
    late_share: float = 0.0,
    finished: Finished | None = None,
) -> Outcome:
    """Run a sanitised notebook; its cells get their outputs, and the result says what it earned.

    Student cells run in the sandbox. At the first autograder cell the predictions leave it, once; autograder cells run
    in the trusted kernel only. Whatever the student's code does ends here as an outcome, never as an exception.

    Parameters
    ----------
    notebook : NotebookNode
        With the cells' ``grade_id`` as the gradebook knows them; changed in place.
    files : mapping of str to bytes
        Files beside the notebook.
    late_share : float
        Share of the marks that is lost because the attempt was late.
    finished : Finished, optional
        A run made elsewhere; taken where it is one of exactly this notebook and these files.

    Raises
    ------
    GradingError
        Where the platform or the organiser's cells fail.
    """
    try:
        request = prepare(notebook, assignment, files)
    except InvalidSubmission as error:
        result, outcome = RunResult(), refused(assignment, error)
    else:
        if finished is not None and finished.digest == request.digest():
            result, outcome = finished.result, finished.outcome
        else:
            result = run_student(request, assignment.settings.public, warm_kernels())
            outcome = mark(notebook, assignment, request, result, report=report, late_share=late_share)
    show(notebook, assignment, result, outcome)
    return outcome


def prepare(notebook: NotebookNode, assignment: Assignment, files: Mapping[str, bytes]) -> RunRequest:
    """Say what a worker may know of a sanitised notebook: no label, no source of an autograder cell, no name.

    Raises
    ------
    InvalidSubmission
        Where a checkpoint is needed, and missing or damaged.
    """
    competition = assignment.competition
    spec = competition.run.checkpoint
    cells = []
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type != "code":
            continue
        kind: CellKind = "code"
        if grade_id_of(cell) in assignment.cells:
            kind = "export"
        elif spec is not None and checkpoint.TAG in cell.metadata.get("tags", []):
            kind = "train"
        cells.append(RunCell(number=number, kind=kind, source="" if kind == "export" else cell.source))
    if spec is not None and any(cell.kind == "train" for cell in cells):
        checkpoint.check(files, spec)
    return RunRequest(
        cells=tuple(cells),
        variable=competition.predictions.variable,
        limits=assignment.limits,
        gpu=competition.run.gpu,
        warm=competition.run.warm,
        checkpoint=spec,
        files=files,
    )


def refused(assignment: Assignment, error: InvalidSubmission) -> Outcome:
    """What a submission earns that cannot be run."""
    return Outcome(
        reason=plain(str(error), 1000),
        marks=dict.fromkeys(assignment.cells, 0.0),
        max_points=sum(cell.max_points for cell in assignment.cells.values()),
    )


def mark(
    notebook: NotebookNode,
    assignment: Assignment,
    request: RunRequest,
    result: RunResult,
    *,
    report: Report = ignore,
    late_share: float = 0.0,
) -> Outcome:
    """Check what came back from a run, score it, and run the autograder cells.

    Parameters
    ----------
    notebook : NotebookNode
        The sanitised one; it says in which order the autograder cells run.
    request, result
        The run.

    Raises
    ------
    GradingError
        Where the platform or the organiser's cells fail.
    """
    marking = _Marking(marks=dict.fromkeys(assignment.cells, 0.0), seconds=dict(result.seconds))
    began = time.monotonic()
    scores: Scores | None = None
    predictions, reason = _predictions(assignment, request, result)
    if predictions is not None:
        since = time.monotonic()
        scores, full = score_predictions(assignment, predictions)
        marking.spend("score", since)
        since = time.monotonic()
        with TrustedKernel(assignment.competition, assignment.solution.array, assignment.limits) as trusted:
            trusted.give(predictions, full if assignment.competition.metric.is_own else None)
            for line in _run_cells(notebook, assignment, trusted, marking, (scores.public, full)):
                report(line)
        marking.spend("autograder", since)
    marking.spend("mark", began)
    return Outcome(
        scores=scores,
        reason="" if scores else reason,
        predictions=None if predictions is None else to_npy(predictions),
        marks=marking.marks,
        max_points=sum(cell.max_points for cell in assignment.cells.values()),
        late_share=late_share,
        seconds={stage: round(seconds, 4) for stage, seconds in marking.seconds.items()},
    )


def _predictions(assignment: Assignment, request: RunRequest, result: RunResult) -> tuple[NDArray[Any] | None, str]:
    """The checked predictions, or why there are none."""
    competition, variable = assignment.competition, request.variable
    most = assignment.limits.predictions_mb * _MIB
    try:
        if result.predictions is None:
            raise InvalidSubmission(
                plain(result.reason, 1000) or f"{variable}: expected a variable of this name, found none"
            )
        array = read_npy(result.predictions, most)
        array = validate(array, competition=competition, rows=len(assignment.solution.array))
        spec = request.checkpoint
        if spec is not None and any(cell.kind == "train" for cell in request.cells):
            checkpoint.reproduces(request.files, array, spec, competition)
    except InvalidSubmission as error:
        reason = plain(str(error), 1000)
        if result.exported and result.first_error:
            reason += f"; the first error: {plain(result.first_error, 600)}"
        return None, reason
    return array, ""


def _run_cells(
    notebook: NotebookNode,
    assignment: Assignment,
    trusted: TrustedKernel,
    marking: _Marking,
    values: tuple[float, float],
) -> list[str]:
    """Run the autograder cells in the notebook's order; returns what they raised, for instructors only.

    `values` is the platform's own metric on the public rows and on all of them.
    """
    raised = []
    for grade_id in [grade_id_of(cell) for cell in notebook.cells if grade_id_of(cell) in assignment.cells]:
        cell = assignment.cells[grade_id]
        verdict = trusted.run(cell.source)
        place = f"autograder cell {grade_id} of {assignment.competition.name}"
        if verdict.raised:
            raised.append(f"{place} raised {verdict.raised}")
        if verdict.reported:
            marking.marks[grade_id] = cell.max_points * _share(verdict, assignment.competition, *values)
        else:
            marking.marks[grade_id], problem = _plain_mark(verdict, cell.max_points, place)
            raised += [problem] if problem else []
    return raised


def _plain_mark(verdict: Verdict, most: float, place: str) -> tuple[float, str]:
    """The mark of a cell that reports nothing, by nbgrader's own rules, and what its author should know of it."""
    if verdict.raised or not verdict.result:
        return (0.0 if verdict.raised else most), ""
    try:
        earned = float(verdict.result)
    except ValueError:
        return most, f"{place} ends with {verdict.result[:80]!r}, which is no plain number: it gives all points"
    if earned > most:
        raise GradingError(f"{place} gave {earned:g} points, expected at most {most:g}: correct the cell or its points")
    if not earned >= 0:
        return most, f"{place} gave {earned:g} points, expected 0 to {most:g}: it gives all points, as in nbgrader"
    return earned, ""


def _share(verdict: Verdict, competition: Competition, public: float, full: float) -> float:
    name = "score" if competition.metric.is_own else competition.metric.name
    value = verdict.reported.get(name)
    if value is None:
        raise GradingError(
            f"an autograder cell of {competition.name} reported {sorted(verdict.reported)}, expected {name} among them"
        )
    if not math.isclose(value, full, rel_tol=_AGREEMENT, abs_tol=_AGREEMENT):
        raise GradingError(
            f"an autograder cell of {competition.name} reported {name} = {value!r}, but the platform's own {name} "
            f"gives {full!r}: correct the cell or competition.toml"
        )
    return competition.points.share(public if competition.points.rows == "public" else value)


def show(notebook: NotebookNode, assignment: Assignment, result: RunResult, outcome: Outcome) -> None:
    """Write outputs and marks into the notebook; what a worker sent is cleaned first."""
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type != "code":
            continue
        grade_id = grade_id_of(cell)
        if grade_id in assignment.cells:
            text = "\n".join(_lines(assignment, grade_id, outcome)) + "\n"
            cell.outputs = [NotebookNode(output_type="stream", name="stdout", text=text)]
            cell.execution_count = None
        else:
            cell.outputs = safe_outputs(result.outputs.get(number, []))
            cell.execution_count = result.counts.get(number)


def _lines(assignment: Assignment, grade_id: str, outcome: Outcome) -> list[str]:
    lines = [f"Marks: {outcome.marks[grade_id]:g} of {assignment.cells[grade_id].max_points:g}"]
    if outcome.scores is None:
        lines.append(f"Not scored: {outcome.reason}")
    else:
        lines.append(public_line(assignment.competition, outcome.scores.public))
    if outcome.late_share:
        lines.append(f"Late: {outcome.late_share:.0%} of the marks are lost")
    return lines
