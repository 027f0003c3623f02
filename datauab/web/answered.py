"""Requests that were answered before: a client that lost the answer may safely ask again."""

from __future__ import annotations

import threading
from collections import OrderedDict

RECENT = 4096
"""Idempotency keys remembered; a client that lost the answer asks again within seconds."""


class Answered:
    """Remembers which request made which attempt, so that a repeated request makes no second one.

    Kept in memory: after a restart clients find their attempt by its hash among their submissions.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[str, str], int] = OrderedDict()
        self._busy: dict[tuple[str, str], threading.Lock] = {}

    def guard(self, key: tuple[str, str]) -> threading.Lock:
        """The lock under which requests with `key` follow one another."""
        with self._lock:
            return self._busy.setdefault(key, threading.Lock())

    def find(self, key: tuple[str, str]) -> int | None:
        """The attempt that a request with `key` made, if any."""
        with self._lock:
            return self._known.get(key)

    def remember(self, key: tuple[str, str], attempt: int) -> None:
        """Keep what the request with `key` made, and forget the oldest."""
        with self._lock:
            self._known[key] = attempt
            while len(self._known) > RECENT:
                old, _ = self._known.popitem(last=False)
                self._busy.pop(old, None)
