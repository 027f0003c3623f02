"""One piece of work in a process of its own: whatever goes wrong there ends that process only."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence

from datauab.settings import Settings

FAILED = 3
"""Exit status that says that the platform failed; any other but 0 is a crash."""

_LOOK_S = 0.1


def run_child(
    settings: Settings,
    arguments: Sequence[str],
    halt: threading.Event,
    beat: Callable[[], object],
    *,
    given: bytes = b"",
    patience_s: float = 0.0,
) -> int | None:
    """Run ``python -m datauab.grader`` with `arguments` to its end; it dies with this thread.

    Parameters
    ----------
    halt : Event
        Ends the process early where it is set.
    beat : callable
        Called every `settings.heartbeat_s` seconds; where it raises, the process is ended.
    given : bytes
        What the process reads from its standard input.
    patience_s : float
        How long it may take to end by itself where `halt` was set, in seconds, before it is killed.

    Returns
    -------
    int or None
        Exit status; None where it was ended because `halt` was set.
    """
    command = ["setpriv", "--pdeathsig", "KILL", "--", sys.executable, "-m", "datauab.grader", *arguments]
    child = subprocess.Popen(command, cwd=settings.root, stdin=subprocess.PIPE)
    try:
        if child.stdin is not None:
            child.stdin.write(given)  # a token: far less than a pipe holds
            child.stdin.close()
        next_beat = time.monotonic() + settings.heartbeat_s
        while True:
            try:
                return child.wait(_LOOK_S)
            except subprocess.TimeoutExpired:
                pass
            if halt.is_set():
                return None
            if time.monotonic() >= next_beat:
                next_beat = time.monotonic() + settings.heartbeat_s
                beat()
    finally:
        if child.poll() is None and patience_s:
            child.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(patience_s)
        if child.poll() is None:
            child.kill()
            child.wait()
