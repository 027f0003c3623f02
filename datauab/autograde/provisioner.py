"""A kernel provisioner that starts kernels in a sandbox and reaches them without any shared folder or network.

The kernel's five sockets lie on a tmpfs that only the sandbox sees. Seen from outside they are opened once, through
``/proc/PID/root`` of the sandbox's first process, before any code of the notebook runs, and as sockets only; the
client then connects to those open files. So code in the sandbox cannot lead the client to another socket of the
machine by putting a link in its place.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import shutil
import stat
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from jupyter_client.provisioning import KernelProvisionerBase

from datauab.autograde.forked import ForkRequest
from datauab.autograde.limits import kill_sandbox
from datauab.autograde.sandbox import Sandbox, Tmpfs, memory_file
from datauab.autograde.warm import ForkedKernel, WarmKernels
from datauab.errors import GradingError

TEMPORARY = "datauab-run-"
"""How the names of all temporary folders of grading begin."""

_SOCKETS = "/kernel"
_CONNECTION = f"{_SOCKETS}/connection.json"
_CHANNELS = ("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port")
_START_S = 120.0
_KEPT_BYTES = 4000
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class KernelJob:
    """A kernel's sandbox, the command that starts it there, and the files it finds there.

    Attributes
    ----------
    sandbox : Sandbox
        Where it runs; the sockets' tmpfs is added.
    argv : tuple of str
        Command; the path of the connection file is appended.
    files : mapping of str to bytes
        Read-only files, by their path inside. They never touch a disk of the host.
    archive : str
        Which of `files` is unpacked where the kernel works.
    warm : WarmKernels or None
        What the kernel is forked from, with the folders, limits and environment of `sandbox`; None: it starts cold.
    """

    sandbox: Sandbox
    argv: tuple[str, ...]
    files: Mapping[str, bytes] = field(default_factory=dict)
    archive: str = ""
    warm: WarmKernels | None = None


class SandboxProvisioner(KernelProvisionerBase):
    """Starts the kernel of a `KernelJob`; where none was set, one for grading with the course's limits."""

    job: KernelJob | None = None
    process: subprocess.Popen[bytes] | ForkedKernel | None = None
    sandbox_pid: int = 0
    said: bytes = b""
    returncode: int | None = None

    _folder: str = ""
    _files: tuple[int, ...] = ()
    _forked: ForkedKernel | None = None

    @property
    def has_process(self) -> bool:
        """Whether a kernel was started and not yet cleaned up."""
        return self.process is not None

    async def poll(self) -> int | None:
        """Exit status of the sandbox, or None while it runs."""
        if self.process is None:
            return 0
        self.returncode = self.process.poll()
        return self.returncode

    async def wait(self) -> int | None:
        """Wait for the sandbox to end."""
        while await self.poll() is None:
            await asyncio.sleep(0.02)
        self.process = None
        return self.returncode

    async def send_signal(self, signum: int) -> None:
        """End the sandbox, whichever signal is asked for: a kernel in it is interrupted by a message."""
        if signum != 0:
            await self.kill()

    async def kill(self, restart: bool = False) -> None:
        """Kill every process of the sandbox."""
        if self._forked is not None:
            # What it held of a GPU must be free before the next one starts.
            self._forked.kill(wait=self.job is not None and bool(self.job.sandbox.devices))
        elif self.process is not None and self.process.poll() is None:
            kill_sandbox(self.sandbox_pid)

    async def terminate(self, restart: bool = False) -> None:
        """Kill every process of the sandbox."""
        await self.kill(restart)

    async def cleanup(self, restart: bool = False) -> None:
        """Close the sockets' files and remove the links to them."""
        for descriptor in self._files:
            os.close(descriptor)
        self._files = ()
        if isinstance(self._forked, ForkedKernel):
            self._forked.close()
            self._forked = None
        if self._folder:
            if self.parent is not None:
                self.parent.ip = f"{self._folder}/k"  # or a second cleaning up would reach what has the number next
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = ""

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Say where the sockets will be; the command comes from the job."""
        kwargs.setdefault("cmd", [])
        return {**await super().pre_launch(**kwargs), "cmd": kwargs["cmd"]}

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> dict[str, Any]:
        """Start the kernel and wait until it listens; returns how to connect.

        Raises
        ------
        SandboxUnavailable
            Where no sandbox can be made here.
        GradingError
            Where the kernel does not start; with the last of what it said.
        """
        job = self.job or _default_job()
        session = self.parent.session
        ports = {name: number for number, name in enumerate(_CHANNELS, start=1)}
        shared = {**ports, "transport": "ipc", "signature_scheme": session.signature_scheme}
        inside = {**shared, "ip": f"{_SOCKETS}/k", "key": session.key.decode()}
        connection = json.dumps(inside).encode()
        if job.warm is None or not self._fork(job, job.warm, connection):
            self._start(job, connection)
        try:
            await self._open_sockets()
        except BaseException:
            await self.kill()
            raise
        self._folder = tempfile.mkdtemp(prefix=f"{TEMPORARY}kernel-")
        for number, descriptor in enumerate(self._files, start=1):
            (Path(self._folder) / f"k-{number}").symlink_to(f"/proc/{os.getpid()}/fd/{descriptor}")
        # The address of a socket has 107 bytes, and a path of temporary files may be longer.
        handle = os.open(self._folder, os.O_PATH | os.O_DIRECTORY)
        self._files = (*self._files, handle)
        self.connection_info = {**shared, "ip": f"/proc/self/fd/{handle}/k", "key": session.key}
        return self.connection_info

    def _start(self, job: KernelJob, connection: bytes) -> None:
        sandbox = _with_sockets(job.sandbox)
        with contextlib.ExitStack() as opened:
            options: list[str] = []
            passed: list[int] = []
            for inside, content in {_CONNECTION: connection, **job.files}.items():
                descriptor = memory_file(content)
                opened.callback(os.close, descriptor)
                passed.append(descriptor)
                options += ["--perms", "444", "--ro-bind-data", str(descriptor), inside]
            reading, writing = os.pipe()
            info = opened.enter_context(open(reading, encoding="utf-8"))  # noqa: PTH123  a descriptor, no path
            try:
                self.process = sandbox.popen(
                    [*job.argv, "-f", _CONNECTION],
                    extra=["--info-fd", str(writing), *options],
                    pass_fds=(writing, *passed),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                )
            finally:
                os.close(writing)
            self._hear(self.process.stdout)
            try:
                self.sandbox_pid = int(json.load(info)["child-pid"])
            except (ValueError, KeyError) as error:
                self.process.wait()
                raise GradingError(f"the sandbox did not start: {self._last_words()}") from error

    def _fork(self, job: KernelJob, warm: WarmKernels, connection: bytes) -> bool:
        """Fork the kernel; returns whether that was possible: what it was not for, a cold start may not meet."""
        sandbox = _with_sockets(job.sandbox)
        files = {_CONNECTION: connection, **job.files}
        room = sum(map(len, files.values())) // 2**20 + 1
        shared = Tmpfs("/dev/shm", sandbox.shm_mb)  # noqa: S108  the sandbox's own
        request = ForkRequest(
            hostname=sandbox.hostname,
            tmpfs=[
                (item.path, item.size_mb + (room if item.path == _SOCKETS else 0), item.mode)
                for item in (shared, *sandbox.tmpfs)
            ],
            env=dict(sandbox.env),
            rlimits=list(sandbox.rlimits),
            files=list(files),
            archive=job.archive,
            folder=sandbox.chdir,
            connection=_CONNECTION,
        )
        reading, writing = os.pipe()
        self._hear(open(reading, "rb"))  # noqa: PTH123, SIM115  a descriptor; closed by who hears
        try:
            self.process = self._forked = warm.fork(request, files, writing)
        except GradingError as error:
            _LOG.warning("%s: %s; this kernel starts cold", error, self._last_words())
            return False
        finally:
            os.close(writing)
        self.sandbox_pid = self.process.pid
        return True

    def _hear(self, stream: IO[bytes] | None) -> None:
        threading.Thread(target=self._listen, args=(stream,), daemon=True).start()

    def _listen(self, stream: IO[bytes] | None) -> None:
        """Read what the kernel's process says, or it would wait for a reader; keep the last of it."""
        with contextlib.suppress(OSError, ValueError):
            while stream is not None and (chunk := os.read(stream.fileno(), 65536)):
                self.said = (self.said + chunk)[-_KEPT_BYTES:]

    def _last_words(self) -> str:
        time.sleep(0.1)  # the listener may not have read the last line yet
        return self.said.decode("utf-8", "replace").strip() or "it said nothing"

    async def _open_sockets(self) -> None:
        ends = time.monotonic() + _START_S
        names = [f"k-{number}" for number in range(1, len(_CHANNELS) + 1)]
        found: list[int] = []
        try:
            while len(found) < len(names):
                if await self.poll() is not None:
                    raise GradingError(f"the kernel did not start: {self._last_words()}")
                if time.monotonic() > ends:
                    raise GradingError(f"the kernel did not listen within {_START_S:g} s: {self._last_words()}")
                descriptor = _open_socket(f"/proc/{self.sandbox_pid}/root{_SOCKETS}/{names[len(found)]}")
                if descriptor is None:
                    await asyncio.sleep(0.01)
                else:
                    found.append(descriptor)
        except BaseException:
            for descriptor in found:
                os.close(descriptor)
            raise
        self._files = tuple(found)


def _with_sockets(sandbox: Sandbox) -> Sandbox:
    return replace(sandbox, tmpfs=(*sandbox.tmpfs, Tmpfs(_SOCKETS, 1)))


def _open_socket(path: str) -> int | None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    except (FileNotFoundError, PermissionError):
        return None  # not made yet, or the sandbox is still being set up
    if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise GradingError("the kernel's socket is no socket")


def _default_job() -> KernelJob:
    from datauab.autograde.kernels import student_job
    from datauab.settings import load_settings

    settings = load_settings()
    return student_job(settings.limits, public=settings.public)
