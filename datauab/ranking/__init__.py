"""Pure ranking of attempts: no database, no clock, no settings.

A board is a function of all attempts, so it cannot disagree with them; what is kept in memory elsewhere is a cache of
these functions.
"""

from datauab.ranking.final import FinalRow, final_board, final_standing, finalists, places, rank_finals, shake_up
from datauab.ranking.history import Improvement, best_over_time, counted_over_time
from datauab.ranking.ladder import Told, by_attempt, ladder
from datauab.ranking.medals import Medal, medal, medal_places, ranking_points
from datauab.ranking.order import counting, fold_teams, in_order, is_verified, rank, rank_by, standing, tied_with_next
from datauab.ranking.records import (
    Direction,
    Entry,
    Interval,
    Policy,
    Row,
    SortKey,
    Terms,
    entry_key,
    row_key,
    signed,
)
from datauab.ranking.terms import board_terms

__all__ = [
    "Direction",
    "Entry",
    "FinalRow",
    "Improvement",
    "Interval",
    "Medal",
    "Policy",
    "Row",
    "SortKey",
    "Terms",
    "Told",
    "best_over_time",
    "board_terms",
    "by_attempt",
    "counted_over_time",
    "counting",
    "entry_key",
    "final_board",
    "final_standing",
    "finalists",
    "fold_teams",
    "in_order",
    "is_verified",
    "ladder",
    "medal",
    "medal_places",
    "places",
    "rank",
    "rank_by",
    "rank_finals",
    "ranking_points",
    "row_key",
    "shake_up",
    "signed",
    "standing",
    "tied_with_next",
]
