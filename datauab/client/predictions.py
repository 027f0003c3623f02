"""Predictions in a notebook: made a file, and checked as the club checks them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datauab.archive import check_notebook, make_archive, read_archive
from datauab.client.data import public_folder
from datauab.competition import Competition
from datauab.datasets.records import read_manifest
from datauab.errors import DataError, InvalidSubmission
from datauab.settings import load_settings
from datauab.submission import kind_of, load_ids, plain_name, read_predictions, sniff, to_npy, to_numbers, validate

_MIB = 2**20
_LARGEST_MB = 1024
"""Largest file that is read at all, in MiB; the club's own limit is smaller and told by the club."""


@dataclass(frozen=True)
class Packed:
    """A file that is ready to be sent.

    Attributes
    ----------
    content : bytes
        Exactly what is sent: its hash stands in the receipt.
    filename : str
        Its name, which tells the format where the content does not.
    """

    content: bytes
    filename: str


def check(name: str, predictions: Any) -> bool:
    """Check predictions as the club will when they are handed in, and say so; needs no network.

    Parameters
    ----------
    name : str
        The competition.
    predictions : array-like, str or Path
        One prediction for each test row, in the order of the rows; or a file of them (``.npy``, ``.csv``,
        ``.parquet``, ``.pkl``, or a ``.zip`` of one).

    Returns
    -------
    bool
        Always True; wrong predictions raise.

    Raises
    ------
    InvalidSubmission
        Where they could not be scored; names the first wrong row, expected and found.
    """
    folder = public_folder(name)
    competition = _competition(folder, name)
    if isinstance(predictions, (str, os.PathLike)):
        said = _check_file(folder, competition, read_file(predictions))
    else:
        said = _describe(validate(predictions, competition=competition, rows=_rows(folder)))
    print(f"predictions look right: {said}")  # noqa: T201 - the answer to a student in a notebook
    return True


def pack(name: str, predictions: Any) -> Packed:
    """Make what `datauab.submit` sends: a file as it is, numbers as ``.npy``, checked where the data is at hand.

    Raises
    ------
    InvalidSubmission
        Where they could not be scored.
    """
    try:
        folder = public_folder(name)
        competition = _competition(folder, name)
        rows = _rows(folder)
    except DataError:  # the club checks them too; here is only no competition to check them by
        if isinstance(predictions, (str, os.PathLike)):
            return pack_file(name, predictions)
        return Packed(to_npy(to_numbers(predictions, "predictions")), f"{name}.npy")
    if isinstance(predictions, (str, os.PathLike)):
        _check_file(folder, competition, read_file(predictions))
        return pack_file(name, predictions)
    return Packed(to_npy(validate(predictions, competition=competition, rows=rows)), f"{name}.npy")


def pack_file(name: str, path: str | os.PathLike[str]) -> Packed:
    """Read a file that is handed in: a bare notebook becomes a zip of it under its assignment's name.

    Raises
    ------
    InvalidSubmission
        Where there is none, or it is far too large.
    """
    packed = read_file(path)
    if sniff(packed.content, packed.filename) != "notebook":
        return packed
    # packed here and not there, so that the receipt names the hash of what was sent
    return Packed(make_archive({f"{name}.ipynb": packed.content}), f"{name}.zip")


def read_file(path: str | os.PathLike[str]) -> Packed:
    """Read a file that is to be handed in.

    Raises
    ------
    InvalidSubmission
        Where there is none, or it is far too large.
    """
    place = Path(path).expanduser()
    try:
        size = place.stat().st_size
        if size > _LARGEST_MB * _MIB:
            raise InvalidSubmission(f"{place}: expected at most {_LARGEST_MB} MiB, found {size // _MIB}; send less")
        return Packed(place.read_bytes(), plain_name(place.name))
    except OSError as error:
        words = f"{place}: cannot be read ({error.strerror}); expected a file with predictions, or the numbers"
        raise InvalidSubmission(f"{words} themselves") from error


def _check_file(folder: Path, competition: Competition, packed: Packed) -> str:
    limit = _largest()
    if competition.predictions.kind == "files":
        return f"{len(read_archive(packed.content, max_bytes=8 * limit))} files for the competition's own program"
    if kind_of(packed.content, packed.filename, competition) == "notebook":
        name = f"{competition.name}.ipynb"
        files = {name: packed.content}
        if packed.content[:2] == b"PK":
            files = read_archive(packed.content)
        if name not in files:
            raise InvalidSubmission(f"the archive lacks the assignment's notebook: expected {name} at its root")
        check_notebook(files[name], packed.filename)
        return "a notebook, which the club runs from its first cell"
    ids = load_ids(folder, _rows(folder))
    array = read_predictions(packed.content, packed.filename, competition=competition, ids=ids, max_bytes=limit)
    return _describe(array)


def _largest() -> int:
    try:
        return load_settings().upload_mb * _MIB
    except Exception:  # a student's own folder is no course; the club tells its limit when something is sent
        return 25 * _MIB


def _competition(folder: Path, name: str) -> Competition:
    try:
        return Competition.model_validate_json((folder / "competition.json").read_bytes())
    except FileNotFoundError as error:
        raise DataError(
            f"{folder / 'competition.json'}: no such file; an operator runs ./club data prepare {name}"
        ) from error


def _rows(folder: Path) -> int:
    return int(read_manifest(folder).rows["test"])


def _describe(array: NDArray[Any]) -> str:
    shape = " × ".join(str(length) for length in array.shape)
    return f"{shape} numbers of type {array.dtype}, from {np.min(array):.6g} to {np.max(array):.6g}"
