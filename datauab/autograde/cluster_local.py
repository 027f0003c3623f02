"""Dask's hold on the worker of this machine: a process that is started before Dask is loaded, and kept up."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import subprocess
from collections.abc import Callable
from typing import Any

from distributed.deploy.spec import ProcessInterface
from distributed.security import Security

_AGAIN_S = 1.0
_END_S = 5.0
_LOG = logging.getLogger(__name__)


class LocalWorker(ProcessInterface):
    """Keeps one worker up: one that ends is replaced.

    Parameters
    ----------
    scheduler : str
        Address of the scheduler.
    start_process : callable
        Gives a process of `datauab.autograde.local_worker` that waits for its scheduler, each time another one.
    nthreads : int
        Runs at one time.
    resources : dict
        What it has to give.
    """

    def __init__(
        self,
        scheduler: str,
        name: object = None,
        *,
        start_process: Callable[[], subprocess.Popen[str]],
        nthreads: int,
        resources: dict[str, float],
        security: Security,
        **_: Any,
    ) -> None:
        super().__init__(scheduler=scheduler, name=name)
        self._start_process = start_process
        self._process: subprocess.Popen[str] | None = None
        self._keeping: asyncio.Task[None] | None = None
        tls = security.get_tls_config_for_role("worker")
        given = {"scheduler": scheduler, "name": name, "nthreads": nthreads, "resources": resources}
        self._line = json.dumps({**given, **{part: tls[part] for part in ("ca_file", "cert", "key")}}) + "\n"

    async def start(self) -> None:
        """Tell the process its scheduler."""
        self._tell()
        self._keeping = asyncio.create_task(self._keep())
        await super().start()

    async def close(self) -> None:
        """End it, whatever it does."""
        if self._keeping is not None:
            self._keeping.cancel()
        if self._process is not None:
            self._process.terminate()  # it then clears its folder away
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_END_S):
                    await _ended(self._process.pid)
            self._process.kill()
            self._process.wait()
        await super().close()

    def _tell(self) -> None:
        self._process = self._start_process()
        with contextlib.suppress(OSError):  # it has ended already, and is replaced
            if self._process.stdin is not None:
                self._process.stdin.write(self._line)
                self._process.stdin.flush()

    async def _keep(self) -> None:
        while self._process is not None:
            await _ended(self._process.pid)
            _LOG.warning("the worker ended with status %s; another one takes its place", self._process.wait())
            await asyncio.sleep(_AGAIN_S)
            self._tell()


async def _ended(pid: int) -> None:
    """Wait for the end of a child."""
    handle = os.pidfd_open(pid)
    loop, done = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(handle, done.set)
    try:
        await done.wait()
    finally:
        loop.remove_reader(handle)
        os.close(handle)
