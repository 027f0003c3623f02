"""The worker's part of a run: the student's kernel, from the first cell to the predictions that leave it.

Nothing here knows labels, marks or the student's name.
"""

from __future__ import annotations

import base64
import binascii
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datauab.autograde.checkpoint import loading_code
from datauab.autograde.export import ARRAY, PROBLEM
from datauab.autograde.kernels import SCRATCH, SOCKETS, student_job
from datauab.autograde.limits import RunStopped, hint
from datauab.autograde.outputs import OutputCollector, plain
from datauab.autograde.request import RunCell, RunRequest, RunResult
from datauab.autograde.warm import WarmKernels
from datauab.autograde.wire import Kernel, Reply
from datauab.errors import InvalidSubmission
from datauab.settings import Limits

_MIB = 2**20
_SHARED_MEMORY = "/dev/shm"  # noqa: S108  the sandbox's own


@dataclass
class _Run:
    request: RunRequest
    collector: OutputCollector = field(default_factory=OutputCollector)
    outputs: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    counts: dict[int, int] = field(default_factory=dict)
    predictions: bytes | None = None
    exported: bool = False
    loaded: bool = False
    reason: str = ""
    first_error: str = ""
    seconds: dict[str, float] = field(default_factory=dict)

    def spend(self, stage: str, began: float) -> None:
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.monotonic() - began

    def result(self) -> RunResult:
        return RunResult(
            outputs=self.outputs,
            counts=self.counts,
            predictions=self.predictions,
            exported=self.exported,
            reason=self.reason,
            first_error=self.first_error,
            skipped_training=self.loaded,
            seconds={stage: round(seconds, 4) for stage, seconds in self.seconds.items()},
        )


def run_student(
    request: RunRequest, public: Path | None, warm: WarmKernels | None = None, devices: str | None = None
) -> RunResult:
    """Run one notebook in a sandboxed kernel of its own.

    At the first autograder cell the predictions are taken out, once; where there is none, at the end. Whatever the
    student's code does ends as a result, never as an exception.

    Parameters
    ----------
    public : Path or None
        Folder of the public data.
    warm : WarmKernels, optional
        Where the kernel is forked from; it starts cold without, or where the request does not allow it.
    devices : str, optional
        The GPUs that the kernel sees, as in ``CUDA_VISIBLE_DEVICES``; all of them by default, where it may see any.

    Raises
    ------
    GradingError
        Where the platform fails.
    SandboxUnavailable
        Where no sandbox can be made here.
    """
    run = _Run(request)
    began = time.monotonic()
    job = student_job(
        request.limits, request.files, public, request.gpu, warm=warm if request.warm else None, devices=devices
    )
    message_mb = 2 + request.limits.predictions_mb * 2  # base64 takes four bytes for three
    with Kernel(job, request.limits, (SCRATCH, _SHARED_MEMORY, SOCKETS), max(64, message_mb)) as kernel:
        try:
            kernel.wait_ready()
            run.spend("start", began)
            for cell in request.cells:
                _do(kernel, cell, run)
            if not run.exported:
                _export(kernel, run)
        except RunStopped as error:
            run.collector.add_error("RunStopped", str(error))
            if run.predictions is None:
                run.reason = f"the notebook was stopped: {error}"
    run.spend("run", began)
    return run.result()


def _do(kernel: Kernel, cell: RunCell, run: _Run) -> None:
    if cell.kind == "export":
        _export(kernel, run)
    elif cell.kind == "train":
        _load(kernel, cell, run)
    elif cell.source.strip():
        _run_cell(kernel, cell, cell.source, run)


def _run_cell(kernel: Kernel, cell: RunCell, source: str, run: _Run) -> None:
    run.outputs[cell.number] = run.collector.begin()
    run.collector.error = None
    began = time.monotonic()
    try:
        reply = kernel.execute(source, on_output=run.collector.take)
    finally:
        run.spend("cells", began)
        if not run.first_error:
            run.first_error = _describe(run.collector.error, f"cell {cell.number + 1}", kernel.limits)
    count = reply.content.get("execution_count")
    if isinstance(count, int):
        run.counts[cell.number] = count


def _load(kernel: Kernel, cell: RunCell, run: _Run) -> None:
    """In place of the first cell that trains, load the checkpoint; leave out the others."""
    spec = run.request.checkpoint
    if spec is not None and not run.loaded:
        run.loaded = True
        _run_cell(kernel, cell, loading_code(spec), run)


def _describe(error: tuple[str, str] | None, place: str, limits: Limits) -> str:
    if error is None:
        return ""
    advice = hint(*error, limits)
    return plain(f"{place} raised {error[0]}: {error[1][:300]}" + (f" ({advice})" if advice else ""), 600)


def _export(kernel: Kernel, run: _Run) -> None:
    if run.exported:
        return
    run.exported = True
    variable, most = run.request.variable, run.request.limits.predictions_mb * _MIB
    began = time.monotonic()
    expression = f"__import__('datauab.autograde.export', fromlist=['export']).export(globals(), {variable!r}, {most})"
    try:
        reply = kernel.execute("", expressions={"exported": expression})
        run.predictions = _exported_bytes(reply, variable, most)
    except RunStopped:
        raise
    except InvalidSubmission as error:
        run.reason = plain(str(error), 1000)
    finally:
        run.spend("export", began)


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
