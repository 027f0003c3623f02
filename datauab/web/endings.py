"""Waits for the endings of attempts: one thread looks at the ledger for all who wait, when the grader rings."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Collection
from pathlib import Path

from datauab.doorbell import WEB, Doorbell

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.05
"""Longest time between two looks at the doorbell."""

SLOWEST_SECONDS = 0.3
"""Longest time between two looks at the ledger while nobody rings and somebody waits."""

Waiting = Callable[[Collection[int]], Collection[int]]


class Endings:
    """Tells when attempts ended, to any number of coroutines, without a thread for each.

    Parameters
    ----------
    state : Path
        The deployment's folder of state, where the doorbell is.
    waiting : callable
        Maps numbers of attempts to those among them that have not ended; may block.
    """

    def __init__(self, state: Path, waiting: Waiting) -> None:
        self._state = state
        self._waiting = waiting
        self._lock = threading.Lock()
        self._wanted: dict[int, list[tuple[asyncio.AbstractEventLoop, asyncio.Future[bool]]]] = {}
        self._listeners: list[Callable[[], None]] = []
        self._stop = threading.Event()
        self._new = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to listen; without it `ended` looks at the ledger never and times out."""
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, name="endings", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening, and let all who wait go."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(5)
            self._thread = None
        with self._lock:
            numbers = list(self._wanted)
        self._tell(numbers, ended=False)

    def on_ring(self, listener: Callable[[], None]) -> None:
        """Call `listener`, which must not block, whenever the grader rings; from this object's thread."""
        self._listeners.append(listener)

    async def ended(self, number: int, seconds: float) -> bool:
        """Whether attempt `number` ended within `seconds`; answers as soon as it is known."""
        if seconds <= 0:
            return False
        loop = asyncio.get_running_loop()
        future: asyncio.Future[bool] = loop.create_future()
        entry = (loop, future)
        with self._lock:
            self._wanted.setdefault(number, []).append(entry)
            self._new = True
        try:
            async with asyncio.timeout(seconds):
                return await future
        except TimeoutError:
            return False
        finally:
            with self._lock:
                waiters = self._wanted.get(number, [])
                if entry in waiters:
                    waiters.remove(entry)
                if not waiters:
                    self._wanted.pop(number, None)

    def _run(self) -> None:
        with Doorbell(self._state, WEB) as bell:
            pause, due = LOOK_SECONDS, 0.0
            while not self._stop.is_set():
                rung = bell.wait(LOOK_SECONDS)
                if rung:
                    self._ring()
                with self._lock:
                    numbers, fresh = list(self._wanted), self._new
                    self._new = False
                now = time.monotonic()
                if not numbers or not (rung or fresh or now >= due):
                    continue
                pause = LOOK_SECONDS if rung or fresh else min(pause * 1.5, SLOWEST_SECONDS)
                due = now + pause
                self._look(numbers)

    def _look(self, numbers: list[int]) -> None:
        try:
            waiting = set(self._waiting(numbers))
        except Exception:  # a database that is locked or away now is asked again
            log.exception("the states of attempts cannot be read; looking again")
            return
        self._tell([number for number in numbers if number not in waiting], ended=True)

    def _tell(self, numbers: Collection[int], *, ended: bool) -> None:
        with self._lock:
            entries = [entry for number in numbers for entry in self._wanted.get(number, [])]
        for loop, future in entries:
            try:
                loop.call_soon_threadsafe(_answer, future, ended)
            except RuntimeError:  # the loop has ended, and with it who waited
                continue

    def _ring(self) -> None:
        for listener in self._listeners:
            try:
                listener()
            except Exception:
                log.exception("a listener of the doorbell failed")


def _answer(future: asyncio.Future[bool], ended: bool) -> None:
    if not future.done():
        future.set_result(ended)
