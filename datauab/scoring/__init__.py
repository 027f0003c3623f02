"""Splits the test rows, scores both sides, and says how sure the public score is.

Runs in the grader only: nothing that faces students imports it.
"""

from __future__ import annotations

from datauab.scoring.hashes import scorer_hash
from datauab.scoring.intervals import CONFIDENCE, interval
from datauab.scoring.resampling import RESAMPLES
from datauab.scoring.scores import Score, score, secondary
from datauab.scoring.splits import LEAST_ROWS, check_split, named_metrics, public_mask
from datauab.scoring.views import author_view

__all__ = [
    "CONFIDENCE",
    "LEAST_ROWS",
    "RESAMPLES",
    "Score",
    "author_view",
    "check_split",
    "interval",
    "named_metrics",
    "public_mask",
    "score",
    "scorer_hash",
    "secondary",
]
