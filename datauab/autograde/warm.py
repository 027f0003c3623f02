"""Warm kernels: forked, in milliseconds, from a process that has loaded the course's packages already."""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import asdict
from pathlib import Path
from types import TracebackType

from datauab.autograde.forked import ForkRequest
from datauab.autograde.sandbox import (
    Bind,
    Sandbox,
    Tmpfs,
    base_binds,
    base_symlinks,
    memory_file,
    python_binds,
    python_env,
)
from datauab.autograde.zygote import MOST_BYTES
from datauab.errors import GradingError, SandboxUnavailable

COURSE_PACKAGES = (
    "numpy", "pandas", "pyarrow", "scipy", "scipy.stats", "scipy.optimize", "sklearn", "sklearn.cluster",
    "sklearn.compose", "sklearn.ensemble", "sklearn.linear_model", "sklearn.metrics", "sklearn.model_selection",
    "sklearn.neighbors", "sklearn.pipeline", "sklearn.preprocessing", "sklearn.svm", "sklearn.tree", "matplotlib",
    "matplotlib.pyplot", "matplotlib.backends.backend_agg", "seaborn", "PIL.Image", "torch", "torch.nn",
    "torch.nn.functional", "torch.optim", "torch.utils.data", "torchvision", "torchvision.transforms",
    "torchvision.models", "torchvision.datasets", "datauab.client",
)  # fmt: skip
"""What the posts import."""

SCORING_PACKAGES = ("numpy", "pandas", "scipy.stats", "sklearn.metrics")
"""What autograder cells import."""

_START_S = 120.0
_FORK_S = 30.0
_END_S = 30.0
_LOG = logging.getLogger(__name__)


