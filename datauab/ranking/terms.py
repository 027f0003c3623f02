"""The terms of a competition's board."""

from __future__ import annotations

from datauab.competition import Competition
from datauab.ranking.records import Terms


def board_terms(competition: Competition) -> Terms:
    """How the competition's board is made from attempts."""
    board = competition.board
    return Terms(
        direction=competition.metric.direction,
        policy=board.policy,
        ladder_step=board.ladder_step,
        late=bool(competition.late and competition.late.ranked),
        tolerance=board.verified_tolerance,
    )
