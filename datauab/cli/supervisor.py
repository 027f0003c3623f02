"""Runs the hub as a child, starts it again when it dies, and leaves no process behind."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import httpx

from datauab.errors import ClubError
from datauab.hub import keeper
from datauab.settings import Settings

PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Become the parent of every orphaned descendant, so that `Supervisor.stop` can find them all."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise ClubError(f"prctl(PR_SET_CHILD_SUBREAPER) failed: {os.strerror(ctypes.get_errno())}")


def descendants(pid: int) -> list[int]:
    """List all processes below `pid`, parents first."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                # The name, in parentheses, may itself hold spaces and parentheses.
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                children.setdefault(int(fields[1]), []).append(int(folder.name))
    found = [pid]
    for parent in found:
        found.extend(children.get(parent, []))
    return found[1:]


class Supervisor:
    """The hub's process, as a context: started on entry, wholly gone after it.

    Parameters
    ----------
    settings : Settings
        The deployment.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.log = settings.state / "logs" / "hub.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._pause = 0.0
        self._start_at: float | None = None
        self.stopping = False

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The hub's process; an error before `start`."""
        if self._process is None:
            raise ClubError("the hub was not started; call start() first")
        return self._process

    def start(self) -> None:
        """Start the hub in a session of its own, so that Ctrl-C reaches it only through `stop`."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._started = time.monotonic()
        environment = {**os.environ, "DATAUAB_ROOT": str(self.settings.root), "PYTHONUNBUFFERED": "1"}
        command = [sys.executable, "-m", "jupyterhub", "-f", str(self.settings.root / "jupyterhub_config.py")]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=self.settings.root,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_ready(self, address: str, tell: Callable[[str], None], patience: float = 120) -> None:
        """Wait until hub and web service answer at `address`.

        Raises
        ------
        ClubError
            Where they do not within `patience` seconds, or the hub dies; names the log.
        """
        waiting = {
            "hub": f"{address}/hub/api/",
            "web service": f"{address}{self.settings.web_prefix}api/v1/competitions",
        }
        end = time.monotonic() + patience
        while waiting:
            if self.stopping:
                return
            if self.process.poll() is not None:
                raise ClubError(
                    f"the hub stopped with code {self.process.returncode}; the last lines of {self.log}:\n{self.tail()}"
                )
            if time.monotonic() > end:
                raise ClubError(
                    f"no answer from {' and '.join(waiting)} within {patience:.0f} s; see {self.log}:\n{self.tail()}"
                )
            for name, url in list(waiting.items()):
                with contextlib.suppress(httpx.HTTPError):
                    if httpx.get(url, timeout=2, trust_env=False).status_code == 200:
                        tell(f"{name} is up")
                        del waiting[name]
            time.sleep(0.2)

    def tail(self, lines: int = 15) -> str:
        """Give the end of the hub's log."""
        with contextlib.suppress(OSError):
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        return ""

    def run(self, tell: Callable[[str], None]) -> None:
        """Watch the hub until `stopping`; start it again whenever it dies, after `keeper.next_pause`."""
        while not self.stopping:
            if self.process.poll() is not None:
                self._start_again(tell)
            with contextlib.suppress(ChildProcessError):
                while os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT) and self.reap():
                    pass
            time.sleep(0.3)

    def _start_again(self, tell: Callable[[str], None]) -> None:
        """Tell that the hub died and, once its pause is over, start it."""
        now = time.monotonic()
        if self._start_at is None:
            self._pause = keeper.next_pause(now - self._started, self._pause)
            self._start_at = now + self._pause
            tell(
                f"the hub died (code {self.process.returncode}); starting it again in {self._pause:.1f} s, nothing "
                f"accepted is lost; the reason is at the end of {self.log}"
            )
        elif now >= self._start_at:
            self._start_at = None
            self.start()

    def reap(self) -> bool:
        """Collect one adopted orphan that has ended; the hub itself is left to `poll`."""
        for pid in descendants(os.getpid()):
            if pid != self.process.pid:
                with contextlib.suppress(ChildProcessError):
                    if os.waitpid(pid, os.WNOHANG)[0]:
                        return True
        return False

    def stop(self, patience: float = 30) -> None:
        """Ask the hub to stop, then end whatever is left of it."""
        self.stopping = True
        if self._process is not None and self._process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(patience)
        for number in (signal.SIGTERM, signal.SIGKILL):
            end = time.monotonic() + 5
            left = descendants(os.getpid())
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            while left and time.monotonic() < end:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(-1, os.WNOHANG)
                left = descendants(os.getpid())
                time.sleep(0.05)


@contextlib.contextmanager
def supervised(settings: Settings) -> Iterator[Supervisor]:
    """Give a `Supervisor` that stops on SIGINT, SIGTERM and SIGHUP, and stop everything at the end."""
    adopt_orphans()
    supervisor = Supervisor(settings)

    def ask_to_stop(number: int, frame: FrameType | None) -> None:
        supervisor.stopping = True

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, ask_to_stop)
    try:
        yield supervisor
    finally:
        supervisor.stop()
