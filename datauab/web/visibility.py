"""What a viewer may see of scores: decided here, for pages, API, files and streams alike.

=========== ============================ =============================== =================
view        others' rows and ranks       one's own scores                private scores
=========== ============================ =============================== =================
``public``  shown                        shown                           after the reveal
``hidden``  not shown                    shown, without a rank           after the reveal
``blind``   not shown                    not shown, no points either     after the reveal
=========== ============================ =============================== =================

Instructors see everything. Under a Ladder, what is shown of an attempt is what the Ladder told for it: intervals,
secondary metrics and points would tell the score itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from datauab.competition import BoardView, Competition
from datauab.ledger import Attempt
from datauab.ranking import Interval, Told, by_attempt, fold_teams

if TYPE_CHECKING:
    from datauab.web.club import Club
    from datauab.web.session import Viewer

HIDDEN = "The board is hidden in this phase: you see your own scores only."
BLIND = "This phase is blind: scores are kept, and shown when the phase is over."
LADDER = (
    "The board climbs in steps of {step:g}: it tells a new score only where an attempt beats your last told one by "
    "more than a step, rounded to the step."
)


@dataclass(frozen=True)
class VisibleScore:
    """What a viewer may see of one attempt's score.

    Attributes
    ----------
    public : float or None
        None where there is no score, or none to be seen.
    interval : tuple of float or None
        95 % interval of `public`.
    secondary : mapping of str to float
        Secondary metrics on the public part.
    points, max_points : float or None
        Marks.
    private : float or None
        Given to instructors, and to authors after the reveal.
    climbed : bool
        False where a Ladder told an older score again.
    note : str
        Why something is not shown, for the viewer; empty where everything is.
    """

    public: float | None = None
    interval: Interval | None = None
    secondary: Mapping[str, float] = field(default_factory=dict)
    points: float | None = None
    max_points: float | None = None
    private: float | None = None
    climbed: bool = True
    note: str = ""


def board_view(competition: Competition, viewer: Viewer | None, now: datetime) -> BoardView:
    """What `viewer` may see of the board at `now`."""
    return "public" if viewer and viewer.instructor else competition.board_at(now)


def sees_private(competition: Competition, viewer: Viewer | None, now: datetime) -> bool:
    """Whether `viewer` may see private scores at `now`."""
    return bool(viewer and viewer.instructor) or competition.is_revealed(now)


def explain_view(competition: Competition, viewer: Viewer | None, now: datetime) -> str:
    """Say why `viewer` sees less than everything; empty where nothing is held back."""
    view = board_view(competition, viewer, now)
    if view == "hidden":
        return HIDDEN
    if view == "blind":
        return BLIND
    return ""


def visible_score(
    club: Club, competition: Competition, attempt: Attempt, viewer: Viewer | None, now: datetime | None = None
) -> VisibleScore:
    """What `viewer` may see of the score of one attempt; see `visible_scores`."""
    return visible_scores(club, competition, [attempt], viewer, now)[attempt.id]


def visible_scores(
    club: Club,
    competition: Competition,
    attempts: Sequence[Attempt],
    viewer: Viewer | None,
    now: datetime | None = None,
) -> dict[int, VisibleScore]:
    """What `viewer` may see of the scores of several attempts of one competition, by number.

    Nobody but instructors, the author and the members of the author's team sees anything here; what everybody may
    see stands on the board.

    Parameters
    ----------
    club : Club
        The running service.
    competition : Competition
        Under its rulings, as `Club.competition` gives it.
    attempts : sequence of Attempt
        Of this competition.
    viewer : Viewer or None
        Who asks.
    now : datetime, optional
        Aware; the service's clock by default.
    """
    moment = now or club.clock()
    instructor = bool(viewer and viewer.instructor)
    own = [one for one in attempts if viewer and (instructor or is_own(club, one, viewer))]
    view = board_view(competition, viewer, moment)
    answers = {one.id: VisibleScore() for one in attempts}
    if not own:
        return answers
    private = club.ledger.private_scores([one.id for one in own]) if sees_private(competition, viewer, moment) else {}
    if view == "blind":
        return answers | {one.id: VisibleScore(note=BLIND) for one in own}
    on_ladder = not instructor and competition.board.ladder_step > 0 and not competition.is_revealed(moment)
    steps = _told(club, competition, own) if on_ladder else {}
    for one in own:
        answers[one.id] = _laddered(competition, one, steps) if on_ladder else _whole(one, private.get(one.id))
    return answers


def is_own(club: Club, attempt: Attempt, viewer: Viewer) -> bool:
    """Whether `viewer` made the attempt, or is in the team of who did."""
    if attempt.origin == "baseline":
        return False
    if attempt.member == viewer.name:
        return True
    entrant = club.ledger.entrant_of(attempt.competition, viewer.name)
    return entrant != viewer.name and entrant == club.ledger.entrant_of(attempt.competition, attempt.member)


def _whole(attempt: Attempt, private: float | None) -> VisibleScore:
    return VisibleScore(
        public=attempt.public,
        interval=attempt.interval,
        secondary=attempt.secondary_public,
        points=attempt.points,
        max_points=attempt.max_points,
        private=private,
    )


def _laddered(competition: Competition, attempt: Attempt, steps: Mapping[int, Told]) -> VisibleScore:
    told = steps.get(attempt.id)
    note = LADDER.format(step=competition.board.ladder_step)
    if told is None:
        return VisibleScore(note=note)
    return VisibleScore(public=told.entry.score, climbed=told.climbed, note=note)


def _told(club: Club, competition: Competition, attempts: Sequence[Attempt]) -> dict[int, Told]:
    name = competition.name
    entrants: dict[str, str] = {}
    for author in {one.member for one in attempts}:
        team = club.ledger.team_of(name, author)
        for member in team.members if team else (author,):
            entrants[member] = f"team:{team.id}" if team else author
    entries = club.ledger.entries(name, members=entrants, include_deleted=True)
    members = [entry for entry in fold_teams(entries, entrants) if not entry.baseline]
    return by_attempt(members, competition.board.ladder_step, competition.metric.direction)
