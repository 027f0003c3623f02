"""Runs of notebooks on many cores and machines, as the grader sees them: bytes go out, bytes come back.

Dask itself lives in another process (`datauab.autograde.cluster_main`), because its clients and schedulers unpickle
what workers send. That process holds no label; this one reads nothing but `RunResult`.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

from datauab.autograde.cluster_settings import ClusterSettings, bare_environment
from datauab.autograde.request import RunRequest, RunResult
from datauab.errors import GradingError
from datauab.settings import Settings

_MIB = 2**20
_HEADER = struct.Struct(">IQ")
_START_S = 180.0
_END_S = 15.0
_LOOK_S = 0.2
_MOST_BYTES = 2**31
_LOG = logging.getLogger(__name__)


class ClusterLost(GradingError):
    """Nothing runs any more: the scheduler is gone, or never came."""


class WorkerLost(GradingError):
    """One run took its worker down, again and again."""


def send(connection: socket.socket, header: dict[str, Any], payload: bytes = b"") -> None:
    """Send one message: lengths, JSON, bytes."""
    text = json.dumps(header).encode()
    connection.sendall(_HEADER.pack(len(text), len(payload)) + text)
    connection.sendall(payload)


def receive(connection: socket.socket) -> tuple[dict[str, Any], bytes] | None:
    """Receive one message; None at the end."""
    sizes = _exactly(connection, _HEADER.size)
    if sizes is None:
        return None
    text_size, size = _HEADER.unpack(sizes)
    if text_size + size > _MOST_BYTES:
        raise GradingError(f"the cluster sent a message of {text_size + size} bytes, expected at most {_MOST_BYTES}")
    text, payload = _exactly(connection, text_size), _exactly(connection, size)
    if text is None or payload is None:
        return None
    header = json.loads(text)
    if not isinstance(header, dict):
        raise GradingError(f"the cluster sent {type(header).__name__}, expected an object")
    return header, payload


def _exactly(connection: socket.socket, size: int) -> bytes | None:
    content = bytearray(size)
    view = memoryview(content)
    while view:
        found = connection.recv_into(view)
        if not found:
            return None
        view = view[found:]
    return bytes(content)


@contextlib.contextmanager
def open_cluster(settings: Settings, where: str = "local", workers: int | None = None) -> Iterator[Cluster]:
    """Open a cluster, and close it with everything that still runs on it.

    Parameters
    ----------
    where : str
        "local": this machine. "slurm": jobs as ``[slurm]`` of club.toml says. ``tls://HOST:PORT``: a scheduler that
        an operator has started with ``./club cluster scheduler``.
    workers : int, optional
        Runs at one time on this machine (as many as it has cores by default), or jobs of Slurm.

    Raises
    ------
    ClusterLost
        Where it cannot be reached or started; says why.
    """
    with begun_cluster(settings, where, workers) as cluster:
        cluster.wait_ready()
        yield cluster


@contextlib.contextmanager
def begun_cluster(settings: Settings, where: str = "local", workers: int | None = None) -> Iterator[Cluster]:
    """Begin what `open_cluster` does and return at once; `Cluster.wait_ready` waits, and raises.

    Until then no other machine is asked for anything: only packages are loaded, and the worker of this machine.
    """
    cluster = Cluster(settings, where, workers)
    try:
        yield cluster
    finally:
        cluster.close()


class Cluster:
    """Workers that run notebooks. Threads may share it."""

    def __init__(self, settings: Settings, where: str, workers: int | None) -> None:
        near, far = socket.socketpair()
        given = {
            "where": where,
            "workers": workers or 0,
            "settings": ClusterSettings.of(settings).model_dump(mode="json"),
        }
        with far:
            # In a session of its own, so that an interrupt at the terminal is the grader's to handle.
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", sys.executable, "-P", "-m", "datauab.autograde.cluster_main",
                 str(far.fileno())],
                pass_fds=(far.fileno(),), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True,
                env=bare_environment(),
            )  # fmt: skip
        self._connection = near
        self._sending = threading.Lock()
        self._numbers = itertools.count()
        self._open: dict[int, tuple[Future[RunResult], int]] = {}
        self._lock = threading.Lock()
        self._lost: str | None = None
        self._ready = threading.Event()
        self.slots = 0
        send(near, given)
        self._reader = threading.Thread(target=self._read, name="cluster", daemon=True)
        self._reader.start()
        self._where, self._wanted = where, False
        self._patience = _START_S + (settings.slurm.wait_s if where == "slurm" else 0.0)

    def wait_ready(self, stop: threading.Event | None = None) -> None:
        """Ask for workers, and wait for the first one, or until `stop` is set.

        Raises
        ------
        ClusterLost
            Where none comes; says why.
        """
        if not self._wanted:
            self._wanted = True
            with contextlib.suppress(OSError), self._sending:  # where it is gone, `_read` has the reason
                send(self._connection, {"open": True})
        ends = time.monotonic() + self._patience
        while not self._ready.wait(_LOOK_S) and time.monotonic() < ends:
            if stop is not None and stop.is_set():
                return
        if not self._ready.is_set() or self._lost is not None:
            reason = self._lost or f"no worker came within {self._patience:g} s; start some with ./club cluster worker"
            self.close()
            raise ClusterLost(f"cluster {self._where}: {reason}")

    @property
    def pid(self) -> int:
        """Number of the process that holds the scheduler or speaks to it."""
        return self._process.pid

    def submit(self, request: RunRequest, *, priority: int = 0) -> Future[RunResult]:
        """Begin a run as soon as a worker has room for it.

        Parameters
        ----------
        priority : int
            Higher ones come first.

        Returns
        -------
        Future of RunResult
            Ends with `ClusterLost` where nothing runs any more, with `WorkerLost` where this run ended its worker
            several times, with `GradingError` where the worker failed; cancelling it ends the run.
        """
        future: Future[RunResult] = Future()
        number = next(self._numbers)
        with self._lock:
            if self._lost is not None:
                raise ClusterLost(f"the cluster is gone: {self._lost}")
            self._open[number] = (future, request.limits.predictions_mb * _MIB)
        header = {
            "run": number, "memory_mb": request.limits.memory_mb, "wall_s": request.limits.wall_s, "gpu": request.gpu,
            "priority": priority,
        }  # fmt: skip
        try:
            with self._sending:
                send(self._connection, header, request.to_bytes())
        except OSError as error:
            self._lose(str(error))
        future.add_done_callback(lambda done: self._cancel(number) if done.cancelled() else None)
        return future

    def close(self) -> None:
        """End the cluster's processes; runs that are open end with `ClusterLost`."""
        self._lose("it was closed")
        if not self.slots and (self._where == "local" or not self._wanted):
            self._process.kill()  # it may still be loading packages; nobody else has been asked for anything
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(_END_S)
        self._connection.close()

    def _cancel(self, number: int) -> None:
        with self._lock:
            known = self._open.pop(number, None)
        if known is not None:
            with contextlib.suppress(OSError), self._sending:
                send(self._connection, {"cancel": number})

    def _read(self) -> None:
        reason = "its process ended"
        try:
            while (message := receive(self._connection)) is not None:
                header, payload = message
                if "lost" in header:
                    reason = str(header["lost"])
                    break
                self._take(header, payload)
        except (OSError, ValueError, KeyError, TypeError, GradingError) as error:
            reason = f"its process sent something else than messages: {error}"
        self._lose(reason)
        self._ready.set()

    def _take(self, header: dict[str, Any], payload: bytes) -> None:
        if "slots" in header:
            self.slots = int(header["slots"])
            if self.slots:
                self._ready.set()
            return
        with self._lock:
            known = self._open.pop(int(header["run"]), None)
        if known is None or not known[0].set_running_or_notify_cancel():
            return
        future, most = known
        if "error" in header:
            kind = WorkerLost if header.get("killed") else GradingError
            future.set_exception(kind(str(header["error"])))
            return
        try:
            future.set_result(RunResult.from_bytes(payload, most))
        except GradingError as error:
            future.set_exception(error)

    def _lose(self, reason: str) -> None:
        with self._lock:
            self._lost = self._lost or reason
            left, self._open = list(self._open.values()), {}
        for future, _ in left:
            if future.set_running_or_notify_cancel():
                future.set_exception(ClusterLost(f"the cluster is gone: {reason}"))
