"""Takes predictions out of a student's kernel as bytes; imported there, so nothing here is trusted by the grader.

Whatever this returns, the grader reads with `datauab.submission.read_npy` and validates: a student who replaces this
module or numpy itself only chooses other predictions.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from typing import Any

ARRAY = "application/vnd.datauab.array+base64"
PROBLEM = "application/vnd.datauab.problem"


class Exported:
    """What a user expression sends back: an array, or why there is none."""

    def __init__(self, kind: str, text: str) -> None:
        self.kind = kind
        self.text = text

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {self.kind: self.text}


def export(names: Mapping[str, Any], variable: str, max_bytes: int) -> Exported:
    """Convert ``names[variable]`` to the content of a ``.npy`` file of plain numbers, in base64.

    Parameters
    ----------
    names : mapping
        The notebook's global names.
    variable : str
        The name that the competition asks for.
    max_bytes : int
        Largest size of the array.
    """
    if variable not in names:
        return Exported(
            PROBLEM,
            f"{variable}: expected a variable of this name when the run reached the autograder cell, found none; "
            "set it in a cell above, and run the notebook from a clean kernel to see what the grader sees",
        )
    import numpy as np

    from datauab.submission import to_numbers

    try:
        array = to_numbers(names[variable], variable)
    except Exception as error:  # the object is the student's and may raise anything; the answer is for the student
        return Exported(PROBLEM, str(error))
    if array.nbytes > max_bytes:
        return Exported(PROBLEM, f"{variable}: expected at most {max_bytes} bytes of numbers, found {array.nbytes}")
    target = io.BytesIO()
    np.lib.format.write_array(target, np.ascontiguousarray(array), allow_pickle=False)
    return Exported(ARRAY, base64.b64encode(target.getvalue()).decode("ascii"))
