"""Scores one predictions file, in whichever process that is done."""

from __future__ import annotations

from datauab.autograde.assignment import Assignment, score_predictions
from datauab.autograde.outcome import Scores
from datauab.autograde.program import score_files
from datauab.grader.catalogue import Catalogue
from datauab.submission import read_predictions

_MIB = 2**20


def score_file(catalogue: Catalogue, assignment: Assignment, data: bytes, filename: str) -> tuple[Scores, float]:
    """Read, check and score what a member handed in.

    Returns
    -------
    tuple of Scores and float
        The scores, and the metric on all hidden rows.

    Raises
    ------
    InvalidSubmission
        Where the file is refused.
    ClubError
        Any other: the platform or the organiser failed.
    """
    competition = assignment.competition
    if competition.predictions.kind == "files":
        return score_files(assignment, data)
    predictions = read_predictions(
        data,
        filename,
        competition=competition,
        ids=catalogue.ids(assignment),
        max_bytes=assignment.limits.predictions_mb * _MIB,
    )
    return score_predictions(assignment, predictions)
