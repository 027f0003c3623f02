"""Looks for attempts of different entrants whose predictions are alike, for an organiser to look at."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from datauab.autograde.assignment import Assignment
from datauab.errors import InvalidSubmission
from datauab.grader.catalogue import Catalogue
from datauab.grader.faults import ACTOR
from datauab.ledger import Attempt, Ledger, TaskLease
from datauab.ranking import signed
from datauab.settings import Settings
from datauab.submission import read_predictions
from datauab.task_results import Pair, SimilarFound

MOST_ATTEMPTS = 400
"""Most attempts that are compared, each with each."""

EACH = 3
"""Best attempts of one entrant that are compared."""

MOST_ROWS = 20_000
"""Most values of one attempt that are compared; of more, evenly spaced ones."""

MOST_PAIRS = 200
"""Most pairs that are told."""

THRESHOLDS: Mapping[str, float] = {"correlation": 0.999, "agreement": 0.99}
"""From which value on a pair is told, where the organiser names no other."""

Measure = Literal["correlation", "agreement"]
Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Compared:
    """One attempt that is compared: whose it is, and its predictions as one row of values."""

    attempt: Attempt
    entrant: str
    values: Array


def similar(settings: Settings, ledger: Ledger, lease: TaskLease) -> None:
    """Do a task "similar"; its parameter ``threshold`` may name another one."""
    name = lease.task.competition
    catalogue = Catalogue(settings)
    assignment = catalogue.assignment(name)
    kind = assignment.competition.predictions.kind
    measure: Measure = "agreement" if kind in ("class", "files") else "correlation"
    threshold = float(lease.task.parameters.get("threshold") or THRESHOLDS[measure])
    entrants = ledger.entrants(name)
    scored = [
        attempt
        for attempt in ledger.attempts(competition=name, states=["scored"], include_deleted=False)
        if attempt.origin != "baseline"
    ]
    chosen = choose(scored, entrants, assignment)
    compared = [item for item in (_read(catalogue, assignment, ledger, one, entrants) for one in chosen) if item]
    result = SimilarFound(
        pairs=tuple(pairs(compared, measure, threshold)),
        measure=measure,
        threshold=threshold,
        compared=len(compared),
        left_out=len(scored) - len(compared),
    )
    ledger.finish_task(lease, result.model_dump(mode="json"))
    detail = {"pairs": len(result.pairs), "compared": result.compared, "left_out": result.left_out}
    ledger.audit(ACTOR, "similar.found", name, str(lease.task.id), detail)


def choose(scored: Sequence[Attempt], entrants: Mapping[str, str], assignment: Assignment) -> list[Attempt]:
    """The best attempts of each entrant, best first: at most `EACH` of one and `MOST_ATTEMPTS` in all."""
    direction = assignment.competition.metric.direction
    taken: dict[str, int] = defaultdict(int)
    seen: set[tuple[str, str]] = set()
    found = []
    for attempt in sorted(scored, key=lambda one: (signed(one.public or 0.0, direction), one.received_at, one.id)):
        entrant = entrants.get(attempt.member, attempt.member)
        if taken[entrant] >= EACH or (entrant, attempt.sha256) in seen:
            continue
        taken[entrant] += 1
        seen.add((entrant, attempt.sha256))
        found.append(attempt)
    return found[:MOST_ATTEMPTS]


def _read(
    catalogue: Catalogue, assignment: Assignment, ledger: Ledger, attempt: Attempt, entrants: Mapping[str, str]
) -> Compared | None:
    kept = ledger.predictions(attempt)
    if kept is None:
        return None
    entrant = entrants.get(attempt.member, attempt.member)
    if assignment.competition.predictions.kind == "files":  # whatever files they are, only equal ones are alike
        return Compared(attempt, entrant, np.frombuffer(bytes.fromhex(attempt.sha256), dtype=np.uint8))
    try:
        array = read_predictions(
            *kept,
            competition=assignment.competition,
            ids=catalogue.ids(assignment),
            max_bytes=assignment.limits.predictions_mb * 2**20,
        )
    except InvalidSubmission:  # the data was prepared anew since
        return None
    flat = array.reshape(-1)
    if len(flat) > MOST_ROWS:
        flat = flat[np.linspace(0, len(flat) - 1, MOST_ROWS).astype(np.int64)]
    return Compared(attempt, entrant, np.ascontiguousarray(flat))


def pairs(compared: Sequence[Compared], measure: Measure, threshold: float) -> list[Pair]:
    """Pairs of attempts of different entrants that are alike, the most alike first, at most `MOST_PAIRS`."""
    if len(compared) < 2:
        return []
    likeness = _correlations(compared) if measure == "correlation" else _agreements(compared)
    found = []
    for first, second in np.argwhere(np.triu(likeness >= threshold, 1)):
        one, other = compared[first], compared[second]
        if one.entrant == other.entrant:
            continue
        earlier, later = sorted((one, other), key=lambda item: item.attempt.id)
        identical = bool(np.array_equal(one.values, other.values))
        found.append(
            Pair(
                first=earlier.attempt.id,
                first_member=earlier.attempt.member,
                second=later.attempt.id,
                second_member=later.attempt.member,
                value=1.0 if identical else float(likeness[first, second]),
                identical=identical,
            )
        )
    return sorted(found, key=lambda pair: (-pair.value, not pair.identical, pair.first, pair.second))[:MOST_PAIRS]


def _correlations(compared: Sequence[Compared]) -> Array:
    """Pearson's correlation of each with each; constant predictions are alike only where they are the same."""
    values = np.stack([item.values.astype(np.float64) for item in compared])
    values /= np.maximum(1.0, np.abs(values).max(axis=1, keepdims=True))  # squares of the largest stay finite
    centred = values - values.mean(axis=1, keepdims=True)
    lengths = np.sqrt((centred**2).sum(axis=1))
    constant = lengths <= 1e-12 * np.sqrt(values.shape[1])
    unit = centred / np.where(constant, 1.0, lengths)[:, None]
    found = np.clip(unit @ unit.T, -1.0, 1.0)
    for index in np.flatnonzero(constant).tolist():
        found[index] = found[:, index] = [np.array_equal(compared[index].values, item.values) for item in compared]
    return np.asarray(found)


def _agreements(compared: Sequence[Compared]) -> Array:
    values = np.stack([item.values for item in compared])
    if values.dtype == np.uint8:  # digests of files
        return np.asarray([(values == row).all(axis=1) for row in values], dtype=np.float64)
    return np.asarray([(values == row).mean(axis=1) for row in values])
