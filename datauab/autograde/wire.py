"""Talking to a kernel that may be hostile: every message is bounded in size, time and form.

nbclient trusts the kernel it talks to (it waits for ever, keeps every output, and updates outputs of other cells by
display id), so the run has a small client of its own on the same protocol.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import zmq
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import KernelManager

from datauab.autograde.limits import RunStopped, Watch, died_because
from datauab.autograde.provisioner import KernelJob, SandboxProvisioner
from datauab.errors import GradingError
from datauab.settings import Limits

_LATE_OUTPUT_S = 2.0  # after the reply; the kernel may have dropped the message that says it is idle
_LOOK_MS = 100
_READY_S = 120.0

Message = dict[str, Any]


class Misbehaved(RunStopped):
    """The kernel sent what the protocol does not allow."""


@dataclass
class Reply:
    """What came back for one cell.

    Attributes
    ----------
    content : dict
        Content of the ``execute_reply``.
    ok : bool
        Whether the kernel says that nothing was raised.
    seconds : float
        Time the cell took.
    """

    content: dict[str, Any]
    seconds: float = 0.0
    ok: bool = field(init=False)

    def __post_init__(self) -> None:
        self.ok = self.content.get("status") == "ok"


class Kernel:
    """A kernel in its sandbox, from start to death, as a context manager.

    Parameters
    ----------
    job : KernelJob
        What to start.
    limits : Limits
        What its run may use.
    scratch : tuple of str
        Folders inside whose files are counted.
    message_mb : int
        Size of the largest message taken from it, in MiB; a larger one ends the connection.
    """

    def __init__(self, job: KernelJob, limits: Limits, scratch: tuple[str, ...] = (), message_mb: int = 32) -> None:
        self.limits = limits
        self.message_bytes = message_mb * 2**20
        # The name only labels the kernel; what runs is the job's command.
        spec = KernelSpec(argv=list(job.argv), language="python", interrupt_mode="message")
        self._manager = KernelManager(kernel_name="python3", transport="ipc")
        self._manager._kernel_spec = spec
        self.provisioner = SandboxProvisioner(kernel_id="grading", kernel_spec=spec, parent=self._manager)
        self.provisioner.job = job
        self._manager.provisioner = self.provisioner
        self._context = zmq.Context()
        try:
            self._manager.start_kernel()
            self.watch = Watch(self.provisioner.sandbox_pid, limits, scratch)
            self._session = self._manager.session
            self._shell = self._connect("shell", zmq.DEALER)
            self._iopub = self._connect("iopub", zmq.SUB)
        except BaseException:
            self._end()
            raise
        self.watch.start()
        self._ready = False

    def __enter__(self) -> Kernel:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Kill everything in the sandbox and forget it."""
        self.watch.stop()
        self._end()

    def _end(self) -> None:
        try:
            if self._manager.has_kernel:
                self._manager.shutdown_kernel(now=True)
            else:
                self._manager.cleanup_resources()
        finally:
            self._context.destroy(linger=0)

    def _connect(self, channel: str, kind: int) -> zmq.Socket[bytes]:
        socket = self._context.socket(kind)
        socket.setsockopt(zmq.MAXMSGSIZE, self.message_bytes)
        socket.setsockopt(zmq.LINGER, 0)
        # The links lead to sockets that were opened before the notebook ran; a new connection would be a new trust.
        socket.setsockopt(zmq.RECONNECT_IVL, -1)
        if kind == zmq.SUB:
            socket.setsockopt(zmq.SUBSCRIBE, b"")
        socket.connect(self._manager._make_url(channel))
        return socket

    def wait_ready(self) -> None:
        """Wait until the kernel answers and its output channel is heard.

        Raises
        ------
        RunStopped
            Where it ends or is stopped before.
        """
        ends = time.monotonic() + _READY_S
        heard = answered = False
        while not (heard and answered):
            self._session.send(self._shell, "kernel_info_request")
            poller = zmq.Poller()
            poller.register(self._shell, zmq.POLLIN)
            poller.register(self._iopub, zmq.POLLIN)
            for socket, _ in poller.poll(200):
                self._receive(socket)
                answered |= socket is self._shell
                heard |= socket is self._iopub
            self._check_alive()
            if time.monotonic() > ends:
                raise GradingError(f"the kernel did not answer within {_READY_S:g} s")
        self._ready = True

    def execute(
        self,
        source: str,
        on_output: Callable[[Message], None] | None = None,
        expressions: Mapping[str, str] | None = None,
    ) -> Reply:
        """Run `source`; outputs go to `on_output` one by one, `expressions` are evaluated after it.

        Raises
        ------
        RunStopped
            Where the kernel ended, was stopped at a limit, or misbehaved; says which.
        """
        if not self._ready:
            self.wait_ready()
        began = time.monotonic()
        content = {
            "code": source,
            "silent": False,
            "store_history": on_output is not None,
            "user_expressions": dict(expressions or {}),
            "allow_stdin": False,
            "stop_on_error": False,
        }
        sent = self._session.send(self._shell, "execute_request", content)["header"]["msg_id"]
        poller = zmq.Poller()
        poller.register(self._shell, zmq.POLLIN)
        poller.register(self._iopub, zmq.POLLIN)
        reply: Reply | None = None
        idle, ends = False, float("inf")
        while reply is None or not (idle or time.monotonic() > ends):
            ready = poller.poll(_LOOK_MS)
            for socket, _ in ready:
                message = self._receive(socket)
                if message["parent_header"].get("msg_id") != sent:
                    continue
                kind = message["header"].get("msg_type")
                if socket is self._shell and kind == "execute_reply":
                    reply = Reply(message["content"], time.monotonic() - began)
                    ends = time.monotonic() + _LATE_OUTPUT_S
                elif kind == "status":
                    idle |= message["content"].get("execution_state") == "idle"
                elif socket is self._iopub and on_output is not None:
                    on_output(message)
            self._check_alive(bool(ready))
        return reply

    def _receive(self, socket: zmq.Socket[bytes]) -> Message:
        try:
            _, message = self._session.recv(socket, mode=0)
            parts = [message[name] for name in ("header", "parent_header", "content")]
        except Exception as error:
            raise Misbehaved("its kernel sent a message that cannot be read; run it from a clean kernel") from error
        if not all(isinstance(part, dict) for part in parts):
            raise Misbehaved("its kernel sent a message of the wrong form; run it from a clean kernel")
        found: Message = message
        return found

    def _check_alive(self, busy: bool = False) -> None:
        if self.watch.reason is not None:
            raise RunStopped(self.watch.reason)
        process = self.provisioner.process
        code = process.poll() if process is not None else self.provisioner.returncode
        if (process is None or code is not None) and not busy:
            if self.watch.reason is not None:
                raise RunStopped(self.watch.reason)
            raise RunStopped(died_because(code, self.limits))
