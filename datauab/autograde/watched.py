"""Runs one command of an organiser's in a sandbox, watched from outside, and reads what it left in its output.

Whatever the command does, what comes back is bounded in size and time, and nothing of it is left running.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO

from datauab.autograde.limits import Watch, kill_sandbox
from datauab.autograde.sandbox import Sandbox, memory_file
from datauab.errors import GradingError
from datauab.settings import Limits

_KEPT_BYTES = 8000


@dataclass(frozen=True)
class Watched:
    """How one command ended.

    Attributes
    ----------
    status : int
        Exit status of the sandbox, which is the command's, or 128 and the signal that ended it.
    stopped : str
        Which limit stopped it; empty where none.
    output : bytes
        The beginning of its standard output.
    said : str
        The end of its error stream. It may show labels, so it is for organisers only.
    """

    status: int
    stopped: str
    output: bytes
    said: str


def run_watched(
    sandbox: Sandbox,
    argv: Sequence[str],
    files: Mapping[str, bytes],
    limits: Limits,
    *,
    scratch: tuple[str, ...],
    most_output: int,
    what: str,
    told: bytes = b"",
) -> Watched:
    """Run `argv` once and wait for its end.

    Parameters
    ----------
    files : mapping
        Read-only files by their path inside.
    scratch : tuple of str
        Folders inside whose files are counted.
    most_output : int
        How many bytes of its output are kept.
    what : str
        Words for what runs, for messages.
    told : bytes
        What it reads from its standard input.

    Raises
    ------
    GradingError
        Where it cannot start.
    SandboxUnavailable
        Where no sandbox can be made here.
    """
    with contextlib.ExitStack() as opened:
        options: list[str] = []
        passed: list[int] = []
        for path, content in files.items():
            descriptor = memory_file(content)
            opened.callback(os.close, descriptor)
            passed.append(descriptor)
            options += ["--perms", "444", "--ro-bind-data", str(descriptor), path]
        stdin = memory_file(told)
        opened.callback(os.close, stdin)
        reading, writing = os.pipe()
        info = opened.enter_context(open(reading, encoding="utf-8"))  # noqa: PTH123  a descriptor, no path
        try:
            process = sandbox.popen(
                argv,
                extra=["--info-fd", str(writing), *options],
                pass_fds=(writing, *passed),
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        finally:
            os.close(writing)
        said = _Reader(process.stderr, _KEPT_BYTES, last=True)
        output = _Reader(process.stdout, most_output)
        watch = Watch(_first_process(process, info, said, what), limits, scratch)
        _follow(process, watch)
    stopped = (watch.reason or "").partition(";")[0]  # what follows is advice for authors of notebooks
    if not stopped and watch.full:
        stopped = f"its files took more than {limits.scratch_mb} MiB (limit scratch_mb)"
    return Watched(process.returncode, stopped, output.content(), said.text())


def _first_process(process: subprocess.Popen[bytes], info: IO[str], said: _Reader, what: str) -> int:
    try:
        return int(json.load(info)["child-pid"])
    except (ValueError, KeyError) as error:
        process.wait()
        raise GradingError(f"the sandbox of {what} did not start: {said.text()}") from error


def _follow(process: subprocess.Popen[bytes], watch: Watch) -> None:
    watch.start()
    try:
        process.wait()
    finally:
        if process.poll() is None:
            kill_sandbox(watch.pid)
        watch.stop()


class _Reader(threading.Thread):
    """Reads a stream to its end, and keeps the first or the last bytes of it."""

    def __init__(self, stream: IO[bytes] | None, most: int, *, last: bool = False) -> None:
        super().__init__(daemon=True)
        self._stream, self._most, self._last = stream, most, last
        self._found = b""
        self.start()

    def run(self) -> None:
        """Read until nobody can write any more."""
        with contextlib.suppress(OSError, ValueError):
            while self._stream is not None and (chunk := os.read(self._stream.fileno(), 65536)):
                joined = self._found + chunk if self._last or len(self._found) < self._most else self._found
                self._found = joined[-self._most :] if self._last else joined[: self._most]

    def content(self) -> bytes:
        """What was kept, once the stream has ended."""
        self.join(timeout=30)
        return self._found

    def text(self) -> str:
        """The same as text."""
        return self.content().decode("utf-8", "replace").strip()
