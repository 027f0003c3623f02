"""Tells open pages that a board changed: one look at the ledger serves all who watch."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from starlette.concurrency import run_in_threadpool

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.5
"""Longest time between two looks; who rings shortens it."""
REST_SECONDS = 0.05
"""Least time between two looks, however often somebody rings."""
KEEPALIVE_SECONDS = 20.0
MAX_WATCHERS = 400
"""Open event streams; more get 503 and their pages simply do not refresh themselves."""


@dataclass
class _Board:
    loop: asyncio.AbstractEventLoop
    mark: str = ""
    rung: asyncio.Event = field(default_factory=asyncio.Event)
    watchers: set[asyncio.Queue[str | None]] = field(default_factory=set)
    task: asyncio.Task[None] | None = None


class BoardWatch:
    """Streams of "this board changed", for as long as somebody listens.

    Parameters
    ----------
    mark : callable
        Maps a competition's name to a text that changes when its board does; may block.
    """

    def __init__(self, mark: Callable[[str], str]) -> None:
        self._mark = mark
        self._boards: dict[str, _Board] = {}
        self._closed = False

    @property
    def watchers(self) -> int:
        """How many streams are open."""
        return sum(len(board.watchers) for board in self._boards.values())

    def is_full(self) -> bool:
        """Whether another stream would be one too many."""
        return self._closed or self.watchers >= MAX_WATCHERS

    async def events(self, name: str) -> AsyncIterator[str]:
        """Server-sent events of the board `name`: its mark at once, then each new one."""
        board = self._boards.setdefault(name, _Board(asyncio.get_running_loop()))
        queue: asyncio.Queue[str | None] = asyncio.Queue()
        board.watchers.add(queue)
        if board.task is None:
            board.task = asyncio.create_task(self._look(name, board))
        elif board.mark:
            queue.put_nowait(board.mark)
        try:
            while True:
                try:
                    mark = await asyncio.wait_for(queue.get(), KEEPALIVE_SECONDS)
                except TimeoutError:
                    yield ": still here\n\n"
                    continue
                if mark is None:
                    return
                yield f"event: board\ndata: {mark}\n\n"
        finally:
            board.watchers.discard(queue)
            if not board.watchers:
                self._stop(name, board)

    def wake(self) -> None:
        """Look at every open board at once; any thread may call it."""
        for board in list(self._boards.values()):
            with contextlib.suppress(RuntimeError):  # its loop has ended
                board.loop.call_soon_threadsafe(board.rung.set)

    def close(self) -> None:
        """End every stream, so that the service can stop at once."""
        self._closed = True
        for board in self._boards.values():
            for queue in board.watchers:
                queue.put_nowait(None)

    def _stop(self, name: str, board: _Board) -> None:
        if board.task is not None:
            board.task.cancel()
        if self._boards.get(name) is board:
            del self._boards[name]

    async def _look(self, name: str, board: _Board) -> None:
        while True:
            try:
                mark = await run_in_threadpool(self._mark, name)
            except Exception:
                log.exception("board %s: could not be read; looking again", name)
            else:
                if mark != board.mark:
                    board.mark = mark
                    for queue in board.watchers:
                        queue.put_nowait(mark)
            await asyncio.sleep(REST_SECONDS)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(board.rung.wait(), LOOK_SECONDS - REST_SECONDS)
            board.rung.clear()
