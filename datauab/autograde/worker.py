"""What a Dask worker does: it keeps one zygote, and runs one notebook a thread.

A worker knows where the public data lies and how many notebooks may share a GPU; everything else comes with the run.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from datauab.autograde.limits import descendants
from datauab.autograde.warm import WarmKernels, warm_problem
from datauab.errors import ClubError, GradingError

DONE, FAILED = b"+", b"-"
"""First byte of what `run_bytes` gives."""

_CLEAR_S = 4.0  # within what whoever ends this process waits for it
_LOG = logging.getLogger("distributed.worker")


class GpuSlots:
    """Hands out the GPUs of this machine; several runs may share one.

    Parameters
    ----------
    gpus : int
        GPUs there are.
    share : int
        Runs that one GPU takes at one time.
    names : sequence of str, optional
        What CUDA calls them; their numbers by default.
    """

    def __init__(self, gpus: int, share: int, names: Sequence[str] = ()) -> None:
        self._left = dict.fromkeys(names or [str(number) for number in range(gpus)], share)
        self._free = threading.Condition()
        self._waiting: deque[object] = deque()

    @contextlib.contextmanager
    def one(self) -> Iterator[str | None]:
        """Wait for the GPU that has most room, and hold it; None where this machine has none.

        Who came first is served first: one that comes as another leaves goes behind those that wait.
        """
        if not self._left:
            yield None
            return
        with self._free:
            turn = object()
            self._waiting.append(turn)
            try:
                self._free.wait_for(lambda: self._waiting[0] is turn and any(self._left.values()))
            finally:
                self._waiting.remove(turn)
                self._free.notify_all()  # there may be room for the next one too
            device = max(self._left, key=lambda name: self._left[name])
            self._left[device] -= 1
        try:
            yield device
        finally:
            with self._free:
                self._left[device] += 1
                self._free.notify_all()


@dataclass
class _Here:
    """Of this process: set once, when the worker starts."""

    public: Path | None = None
    gpus: GpuSlots | None = None
    warm: WarmKernels | None = None
    ready: bool = False
    runs: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)

    @contextlib.contextmanager
    def one_more(self) -> Iterator[None]:
        """While a run goes on here."""
        with self.changed:
            self.runs += 1
        try:
            yield
        finally:
            with self.changed:
                self.runs -= 1
                self.changed.notify_all()


_HERE = _Here()


def gpu_names(chosen: str | None, devices: Path = Path("/dev")) -> list[str]:
    """What CUDA calls the NVIDIA GPUs that this process may use.

    Parameters
    ----------
    chosen : str or None
        ``CUDA_VISIBLE_DEVICES``, by which Slurm gives a job its own ones of a node's.
    """
    there = sum(path.name[6:].isdigit() for path in devices.glob("nvidia*"))
    if chosen is None or not there:
        return [str(number) for number in range(there)]
    return [name.strip() for name in chosen.split(",") if name.strip() not in ("", "-1", "NoDevFiles")]


def gpus_here() -> int:
    """How many GPUs this process may use."""
    return len(gpu_names(os.environ.get("CUDA_VISIBLE_DEVICES")))


OPTIONS: list[click.Parameter] = [
    click.Option(["--public"], default=""),
    click.Option(["--gpu-share"], default=1),
    click.Option(["--cold"], is_flag=True),
]
"""What a worker knows."""


def end() -> None:
    """End the zygote and all kernels, and let the runs they belonged to clear up after themselves."""
    _HERE.ready = False
    if _HERE.warm is not None:
        _HERE.warm.close()
    for pid in descendants(os.getpid()):
        with contextlib.suppress(ProcessLookupError, PermissionError):  # another account's: it ends with its parent
            os.kill(pid, signal.SIGKILL)
    with _HERE.changed:
        _HERE.changed.wait_for(lambda: not _HERE.runs, _CLEAR_S)


@click.command(params=OPTIONS)
def dask_setup(worker: Any, public: str, gpu_share: int, cold: bool) -> None:
    """Begin to load packages as soon as the worker starts; Dask calls this."""
    begin(public, gpu_share, cold)
    import datauab.autograde.student  # noqa: F401  while the zygote loads its packages


def dask_teardown(worker: Any) -> None:
    """End the zygote; Dask calls this."""
    end()


def begin(public: str, gpu_share: int, cold: bool) -> None:
    """Begin to load packages.

    Parameters
    ----------
    public : str
        Folder of the public data; may be empty.
    gpu_share : int
        Notebooks that one GPU takes at one time.
    cold : bool
        Whether every notebook starts a kernel of its own, so that nothing is loaded here.
    """
    _HERE.public = Path(public) if public else None
    names = gpu_names(os.environ.get("CUDA_VISIBLE_DEVICES"))
    _HERE.gpus = GpuSlots(len(names), gpu_share, names)
    problem = warm_problem() if not cold else None
    if problem is not None:
        _LOG.warning("kernels start cold: %s", problem)
    elif not cold:
        _HERE.warm = WarmKernels.start(public=_HERE.public, gpu=gpus_here() > 0)
    _HERE.ready = True


def run_bytes(content: bytes) -> bytes:
    """Run one notebook; takes `RunRequest.to_bytes` and gives `RunResult.to_bytes` after `DONE`.

    Where the platform fails, `FAILED` and the reason: exceptions do not cross the cluster, since nobody reads pickles.

    Raises
    ------
    GradingError
        Where this process is no worker: a scheduler reads this function's name too, and shall never run it.
    """
    if not _HERE.ready:
        raise GradingError("this process is no worker, and runs no notebook")
    try:
        return DONE + _run(content)
    except Exception as error:
        _LOG.exception("a run failed")
        name = "" if isinstance(error, ClubError) else f"{type(error).__name__}: "
        return FAILED + f"{socket.gethostname()}: {name}{error}".encode()


def _run(content: bytes) -> bytes:
    from datauab.autograde.request import RunRequest
    from datauab.autograde.student import run_student

    request = RunRequest.from_bytes(content)
    with contextlib.ExitStack() as held:
        held.enter_context(_HERE.one_more())
        device = None
        if request.gpu and _HERE.gpus is not None:
            device = held.enter_context(_HERE.gpus.one())
        return run_student(request, _HERE.public, _HERE.warm, device).to_bytes()
