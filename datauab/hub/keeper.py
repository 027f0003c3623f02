"""Keeps one sandboxed command: hands signals into the sandbox, watches its memory, restarts services.

Run by its path, as ``python -I keeper.py [--memory-mb N] [--restart] -- COMMAND...``. It stands between the hub and
bubblewrap because bubblewrap dies with its parent and hands no signal on: a student's server outlives a crash of the
hub, and none outlives its keeper. Standard library only: one of these runs for every student.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

GRACE_S = 8.0
TICK_S = 0.5
WORKED_S = 30.0
LONGEST_PAUSE_S = 30.0


def next_pause(lived: float, pause: float) -> float:
    """Give the seconds until a command that ended is started again.

    One that had worked is back at once; one that cannot start is tried ever more slowly, but never given up: what
    stops it may be a full disk, which somebody clears.

    Parameters
    ----------
    lived : float
        Seconds between its last start and its end.
    pause : float
        Seconds it waited before that start; 0 at first.
    """
    return TICK_S if lived > WORKED_S else min(max(pause * 2, TICK_S), LONGEST_PAUSE_S)


def start(command: list[str]) -> subprocess.Popen[bytes]:
    """Start a command; bubblewrap's options go by a file, since who is inside can read its command line."""
    if command[0] != "bwrap":
        return subprocess.Popen(command)
    end = command.index("--")
    options = os.memfd_create("options")
    try:
        os.write(options, b"".join(part.encode() + b"\0" for part in command[1:end]))
        os.lseek(options, 0, os.SEEK_SET)
        return subprocess.Popen(["bwrap", "--args", str(options), *command[end:]], pass_fds=(options,))
    finally:
        os.close(options)


def descendants(pid: int) -> Iterator[int]:
    """Yield the processes below `pid`, parents before children, the eldest child first."""
    for task in sorted(_children(pid)):
        yield task
        yield from descendants(task)


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += [int(child) for child in path.read_text(encoding="ascii").split()]
    return found


def main_process(pid: int) -> int:
    """Give the command that runs in the sandbox which `pid` opened, or `pid` itself where it opened none."""
    with contextlib.suppress(OSError):
        while Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip() == "bwrap":
            inner = min(_children(pid), default=0, key=_started)
            if not inner:
                break
            pid = inner
    return pid


def _started(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19])
    except OSError:
        return sys.maxsize


def resident_kib(pid: int) -> int:
    """Memory of one process in KiB, what it shares with others counted in parts (PSS); 0 where it is gone."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    except OSError:
        pass
    return 0


def _upper_bound_kib(pid: int) -> int:
    """Resident memory in KiB with everything shared counted whole: quick to read, never less than the share."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024


class Keeper:
    """One command and what becomes of it."""

    def __init__(self, command: list[str], memory_mb: int, restart: bool) -> None:
        self.command = command
        self.limit_kib = memory_mb * 1024
        self.restart = restart
        self.child: subprocess.Popen[bytes] | None = None
        self.stop_at: float | None = None

    def run(self) -> int:
        """Run the command until it ends or this process is told to stop; returns its exit status."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._asked_to_stop)
        pause = 0.0
        while True:
            began = time.monotonic()
            self.child = start(self.command)
            status = self._watch(self.child)
            if self._stopping() or not self.restart:
                return status if status >= 0 else 128 - status
            pause = next_pause(time.monotonic() - began, pause)
            print(f"keeper: {self.command[-1]} ended with {status}; starting it again in {pause:.1f} s", flush=True)  # noqa: T201
            resume = time.monotonic() + pause
            while time.monotonic() < resume:
                time.sleep(TICK_S)  # in steps, because a signal does not cut a sleep short
                if self._stopping():
                    return 0

    def _stopping(self) -> bool:
        return self.stop_at is not None

    def _asked_to_stop(self, *_: object) -> None:
        again = self.stop_at is not None
        self.stop_at = self.stop_at or time.monotonic() + GRACE_S
        if self.child is None or self.child.poll() is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            if again:
                self.child.kill()
            else:
                os.kill(main_process(self.child.pid), signal.SIGTERM)

    def _watch(self, child: subprocess.Popen[bytes]) -> int:
        while True:
            try:
                return child.wait(TICK_S)
            except subprocess.TimeoutExpired:
                pass
            if self.stop_at is not None and time.monotonic() > self.stop_at:
                child.kill()  # bubblewrap takes everything inside with it
            if self.limit_kib:
                self._hold_memory(child)

    def _hold_memory(self, child: subprocess.Popen[bytes]) -> None:
        """Over the limit, end the largest process that is not the server: the kernel that grew."""
        server = main_process(child.pid)
        pids = [pid for pid in descendants(child.pid) if pid != server]
        if sum(map(_upper_bound_kib, pids)) <= self.limit_kib:
            return
        shares = {pid: resident_kib(pid) for pid in pids}
        total = sum(shares.values())
        if total <= self.limit_kib:
            return
        largest = max(shares, key=lambda pid: shares[pid])
        with contextlib.suppress(ProcessLookupError):
            os.kill(largest, signal.SIGKILL)
        print(  # noqa: T201
            f"keeper: {total // 1024} MiB used, {self.limit_kib // 1024} MiB allowed; ended the largest process",
            flush=True,
        )


def main() -> int:
    """Read the command line and keep the command."""
    parser = argparse.ArgumentParser(description="keeps one sandboxed command")
    parser.add_argument("--memory-mb", type=int, default=0)
    parser.add_argument("--restart", action="store_true")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    return Keeper(options.command, options.memory_mb, options.restart).run()


if __name__ == "__main__":
    sys.exit(main())
