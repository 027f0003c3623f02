"""The API of competitions, boards and attempts."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends

from datauab.competition import Competition
from datauab.errors import LedgerError
from datauab.ledger import Attempt
from datauab.ranking import rank
from datauab.web.board import build_board
from datauab.web.club import Club, club_of
from datauab.web.models import (
    AttemptAnswer,
    BoardAnswer,
    BoardRowAnswer,
    CompetitionAnswer,
    PhaseAnswer,
    ProblemAnswer,
)
from datauab.web.problems import Problem
from datauab.web.session import Viewer, optional_viewer, signed_in
from datauab.web.wording import view_state

LIST_LIMIT = 500

REFUSALS: dict[int | str, dict[str, Any]] = {
    code: {"model": ProblemAnswer} for code in (400, 403, 404, 409, 413, 423, 429, 503)
}

router = APIRouter(tags=["competitions"], responses=REFUSALS)

InClub = Annotated[Club, Depends(club_of)]
Anybody = Annotated[Viewer | None, Depends(optional_viewer)]
Member = Annotated[Viewer, Depends(signed_in)]


@router.get("/competitions")
def list_competitions(club: InClub, viewer: Anybody) -> list[CompetitionAnswer]:
    """List the competitions, newest first."""
    instructor = bool(viewer and viewer.instructor)
    released = {release.assignment for release in club.ledger.releases()}
    shown = [one for one in club.catalogue.all() if instructor or one.name in released or not club.is_draft(one)]
    return [_competition(club, one, one.name in released) for one in shown]


@router.get("/competitions/{name}")
def show_competition(name: str, club: InClub, viewer: Anybody) -> CompetitionAnswer:
    """Describe one competition."""
    found = club.competition(name, instructor=bool(viewer and viewer.instructor))
    return _competition(club, found, any(release.assignment == name for release in club.ledger.releases()))


@router.get("/competitions/{name}/leaderboard")
def show_leaderboard(name: str, club: InClub, viewer: Anybody) -> BoardAnswer:
    """Give the whole public leaderboard, best first, baselines among the members."""
    found = club.competition(name, instructor=bool(viewer and viewer.instructor))
    dataset = club.catalogue.dataset(found)
    board = build_board(
        found,
        club.ledger.public_board(name),
        club.ledger.display_names(),
        viewer=viewer.name if viewer else None,
        page=None,
        intervals=club.intervals(name),
    )
    return BoardAnswer(
        competition=name,
        metric=found.metric.name,
        direction=found.metric.direction,
        stand_in=bool(dataset and dataset.stand_in),
        rows=[BoardRowAnswer.model_validate(row, from_attributes=True) for row in board.rows],
    )


@router.get("/competitions/{name}/attempts")
def list_own_attempts(name: str, club: InClub, viewer: Member) -> list[AttemptAnswer]:
    """List the caller's own attempts, newest first."""
    club.competition(name, instructor=viewer.instructor)
    found = club.ledger.attempts(competition=name, member=viewer.name, limit=LIST_LIMIT)
    return [_attempt(club, one) for one in found if one.origin != "baseline"]


@router.get("/attempts/{number}")
def show_attempt(number: int, club: InClub, viewer: Member) -> AttemptAnswer:
    """Show one attempt: one's own, or anybody's for instructors."""
    return _attempt(club, visible_attempt(club, viewer, number))


def visible_attempt(club: Club, viewer: Viewer, number: int) -> Attempt:
    """Attempt `number` where `viewer` may see it.

    Raises
    ------
    Problem
        404 where there is none, and the same where it is somebody else's, so that numbers tell nothing.
    """
    missing = Problem(404, "NotFound", f"there is no attempt {number} of yours; see your list of attempts")
    if not 0 < number < 2**62:
        raise missing
    try:
        attempt = club.ledger.attempt(number)
    except LedgerError:
        raise missing from None
    if viewer.instructor or (attempt.member == viewer.name and attempt.origin != "baseline"):
        return attempt
    raise missing


def _competition(club: Club, one: Competition, released: bool) -> CompetitionAnswer:
    dataset = club.catalogue.dataset(one)
    members = [row for row in rank(club.ledger.public_board(one.name), one.metric.direction) if not row.baseline]
    return CompetitionAnswer(
        name=one.name,
        title=one.title,
        summary=one.summary,
        date=one.date,
        dataset=one.dataset,
        metric=one.metric.name,
        direction=one.metric.direction,
        secondary=list(one.metric.secondary),
        public_share=one.public_share,
        state=view_state(one, club.clock()).kind,
        phases=[PhaseAnswer.model_validate(phase, from_attributes=True) for phase in one.phases],
        daily_scored=one.quotas.daily_scored,
        daily_attempts=one.quotas.daily_attempts,
        stand_in=bool(dataset and dataset.stand_in),
        members=len(members),
        top_score=members[0].score if members else None,
        released=released,
    )


def _attempt(club: Club, one: Attempt) -> AttemptAnswer:
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
        score=one.public,
        interval=one.interval,
        secondary=dict(one.secondary_public),
        points=one.points,
        max_points=one.max_points,
        finished_at=one.finished_at,
        has_feedback=one.has_feedback,
        receipt=club.receipt(one),
    )
