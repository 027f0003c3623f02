"""What a member may know about the final choice of attempts: the same for page and API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from datauab.competition import Competition
from datauab.ledger import Attempt
from datauab.web.club import Club
from datauab.web.taking_part import choosable, final_terms
from datauab.web.taking_part_models import FinalAnswer, FinalAttemptAnswer
from datauab.web.visibility import VisibleScore, explain_view, visible_scores

if TYPE_CHECKING:
    from datauab.web.session import Viewer


def final_state(club: Club, competition: Competition, viewer: Viewer) -> FinalAnswer:
    """Collect what `viewer` may choose for the private board, and what is chosen."""
    terms = final_terms(club, competition, viewer.name)
    attempts = choosable(club, competition, viewer.name)
    scores = visible_scores(club, competition, attempts, viewer)
    entrant = club.ledger.entrant_of(competition.name, viewer.name)
    possible = {one.id for one in attempts}
    # an attempt that was deleted or rescored away since counts no more
    chosen = [number for number in club.ledger.final_selection(competition.name, entrant) if number in possible]
    ruled = _by_rule(competition, attempts, scores)
    names = club.names.shown({one.member for one in attempts})
    return FinalAnswer(
        competition=competition.name,
        most=terms.most,
        until=terms.until,
        closed=terms.closed,
        chosen=chosen,
        rule=explain_rule(competition),
        note=explain_view(competition, viewer, club.clock()) or _first_note(scores),
        attempts=[
            FinalAttemptAnswer(
                id=one.id,
                author=names[one.member],
                received_at=one.received_at,
                filename=one.filename,
                score=scores[one.id].public,
                chosen=one.id in chosen,
                by_rule=one.id in ruled,
            )
            for one in attempts
        ],
    )


def explain_rule(competition: Competition) -> str:
    """Say which attempts count where nobody chooses."""
    most = competition.board.finalists
    if competition.board.policy == "last":
        return "Where nothing is chosen, the newest scored attempt counts."
    if most == 1:
        return "Where nothing is chosen, the attempt with the best public score counts."
    return f"Where nothing is chosen, the {most} attempts with the best public scores count."


def _by_rule(
    competition: Competition, attempts: Sequence[Attempt], scores: Mapping[int, VisibleScore]
) -> frozenset[int]:
    # The rule weighs the scores themselves, which a Ladder or a blind phase does not tell: then nothing is marked,
    # since a mark would tell which attempt is better.
    if competition.board.policy == "last":
        return frozenset(one.id for one in attempts[:1])
    if any(scores[one.id].public != one.public for one in attempts):
        return frozenset()
    sign = -1.0 if competition.metric.direction == "maximize" else 1.0
    told = [(sign * one.public, one.received_at, one.id) for one in attempts if one.public is not None]
    return frozenset(number for *_, number in sorted(told)[: competition.board.finalists])


def _first_note(scores: Mapping[int, VisibleScore]) -> str:
    return next((one.note for one in scores.values() if one.note), "")
