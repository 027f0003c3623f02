"""The end of a competition: which attempts count on the private board, and who moved."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from datauab.ranking.order import counting, in_order, is_verified, rank_by
from datauab.ranking.records import Entry, Row, Terms, entry_key


@dataclass(frozen=True, slots=True)
class FinalRow:
    """One row of the private board beside the entrant's place on the public one.

    Attributes
    ----------
    row : Row
        The private board's row; its rank counts baselines.
    place : int or None
        Rank among entrants alone; None for a baseline.
    public_score : float or None
        What the public board told.
    public_place : int or None
        Rank on the public board among entrants alone.
    moved : int
        Places that the private board lifts the entrant; negative where it falls.
    """

    row: Row
    place: int | None
    public_score: float | None = None
    public_place: int | None = None

    @property
    def moved(self) -> int:
        """Places won on the private board."""
        return self.public_place - self.place if self.public_place and self.place else 0

    @property
    def change(self) -> float | None:
        """Private score less public score."""
        return None if self.public_score is None else self.row.score - self.public_score


def finalists(
    public: Sequence[Entry], private: Mapping[int, Entry], selected: Sequence[int], terms: Terms, most: int
) -> list[Entry]:
    """Choose the attempts of one entrant that count on the private board, with their private scores.

    They are those that the entrant selected, at most `most` and only where they are scored and not deleted; without a
    selection the best ones of the public board, or where the newest attempt counts, the newest one alone.

    Parameters
    ----------
    public : sequence of Entry
        All attempts of the entrant with public scores.
    private : mapping of int to Entry
        Attempts with private scores, by number.
    selected : sequence of int
        Numbers of the attempts that the entrant selected.
    terms : Terms
        Of the board.
    most : int
        How many attempts may be selected.
    """
    allowed = [
        entry
        for entry in public
        if entry.is_scored
        and not entry.deleted
        and (terms.late or not entry.late)
        and entry.attempt_id in private
        and private[entry.attempt_id].is_scored
    ]
    by_number = {entry.attempt_id: entry for entry in allowed}
    chosen = [by_number[number] for number in dict.fromkeys(selected) if number in by_number][:most]
    if not chosen and terms.policy == "last":
        newest = counting(allowed, replace(terms, ladder_step=0.0))
        chosen = [newest] if newest else []
    if not chosen:
        chosen = sorted(allowed, key=lambda entry: entry_key(entry, terms.direction))[:most]
    return [private[entry.attempt_id] for entry in chosen]


def final_standing(
    public: Sequence[Entry], private: Mapping[int, Entry], selected: Sequence[int], terms: Terms, most: int
) -> Row | None:
    """Make the private board's row of one entrant, with rank 0: the best private score among its `finalists`."""
    chosen = finalists(public, private, selected, terms, most)
    if not chosen:
        return None
    best = min(chosen, key=lambda entry: entry_key(entry, terms.direction))
    raw = next(entry for entry in public if entry.attempt_id == best.attempt_id)
    return Row(
        rank=0,
        member=raw.member,
        score=best.value,
        attempts=sum(not entry.deleted for entry in public),
        last_improvement=best.received_at,
        attempt_id=best.attempt_id,
        baseline=raw.baseline,
        kind=raw.kind,
        verified=not raw.baseline and is_verified(raw, public, terms.tolerance),
    )


def rank_finals(
    public: Iterable[Entry],
    private: Iterable[Entry],
    selections: Mapping[str, Sequence[int]],
    terms: Terms,
    most: int = 2,
) -> list[Row]:
    """Rank the private board of a whole competition; ties go to the earlier attempt.

    Parameters
    ----------
    public, private : iterable of Entry
        The same attempts with their public and with their private scores, of entrants (see `fold_teams`).
    selections : mapping of str to sequence of int
        Selected attempts by entrant.
    terms : Terms
        Of the board; a Ladder plays no part in the end.
    most : int
        How many attempts an entrant may select.
    """
    hidden = {entry.attempt_id: entry for entry in private}
    groups: dict[tuple[bool, str], list[Entry]] = defaultdict(list)
    for entry in public:
        groups[entry.baseline, entry.member].append(entry)
    rows = [
        final_standing(group, hidden, () if baseline else selections.get(member, ()), terms, most)
        for (baseline, member), group in groups.items()
    ]
    return in_order((row for row in rows if row), terms.direction)


def places(rows: Iterable[Row]) -> list[int | None]:
    """Rank of each row among entrants alone; None for baselines."""
    place = 0
    ranks: list[int | None] = []
    for row in rows:
        place += not row.baseline
        ranks.append(None if row.baseline else place)
    return ranks


def shake_up(public: Sequence[Row], private: Sequence[Row]) -> list[FinalRow]:
    """Set the private board's rows beside the public board's, in the order of the private one."""
    seen = {row.key: (row.score, place) for place, row in zip(places(public), public, strict=True)}
    return [
        FinalRow(row, place, *seen.get(row.key, (None, None)))
        for place, row in zip(places(private), private, strict=True)
    ]


def final_board(
    public: Sequence[Entry],
    private: Sequence[Entry],
    selections: Mapping[str, Sequence[int]],
    terms: Terms,
    most: int = 2,
) -> list[FinalRow]:
    """Rank the private board and tell who moved, in one call."""
    return shake_up(rank_by(public, terms), rank_finals(public, private, selections, terms, most))
