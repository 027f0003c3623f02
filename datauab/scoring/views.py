"""Summaries of errors that authors may see of their own attempts."""

from __future__ import annotations

from typing import Any

import numpy as np

from datauab import metrics
from datauab.competition import Competition
from datauab.scoring.splits import Array, Mask

_RESIDUAL_BINS = 21


def author_view(competition: Competition, solution: Array, predictions: Array, mask: Mask) -> dict[str, Any]:
    """Summarise the errors on the public rows for their author; private rows do not enter it.

    Returns
    -------
    dict
        Ready for JSON. For classes ``{"kind": "confusion", "classes", "counts"}``, the rows of `counts` being true
        classes and its columns predicted ones; else ``{"kind": "residuals", "edges", "counts", "predicted"}``, where
        a residual is prediction minus truth and `predicted` is the range of the predictions.
    """
    truth, guess = solution[mask], predictions[mask]
    spec = competition.predictions
    if spec.kind in ("class", "scores", "probability"):
        classes = list(spec.classes or (0, 1))  # in the competition's order, which is that of class_names
        found = metrics.labels(guess, spec.classes)
        counts = [[int(np.count_nonzero((truth == row) & (found == column))) for column in classes] for row in classes]
        return {"kind": "confusion", "classes": classes, "counts": counts}
    residuals = guess - truth
    low, high = float(residuals.min()), float(residuals.max())
    least = max(1e-9, 1e-9 * max(abs(low), abs(high)))
    if high - low < least:  # narrower bins would have no distinct edges
        low, high = low - least, high + least
    heights, edges = np.histogram(residuals, bins=_RESIDUAL_BINS, range=(low, high))
    return {
        "kind": "residuals",
        "edges": edges.tolist(),
        "counts": heights.tolist(),
        "predicted": [float(guess.min()), float(guess.max())],
    }
