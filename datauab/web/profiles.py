"""What a member's profile tells: the competitions taken part in, final places, medals and points."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from datauab.competition import Competition
from datauab.ranking import medal, ranking_points
from datauab.ranking.medals import Medal
from datauab.web.club import Club
from datauab.web.session import Viewer
from datauab.web.visibility import board_view


@dataclass(frozen=True)
class Entered:
    """One competition on a profile.

    Attributes
    ----------
    public_rank : int or None
        Rank on the public board; None where the viewer may not see it.
    final_rank : int or None
        Rank on the private board after the reveal.
    entrants : int
        Rows of the board that the rank shown is of.
    team : str or None
        Name of the team that the member entered with.
    medal : str or None
        After the reveal.
    points : float
        What the final rank earned, as it is worth today; 0 before the reveal.
    """

    competition: Competition
    revealed: bool
    public_rank: int | None
    final_rank: int | None
    entrants: int
    team: str | None
    medal: Medal | None
    points: float


@dataclass(frozen=True)
class Profile:
    """A member's profile as a viewer may see it."""

    name: str
    key: str
    entered: Sequence[Entered]

    @property
    def points(self) -> float:
        """Points over all competitions that were revealed."""
        return sum(one.points for one in self.entered)

    @property
    def medals(self) -> dict[Medal, int]:
        """How many of each medal, the best first."""
        counts = Counter(one.medal for one in self.entered if one.medal)
        names: tuple[Medal, ...] = ("gold", "silver", "bronze")
        return {name: counts[name] for name in names}

    @property
    def best_rank(self) -> int | None:
        """The best final rank."""
        return min((one.final_rank for one in self.entered if one.final_rank), default=None)


def read_profile(club: Club, member: str, viewer: Viewer | None) -> Profile:
    """Collect what `viewer` may know of `member`: only boards whose rows the viewer may see take part."""
    found = [
        _entered(club, competition, member)
        for competition in club.competitions(instructor=bool(viewer and viewer.instructor))
        if board_view(competition, viewer, club.clock()) == "public"
    ]
    return Profile(club.names.shown([member])[member], club.names.key_of(member), [one for one in found if one])


def _entered(club: Club, competition: Competition, member: str) -> Entered | None:
    now = club.clock()
    public = club.boards.public(competition)
    public.refresh()
    entrant = public.entrant(member)
    with public.reading() as (order, _):
        place, entrants = order.place((False, entrant)), order.entrants
    final = None
    revealed = competition.is_revealed(now)
    if revealed:
        with club.boards.private(competition).reading() as (order, _):
            final, entrants = order.place((False, entrant)), order.entrants
    if place is None and final is None:
        return None
    since = competition.reveals
    days = (now - since).total_seconds() / 86_400 if since else 0.0
    crew = len(public.members(entrant))
    return Entered(
        competition=competition,
        revealed=revealed,
        public_rank=place,
        final_rank=final,
        entrants=entrants,
        team=public.team_name(entrant),
        medal=medal(final, entrants) if final else None,
        points=ranking_points(final, entrants, crew, days) if final else 0.0,
    )
