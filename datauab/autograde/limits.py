"""What a run may use: limits set inside the sandbox, and a watch over it from outside.

The kernel's own limits (``prlimit``) count per process; what a run uses altogether (memory, processes, scratch
space, wall time) is counted from outside, where nothing in the run can reach.
"""

from __future__ import annotations

import contextlib
import os
import platform
import resource
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from datauab.errors import InvalidSubmission
from datauab.settings import Limits

_MIB = 2**20
_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")
_INTERVAL_S = 0.05
# Room above the limit for one process's private memory, so that the sum over all of them is what usually decides.
_DATA_HEADROOM_MB = 1024
_MOST_FILES = 100_000  # each takes about 1 KiB of the host's memory that no size limit of a tmpfs counts
# A socket or pipe that is full and not read holds up to 0.2 MiB that belongs to no process; and what Linux counts by
# account (descriptors under way, pairs that epoll watches) is shared by all kernels of a worker.
_OPEN_FILES, _OPEN_FILES_EACH = 1024, 32
_KERNELS_OWN_FILES = 80  # descriptors of an idle kernel, which every process that it forks inherits


class RunStopped(InvalidSubmission):
    """A run used more than it may, or ended by itself; the message says which limit and what to change."""


@dataclass(frozen=True)
class Usage:
    """What the processes of one run use together.

    Attributes
    ----------
    memory : int
        Resident bytes; pages that are shared are counted once where the sum came near the limit.
    tasks : int
        Processes and threads.
    cpu_s : float
        CPU time of the process that used most, in seconds.
    open_files : int
        Open descriptors, added up; what processes inherited is counted once where the sum came near the limit.
    """

    memory: int
    tasks: int
    cpu_s: float
    open_files: int = 0


def prlimits(limits: Limits, gpu: bool = False) -> tuple[tuple[str, int], ...]:
    """Limits of one process, as options of ``prlimit``; see `datauab.autograde.sandbox.Sandbox.rlimits`.

    None is above what this process may itself have: nobody but root could set it.
    """
    found = [("core", 0), ("fsize", limits.file_mb * _MIB), ("cpu", limits.cpu_s + 1), ("nofile", 1024)]
    if not gpu:  # the driver reserves more address space than any limit in bytes of memory
        found.append(("data", (limits.memory_mb + _DATA_HEADROOM_MB) * _MIB))
    if _counts_processes_by_namespace():
        found.append(("nproc", limits.processes))
    most = {name: resource.getrlimit(getattr(resource, f"RLIMIT_{name.upper()}"))[1] for name, _ in found}
    return tuple((name, value if most[name] < 0 else min(value, most[name])) for name, value in found)


def _counts_processes_by_namespace() -> bool:
    """Before Linux 5.14 the limit counted every process of the account, those outside the sandbox too."""
    major, minor = platform.release().split(".")[:2]
    return (int(major), int("".join(filter(str.isdigit, minor)) or 0)) >= (5, 14)


class Watch(threading.Thread):
    """Kills a sandbox that uses more than it may; `reason` then says why, in words for the student.

    Parameters
    ----------
    pid : int
        The sandbox's first process, as the host numbers it; all others are its descendants.
    limits : Limits
        What the run may use.
    scratch : tuple of str
        Folders inside the sandbox whose files are counted.
    """

    def __init__(self, pid: int, limits: Limits, scratch: tuple[str, ...] = ()) -> None:
        super().__init__(name=f"watch-{pid}", daemon=True)
        self.pid = pid
        self.limits = limits
        self.scratch = scratch
        self.reason: str | None = None
        self.peak_memory = 0
        self.full = False
        self._ends = time.monotonic() + limits.wall_s
        self._stop = threading.Event()

    def run(self) -> None:
        """Look every few hundredths of a second, until stopped or until the sandbox has gone."""
        while not self._stop.wait(_INTERVAL_S):
            reason = self._excess()
            if reason is not None:
                self.reason = reason
                kill_sandbox(self.pid)
                return

    def stop(self) -> None:
        """Watch no longer."""
        self._stop.set()

    def time_left(self) -> float:
        """Seconds of wall time left; never negative."""
        return max(0.0, self._ends - time.monotonic())

    def _excess(self) -> str | None:
        limits = self.limits
        if time.monotonic() >= self._ends:
            return (
                f"it ran for more than {limits.wall_s} s (limit wall_s); make the notebook faster, "
                "for example with a smaller model, fewer epochs or no search over parameters"
            )
        most_open = _OPEN_FILES + _OPEN_FILES_EACH * limits.processes
        usage = measure(self.pid, limits.memory_mb * _MIB, most_open)
        self.peak_memory = max(self.peak_memory, usage.memory)
        if usage.memory > limits.memory_mb * _MIB:
            return (
                f"it used more than {limits.memory_mb} MiB of memory (limit memory_mb), "
                f"found {usage.memory // _MIB} MiB; work on smaller batches and delete what is no longer needed"
            )
        if usage.tasks > limits.processes:
            return (
                f"it ran more than {limits.processes} processes and threads at one time (limit processes); "
                "start fewer workers (n_jobs, num_workers)"
            )
        if usage.cpu_s >= limits.cpu_s:
            return (
                f"one process used more than {limits.cpu_s} s of CPU time (limit cpu_s); make the notebook do less work"
            )
        if usage.open_files > most_open:
            return f"it had more than {most_open} open files and sockets at one time; close what is no longer needed"
        return self._excess_files()

    def _excess_files(self) -> str | None:
        for folder in self.scratch:
            try:
                found = os.statvfs(f"/proc/{self.pid}/root{folder}")
            except OSError:
                continue
            if found.f_blocks and found.f_bavail * found.f_frsize < _PAGE:
                self.full = True
            if found.f_files - found.f_ffree > _MOST_FILES:
                return f"it made more than {_MOST_FILES} files; write fewer, larger ones"
        return None


