"""Wakes a process that waits for work, so that nobody waits for the next look at the database.

A doorbell is a Unix datagram socket in ``<state>/doorbells/``. A ring carries nothing and may be lost: what is to be
done stands in the ledger, and whoever waits looks there now and then without being rung. Students' sandboxes do not
see the folder.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

FOLDER = "doorbells"
GRADER = "grader"
"""Rung where an attempt or a task waits."""

WEB = "web"
"""Rung where results were recorded."""

_LONGEST = 100  # bytes of a path that every system takes for a socket (sun_path)
_DRAIN = 64
_NAME = re.compile(r"[a-z][a-z0-9-]*")


def doorbell_folder(state: Path) -> Path:
    """Make the folder of the doorbells, open to its owner only, and give its path.

    Raises
    ------
    OSError
        Where it cannot be made.
    """
    folder = state / FOLDER
    if not folder.is_dir():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def ring(settings_state: Path, name: str) -> None:
    """Wake whoever waits at the doorbell `name`; never waits and never raises.

    Parameters
    ----------
    settings_state : Path
        The deployment's folder of state.
    name : str
        `GRADER` or `WEB`.
    """
    with (
        contextlib.suppress(OSError),
        _reachable(settings_state / FOLDER, name) as address,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bell,
    ):
        bell.setblocking(False)
        bell.sendto(b"\0", address)


class Doorbell:
    """Waits to be rung; a context manager.

    A later process that waits at the same name takes it over. Where no socket can be made, `wait` just waits.

    Parameters
    ----------
    state : Path
        The deployment's folder of state.
    name : str
        `GRADER` or `WEB`.
    """

    def __init__(self, state: Path, name: str) -> None:
        if not _NAME.fullmatch(name):
            raise ValueError(f"doorbell {name!r}: expected a name of lower-case letters, digits and '-'")
        self._state, self._name = state, name
        self._bell: socket.socket | None = None
        self._inode = 0

    def __enter__(self) -> Self:
        with contextlib.suppress(OSError):
            folder = doorbell_folder(self._state)
            bell = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            try:
                self._bind(bell, folder)
            except OSError:
                bell.close()
                raise
            self._bell = bell
        return self

    def _bind(self, bell: socket.socket, folder: Path) -> None:
        """Bind under a new name, then rename: who rings always finds a socket of one process or the other."""
        bell.setblocking(False)
        fresh = folder / f".{os.getpid()}-{self._name}.sock"
        fresh.unlink(missing_ok=True)
        with _reachable(folder, fresh.stem) as address:
            bell.bind(address)
        fresh.chmod(0o600)
        _give_to_folders_owner(fresh)
        self._inode = fresh.stat().st_ino
        fresh.replace(folder / f"{self._name}.sock")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bell is None:
            return
        self._bell.close()
        self._bell = None
        path = self._state / FOLDER / f"{self._name}.sock"
        with contextlib.suppress(OSError):
            if path.stat().st_ino == self._inode:  # else another process waits there now
                path.unlink()

    def wait(self, timeout: float) -> bool:
        """Wait to be rung, for `timeout` seconds at most.

        Returns
        -------
        bool
            True where it was rung since the last call; many rings are one.
        """
        if self._bell is None:
            time.sleep(timeout)
            return False
        waiting = select.poll()
        waiting.register(self._bell, select.POLLIN)
        if not waiting.poll(max(0.0, timeout) * 1000):
            return False
        with contextlib.suppress(BlockingIOError):
            for _ in range(_DRAIN):  # a bound: somebody may ring faster than this reads
                self._bell.recv(16)
        return True

    def fileno(self) -> int:
        """File descriptor that is readable when rung, for an event loop; -1 where there is no socket."""
        return -1 if self._bell is None else self._bell.fileno()


@contextlib.contextmanager
def _reachable(folder: Path, name: str) -> Iterator[str]:
    """Address of the socket `name`; a longer path than sockets take is reached through the folder's descriptor."""
    path = str(folder / f"{name}.sock")
    if len(os.fsencode(path)) <= _LONGEST:
        yield path
        return
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{name}.sock"
    finally:
        os.close(descriptor)


def _give_to_folders_owner(path: Path) -> None:
    """Let the account of the folder ring what root waits at."""
    if os.geteuid() != 0:
        return
    owner = path.parent.stat()
    with contextlib.suppress(PermissionError):  # number 0 without root's rights: one account is all there is
        os.chown(path, owner.st_uid, owner.st_gid)
