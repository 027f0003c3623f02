"""Looks at a table and guesses what a competition on it predicts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from datauab.errors import DataError
from datauab.scaffold.records import Kind, Plan

MOST_CLASSES = 30
"""A target of whole numbers with more different values than this is taken for real numbers."""

_ID_NAMES = ("id", "index", "row_id", "rowid", "no", "nr")


def look_at(path: Path, *, target: str = "", id_column: str = "", kind: Kind | None = None) -> Plan:
    """Guess a competition's description from its table.

    Parameters
    ----------
    path : Path
        CSV file with a header.
    target : str
        Column to predict; the last one by default.
    id_column : str
        Column of ids; by default the first one, where it is called like an id and has another value in each row.
    kind : str, optional
        Of the predictions; by the target's values where it is not given.

    Raises
    ------
    DataError
        Where the file is no such table, or its target does not fit `kind`.
    """
    try:
        frame = pd.read_csv(path)
    except (ValueError, UnicodeDecodeError, OSError) as error:
        raise DataError(f"{path}: expected a CSV file with a header, found one unreadable: {error}") from error
    names = [str(name) for name in frame.columns]
    for option, name in (("--target", target), ("--id", id_column)):
        if name and name not in names:
            raise DataError(f"{path}: {option} {name!r}: expected one of the columns {', '.join(names)}")
    wanted = target or names[-1]
    ids = id_column or next(
        (name for name in names[:1] if name.lower() in _ID_NAMES and frame[name].is_unique and name != wanted), ""
    )
    column = frame[wanted].dropna()
    if column.empty:
        raise DataError(f"{path}: column {wanted}: expected values to predict, found none")
    chosen = kind or _kind(column)
    if chosen == "real":
        return Plan("real", wanted, ids)
    classes, words = _classes(path, column)
    if chosen == "probability" and len(classes) != 2:
        raise DataError(f"{path}: column {wanted}: expected two classes for kind probability, found {len(classes)}")
    if chosen == "probability" and not words and classes != (0, 1):
        raise DataError(f"{path}: column {wanted}: expected 0 and 1 for kind probability, found {classes}")
    common = float(column.value_counts(normalize=True).iloc[0])
    return Plan(chosen, wanted, ids, classes, words, common)


def _kind(column: pd.Series[Any]) -> Kind:
    if not pd.api.types.is_numeric_dtype(column):
        return "class"
    whole = bool((column == column.round()).all())
    return "class" if whole and column.nunique() <= MOST_CLASSES else "real"


def _classes(path: Path, column: pd.Series[Any]) -> tuple[tuple[int, ...], tuple[str, ...]]:
    values = sorted(column.unique())
    if not 2 <= len(values) <= 1000:
        raise DataError(f"{path}: column {column.name}: expected between 2 and 1,000 classes, found {len(values)}")
    if pd.api.types.is_numeric_dtype(column):
        if any(value != round(value) for value in values):
            raise DataError(
                f"{path}: column {column.name}: expected whole numbers or words as classes, found fractions"
            )
        return tuple(int(value) for value in values), ()
    return tuple(range(len(values))), tuple(str(value).strip() for value in values)
