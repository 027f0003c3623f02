"""Code of students in real forked kernels, and what it said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from datauab.autograde.kernels import SCRATCH, SOCKETS, student_job
from datauab.autograde.limits import descendants
from datauab.autograde.request import RunCell, RunRequest, RunResult
from datauab.autograde.student import run_student
from datauab.autograde.warm import ForkedKernel, WarmKernels
from datauab.autograde.wire import Kernel
from datauab.settings import Limits

SECRET = "hush-of-the-host-4711"
SMALL = Limits(memory_mb=600, processes=64, scratch_mb=64, file_mb=16, wall_s=240, cpu_s=30, predictions_mb=1)


def asked(*cells: str, limits: Limits = SMALL, files: dict[str, bytes] | None = None, **fields: Any) -> RunRequest:
    """A run of these cells."""
    numbered = tuple(RunCell(number=number, kind="code", source=source) for number, source in enumerate(cells))
    return RunRequest(cells=numbered, variable="predictions", limits=limits, files=files or {}, **fields)


def run(kernels: WarmKernels | None, *cells: str, **options: Any) -> RunResult:
    """Run cells as a worker does, in a kernel of their own."""
    return run_student(asked(*cells, **options), None, kernels)


def text_of(outputs: dict[int, list[dict[str, Any]]]) -> str:
    """All that the cells printed or raised."""
    found = [output for cell in outputs.values() for output in cell]
    parts = [output.get("text") or output.get("traceback") or output.get("data") for output in found]
    return "\n".join(str(part) for part in parts if part)


def told(kernels: WarmKernels | None, code: str, **options: Any) -> Any:
    """Run `code`, which prints one line FOUND and JSON; returns that."""
    result = run(kernels, code, **options)
    said = text_of(result.outputs)
    assert "FOUND" in said, (said, result.reason)
    return json.loads(said.partition("FOUND")[2].partition("\n")[0])


# What code of a student calls Linux with.
CALLS = """
import ctypes, errno, json, os, platform
libc = ctypes.CDLL(None, use_errno=True)
ARM = platform.machine() == "aarch64"
def call(name, *arguments):
    ctypes.set_errno(0)
    result = getattr(libc, name)(*arguments)
    return "worked" if result >= 0 else errno.errorcode[ctypes.get_errno()]
def number(x86, arm, *arguments):
    ctypes.set_errno(0)
    result = libc.syscall(arm if ARM else x86, *arguments)
    return "worked" if result >= 0 else errno.errorcode[ctypes.get_errno()]
"""


class Student:
    """A forked kernel that stays, beside others."""

    def __init__(self, warm: WarmKernels, limits: Limits = SMALL, files: dict[str, bytes] | None = None) -> None:
        self.kernel = Kernel(student_job(limits, files, warm=warm), limits, (SCRATCH, SOCKETS))
        try:
            self.kernel.wait_ready()
        except BaseException:
            self.kernel.close()
            raise

    def __enter__(self) -> Student:
        return self

    def __exit__(self, *_: object) -> None:
        self.kernel.close()

    def does(self, code: str) -> str:
        """Run `code`; returns what it printed or raised."""
        outputs: list[dict[str, Any]] = []
        self.kernel.execute(code, on_output=lambda message: outputs.append(message["content"]))
        return text_of({0: outputs})

    @property
    def forked(self) -> bool:
        """Whether it was forked; where that is impossible, a kernel starts cold."""
        return isinstance(self.kernel.provisioner.process, ForkedKernel)

    @property
    def first(self) -> int:
        """The first process of its pid namespace, as this machine numbers it."""
        return self.kernel.provisioner.sandbox_pid

    @property
    def keeper(self) -> int:
        """Parent of the first process."""
        return parent(self.first)

    @property
    def process(self) -> int:
        """The process that runs the cells."""
        return descendants(self.first)[0]


def alive(pid: int) -> bool:
    """Whether a process is there, and not only its exit status."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return False


def zygote(warm: WarmKernels) -> int:
    """Number of the process that kernels are forked from."""
    with Student(warm) as student:
        return parent(student.keeper)


def parent(pid: int) -> int:
    """Number of the parent of a process."""
    return int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
