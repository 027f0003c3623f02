"""Leases that are kept alive while somebody works on them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable

from datauab.errors import LedgerError
from datauab.ledger import Lease, Ledger

_LOG = logging.getLogger("datauab.grader")


class HeldLeases(threading.Thread):
    """Keeps leases alive while they are worked on, whatever a single one takes."""

    def __init__(self, ledger: Ledger, lease_s: float, every_s: float) -> None:
        super().__init__(name="heartbeats", daemon=True)
        self._ledger, self._lease_s, self._every_s = ledger, lease_s, every_s
        self._held: dict[int, Lease] = {}
        self._lock = threading.Lock()
        self._ended = threading.Event()

    def hold(self, leases: Iterable[Lease]) -> None:
        """Begin to keep `leases` alive."""
        with self._lock:
            self._held.update({lease.attempt.id: lease for lease in leases})

    def drop(self, leases: Iterable[Lease]) -> None:
        """Let go of `leases`."""
        with self._lock:
            for lease in leases:
                self._held.pop(lease.attempt.id, None)

    def end(self) -> None:
        """Stop."""
        self._ended.set()

    def run(self) -> None:
        """Send heartbeats until told to stop."""
        while not self._ended.wait(self._every_s):
            with self._lock:
                held = list(self._held.values())
            for lease in held:
                try:
                    self._ledger.heartbeat(lease, self._lease_s)
                except LedgerError:  # ended meanwhile, or lost: finishing it will tell
                    self.drop([lease])
                except Exception:
                    _LOG.exception("no heartbeat for attempt %d", lease.attempt.id)