def measure(pid: int, near: int, near_files: int) -> Usage:
    """Add up what the descendants of `pid` use; what they share is counted exactly only above `near` and `near_files`.

    Parameters
    ----------
    pid : int
        The first process of a sandbox, itself not counted.
    near : int
        Bytes of memory.
    near_files : int
        Number of open descriptors.
    """
    memory, tasks, cpu, open_files = 0, 0, 0.0, 0
    pids = descendants(pid)
    for found in pids:
        with contextlib.suppress(OSError, IndexError, ValueError):
            # Fields 14, 15, 20 and 24 of proc_pid_stat(5); the second one may hold blanks and brackets.
            fields = Path(f"/proc/{found}/stat").read_text(errors="replace").rpartition(")")[2].split()
            cpu = max(cpu, (int(fields[11]) + int(fields[12])) / _TICKS)
            tasks += int(fields[17])
            memory += int(fields[21]) * _PAGE
            open_files += _open_files(found)
    if memory > near:  # what a forked kernel shares with others is not its own
        memory = sum(_proportional(found) for found in pids)
    if open_files > near_files:
        open_files = _not_inherited(pids)
    return Usage(memory, tasks, cpu, open_files)


def _open_files(pid: int) -> int:
    folder = f"/proc/{pid}/fd"
    return Path(folder).stat().st_size or len(os.listdir(folder))  # noqa: PTH208  size: since Linux 6.2


def _not_inherited(pids: list[int]) -> int:
    """Sockets and pipes, each once, and what any of these processes has open beyond what a kernel starts with."""
    held: set[str] = set()
    more = 0
    for pid in pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, NotADirectoryError):
            folder = Path(f"/proc/{pid}/fd")
            descriptors = os.listdir(folder)  # noqa: PTH208  names alone
            more += max(0, len(descriptors) - _KERNELS_OWN_FILES)
            for descriptor in descriptors:
                with contextlib.suppress(FileNotFoundError):
                    target = os.readlink(folder / descriptor)  # noqa: PTH115  "socket:[123]" is no path
                    if target.startswith(("socket:", "pipe:")):
                        held.add(target)
    return len(held) + more


def _proportional(pid: int) -> int:
    with contextlib.suppress(OSError, ValueError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def descendants(pid: int) -> list[int]:
    """Processes below `pid`, itself not among them; orphans of a pid namespace are children of its first process."""
    found: list[int] = []
    waiting = [pid]
    while waiting:
        parent = waiting.pop()
        children: set[int] = set()
        with contextlib.suppress(OSError, ValueError):
            for task in Path(f"/proc/{parent}/task").iterdir():
                children.update(map(int, (task / "children").read_text(encoding="ascii").split()))
        found += children
        waiting += children
    return found


def kill_sandbox(pid: int) -> None:
    """Kill a sandbox by its first process: the kernel then kills every process of its pid namespace."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def died_because(returncode: int | None, limits: Limits) -> str:
    """Words for a kernel that ended by itself, from the sandbox's exit status."""
    number = (returncode or 0) - 128 if (returncode or 0) > 128 else -(returncode or 0)
    if number == signal.SIGXCPU:
        return f"one process used more than {limits.cpu_s} s of CPU time (limit cpu_s); make the notebook do less work"
    if number == signal.SIGKILL:
        return "its kernel was killed; most often this means that memory ran out: work on smaller batches"
    if number == signal.SIGSEGV:
        return "its kernel crashed (segmentation fault); run the notebook from a clean kernel before handing it in"
    return "its kernel ended by itself; remove calls such as exit() and run it from a clean kernel before handing it in"


def hint(ename: str, evalue: str, limits: Limits) -> str:
    """Which limit an exception in the run most likely came from, with what to change; empty where from none."""
    text = f"{ename}: {evalue}"
    hints = {
        "No space left on device": f"all its files may take {limits.scratch_mb} MiB (limit scratch_mb); write less",
        "File too large": f"one file may take {limits.file_mb} MiB (limit file_mb); write smaller files",
        "MemoryError": f"it may use {limits.memory_mb} MiB of memory (limit memory_mb); work on smaller batches",
        "can't start new thread": f"it may run {limits.processes} processes and threads (limit processes); start fewer",
        "Resource temporarily unavailable": f"it may run {limits.processes} processes (limit processes); start fewer",
        "Network is unreachable": "there is no network while grading; read the public data with datauab.load",
        "Temporary failure in name resolution": "there is no network while grading; read the public data instead",
    }
    return next((words for sign, words in hints.items() if sign in text), "")