class ForkedKernel:
    """A kernel that was forked, as the grader sees it.

    Attributes
    ----------
    pid : int
        First process of its pid namespace, as this machine numbers it.
    """

    def __init__(self, lifeline: socket.socket, pid: int) -> None:
        self._lifeline = lifeline
        self.pid = pid
        self.returncode: int | None = None
        # Where the number is used again before this line, another process would be meant; it has not been waited for.
        self._handle = os.pidfd_open(pid)
        lifeline.setblocking(False)

    def poll(self) -> int | None:
        """Exit status, 128 and the signal's number where one ended it; None while it runs."""
        if self.returncode is None:
            try:
                told = self._lifeline.recv(4)
            except BlockingIOError:
                return None
            except OSError:
                told = b""
            self.returncode = struct.unpack("=i", told)[0] if len(told) == 4 else 128 + signal.SIGKILL
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end."""
        ends = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if ends is not None and time.monotonic() > ends:
                raise subprocess.TimeoutExpired("kernel", timeout or 0.0)
            time.sleep(0.005)
        return code

    def kill(self, *, wait: bool = False) -> None:
        """Kill everything in its pid namespace, and wait for its end only where told so: Linux takes its time."""
        with contextlib.suppress(ProcessLookupError, OSError):
            signal.pidfd_send_signal(self._handle, signal.SIGKILL)
        if wait:
            self.wait(_END_S)
        elif self.poll() is None:
            self.returncode = 128 + signal.SIGKILL

    def close(self) -> None:
        """Forget it."""
        self.kill()
        os.close(self._handle)
        self._lifeline.close()


class WarmKernels:
    """A zygote behind its outer wall, and the kernels that are forked from it. Threads may share it."""

    def __init__(self, sandbox: Sandbox, packages: Sequence[str]) -> None:
        self._sandbox, self._packages = sandbox, packages
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._ready = False

    @classmethod
    def start(
        cls,
        *,
        public: Path | None = None,
        gpu: bool = False,
        packages: Sequence[str] | None = None,
        solution_wall: bool = False,
    ) -> WarmKernels:
        """Begin to load packages; returns at once. The zygote and its kernels end with this process.

        Parameters
        ----------
        public : Path, optional
            Folder of public data, seen read-only as ``/public``.
        gpu : bool
            Whether NVIDIA devices of the machine are passed through.
        packages : sequence of str, optional
            What is loaded; by default what the posts import, or autograder cells.
        solution_wall : bool
            For trusted kernels: another machine account, and no data.

        Raises
        ------
        SandboxUnavailable
            Where kernels cannot be forked here; see `warm_problem`.
        """
        problem = warm_problem()
        if problem is not None:
            raise SandboxUnavailable(problem)
        if packages is None:
            packages = SCORING_PACKAGES if solution_wall else COURSE_PACKAGES
        made = cls(_outer_wall(public, gpu, solution_wall), packages)
        made._launch()
        return made

    def __enter__(self) -> WarmKernels:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def alive(self) -> bool:
        """Whether the zygote runs; one that died is started anew for the next kernel."""
        return self._process is not None and self._process.poll() is None

    def ready(self, timeout: float) -> bool:
        """Wait until packages are loaded, at most `timeout` seconds; returns whether they are."""
        with self._lock:
            return self._wait_ready(timeout)

    def fork(self, request: ForkRequest, files: Mapping[str, bytes], output: int) -> ForkedKernel:
        """Fork a kernel.

        Parameters
        ----------
        files : mapping of str to bytes
            Contents of ``request.files``, in their order.
        output : int
            Descriptor that gets what its process prints.

        Raises
        ------
        GradingError
            Where none can be forked.
        """
        text = json.dumps(asdict(request)).encode()
        if len(text) > MOST_BYTES:
            raise GradingError(f"a request for a kernel takes {len(text)} bytes, expected at most {MOST_BYTES}")
        for number in (1, 2):
            try:
                return self._fork(text, files, output)
            except OSError as error:
                if number == 2:
                    raise GradingError(f"no kernel could be forked: {error}") from error
                _LOG.warning("no kernel could be forked (%s); once more", error)
        raise AssertionError("the loop returns or raises")

    def close(self) -> None:
        """End the zygote, and with it every kernel."""
        with self._lock:
            self._end()

    def _fork(self, text: bytes, files: Mapping[str, bytes], output: int) -> ForkedKernel:
        with contextlib.ExitStack() as opened:
            near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            opened.enter_context(far)
            undo = opened.enter_context(contextlib.ExitStack())
            undo.enter_context(near)
            near.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            descriptors = [far.fileno(), output]
            for content in files.values():
                descriptors.append(memory_file(content))
                opened.callback(os.close, descriptors[-1])
            with self._lock:
                if not self._wait_ready(_START_S) or self._control is None:
                    self._end()
                    self._launch()
                    raise OSError("it did not get ready")
                socket.send_fds(self._control, [text], descriptors)
            far.close()
            kernel = ForkedKernel(near, _first_process(near))
            undo.pop_all()
            return kernel

    def _launch(self) -> None:
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        near.settimeout(_FORK_S)
        with far:
            # It ends with the thread that starts it, so that one waits as long as it runs; who calls this may go.
            started: Future[subprocess.Popen[bytes]] = Future()
            threading.Thread(target=self._hold, args=(far.fileno(), started), name="zygote", daemon=True).start()
            self._process = started.result()
        self._control, self._ready = near, False

    def _hold(self, control: int, started: Future[subprocess.Popen[bytes]]) -> None:
        try:
            process = self._sandbox.popen(
                [sys.executable, "-m", "datauab.autograde.zygote", str(control), *self._packages],
                pass_fds=(control,),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        except BaseException as error:  # raised again where it was asked for
            started.set_exception(error)
        else:
            started.set_result(process)
            process.wait()

    def _wait_ready(self, timeout: float) -> bool:
        if not self.alive:
            self._end()
            self._launch()
        if not self._ready and self._control is not None:
            self._control.settimeout(timeout)
            try:
                told = self._control.recv(MOST_BYTES)
            except TimeoutError:
                return False
            if not told:
                return False
            self._ready = True
            missing = json.loads(told)["missing"]
            if missing:
                _LOG.warning("warm kernels load these packages themselves: %s", ", ".join(missing))
        return self._ready

    def _end(self) -> None:
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._control = self._process = None


def _first_process(lifeline: socket.socket) -> int:
    lifeline.settimeout(_FORK_S)
    size = struct.calcsize("3i")
    told, extra, _, _ = lifeline.recvmsg(16, socket.CMSG_SPACE(size))
    for level, kind, data in extra:
        if told and (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
            return int(struct.unpack("3i", data[:size])[0])
    raise ConnectionResetError("the kernel's wall could not be built")


def _outer_wall(public: Path | None, gpu: bool, solution_wall: bool) -> Sandbox:
    from datauab.autograde.kernels import PUBLIC, SCRATCH, SOCKETS, accounts, kernel_env

    binds = (*base_binds(), *python_binds())
    devices: tuple[Path, ...] = ()
    if public is not None:
        binds = (*binds, Bind(public, PUBLIC, optional=True))
    if gpu:
        devices = tuple(sorted(Path("/dev").glob("nvidia*")))
        binds = (*binds, Bind(Path("/sys/devices"), optional=True), Bind(Path("/sys/bus/pci"), optional=True))
    return Sandbox(
        ro_binds=binds,
        tmpfs=(Tmpfs(SCRATCH, 64), Tmpfs(SOCKETS, 1)),
        symlinks=base_symlinks(),
        devices=devices,
        env={**kernel_env("grader" if solution_wall else "student"), **_LOADING},
        account=accounts()[1 if solution_wall else 0],
        nestable=True,
        chdir="/",
        hostname="zygote",
        shm_mb=8,
    )


# While packages are loaded the zygote's own scratch folder is the home, which no kernel sees.
_LOADING = {"HOME": "/tmp", "MPLBACKEND": "module://matplotlib_inline.backend_inline"}  # noqa: S108


@functools.cache
def warm_problem() -> str | None:
    """Why kernels cannot be forked on this machine; None where they can."""
    wall = Sandbox(
        ro_binds=(*base_binds(), *python_binds()),
        tmpfs=(Tmpfs("/tmp", 8),),  # noqa: S108  the sandbox's own
        symlinks=base_symlinks(),
        env=python_env(),
        account=_probe_account(),
        nestable=True,
    )
    try:
        process = wall.popen(
            ["unshare", "--user", "--map-root-user", "--mount", "--pid", "--net", "--ipc", "--uts", "--fork",
             "mount", "-t", "proc", "proc", "/proc"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
        said = process.communicate(timeout=30)[1].decode("utf-8", "replace").strip()
    except (SandboxUnavailable, OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if process.returncode == 0:
        return None
    return (
        f"kernels cannot be forked into sandboxes of their own here: {said or process.returncode}; user namespaces of "
        "ordinary accounts must be allowed (kernel.unprivileged_userns_clone, user.max_user_namespaces)"
    )


def _probe_account() -> int:
    from datauab.autograde.kernels import accounts

    return accounts()[0]
