"""Slowing down guesses of passwords, for each name and for each address."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Rule:
    """After `free` failures the wait is one second and doubles with each further one, up to `longest_s` seconds."""

    free: int
    longest_s: float


#: A whole class may share one address and somebody else may try my name, so those two alone lock nobody out for long.
RULES = {"pair": Rule(5, 900), "name": Rule(20, 60), "address": Rule(100, 60)}


@dataclass
class _Record:
    failures: int
    until: float
    last: float


@dataclass
class Throttle:
    """Counts failures in memory; a success clears those of its name from its address.

    Attributes
    ----------
    clock : callable
        Gives monotonic seconds.
    forget_s : float
        A counter that did not move for so many seconds is dropped.
    capacity : int
        Most counters kept; the oldest go first, so that invented names cannot fill the memory.
    """

    clock: Callable[[], float] = time.monotonic
    forget_s: float = 3600
    capacity: int = 10_000
    _records: dict[tuple[str, str, str], _Record] = field(default_factory=dict)

    def attempt(self, name: str, address: str) -> float:
        """Count an attempt as failed before its password is looked at, so that parallel ones cannot slip by.

        Returns
        -------
        float
            0 where the attempt may go on; otherwise the seconds to wait, and nothing is counted.
        """
        now = self.clock()
        keys = _keys(name, address)
        wait = max((record.until - now for key in keys if (record := self._fresh(key, now))), default=0.0)
        if wait > 0:
            return wait
        for key in keys:
            self._fail(key, now)
        return 0.0

    def success(self, name: str, address: str) -> None:
        """Take back the attempt, and forget this name's failures from this address."""
        for key in _keys(name, address):
            record = self._records.get(key)
            if record is None:
                continue
            record.failures -= 1
            if record.failures < RULES[key[0]].free:
                record.until = 0.0
            if key[0] == "pair" or record.failures <= 0:
                del self._records[key]

    def _fresh(self, key: tuple[str, str, str], now: float) -> _Record | None:
        record = self._records.get(key)
        if record is not None and now - record.last > self.forget_s:
            del self._records[key]
            return None
        return record

    def _fail(self, key: tuple[str, str, str], now: float) -> None:
        rule = RULES[key[0]]
        record = self._records.pop(key, None) or _Record(0, 0.0, now)
        record.failures += 1
        record.last = now
        if record.failures >= rule.free:
            record.until = now + min(rule.longest_s, 2.0 ** min(record.failures - rule.free, 30))
        self._records[key] = record  # at the end: the dictionary's order is the order of use
        while len(self._records) > self.capacity:
            del self._records[next(iter(self._records))]


def _keys(name: str, address: str) -> tuple[tuple[str, str, str], ...]:
    return ("pair", name, address), ("name", name, ""), ("address", "", address)
