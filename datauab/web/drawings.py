"""Drawings that are kept until what they show changes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock

from datauab.web.chart import Drawing

MOST = 256
"""Drawings that are kept; some tens of kilobytes each."""


class Drawings:
    """A bounded store of drawings by what they show; threads may share it."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._lock = Lock()
        self._kept: OrderedDict[Hashable, Drawing] = OrderedDict()

    def get(self, key: Hashable, draw: Callable[[], Drawing]) -> Drawing:
        """The drawing under `key`, drawn where it is not kept; two threads may draw the same one at once."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        made = draw()
        with self._lock:
            self._kept[key] = made
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return made
