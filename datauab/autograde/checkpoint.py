"""Cells that train are skipped while grading: the checkpoint is loaded instead, and its predictions are compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datauab.competition import Checkpoint, Competition
from datauab.errors import InvalidSubmission
from datauab.submission import read_npy
from datauab.submission.checkpoint import check_checkpoint

TAG = "train"
"""Tag of the cells that are skipped."""

_SHOWN = 3
_ADVICE = (
    "run the notebook again from a clean kernel, so that checkpoint and predictions are of the same model "
    "(model.eval() and a fixed seed make inference repeatable), and hand both in"
)


def check(files: Mapping[str, bytes], spec: Checkpoint) -> None:
    """Look for checkpoint and predictions beside a notebook whose training is skipped.

    Raises
    ------
    InvalidSubmission
        Where one is missing, too large or damaged.
    """
    if spec.file not in files:
        pickled = sorted(name for name in files if name.endswith((".pt", ".pth", ".ckpt", ".bin")))
        found = f"found {pickled[0]}, which may hold code" if pickled else "found none"
        raise InvalidSubmission(
            f"cells tagged {TAG!r} are not run while grading: expected the checkpoint {spec.file} beside the notebook, "
            f"{found}; write it with datauab.save_checkpoint({spec.variable}) and hand it in"
        )
    check_checkpoint(files[spec.file], spec.file, spec.most_mb)
    if spec.predictions not in files:
        raise InvalidSubmission(
            f"cells tagged {TAG!r} are not run while grading: expected your predictions in {spec.predictions} beside "
            "the notebook, found none; write them with datauab.save_predictions(predictions) and hand them in"
        )


def loading_code(spec: Checkpoint) -> str:
    """What runs in the student's kernel in place of the first cell that trains."""
    return (
        "import datauab as _datauab\n"
        f"_datauab.load_checkpoint({spec.variable}, {spec.file!r})\n"
        f'print("Training is skipped while grading; {spec.file} was loaded into {spec.variable}.")'
    )


def reproduces(files: Mapping[str, bytes], found: NDArray[Any], spec: Checkpoint, competition: Competition) -> None:
    """Compare what the executed inference gave with what was handed in.

    Parameters
    ----------
    found : ndarray, shape (rows,) or (rows, classes)
        The checked predictions of the run.

    Raises
    ------
    InvalidSubmission
        Where they differ; says how many rows do, and shows the first.
    """
    content = files[spec.predictions]
    try:
        handed = read_npy(content, len(content))
    except InvalidSubmission as error:
        raise InvalidSubmission(
            f"{spec.predictions}: {error}; write it with datauab.save_predictions(predictions)"
        ) from error
    if handed.shape != found.shape:
        raise InvalidSubmission(
            f"{spec.predictions}: expected the {found.shape} numbers that the notebook computes, found {handed.shape}; "
            f"{_ADVICE}"
        )
    if competition.predictions.kind == "class":
        same = handed == found
    else:
        same = np.isclose(found, handed, rtol=spec.tolerance, atol=spec.tolerance)
    wrong = np.flatnonzero(~same.reshape(len(found), -1).all(axis=1))
    if not len(wrong):
        return
    rows = "; ".join(
        f"row {row}: handed in {_words(handed[row])}, computed {_words(found[row])}" for row in wrong[:_SHOWN]
    )
    raise InvalidSubmission(
        f"{spec.predictions}: the notebook computes other predictions in {len(wrong)} of {len(found)} rows ({rows}); "
        f"{_ADVICE}"
    )


def _words(value: Any) -> str:
    return np.array2string(np.asarray(value), precision=6, threshold=5)
