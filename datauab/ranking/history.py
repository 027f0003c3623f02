"""How scores grew: the steps of the best score over time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from datauab.ranking.ladder import ladder
from datauab.ranking.records import Direction, Entry, Terms, signed


@dataclass(frozen=True, slots=True)
class Improvement:
    """A moment at which the best score changed for the better."""

    received_at: datetime
    score: float
    member: str
    attempt_id: int


def best_over_time(entries: Iterable[Entry], direction: Direction, *, baselines: bool = False) -> list[Improvement]:
    """List the moments at which the best score so far improved, oldest first: the steps of a chart.

    Parameters
    ----------
    entries : iterable of Entry
        All attempts of one competition, or of one entrant for that entrant's own curve.
    direction : {"maximize", "minimize"}
        Which scores are better.
    baselines : bool
        Whether baselines count as well.
    """
    scored = [one for one in entries if one.is_scored and not one.deleted and (baselines or not one.baseline)]
    steps: list[Improvement] = []
    for entry in sorted(scored, key=lambda item: (item.received_at, item.attempt_id)):
        if not steps or signed(entry.value, direction) < signed(steps[-1].score, direction):
            steps.append(Improvement(entry.received_at, entry.value, entry.member, entry.attempt_id))
    return steps


def counted_over_time(entries: Iterable[Entry], terms: Terms) -> list[Improvement]:
    """List how the score of one entrant's row changed, by the board's own terms, oldest first.

    Deleted attempts and late ones that do not rank leave no trace; the last step is the row's score.
    """
    allowed = [one for one in entries if terms.late or not one.late]
    if terms.ladder_step > 0:
        answers = ladder(allowed, terms.ladder_step, terms.direction)
        return best_over_time([one.entry for one in answers], terms.direction)
    if terms.policy == "best":
        return best_over_time(allowed, terms.direction)
    scored = sorted(
        (one for one in allowed if one.is_scored and not one.deleted), key=lambda one: (one.received_at, one.attempt_id)
    )
    return [Improvement(one.received_at, one.value, one.member, one.attempt_id) for one in scored]
