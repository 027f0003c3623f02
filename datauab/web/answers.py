"""Attempts as the API answers them: every score through what the viewer may see."""

from __future__ import annotations

from collections.abc import Sequence

from datauab.competition import Competition
from datauab.ledger import Attempt
from datauab.web.club import Club
from datauab.web.gate import Entering
from datauab.web.intake import allowance
from datauab.web.models import AttemptAnswer
from datauab.web.problems import Problem
from datauab.web.session import Viewer
from datauab.web.visibility import VisibleScore, board_view, visible_scores


def described(club: Club, attempt: Attempt) -> Competition:
    """The competition of an attempt, under its rulings.

    Raises
    ------
    Problem
        404 where its description is gone: what may be seen of scores is not known then.
    """
    found = club.catalogue.get(attempt.competition)
    if found is None:
        raise Problem(
            404, "NotFound", f"the competition {attempt.competition!r} has no valid description now; ask an instructor"
        )
    return found.ruled(club.ledger.rulings(attempt.competition))


def attempt_answers(
    club: Club, competition: Competition, attempts: Sequence[Attempt], viewer: Viewer
) -> list[AttemptAnswer]:
    """Several attempts of one competition, in the order given."""
    seen = visible_scores(club, competition, attempts, viewer)
    return [_answer(club, competition, one, seen[one.id]) for one in attempts]


def whole_answer(
    club: Club, competition: Competition, attempt: Attempt, viewer: Viewer, who: Entering | None = None
) -> AttemptAnswer:
    """One attempt with the rank of who made it, and what is left today; `who` where that was read a moment ago."""
    (answer,) = attempt_answers(club, competition, [attempt], viewer)
    if attempt.origin == "baseline":
        return answer
    rank, entrants = standing(club, competition, attempt, viewer)
    left = allowance(club, competition, viewer, who).left
    return answer.model_copy(update={"rank": rank, "entrants": entrants, "left_today": left})


def standing(club: Club, competition: Competition, attempt: Attempt, viewer: Viewer) -> tuple[int | None, int | None]:
    """Place on the public board of who made a scored attempt, and of how many; none where the board is not shown."""
    if attempt.state != "scored" or board_view(competition, viewer, club.clock()) != "public":
        return None, None
    entrant = attempt.member
    if competition.teams.max_size > 1:
        entrant = club.ledger.entrant_of(competition.name, entrant)
    with club.boards.public(competition).reading() as (order, _):
        key = (False, entrant)
        if order.get(key) is None:
            return None, order.entrants
        return order.place(key), order.entrants


def _answer(club: Club, competition: Competition, one: Attempt, seen: VisibleScore) -> AttemptAnswer:
    waits = one.state == "queued"
    return AttemptAnswer(
        id=one.id,
        competition=one.competition,
        member=one.member,
        kind=one.kind,
        origin=one.origin,
        sha256=one.sha256,
        size=one.size,
        received_at=one.received_at,
        state=one.state,
        queue_position=club.ledger.queue_position(one.id) if waits else None,
        reason=one.reason,
        platform_fault=one.platform_fault,
        score=seen.public,
        interval=seen.interval,
        secondary=dict(seen.secondary),
        points=seen.points,
        max_points=seen.max_points,
        finished_at=one.finished_at,
        has_feedback=one.has_feedback,
        receipt=club.receipt(one),
        filename=one.filename,
        phase=one.phase,
        late_days=one.late_days,
        deleted_at=one.deleted_at,
        private=seen.private,
        note=seen.note,
        metric=one.metric or competition.metric.name,
        digits=competition.metric.digits,
    )
