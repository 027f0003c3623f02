"""Marks of attempts that are scored again: in the ledger, and in nbgrader's gradebook for who was graded last."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, replace

from datauab import gradebook
from datauab.autograde.assignment import AutograderCell
from datauab.autograde.late import lost_share
from datauab.competition import Competition
from datauab.ledger import Attempt, Ledger, ScoreRecord
from datauab.settings import Settings

_NOISE = 1e-6  # of sums of marks that were kept as floating numbers


@dataclass(frozen=True)
class Reporting:
    """The one autograder cell whose marks follow the score.

    Attributes
    ----------
    worth : float
        Points of the cell.
    others : float
        Points that the other autograder cells are worth together; they only check, and keep what they gave.
    """

    name: str
    worth: float
    others: float


def reporting_cell(cells: Mapping[str, AutograderCell]) -> Reporting | None:
    """Find the single cell that calls ``report``; None where there is none or more than one."""
    found = [name for name, cell in cells.items() if _reports(cell.source)]
    if len(found) != 1:
        return None
    worth = cells[found[0]].max_points
    return Reporting(found[0], worth, sum(cell.max_points for cell in cells.values()) - worth)


def _reports(source: str) -> bool:
    try:
        tree = ast.parse(source)
    except SyntaxError:  # IPython's own commands
        return "report(" in source
    return any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "report"
        for node in ast.walk(tree)
    )


def new_points(
    competition: Competition, cell: Reporting, attempt: Attempt, record: ScoreRecord, full: float
) -> float | None:
    """Points of a notebook's attempt for its new score, less what being late costs.

    Parameters
    ----------
    attempt : Attempt
        With its public score and points of before.
    record : ScoreRecord
        The new scores.
    full : float
        The metric on all hidden rows.

    Returns
    -------
    float or None
        None where the other cells' marks cannot be told from the sum that was kept.
    """
    left = 1 - lost_share(competition, attempt.late_days)
    if not left:
        return 0.0
    if attempt.points is None or attempt.public is None:
        return None
    others = 0.0
    if cell.others:
        if competition.points.rows == "all":  # what all rows gave before was not kept
            return None
        others = attempt.points / left - cell.worth * competition.points.share(attempt.public)
        if not -_NOISE <= others <= cell.others + _NOISE:  # the cell never reported for this attempt
            return None
    value = record.public if competition.points.rows == "public" else full
    return (min(cell.others, max(0.0, others)) + cell.worth * competition.points.share(value)) * left


class Marks:
    """Carries marks over to new scores, attempt by attempt, and then into the gradebook.

    Attributes
    ----------
    kept : list of int
        Attempts whose marks stay as they were, because they cannot be told from the score alone.
    """

    def __init__(self, settings: Settings, ledger: Ledger, competition: Competition) -> None:
        self._settings, self._competition = settings, competition
        self._newest: dict[str, int] = {}
        self._gradebook: dict[str, tuple[float, float]] = {}
        self._cell: Reporting | None = None
        self.kept: list[int] = []
        notebooks = [
            attempt
            for attempt in ledger.attempts(competition=competition.name, states=["scored", "failed"])
            if attempt.kind == "notebook" and attempt.origin != "baseline" and not attempt.platform_fault
        ]
        for attempt in notebooks:
            self._newest[attempt.member] = max(attempt.id, self._newest.get(attempt.member, 0))
        if notebooks:
            from datauab.autograde.execute import open_assignment  # loads nbgrader

            name = competition.name
            self._cell = reporting_cell(open_assignment(settings, settings.database, name, name).cells)

    def carried(self, attempt: Attempt, record: ScoreRecord, full: float) -> ScoreRecord:
        """`record` with the attempt's new points, or with those it had."""
        if not attempt.max_points:
            return record
        cell = self._cell
        points = None
        if cell is not None and abs(cell.worth + cell.others - attempt.max_points) < _NOISE:
            points = new_points(self._competition, cell, attempt, record, full)
        if cell is None or points is None:
            self.kept.append(attempt.id)
            return record
        if self._newest.get(attempt.member) == attempt.id:
            value = record.public if self._competition.points.rows == "public" else full
            late = self._lost(attempt)
            self._gradebook[attempt.member] = (cell.worth * self._competition.points.share(value), late)
        return replace(record, points=points)

    def renew_gradebook(self) -> None:
        """Write the new marks where nbgrader keeps those of the newest notebook of each student."""
        if self._cell is None:
            return
        for member, (mark, late) in self._gradebook.items():
            gradebook.renew_mark(self._settings, self._competition.name, member, self._cell.name, mark, late_share=late)

    def _lost(self, attempt: Attempt) -> float:
        return lost_share(self._competition, attempt.late_days)
