"""The Ladder mechanism (Blum and Hardt, 2015, arXiv:1502.04585, section 3, figure 1).

A board that tells every score precisely lets an entrant climb on the noise of the public rows, attempt by attempt. The
Ladder tells a new score only where it beats the entrant's last told one by more than a step, and rounds it to the
step; the told scores then stay near the truth however many attempts are made.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from datauab.ranking.records import Direction, Entry, signed


@dataclass(frozen=True, slots=True)
class Told:
    """What the Ladder answers to one scored attempt.

    Attributes
    ----------
    entry : Entry
        The attempt, with the told score and no interval.
    climbed : bool
        Whether the attempt changed what is told.
    """

    entry: Entry
    climbed: bool


def ladder(entries: Iterable[Entry], step: float, direction: Direction) -> list[Told]:
    """Fold each entrant's scored attempts, in the order of their arrival, into what was told after each.

    Deleted attempts take part: what was told cannot be taken back, and deleting must not make room for new answers.

    Parameters
    ----------
    entries : iterable of Entry
        Attempts of any number of entrants.
    step : float
        Above 0, in the unit of the score.
    direction : {"maximize", "minimize"}
        Which scores are better.
    """
    if not step > 0:
        raise ValueError(f"step: expected a number above 0, found {step}")
    last: dict[tuple[bool, str], float] = {}
    answers: list[Told] = []
    for entry in sorted(entries, key=lambda one: (one.received_at, one.attempt_id)):
        if not entry.is_scored:
            continue
        key = (entry.baseline, entry.member)
        before = last.get(key)
        climbed = before is None or signed(entry.value, direction) < signed(before, direction) - step
        if climbed:
            last[key] = _nearest(entry.value, step)
        answers.append(Told(replace(entry, score=_tidy(last[key], step), interval=None), climbed))
    return answers


def told(entries: Sequence[Entry], step: float, direction: Direction) -> Entry | None:
    """Choose the attempt of one entrant that stands on a Ladder's board, with its told score.

    It is the highest that climbed and was not deleted. Where all that climbed were deleted, it is the first other
    one, with what was told for it: deleting an attempt removes nobody who has another.
    """
    answers = [answer for answer in ladder(entries, step, direction) if not answer.entry.deleted]
    climbed = [answer.entry for answer in answers if answer.climbed]
    if climbed:
        return min(climbed, key=lambda entry: (signed(entry.value, direction), entry.received_at, entry.attempt_id))
    return answers[0].entry if answers else None


def rounded(score: float, step: float) -> float:
    """Round to the nearest multiple of `step`; a score too large for that stays as it is."""
    return _tidy(_nearest(score, step), step)


def _nearest(score: float, step: float) -> float:
    places = score / step
    return score if not math.isfinite(places) or abs(places) >= 2**53 else round(places) * step


def _tidy(told: float, step: float) -> float:
    """`told` as people write it, 0.3 and not 0.30000000000000004; never what the next score is compared with."""
    digits = max(0, 15 - math.ceil(math.log10(max(abs(told), step, 1e-300))))
    return round(told, min(digits, 300)) if math.isfinite(told) and abs(told / step) < 2**53 else told


def by_attempt(entries: Iterable[Entry], step: float, direction: Direction) -> dict[int, Told]:
    """What the Ladder answered, by number of the attempt."""
    return {answer.entry.attempt_id: answer for answer in ladder(entries, step, direction)}
