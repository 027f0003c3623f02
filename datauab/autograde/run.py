"""One run of one submitted notebook through both kernels."""

from __future__ import annotations

import base64
import binascii
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from nbformat import NotebookNode
from numpy.typing import NDArray

from datauab.autograde.assignment import Assignment, grade_id_of, public_line, score_predictions
from datauab.autograde.export import ARRAY, PROBLEM
from datauab.autograde.kernels import SCRATCH, student_job
from datauab.autograde.limits import RunStopped, hint
from datauab.autograde.outcome import Outcome, Scores
from datauab.autograde.outputs import OutputCollector, plain
from datauab.autograde.trusted import TrustedKernel, Verdict
from datauab.autograde.wire import Kernel, Reply
from datauab.competition import Competition
from datauab.errors import GradingError, InvalidSubmission
from datauab.settings import Limits
from datauab.submission import read_npy, validate

_MIB = 2**20
_AGREEMENT = 1e-9


@dataclass
class _Progress:
    predictions: NDArray[Any] | None = None
    exported: bool = False
    reason: str = ""
    first_error: str = ""
    marks: dict[str, float] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def spend(self, stage: str, began: float) -> None:
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.monotonic() - began


def run_notebook(
    notebook: NotebookNode,
    assignment: Assignment,
    files: Mapping[str, bytes],
    report: Callable[[str], None] = lambda _: None,
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
    report : callable
        Told what an instructor should know: exceptions of autograder cells, which may show labels.

    Raises
    ------
    GradingError
        Where the platform or the organiser's cells fail.
    """
    progress = _Progress()
    began = time.monotonic()
    with TrustedKernel(assignment.competition, assignment.solution.array, assignment.limits) as trusted:
        _run_student(notebook, assignment, files, progress)
        _close_cells(notebook, assignment, progress)
        scores: Scores | None = None
        if progress.predictions is not None:
            since = time.monotonic()
            scores, full = score_predictions(assignment, progress.predictions)
            progress.spend("score", since)
            trusted.give(progress.predictions)
            for line in _mark(notebook, assignment, trusted, progress, full):
                report(line)
        progress.spend("whole", began)
    _show(notebook, assignment, progress, scores)
    return Outcome(
        scores=scores,
        reason="" if scores else progress.reason,
        marks=progress.marks,
        max_points=sum(cell.max_points for cell in assignment.cells.values()),
        seconds={stage: round(seconds, 4) for stage, seconds in progress.seconds.items()},
    )


def _run_student(
    notebook: NotebookNode, assignment: Assignment, files: Mapping[str, bytes], progress: _Progress
) -> None:
    competition, limits = assignment.competition, assignment.limits
    began = time.monotonic()
    job = student_job(limits, files, assignment.settings.public, competition.run.gpu)
    message_mb = 2 + limits.predictions_mb * 2  # base64 takes four bytes for three
    collector = OutputCollector()
    with Kernel(job, limits, (SCRATCH, "/dev/shm"), max(64, message_mb)) as kernel:  # noqa: S108  the sandbox's own
        try:
            kernel.wait_ready()
            progress.spend("start", began)
            for number, cell in enumerate(notebook.cells, start=1):
                if cell.cell_type != "code":
                    continue
                if grade_id_of(cell) in assignment.cells:
                    _export(kernel, assignment, progress)
                elif cell.source.strip():
                    _run_cell(kernel, cell, f"cell {number}", collector, progress)
            if not progress.exported:
                _export(kernel, assignment, progress)
        except RunStopped as error:
            collector.add_error("RunStopped", str(error))
            if progress.predictions is None:
                progress.reason = f"the notebook was stopped: {error}"


def _run_cell(kernel: Kernel, cell: NotebookNode, place: str, collector: OutputCollector, progress: _Progress) -> None:
    cell.outputs = collector.begin()
    collector.error = None
    began = time.monotonic()
    try:
        reply = kernel.execute(cell.source, on_output=collector.take)
    finally:
        progress.spend("cells", began)
        if not progress.first_error:
            progress.first_error = _describe(collector.error, place, kernel.limits)
    count = reply.content.get("execution_count")
    cell.execution_count = count if isinstance(count, int) else None


def _describe(error: tuple[str, str] | None, place: str, limits: Limits) -> str:
    if error is None:
        return ""
    advice = hint(*error, limits)
    return plain(f"{place} raised {error[0]}: {error[1][:300]}" + (f" ({advice})" if advice else ""), 600)


def _export(kernel: Kernel, assignment: Assignment, progress: _Progress) -> None:
    if progress.exported:
        return
    progress.exported = True
    spec, limits = assignment.competition.predictions, assignment.limits
    most = limits.predictions_mb * _MIB
    began = time.monotonic()
    expression = (
        f"__import__('datauab.autograde.export', fromlist=['export']).export(globals(), {spec.variable!r}, {most})"
    )
    try:
        reply = kernel.execute("", expressions={"exported": expression})
        array = read_npy(_exported_bytes(reply, spec.variable, most), most)
        progress.predictions = validate(array, competition=assignment.competition, rows=len(assignment.solution.array))
    except RunStopped:
        raise
    except InvalidSubmission as error:
        progress.reason = plain(str(error), 1000)
        if progress.first_error:
            progress.reason += f"; the first error: {progress.first_error}"
    finally:
        progress.spend("export", began)


def _exported_bytes(reply: Reply, variable: str, most: int) -> bytes:
    try:
        data = reply.content["user_expressions"]["exported"]["data"]
        found, problem = data.get(ARRAY), data.get(PROBLEM)
    except (KeyError, TypeError, AttributeError):
        found = problem = None
    if isinstance(problem, str):
        raise InvalidSubmission(plain(problem, 600))
    if not isinstance(found, str):
        raise InvalidSubmission(f"{variable}: the kernel could not convert it to numbers; use a numpy array")
    if len(found) > most * 4 // 3 + 8192:
        raise InvalidSubmission(f"{variable}: expected at most {most} bytes of numbers, found more")
    try:
        return base64.b64decode(found, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidSubmission(
            f"{variable}: the kernel sent no array; run the notebook from a clean kernel"
        ) from error


def _close_cells(notebook: NotebookNode, assignment: Assignment, progress: _Progress) -> None:
    """Give every autograder cell no points to begin with, and every run a reason where it has no predictions."""
    for grade_id in assignment.cells:
        progress.marks[grade_id] = 0.0
    if progress.predictions is None and not progress.reason:
        variable = assignment.competition.predictions.variable
        progress.reason = f"{variable}: expected a variable of this name, found none"
    for cell in notebook.cells:
        if cell.cell_type == "code" and "outputs" not in cell:
            cell.outputs = []


def _mark(
    notebook: NotebookNode, assignment: Assignment, trusted: TrustedKernel, progress: _Progress, full: float
) -> list[str]:
    """Run the autograder cells in the notebook's order; returns what they raised, for instructors only."""
    began = time.monotonic()
    raised = []
    for grade_id in [grade_id_of(cell) for cell in notebook.cells if grade_id_of(cell) in assignment.cells]:
        cell = assignment.cells[grade_id]
        verdict = trusted.run(cell.source)
        if verdict.raised:
            raised.append(f"autograder cell {grade_id} of {assignment.competition.name} raised {verdict.raised}")
        progress.marks[grade_id] = cell.max_points * _share(verdict, assignment.competition, full)
    progress.spend("autograder", began)
    return raised


def _share(verdict: Verdict, competition: Competition, full: float) -> float:
    name = competition.metric.name
    if not verdict.reported:
        return 0.0 if verdict.raised else 1.0  # nbgrader's own rule for a cell that only checks
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
    return competition.points.share(value)


def _show(
    notebook: NotebookNode,
    assignment: Assignment,
    progress: _Progress,
    scores: Scores | None,
) -> None:
    for cell in notebook.cells:
        grade_id = grade_id_of(cell)
        if grade_id not in assignment.cells:
            continue
        lines = [f"Marks: {progress.marks[grade_id]:g} of {assignment.cells[grade_id].max_points:g}"]
        if scores is None:
            lines.append(f"Not scored: {progress.reason}")
        else:
            lines.append(public_line(assignment.competition, scores.public))
        cell.outputs = [NotebookNode(output_type="stream", name="stdout", text="\n".join(lines) + "\n")]
        cell.execution_count = None
