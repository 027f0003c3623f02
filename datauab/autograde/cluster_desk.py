"""Hands the grader's runs to Dask, and what comes of them back."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import socket
import threading
from collections.abc import AsyncIterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from datauab.autograde.cluster import receive, send

RETRIES = 2
"""How often a run is tried again whose worker was lost."""

_STARTING_S = 0.1
_LOOK_S = 0.5
_SILENCE_S = 5.0
_MOST_RESULT = 2**30
_MOST_WORDS = 4000
_QUEUE_S = 3600.0  # others may use the same workers
_LOG = logging.getLogger(__name__)


class SchedulerLost(Exception):
    """The scheduler does not answer any more."""


@dataclass
class _Run:
    number: int
    payload: bytes
    memory_mb: float
    gpu: bool
    priority: int
    patience_s: float
    future: Any = None


class Desk:
    """Serves one grader over `connection`, with Dask's `client` (asynchronous).

    Where a worker is lost, Dask cannot tell which of the runs on it was to blame. Each is tried again, the last time
    alone on a worker: so only a run that ends its worker by itself is given up.
    """

    def __init__(self, connection: socket.socket, client: Any) -> None:
        self._connection, self._client = connection, client
        self._senders = ThreadPoolExecutor(1)  # one after another, so that messages do not mix
        self._open: dict[int, _Run] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._token = secrets.token_hex(8)  # others may use the same scheduler
        self._slots = -1
        self._given: list[dict[str, float]] = []
        self._alone = asyncio.Lock()

    async def serve(self) -> None:
        """Until the grader closes its end.

        Raises
        ------
        SchedulerLost
            Where nothing can run any more.
        """
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        threading.Thread(target=self._listen, args=(loop, ended), daemon=True).start()
        try:
            while not ended.is_set():
                await self._look()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(ended.wait(), _LOOK_S if self._slots > 0 else _STARTING_S)
        finally:
            for task in self._tasks:
                task.cancel()

    def _listen(self, loop: asyncio.AbstractEventLoop, ended: asyncio.Event) -> None:
        with contextlib.suppress(OSError):
            while (message := receive(self._connection)) is not None:
                loop.call_soon_threadsafe(self._take, *message)
        loop.call_soon_threadsafe(ended.set)

    async def _look(self) -> None:
        """Count the slots, which also shows whether the scheduler is there."""
        if self._client.status != "running":
            raise SchedulerLost(f"the scheduler is gone ({self._client.status})")
        try:
            known = await asyncio.wait_for(self._client.scheduler.identity(n_workers=-1), _SILENCE_S)
        except (OSError, TimeoutError) as error:
            raise SchedulerLost(f"the scheduler does not answer: {error or type(error).__name__}") from error
        workers = list(known["workers"].values())
        self._given = [worker.get("resources", {}) for worker in workers]
        slots = sum(worker["nthreads"] for worker in workers)
        if slots != self._slots:
            self._slots = slots
            await self._send({"slots": slots})

    def _take(self, header: dict[str, Any], payload: bytes) -> None:
        if "cancel" in header:
            run = self._open.pop(header["cancel"], None)
            if run is not None and run.future is not None:
                self._begin(run.future.cancel(force=True))
            return
        run = _Run(
            number=header["run"], payload=payload, memory_mb=float(header["memory_mb"]), gpu=header["gpu"],
            priority=header["priority"], patience_s=_QUEUE_S + 2.0 * header["wall_s"],
        )  # fmt: skip
        self._open[run.number] = run
        self._begin(self._finish(run))

    def _begin(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _finish(self, run: _Run) -> None:
        try:
            answer, payload = await self._tried(run)
        except Exception as error:
            _LOG.exception("run %d", run.number)
            answer, payload = {"error": f"{type(error).__name__}: {error}"[:4000]}, b""
        if self._open.pop(run.number, None) is not None:
            await self._send({"run": run.number, **answer}, payload)

    async def _tried(self, run: _Run) -> tuple[dict[str, Any], bytes]:
        for number in range(RETRIES + 1):
            async with self._room(number == RETRIES) as alone:
                if run.number not in self._open:
                    break
                found = await self._once(run, number, alone=alone)
            if found is not None:
                return found
            _LOG.warning("run %d: its worker was lost", run.number)
        return {"killed": True, "error": f"this run ended its worker {RETRIES + 1} times, and is given up"}, b""

    @contextlib.asynccontextmanager
    async def _room(self, alone: bool) -> AsyncIterator[bool]:
        async with self._alone if alone else contextlib.nullcontext():
            yield alone

    async def _once(self, run: _Run, number: int, *, alone: bool) -> tuple[dict[str, Any], bytes] | None:
        """One try; None where its worker was lost."""
        from distributed.scheduler import KilledWorker

        from datauab.autograde.worker import DONE, run_bytes

        run.future = self._client.submit(
            run_bytes, run.payload, key=f"run-{self._token}-{run.number}-{number}", pure=False, priority=run.priority,
            resources=self._needs(run, alone=alone),
        )  # fmt: skip
        try:
            async with asyncio.timeout(run.patience_s):
                found = await run.future.result()
        except KilledWorker:
            return None
        except TimeoutError:
            await run.future.cancel(force=True)
            return {"error": f"no worker ended this run within {run.patience_s:g} s"}, b""
        except (asyncio.CancelledError, CancelledError):  # Dask's own is another than asyncio's
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            if self._client.status != "running":
                await asyncio.sleep(2 * _SILENCE_S)  # every run ends as soon as `serve` sees it
            return {"error": "the scheduler dropped the run"}, b""
        finally:
            run.future.release()
        if not isinstance(found, bytes | bytearray | memoryview) or len(found) > _MOST_RESULT:
            return {"error": f"a worker sent {type(found).__name__}, expected at most {_MOST_RESULT} bytes"}, b""
        kind, answer = bytes(found[:1]), bytes(found[1:])
        if kind == DONE:
            return {}, answer
        return {"error": "a worker failed: " + answer[:_MOST_WORDS].decode("utf-8", "replace")}, b""

    def _needs(self, run: _Run, *, alone: bool) -> dict[str, float]:
        """What a run asks of its worker; never more than the largest one has, or it would wait for ever."""
        most = max((given.get("MEMORY", 0.0) for given in self._given), default=0.0)
        needs = {"MEMORY": most if alone else min(run.memory_mb, most)} if most else {}
        if run.gpu and any(given.get("GPU", 0.0) for given in self._given):
            needs["GPU"] = 1.0
        return needs

    async def _send(self, header: dict[str, Any], payload: bytes = b"") -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):
            await loop.run_in_executor(self._senders, send, self._connection, header, payload)
