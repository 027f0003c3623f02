"""Boards in memory: caches of pure queries that follow the ledger's changes, and can be thrown away at any time."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from threading import RLock

from datauab.competition import Competition
from datauab.ledger import Ledger
from datauab.ranking import Row, board_terms
from datauab.web.board_order import BoardOrder, Key, Placed
from datauab.web.board_rows import Entrants, PrivateRows, PublicRows

log = logging.getLogger(__name__)

READ_AT_ONCE = 1000
"""Changes that are read in one query."""

MANY_ROWS = 10_000
"""Rows from which on the collector of garbage leaves a board alone."""

REBUILD_AT = 20_000
"""Changed members from which on reading everything again is cheaper than reading them one by one."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Some rows of a board at one moment.

    Attributes
    ----------
    rows : sequence of Placed
        In order.
    begin : int
        Position of the first of them.
    total, entrants : int
        Rows of the whole board, with and without baselines.
    version : int
        Grows with every change of the board.
    """

    rows: Sequence[Placed]
    begin: int
    total: int
    entrants: int
    version: int


class BoardIndex:
    """One board in order; every method first follows what changed in the ledger. Threads may share it.

    A change of a member costs a query for this member's entrant; a change of everything reads everything again. An
    attempt that waits is among the attempts of a row when it has ended, since handing in changes no board.

    Parameters
    ----------
    ledger : Ledger
        The truth.
    competition : str
        Its name.
    source : PublicRows or PrivateRows
        Makes rows.
    """

    def __init__(self, ledger: Ledger, competition: str, source: PublicRows | PrivateRows) -> None:
        self._ledger = ledger
        self._competition = competition
        self._source = source
        self._lock = RLock()
        self._mark = -1
        self._held = 0
        self._version = 0
        self._order = BoardOrder(source.terms.direction)
        self._entrants: Entrants | None = None
        self._unchecked: set[str] = set()

    def refresh(self) -> int:
        """Follow the ledger; gives the board's version. Inside a `reading` of this thread nothing moves any more."""
        with self._lock:
            if self._held:
                return self._version
            if self._entrants is None:
                self._build(self._ledger.change_mark(self._competition))
            else:
                self._follow(self._entrants)
            return self._version

    def slice(self, begin: int, end: int) -> Slice:
        """Rows from position `begin` to before `end`, complete with badges."""
        with self._lock:
            self.refresh()
            rows = self._order.placed(begin, end)
            while missing := [one.row.member for one in rows if self._is_unchecked(one.row)]:
                self._update(missing)
                rows = self._order.placed(begin, end)
            return Slice(rows, begin, len(self._order), self._order.entrants, self._version)

    def search(self, matches: Callable[[Row], bool], begin: int, end: int) -> tuple[Slice, int]:
        """Rows for which `matches` holds, from the `begin`-th to before the `end`-th of them, and their number."""
        with self._lock:
            self.refresh()
            rows = self._order.all()
        found = [row.key for row in rows if matches(row)]
        with self._lock:
            wanted = found[begin:end]
            self._update([key[1] for key in wanted if key[1] in self._unchecked])
            placed = [one for key in wanted if (one := self._placed(key))]
            return Slice(placed, begin, len(self._order), self._order.entrants, self._version), len(found)

    def placed(self, entrant: str) -> Placed | None:
        """The row of an entrant that is no baseline, where it stands."""
        with self._lock:
            self.refresh()
            if entrant in self._unchecked:
                self._update([entrant])
            return self._placed((False, entrant))

    def position(self, entrant: str) -> int | None:
        """How many rows stand before the entrant's."""
        with self._lock:
            self.refresh()
            return self._order.position((False, entrant))

    def verified(self, entrants: Collection[str]) -> dict[str, bool]:
        """Whether each of some entrants, where it has a row, bears the badge."""
        with self._lock:
            self._update(self._unchecked.intersection(entrants))
            rows = {entrant: self._order.get((False, entrant)) for entrant in entrants}
            return {entrant: row.verified for entrant, row in rows.items() if row}

    def everybody(self) -> set[str]:
        """The members behind all rows; for long walks."""
        with self._lock:
            self.refresh()
            rows = self._order.all()
        return {member for row in rows if not row.baseline for member in self.members(row.member)}

    def entrant(self, member: str) -> str:
        """The member's team here, or the member alone, as of the last `refresh`."""
        return self._known().entrant(member)

    def members(self, entrant: str) -> list[str]:
        """Members of an entrant, as of the last `refresh`."""
        return self._known().members(entrant)

    def team_name(self, entrant: str) -> str | None:
        """Name of the entrant where it is a team, as of the last `refresh`."""
        return self._known().names.get(entrant)

    def reading(self) -> _Reading:
        """Hold the board still for several questions about one moment, at the cost of one look at the ledger.

        ``with index.reading() as (order, version)``; other threads wait meanwhile.
        """
        return _Reading(self)

    def _known(self) -> Entrants:
        if self._entrants is None:
            self.refresh()
        if self._entrants is None:
            raise RuntimeError("a board was read before it was built")
        return self._entrants

    def _placed(self, key: Key) -> Placed | None:
        row = self._order.get(key)
        return None if row is None else Placed(row, self._order.place(key))

    def _is_unchecked(self, row: Row) -> bool:
        return not row.baseline and row.member in self._unchecked

    def _follow(self, entrants: Entrants) -> None:
        members: set[str] = set()
        after, more = self._mark, True
        while more:
            changes = self._ledger.changes(self._competition, after, limit=READ_AT_ONCE)
            if any(change.member is None for change in changes) or len(members) > REBUILD_AT:
                self._build(self._ledger.change_mark(self._competition))
                return
            members.update(change.member for change in changes if change.member is not None)
            after = changes[-1].id if changes else after
            more = len(changes) == READ_AT_ONCE
        self._update(set().union(*(entrants.move(member) for member in members), members))
        self._mark = after

    def _build(self, mark: int) -> None:
        # the mark was read first: what comes in meanwhile is followed next time
        entrants = Entrants(self._ledger, self._competition)
        built = self._source.build(entrants)
        self._order = BoardOrder(self._source.terms.direction, built.rows)
        self._entrants, self._unchecked, self._mark = entrants, built.unchecked, mark
        self._version += 1
        if len(built.rows) >= MANY_ROWS:
            gc.freeze()  # else each full collection walks all rows again, and a page waits for it

    def _update(self, wanted: Iterable[str]) -> None:
        names = set(wanted)
        if not names or self._entrants is None:
            return
        rows = self._source.rows(self._entrants, names)
        changed = False
        for name in names:
            for key in ((False, name), (True, name)):
                changed |= self._order.put(key, rows.get(key))
        self._unchecked -= names
        self._version += changed


