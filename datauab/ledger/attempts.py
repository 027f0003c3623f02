"""Attempts: how they enter the ledger, and how they are read."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, and_, func, select

from datauab.errors import LedgerError
from datauab.ledger.attempt_rows import attempt_query, find_attempt, newest_ending, state_at, to_attempt, utc_now
from datauab.ledger.blobs import BlobStore
from datauab.ledger.engine import Database
from datauab.ledger.membership import Entrant, lock_entrant
from datauab.ledger.records import MEMBER_ORIGINS, Attempt, Kind, Origin, State, UsageToday
from datauab.ledger.tables import attempt, deletion, ending, kept, queue
from datauab.ledger.usage import usage_of

KEPT_NAME = "predictions.npy"


class Admitted(Protocol):
    """How a gate let an attempt in: in which phase (None when late), and how many days late."""

    @property
    def phase(self) -> str | None:
        """Name of the phase."""

    @property
    def late_days(self) -> int:
        """0 in time."""


Gate = Callable[[UsageToday], Admitted | None]
"""Called in the write transaction with what the entrant used today; raises to refuse the attempt."""


class Attempts:
    """The part of the ledger that takes attempts in and shows them."""

    _database: Database
    _blobs: BlobStore
    _zone: ZoneInfo

    def add_attempt(
        self,
        *,
        competition: str,
        member: str,
        blob: bytes,
        kind: Kind = "notebook",
        origin: Origin = "exchange",
        received_at: datetime | None = None,
        gate: Gate | None = None,
        filename: str = "",
        phase: str | None = None,
        late_days: int = 0,
        phase_opens: datetime | None = None,
    ) -> Attempt:
        """Take an attempt in: when this returns, blob and row are on disk and the attempt is queued.

        Parameters
        ----------
        competition, member : str
            Names, not empty.
        blob : bytes
            What was handed in.
        received_at : datetime, optional
            Aware; this machine's clock by default.
        gate : callable, optional
            Called with `UsageToday` while no other attempt of this member's entrant can enter and no team can change;
            what it raises refuses the attempt, leaves nothing behind and reaches the caller. Phase and days that its
            answer holds are recorded in place of those given here.
        filename : str
            How the member called the file; its ending tells the format.
        phase_opens : datetime, optional
            Aware; since when `UsageToday.total_scored` counts, from the beginning by default.

        Raises
        ------
        LedgerError
            Where blob or row cannot be written; neither is left behind.
        """
        if not competition or not member:
            raise LedgerError(f"attempt: expected a competition and a member, found {competition!r} and {member!r}")
        if received_at is not None and received_at.tzinfo is None:
            raise LedgerError(f"attempt: expected received_at with its zone, found {received_at!r}")
        values: dict[str, Any] = {"competition": competition, "member": member, "kind": kind, "origin": origin}
        values |= {"filename": filename, "phase": phase, "late_days": late_days}
        staged = self._blobs.stage(blob)
        try:
            with self._database.writing() as connection:
                moment = (received_at or utc_now()).astimezone(UTC)
                if gate is not None:
                    entrant = lock_entrant(self._database, connection, competition, member)
                    admitted = gate(
                        usage_of(connection, competition, entrant, moment, self._zone, phase_opens=phase_opens)
                    )
                    if admitted is not None:
                        values |= {"phase": admitted.phase, "late_days": admitted.late_days}
                values |= {"sha256": staged.sha256, "size": staged.size, "received_at": moment}
                attempt_id = _insert(connection, values)
                staged.keep()
        finally:
            staged.discard()
        return Attempt(id=attempt_id, **values)

    def attempt(self, attempt_id: int) -> Attempt:
        """Read one attempt.

        Raises
        ------
        LedgerError
            Where there is none of this number.
        """
        with self._database.reading() as connection:
            return find_attempt(connection, attempt_id, utc_now())

    def attempts(
        self,
        competition: str | None = None,
        member: str | None = None,
        states: Iterable[State] | None = None,
        limit: int | None = None,
        *,
        include_deleted: bool = True,
        before: int | None = None,
    ) -> list[Attempt]:
        """List attempts, newest first; each argument that is given narrows the list.

        Parameters
        ----------
        before : int, optional
            Only attempts with a smaller number: the next page after one that ends with this number.
        """
        now = utc_now()
        query = attempt_query(now).order_by(attempt.c.id.desc())
        if competition is not None:
            query = query.where(attempt.c.competition == competition)
        if member is not None:
            query = query.where(attempt.c.member == member)
        if states is not None:
            wanted = set(states)
            query = query.where(state_at(now).in_(sorted(wanted)))
            if wanted <= {"queued", "running"}:  # few among many: found by the queue, not by going through everything
                query = query.where(attempt.c.id.in_(select(queue.c.attempt_id)))
        if not include_deleted:
            query = query.where(deletion.c.attempt_id.is_(None))
        if before is not None:
            query = query.where(attempt.c.id < before)
        with self._database.reading() as connection:
            return [to_attempt(row) for row in connection.execute(query.limit(limit))]

    def latest_attempts(self, assignment: str) -> list[Attempt]:
        """List the newest notebook of each member, by member: what collecting an assignment takes."""
        newest = (
            func.row_number()
            .over(partition_by=attempt.c.member, order_by=(attempt.c.received_at.desc(), attempt.c.id.desc()))
            .label("place")
        )
        ranked = (
            select(attempt.c.id, newest)
            .where(attempt.c.competition == assignment, attempt.c.kind == "notebook")
            .where(attempt.c.origin.in_(MEMBER_ORIGINS))
            .subquery()
        )
        query = attempt_query(utc_now()).join(ranked, and_(ranked.c.id == attempt.c.id, ranked.c.place == 1))
        with self._database.reading() as connection:
            return [to_attempt(row) for row in connection.execute(query.order_by(attempt.c.member))]

    def attempts_by_state(self, competition: str | None = None) -> dict[State, int]:
        """Count attempts in each state, of one competition or of all; every state has its key."""
        total = select(func.count()).select_from(attempt)
        running = (queue.c.leased_until > utc_now()).is_(True).label("running")
        waiting = select(running, func.count()).select_from(queue)
        failed = (
            select(func.count())
            .select_from(ending)
            .join(attempt, attempt.c.id == ending.c.attempt_id)
            .outerjoin(queue, queue.c.attempt_id == ending.c.attempt_id)
            .where(ending.c.state == "failed", newest_ending, queue.c.attempt_id.is_(None))
        )
        if competition is not None:
            total = total.where(attempt.c.competition == competition)
            # as an expression, so that the few rows of the queue lead, not the index of all attempts
            mine = func.coalesce(attempt.c.competition, "") == competition
            waiting = waiting.join(attempt, attempt.c.id == queue.c.attempt_id).where(mine)
            failed = failed.where(mine)
        with self._database.reading() as connection:
            counts: dict[bool, int] = {
                bool(runs): count for runs, count in connection.execute(waiting.group_by("running"))
            }
            queued, runs, fails = counts.get(False, 0), counts.get(True, 0), connection.execute(failed).scalar_one()
            scored = connection.execute(total).scalar_one() - queued - runs - fails
        return {"queued": queued, "running": runs, "scored": scored, "failed": fails}

    def blob(self, item: Attempt) -> bytes:
        """Read what was handed in.

        Raises
        ------
        LedgerError
            Where the file is missing or damaged.
        """
        return self._blobs.read(item.sha256)

    def predictions(self, item: Attempt) -> tuple[bytes, str] | None:
        """Read what can be scored again, with its file's name: predictions as they came, or a notebook's kept array.

        None where none were kept, as for an attempt that failed.

        Raises
        ------
        LedgerError
            Where the file is missing or damaged.
        """
        if item.kind == "predictions":
            return self._blobs.read(item.sha256), item.filename or KEPT_NAME
        with self._database.reading() as connection:
            sha256 = connection.execute(select(kept.c.sha256).where(kept.c.attempt_id == item.id)).scalar()
        return None if sha256 is None else (self._blobs.read(sha256), KEPT_NAME)

    def usage_today(
        self,
        competition: str,
        member: str,
        now: datetime | None = None,
        zone: ZoneInfo | None = None,
        phase_opens: datetime | None = None,
    ) -> UsageToday:
        """Count what the entrant of `member` handed in on the day of `now` in `zone` (the club's by default).

        A team's members are counted together. Only what members hand in themselves counts, deleted attempts too;
        baselines and regrading by an instructor do not.

        Parameters
        ----------
        phase_opens : datetime, optional
            Aware; since when `UsageToday.total_scored` counts, from the beginning by default.
        """
        moment = now or utc_now()
        with self._database.reading() as connection:
            entrant = Entrant.of(connection, competition, member)
            return usage_of(connection, competition, entrant, moment, zone or self._zone, phase_opens=phase_opens)


def _insert(connection: Connection, values: dict[str, Any]) -> int:
    attempt_id = int(connection.execute(attempt.insert().returning(attempt.c.id), values).scalar_one())
    place = {"attempt_id": attempt_id, "priority": priority_of(values["origin"]), "expiries": 0}
    connection.execute(queue.insert(), {**place, "kind": values["kind"]})
    return attempt_id


def priority_of(origin: Origin) -> int:
    """Place in the queue: members' attempts before baselines."""
    return 1 if origin == "baseline" else 0
