"""Rows of one board kept in order while scores arrive: every question costs the logarithm of the number of rows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from sortedcontainers import SortedKeyList, SortedList

from datauab.ranking import Direction, Row, SortKey, row_key, signed

Key = tuple[bool, str]
"""Of an entrant's row: whether it is a baseline's, and the entrant."""

_FIRST = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Placed:
    """A row where it stands: `place` counts entrants from 1 and is None for a baseline."""

    row: Row
    place: int | None


class BoardOrder:
    """The rows of one board, the best first. Not safe for several threads by itself.

    Parameters
    ----------
    direction : {"maximize", "minimize"}
        Which scores are better.
    rows : iterable of Row
        At most one for each entrant; their ranks play no part.
    """

    def __init__(self, direction: Direction, rows: Iterable[Row] = ()) -> None:
        self.direction = direction
        self._rows: dict[Key, Row] = {row.key: row for row in rows}
        self._order = SortedKeyList(self._rows.values(), key=self._key)
        self._baselines = SortedList(self._key(row) for row in self._rows.values() if row.baseline)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def entrants(self) -> int:
        """Rows that are no baselines."""
        return len(self._rows) - len(self._baselines)

    @property
    def baselines(self) -> int:
        """Rows of baselines."""
        return len(self._baselines)

    def get(self, key: Key) -> Row | None:
        """The row of an entrant."""
        return self._rows.get(key)

    def put(self, key: Key, row: Row | None) -> bool:
        """Set or remove an entrant's row; False where it already was so."""
        before = self._rows.get(key)
        if before == row:
            return False
        if before is not None:
            self._order.remove(before)
            if before.baseline:
                self._baselines.remove(self._key(before))
            del self._rows[key]
        if row is not None:
            self._rows[key] = row
            self._order.add(row)
            if row.baseline:
                self._baselines.add(self._key(row))
        return True

    def position(self, key: Key) -> int | None:
        """How many rows stand before the entrant's, baselines counted."""
        row = self._rows.get(key)
        return None if row is None else int(self._order.bisect_key_left(self._key(row)))

    def place(self, key: Key) -> int | None:
        """Rank among entrants, from 1; None for baselines and where there is no row."""
        row = self._rows.get(key)
        if row is None or row.baseline:
            return None
        return self._place(row)

    def placed(self, begin: int, end: int) -> list[Placed]:
        """Rows from position `begin` to before `end`."""
        return [Placed(row, None if row.baseline else self._place(row)) for row in self._order[max(0, begin) : end]]

    def all(self) -> list[Row]:
        """Every row in order: a copy, for long walks."""
        return list(self._order)

    def leaders(self, count: int) -> list[Row]:
        """The best `count` rows that are no baselines."""
        rows = self._order[: count + len(self._baselines)]
        return [row for row in rows if not row.baseline][:count]

    def baseline_rows(self) -> list[Row]:
        """The rows of baselines, the best first."""
        return [self._rows[True, key[-1]] for key in self._baselines]

    def count_between(self, edges: Sequence[float]) -> list[int]:
        """Count entrants whose scores lie in [low, high) of each two neighbouring edges; the last interval is closed.

        Parameters
        ----------
        edges : sequence of float
            Growing scores.
        """
        below = [self._below(edge, closed=index == len(edges) - 1) for index, edge in enumerate(edges)]
        return [high - low for low, high in pairwise(below)]

    def score_at(self, share: float) -> float:
        """Score that the best `share` of the entrants reach, 0 for the best; there must be one."""
        found = self.leaders(1)[0] if share <= 0 else self._nth(round(share * (self.entrants - 1)))
        return found.score

    def __iter__(self) -> Iterator[Row]:
        return iter(self._order)

    def _nth(self, place: int) -> Row:
        # baselines are few: step over those that stand before
        position = place
        while True:
            row: Row = self._order[position]
            missing = place - (position - self._baselines_before(row))
            if missing == 0 and not row.baseline:
                return row
            position += max(1, missing)

    def _below(self, edge: float, *, closed: bool) -> int:
        # how many entrants have a score below the edge, or at it where closed
        better_first = signed(edge, self.direction)
        low: SortKey = (better_first, _FIRST, -1, False, "")
        above: SortKey = (math.nextafter(better_first, math.inf), _FIRST, -1, False, "")
        maximize = self.direction == "maximize"
        key = (low if closed else above) if maximize else (above if closed else low)
        ahead = self._order.bisect_key_left(key) - self._baselines.bisect_left(key)
        return int(self.entrants - ahead if maximize else ahead)

    def _place(self, row: Row) -> int:
        key = self._key(row)
        return int(self._order.bisect_key_left(key)) - int(self._baselines.bisect_left(key)) + 1

    def _baselines_before(self, row: Row) -> int:
        return int(self._baselines.bisect_left(self._key(row)))

    def _key(self, row: Row) -> SortKey:
        return row_key(row, self.direction)
