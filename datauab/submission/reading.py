"""Reads a predictions file of any of the accepted formats."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from datauab.errors import InvalidSubmission
from datauab.submission.check import validate
from datauab.submission.ids import Ids
from datauab.submission.npy import read_npy

if TYPE_CHECKING:
    from datauab.competition import Competition

FORMATS = ("npy", "csv", "parquet", "pkl", "zip")
"""Formats of predictions files, by their names' endings."""


_BEGINNINGS = (
    (b"\x93NUMPY", "npy"),
    (b"PAR1", "parquet"),
    *((begin, "zip") for begin in (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")),
    *((begin, "pkl") for begin in (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")),
)
_ENDINGS = {"ipynb": "notebook", "pickle": "pkl", "txt": "csv"}


def sniff(data: bytes, filename: str) -> str:
    """Format of a file: by its first bytes where they tell, else by its name.

    Returns
    -------
    str
        One of `FORMATS`, "notebook", or "unknown".
    """
    known = next((kind for begin, kind in _BEGINNINGS if data.startswith(begin)), None)
    if known is not None:
        return known
    ending = filename.rsplit(".", 1)[-1].lower() if "." in filename else ""
    if data.lstrip()[:1] == b"{" and b'"cells"' in data:
        return "notebook"
    return ending if ending in FORMATS else _ENDINGS.get(ending, "unknown")


def read_predictions(
    data: bytes, filename: str, *, competition: Competition, ids: Ids, max_bytes: int, isolated: bool = True
) -> NDArray[Any]:
    """Read and check a predictions file.

    Parameters
    ----------
    data : bytes
        The file's content.
    filename : str
        Its name, which tells the format where the content does not.
    ids : Ids
        Ids of the test rows.
    max_bytes : int
        Largest size of the file, of what a zip holds, and of the numbers.
    isolated : bool
        Whether parquet files are read in a process of their own.

    Returns
    -------
    ndarray
        As `validate` gives it, in the order of the test rows.

    Raises
    ------
    InvalidSubmission
        Says where in the file, what was expected and found, and what to do.
    """
    if len(data) > max_bytes:
        raise InvalidSubmission(f"predictions file: expected at most {max_bytes} bytes, found {len(data)}")
    kind = sniff(data, filename)
    if kind == "zip":
        from datauab.submission.zips import only_file

        filename, data = only_file(data, max_bytes)
        kind = sniff(data, filename)
    array = _read(
        data, kind, filename=filename, competition=competition, ids=ids, max_bytes=max_bytes, isolated=isolated
    )
    return validate(array, competition=competition, rows=len(ids))


def _read(
    data: bytes, kind: str, *, filename: str, competition: Competition, ids: Ids, max_bytes: int, isolated: bool
) -> Any:
    if kind == "npy":
        return read_npy(data, max_bytes)
    if kind == "pkl":
        from datauab.submission.pickles import read_pickle

        return _rows_first(read_pickle(data, max_bytes // 8), competition, len(ids))
    if kind in ("csv", "parquet"):
        from datauab.submission.table import arrange

        if kind == "csv":
            from datauab.submission.text import read_csv

            return arrange(read_csv(data, len(ids)), competition, ids)
        from datauab.submission.parquet import read_parquet

        return arrange(read_parquet(data, len(ids), max_bytes, isolated), competition, ids)
    found = "a notebook" if kind == "notebook" else f"{filename[:60]!r} that begins with {data[:8]!r}"
    raise InvalidSubmission(f"predictions file: expected one of .{', .'.join(FORMATS)}, found {found}")


def _rows_first(array: NDArray[Any], competition: Competition, rows: int) -> NDArray[Any]:
    """Turn one list a class into one row a test row, as the club's old files have it."""
    spec = competition.predictions
    classes = len(spec.classes)
    if array.ndim != 2 or array.shape != (classes, rows) or classes == rows:
        return array
    if spec.kind == "class":
        raise InvalidSubmission(
            f"{spec.variable}: expected one class a row, found one list of scores a class; "
            "take the best class of each row: np.argmax(scores, axis=0)"
        )
    return np.ascontiguousarray(array.T) if spec.kind == "scores" else array
