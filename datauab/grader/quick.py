"""The quick path: predictions files are scored in the service's own process, while their authors look at the page.

It holds for competitions with the club's own metrics, which are pure functions of checked arrays. Attempts of one
batch share one transaction to be leased and one to be recorded.
"""

from __future__ import annotations

import logging
import threading
import time

from datauab.autograde.outcome import Outcome
from datauab.doorbell import GRADER, WEB, Doorbell, ring
from datauab.errors import ClubError, InvalidSubmission, LedgerError
from datauab.grader.catalogue import Catalogue
from datauab.grader.faults import fault_reason, report_fault
from datauab.grader.files import score_file
from datauab.grader.leases import HeldLeases
from datauab.grader.slots import IDLE_S, PREDICTIONS
from datauab.ledger import Lease, Ledger, ScoreRecord

BATCH = 16
"""Most attempts leased at once."""

SLOW_S = 2.0
"""A competition of which one attempt takes more seconds is scored in processes of its own from then on."""

_GATHER_S = 0.01  # where several came at once, more do: together they cost less
_FLUSH_S = 0.02  # what is scored is recorded by then, whatever else of its batch takes
_LOG = logging.getLogger("datauab.grader")


class QuickSlot(threading.Thread):
    """Scores predictions files, batch after batch, as soon as the doorbell rings."""

    def __init__(self, ledger: Ledger, catalogue: Catalogue, stop: threading.Event, worker: str, *, once: bool) -> None:
        super().__init__(name="quick")
        self.ledger, self.catalogue, self.halt, self.worker, self.once = ledger, catalogue, stop, worker, once
        self._state = catalogue.settings.state
        self._held = HeldLeases(ledger, catalogue.settings.lease_s, catalogue.settings.heartbeat_s)

    def run(self) -> None:
        """Take what waits until told to stop."""
        self._held.start()
        self.catalogue.warm()
        with Doorbell(self._state, GRADER) as bell:
            while not self.halt.is_set():
                try:
                    leases = self._lease()
                    self._work(leases)
                except Exception:  # a database that is locked or away now is asked again
                    _LOG.exception("the ledger failed; trying again")
                    self.halt.wait(5)
                    continue
                if self.once and not leases:
                    break
                if len(leases) < BATCH:  # what came meanwhile has rung
                    bell.wait(0 if self.once else IDLE_S)
                    if len(leases) > 1:
                        self.halt.wait(_GATHER_S)
        self._held.end()

    def _lease(self) -> list[Lease]:
        heavy = self.catalogue.heavy()
        return self.ledger.lease_many(
            self.worker, BATCH, self.catalogue.settings.lease_s, kinds=PREDICTIONS, without=heavy
        )

    def _work(self, leases: list[Lease]) -> None:
        self._held.hold(leases)
        try:
            self._score(leases)
        finally:
            self._held.drop(leases)

    def _score(self, leases: list[Lease]) -> None:
        results: list[tuple[Lease, ScoreRecord | str]] = []
        began = time.monotonic()
        for place, lease in enumerate(leases):
            if self.halt.is_set():
                self._give_up(leases[place:])
                break
            result = self._one(lease)
            if result is not None:
                results.append((lease, result))
            if results and time.monotonic() - began > _FLUSH_S:
                self._record(results)
                results, began = [], time.monotonic()
        if results:
            self._record(results)

    def _one(self, lease: Lease) -> ScoreRecord | str | None:
        """Score one attempt: its record, the reason for its member, or None where neither is to be recorded."""
        attempt = lease.attempt
        try:
            assignment = self.catalogue.ready(attempt.competition)
            if assignment.competition.metric.is_own:  # it brings its code since a moment ago
                self.ledger.give_up(lease)
                return None
            data = self.ledger.blob(attempt)
            began = time.thread_time()  # of the processor: other processes make no competition slow
            scores, _ = score_file(self.catalogue, assignment, data, attempt.filename)
            if time.thread_time() - began > SLOW_S:
                self.catalogue.mark_slow(assignment.competition)
            return Outcome(scores=scores).record()
        except InvalidSubmission as error:
            return str(error)
        except ClubError as error:
            report_fault(self.ledger, attempt, error)
            self._fail(lease)
        except Exception:
            # The lease runs out, which the ledger counts: twice it is tried again.
            _LOG.exception("attempt %d: not scored; it will be tried again", attempt.id)
        return None

    def _fail(self, lease: Lease) -> None:
        try:
            self.ledger.finish_failed(lease, fault_reason(lease.attempt), platform=True)
        except LedgerError as error:
            _LOG.warning("%s", error)
        ring(self._state, WEB)

    def _record(self, results: list[tuple[Lease, ScoreRecord | str]]) -> None:
        self._held.drop([lease for lease, _ in results])
        lost = self.ledger.finish_many(results)
        ring(self._state, WEB)
        if lost:
            _LOG.warning("attempts %s: their leases were lost; these results are discarded", lost)
        if _LOG.isEnabledFor(logging.INFO):
            said = ", ".join(
                f"{lease.attempt.id} {'failed' if isinstance(r, str) else 'scored'}" for lease, r in results
            )
            _LOG.info("predictions: %s", said)

    def _give_up(self, leases: list[Lease]) -> None:
        for lease in leases:
            try:
                self.ledger.give_up(lease)
            except LedgerError as error:
                _LOG.warning("%s", error)
