"""The order of a board: one row an entrant, from all attempts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from datauab.ranking.ladder import told
from datauab.ranking.records import Direction, Entry, Interval, Policy, Row, Terms, entry_key, row_key


def rank(
    entries: Iterable[Entry],
    direction: Direction,
    *,
    policy: Policy = "best",
    ladder_step: float = 0.0,
    late: bool = True,
    tolerance: float = 1e-9,
) -> list[Row]:
    """Rank the attempt that counts of each entrant; ties go to the attempt that arrived earlier, then to its number.

    The result does not depend on the order of `entries`. Entrants without a finite score have no row, and an attempt
    that failed, waits or was deleted changes no other row.

    Parameters
    ----------
    entries : iterable of Entry
        All attempts of one competition.
    direction : {"maximize", "minimize"}
        Which scores are better.
    policy, ladder_step, late, tolerance
        See `Terms`.

    Returns
    -------
    list of Row
        Best first.
    """
    return rank_by(entries, Terms(direction, policy, ladder_step, late, tolerance))


def rank_by(entries: Iterable[Entry], terms: Terms) -> list[Row]:
    """Rank as `rank` does, with all terms in one record."""
    groups: dict[tuple[bool, str], list[Entry]] = defaultdict(list)
    for entry in entries:
        groups[entry.baseline, entry.member].append(entry)
    rows = [row for row in (standing(group, terms) for group in groups.values()) if row]
    return in_order(rows, terms.direction)


def in_order(rows: Iterable[Row], direction: Direction) -> list[Row]:
    """Sort rows and number them from 1."""
    ordered = sorted(rows, key=lambda row: row_key(row, direction))
    return [replace(row, rank=place) for place, row in enumerate(ordered, start=1)]


def standing(entries: Sequence[Entry], terms: Terms) -> Row | None:
    """Make the row of one entrant from all of its attempts, with rank 0; None where none of them counts."""
    chosen = counting(entries, terms)
    if chosen is None:
        return None
    raw = next(entry for entry in entries if entry.attempt_id == chosen.attempt_id)
    return Row(
        rank=0,
        member=chosen.member,
        score=chosen.value,
        attempts=sum(not entry.deleted for entry in entries),
        last_improvement=chosen.received_at,
        attempt_id=chosen.attempt_id,
        baseline=chosen.baseline,
        interval=chosen.interval,
        kind=chosen.kind,
        verified=not chosen.baseline and is_verified(raw, entries, terms.tolerance),
    )


def counting(entries: Sequence[Entry], terms: Terms) -> Entry | None:
    """Choose the one attempt of an entrant that counts, with the score that the board tells; None where none does."""
    allowed = [entry for entry in entries if terms.late or not entry.late]
    if terms.ladder_step > 0 and not any(entry.baseline for entry in allowed):
        return told(allowed, terms.ladder_step, terms.direction)
    scored = [entry for entry in allowed if entry.is_scored and not entry.deleted]
    if terms.policy == "last":
        return max(scored, key=lambda entry: (entry.received_at, entry.attempt_id), default=None)
    return min(scored, key=lambda entry: entry_key(entry, terms.direction), default=None)


def is_verified(chosen: Entry, entries: Iterable[Entry], tolerance: float) -> bool:
    """Whether `chosen` is a notebook that the autograder ran, or one of the entrant's notebooks gave its score."""
    return chosen.kind == "notebook" or any(
        entry.kind == "notebook"
        and entry.is_scored
        and not entry.deleted
        and abs(entry.value - chosen.value) <= tolerance
        for entry in entries
    )


def fold_teams(entries: Iterable[Entry], entrants: Mapping[str, str]) -> list[Entry]:
    """Give members' attempts to the entrant of each; who is not named enters alone, and baselines stay as they are."""
    return [
        entry if entry.baseline or entry.member not in entrants else replace(entry, member=entrants[entry.member])
        for entry in entries
    ]


def tied_with_next(rows: Sequence[Row]) -> list[bool]:
    """Tell for each row whether its interval overlaps that of the next row: the order of the two may be chance.

    Overlap of two 95 % intervals is a cautious mark: scores may differ significantly though their intervals overlap a
    little (Schenker and Gentleman, 2001, The American Statistician 55(3)). Rows without an interval are never marked.
    """
    marks = [_overlap(one.interval, other.interval) for one, other in pairwise(rows)]
    return [*marks, False][: len(rows)]


def _overlap(one: Interval | None, other: Interval | None) -> bool:
    return one is not None and other is not None and one[0] <= other[1] and other[0] <= one[1]
