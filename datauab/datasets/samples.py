"""Sample submissions: what a file of predictions looks like, and the ids of the test rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from datauab.datasets.records import Plan
from datauab.datasets.tables import write_table

SAMPLE = "sample_submission.csv"


def write_samples(folder: Path, plan: Plan) -> None:
    """Write the same constant predictions as ``.npy``, by position, and as ``.csv``, by id."""
    rows = plan.rows["test"]
    values = np.full((rows, len(plan.classes)), 1 / len(plan.classes)) if plan.classes else np.full(rows, plan.constant)
    np.save(folder / "sample_submission.npy", values)
    ids = plan.ids or tuple(map(str, range(rows)))
    columns = dict(zip(plan.classes, values.T, strict=True)) if plan.classes else {"prediction": values}
    write_table(folder / SAMPLE, pd.DataFrame({"id": ids, **columns}))
