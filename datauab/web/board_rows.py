"""Where the rows of a board come from: pure queries of the ledger, folded by entrant."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from datauab.ledger import Ledger
from datauab.ranking import Entry, Row, Terms, final_standing, fold_teams, row_key, standing
from datauab.web.board_order import Key

CHUNK = 2000
"""Members whose attempts are read at once."""


class Entrants:
    """Who is in which team: kept from the ledger's teams, brought up to date member by member."""

    def __init__(self, ledger: Ledger, competition: str) -> None:
        self._ledger = ledger
        self._competition = competition
        self._members: dict[str, set[str]] = defaultdict(set)
        self.names: dict[str, str] = {}
        self.of: dict[str, str] = {}
        for team in ledger.teams(competition):
            key = f"team:{team.id}"
            self.names[key] = team.name
            for member in team.members:
                self._join(member, key)

    def entrant(self, member: str) -> str:
        """The member's team, or the member alone."""
        return self.of.get(member, member)

    def members(self, entrant: str) -> list[str]:
        """Members of an entrant, in order of their names."""
        return sorted(self._members[entrant]) if entrant in self._members else [entrant]

    def move(self, member: str) -> set[str]:
        """Read again where `member` belongs; gives every entrant whose attempts may have changed by it."""
        before = self.entrant(member)
        team = self._ledger.team_of(self._competition, member)
        after = f"team:{team.id}" if team else member
        if team:
            self.names[after] = team.name
        if before != after:
            self._members[before].discard(member)
            if not self._members[before]:
                del self._members[before]
            self.of.pop(member, None)
            if team:
                self._join(member, after)
        return {before, after}

    def _join(self, member: str, entrant: str) -> None:
        self._members[entrant].add(member)
        self.of[member] = entrant


@dataclass(frozen=True, slots=True)
class Built:
    """All rows of a board; those of `unchecked` entrants still miss the badge, or attempts of teams."""

    rows: list[Row]
    unchecked: set[str]


@dataclass(frozen=True)
class PublicRows:
    """Rows of the public board."""

    ledger: Ledger
    competition: str
    terms: Terms

    def build(self, entrants: Entrants) -> Built:
        """Make every row from one query; under a Ladder every attempt must be read."""
        terms = self.terms
        found = self.ledger.best_entries(
            self.competition, terms.direction, policy=terms.policy, include_late=terms.late
        )
        if terms.ladder_step > 0:
            return _build_in_chunks(self, entrants, {entrants.entrant(one.member) for one in found})
        rows: dict[Key, Row] = {}
        unchecked: set[str] = set()
        notebooks = self.ledger.notebook_authors(self.competition)
        for one in found:
            row = Row(
                rank=0,
                member=one.member if one.baseline else entrants.entrant(one.member),
                score=one.score,
                attempts=one.attempts,
                last_improvement=one.received_at,
                attempt_id=one.attempt_id,
                baseline=one.baseline,
                interval=(one.low, one.high),
                kind=one.kind,
                verified=one.kind == "notebook" and not one.baseline,
            )
            other = rows.get(row.key)
            rows[row.key] = row if other is None else _counting(row, other, terms)
            if not one.baseline and (row.member != one.member or (not row.verified and one.member in notebooks)):
                unchecked.add(row.member)
        return Built(list(rows.values()), unchecked)

    def rows(self, entrants: Entrants, wanted: Collection[str]) -> dict[Key, Row]:
        """Make the rows of some entrants from all of their attempts."""
        groups = _groups(self.ledger, self.competition, entrants, wanted, deleted=self.terms.ladder_step > 0)
        made = ((key, standing(group, self.terms)) for key, group in groups.items())
        return {key: row for key, row in made if row}


@dataclass(frozen=True)
class PrivateRows:
    """Rows of the private board, as the end of the competition makes it."""

    ledger: Ledger
    competition: str
    terms: Terms
    most: int

    def build(self, entrants: Entrants) -> Built:
        """Make every row; every attempt must be read twice, for either score."""
        terms = self.terms
        found = self.ledger.best_entries(self.competition, terms.direction, policy="best", include_late=terms.late)
        return _build_in_chunks(self, entrants, {entrants.entrant(one.member) for one in found})

    def rows(self, entrants: Entrants, wanted: Collection[str]) -> dict[Key, Row]:
        """Make the rows of some entrants from all of their attempts and their selection."""
        groups = _groups(self.ledger, self.competition, entrants, wanted)
        members = _members(entrants, wanted)
        hidden = {one.attempt_id: one for one in self.ledger.entries(self.competition, members, side="private")}
        selections = _selections(self.ledger, self.competition, wanted)
        rows = {}
        for (baseline, entrant), group in groups.items():
            selected: Sequence[int] = () if baseline else selections.get(entrant, ())
            row = final_standing(group, hidden, selected, self.terms, self.most)
            if row:
                rows[baseline, entrant] = row
        return rows


def _counting(one: Row, other: Row, terms: Terms) -> Row:
    """Row of a team from two members' rows."""
    if terms.policy == "last":
        chosen = max(one, other, key=lambda row: (row.last_improvement, row.attempt_id))
    else:
        chosen = min(one, other, key=lambda row: row_key(row, terms.direction))
    return replace(chosen, attempts=one.attempts + other.attempts)


def _build_in_chunks(maker: PublicRows | PrivateRows, entrants: Entrants, wanted: Iterable[str]) -> Built:
    rows: dict[Key, Row] = {}
    for chunk in _chunks(sorted(wanted)):
        rows |= maker.rows(entrants, chunk)
    return Built(list(rows.values()), set())


def _groups(
    ledger: Ledger, competition: str, entrants: Entrants, wanted: Collection[str], *, deleted: bool = False
) -> dict[Key, list[Entry]]:
    """Read the attempts of some entrants, and of baselines of those names, by entrant."""
    names = set(wanted)
    groups: dict[Key, list[Entry]] = defaultdict(list)
    found = ledger.entries(competition, _members(entrants, names), include_deleted=deleted)
    for entry in fold_teams(found, entrants.of):
        if entry.baseline or entry.member in names:
            groups[entry.baseline, entry.member].append(entry)
    return groups


def _members(entrants: Entrants, wanted: Iterable[str]) -> set[str]:
    # a baseline may bear the name of a member who has a team: ask for the bare name as well
    return {member for entrant in wanted for member in (entrant, *entrants.members(entrant))}


def _selections(ledger: Ledger, competition: str, wanted: Collection[str]) -> Mapping[str, Sequence[int]]:
    if len(wanted) > 20:
        return ledger.final_selections(competition)
    return {entrant: ledger.final_selection(competition, entrant) for entrant in wanted}


def _chunks(names: Sequence[str]) -> Iterator[Sequence[str]]:
    for begin in range(0, len(names), CHUNK):
        yield names[begin : begin + CHUNK]