class _Reading:
    def __init__(self, index: BoardIndex) -> None:
        self._index = index

    def __enter__(self) -> tuple[BoardOrder, int]:
        self._index._lock.acquire()
        try:
            version = self._index.refresh()
        except BaseException:
            self._index._lock.release()
            raise
        self._index._held += 1
        return self._index._order, version

    def __exit__(self, *_: object) -> None:
        self._index._held -= 1
        self._index._lock.release()


class BoardIndexes:
    """The indexes of all competitions, each made at its first use and again where the competition's terms change."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._lock = RLock()
        self._known: dict[tuple[str, str], tuple[PublicRows | PrivateRows, BoardIndex]] = {}

    def public(self, competition: Competition) -> BoardIndex:
        """The public board."""
        return self._find("public", PublicRows(self._ledger, competition.name, board_terms(competition)))

    def private(self, competition: Competition) -> BoardIndex:
        """The private board: for instructors, and for everybody after the reveal."""
        source = PrivateRows(self._ledger, competition.name, board_terms(competition), competition.board.finalists)
        return self._find("private", source)

    def _find(self, side: str, source: PublicRows | PrivateRows) -> BoardIndex:
        with self._lock:
            known = self._known.get((side, source.competition))
            if known is None or known[0] != source:
                known = source, BoardIndex(self._ledger, source.competition, source)
                self._known[side, source.competition] = known
            return known[1]
