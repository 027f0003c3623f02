"""Medals and ranking points of a competition that has ended."""

from __future__ import annotations

import math
from typing import Literal

Medal = Literal["gold", "silver", "bronze"]


def medal_places(teams: int) -> dict[Medal, int]:
    """Last place of each medal among `teams` entrants, as MLE-bench documents Kaggle's (Chan et al., 2024, table 1).

    ======== ============ ============ ============ =============
    medal    0 to 99      100 to 249   250 to 999   1,000 or more
    ======== ============ ============ ============ =============
    gold     top 10 %     top 10       top 10+0.2 % top 10+0.2 %
    silver   top 20 %     top 20 %     top 50       top 5 %
    bronze   top 40 %     top 40 %     top 100      top 10 %
    ======== ============ ============ ============ =============

    Shares of entrants are rounded down; the first place wins gold however few there are.
    """
    if teams < 1:
        return {"gold": 0, "silver": 0, "bronze": 0}
    extra = teams * 2 // 1000
    if teams < 100:
        found: dict[Medal, int] = {"gold": teams // 10, "silver": teams // 5, "bronze": teams * 2 // 5}
    elif teams < 250:
        found = {"gold": 10, "silver": teams // 5, "bronze": teams * 2 // 5}
    elif teams < 1000:
        found = {"gold": 10 + extra, "silver": 50, "bronze": 100}
    else:
        found = {"gold": 10 + extra, "silver": teams // 20, "bronze": teams // 10}
    return {medal: max(1, place) for medal, place in found.items()}


def medal(place: int, teams: int) -> Medal | None:
    """Medal of the entrant at `place`, from 1, among `teams` entrants; baselines are none.

    Equal scores do not share a medal: the earlier attempt has the better place (as on Kaggle's boards), so there are
    never more medals than `medal_places` says. MLE-bench compares scores with the score at the threshold instead.
    """
    limits = medal_places(teams)
    names: tuple[Medal, ...] = ("gold", "silver", "bronze")
    return next((name for name in names if 1 <= place <= limits[name]), None)


def ranking_points(place: int, teams: int, members: int = 1, days: float = 0.0) -> float:
    """Points of one member of the entrant at `place`, by Kaggle's formula of 2015.

    ``100000 / sqrt(members) * place ** -0.75 * log10(1 + log10(teams)) * exp(-days / 500)``: more for a better place,
    for more entrants, for a smaller team, and less as time passes. One entrant alone wins none.

    Parameters
    ----------
    place : int
        Rank among entrants, from 1.
    teams : int
        Number of entrants.
    members : int
        Members of the entrant's team.
    days : float
        Days since the competition ended, at least 0.
    """
    if place < 1 or teams < 2:
        return 0.0
    scale = 100_000 / math.sqrt(max(1, members)) * math.log10(1 + math.log10(teams))
    return float(scale * place**-0.75 * math.exp(-max(0.0, days) / 500))
