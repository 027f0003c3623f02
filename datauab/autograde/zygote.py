"""A process that has loaded the course's packages and forks kernels: ``python -m datauab.autograde.zygote``.

It runs inside an outer wall that shows neither labels nor database, holds no secret and reads nothing of a student, so
that a kernel which breaks out of its own wall finds nothing here. It loads packages and starts no thread: a fork takes
along only the thread that calls it. Threads of libraries (OpenBLAS, jemalloc) end or wait at a fork by their own rules.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import select
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

from datauab.autograde.forked import keep, to_request
from datauab.autograde.loading import without_collections

MOST_BYTES = 60_000
"""Largest request."""

_KERNEL = (
    "IPython", "IPython.core.completerlib", "IPython.core.debugger", "IPython.core.magics",
    "IPython.extensions.storemagic", "comm", "encodings.idna", "encodings.latin_1", "ipykernel.compiler",
    "ipykernel.debugger", "ipykernel.heartbeat", "ipykernel.iostream", "ipykernel.ipkernel", "ipykernel.kernelapp",
    "ipykernel.parentpoller", "ipykernel.zmqshell", "jupyter_client.session", "matplotlib_inline.config",
    "tornado.platform.asyncio", "tornado.queues", "zmq.eventloop.zmqstream", "datauab.autograde.export",
    "datauab.submission",
)  # fmt: skip
_LOOK_MS = 500


def main(arguments: Sequence[str]) -> None:
    """Load packages, say so, and fork kernels until the socket is closed.

    Parameters
    ----------
    arguments : sequence of str
        Descriptor of the socket to the grader, and names of packages.
    """
    if sys.path[0] == str(Path.cwd()):  # as ipykernel_launcher does; a kernel then finds what lies beside its notebook
        del sys.path[0]
    control = socket.socket(fileno=int(arguments[0]))
    with without_collections():
        missing = load([*_KERNEL, *arguments[1:]])
    gc.collect()
    gc.freeze()  # what is loaded is never looked at again, so its pages stay shared
    with contextlib.suppress(ConnectionError):  # the grader has gone meanwhile
        control.send(json.dumps({"missing": missing}).encode())
        serve(control)


def load(names: Sequence[str]) -> list[str]:
    """Import what can be imported; returns the others, which kernels then load or miss themselves."""
    missing = []
    for name in names:
        try:
            importlib.import_module(name)
        except Exception:  # whatever a package raises, kernels start without it
            missing.append(name)
    return missing


def serve(control: socket.socket) -> None:
    """Fork one kernel for each request."""
    poll = select.poll()
    poll.register(control, select.POLLIN)
    while True:
        ready = poll.poll(_LOOK_MS)
        _reap()
        if not ready:
            continue
        message, descriptors, _, _ = socket.recv_fds(control, MOST_BYTES, 16)
        if not message:
            return
        _fork(control, json.loads(message), descriptors)


def _fork(control: socket.socket, message: dict[str, Any], descriptors: list[int]) -> None:
    """Fork the keeper; descriptors are the lifeline, the output, then the files."""
    try:
        keeper = os.fork()
    except OSError as error:  # no process is left for this account; kernels that run must not end for it
        with contextlib.suppress(OSError):
            os.write(descriptors[1], f"no process could be made: {error}\n".encode())
        keeper = -1
    if keeper == 0:
        status = 1
        try:
            control.close()
            lifeline = socket.socket(fileno=descriptors[0])
            status = keep(to_request(message), lifeline, descriptors[1], descriptors[2:], _run_kernel)
        except BaseException as error:  # the reason is read by the grader
            with contextlib.suppress(OSError):
                os.write(descriptors[1], f"{type(error).__name__}: {error}\n".encode())
        finally:
            os._exit(status)
    for descriptor in descriptors:
        os.close(descriptor)


class _FewModules:
    """Stands for `sys` where ipykernel notes every module's file, for a debugger that nobody uses while grading.

    To look at a module is to count a reference, and so to copy its pages: half of what a waiting kernel would take.
    """

    modules: ClassVar[dict[str, ModuleType]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(sys, name)


def _run_kernel(connection: str) -> None:
    from ipykernel import ipkernel
    from ipykernel.kernelapp import IPKernelApp

    ipkernel.sys = _FewModules()
    sys.argv = ["ipykernel_launcher.py", "-f", connection]
    app = IPKernelApp.instance()
    app.initialize(["-f", connection, "--HistoryManager.enabled=False"])
    app.start()


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


if __name__ == "__main__":
    main(sys.argv[1:])
