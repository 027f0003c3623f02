"""Raw CSV files, refused unless they are what their source publishes; public ones, written alike everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from datauab.errors import DataError


def read_table(path: Path, columns: Sequence[str], texts: Sequence[str], rows: int) -> pd.DataFrame:
    """Read a raw CSV file.

    Parameters
    ----------
    columns : sequence of str
        The columns it must have, in their order.
    texts : sequence of str
        Those of them that hold text; all others must hold numbers.
    rows : int
        How many rows it must have.

    Raises
    ------
    DataError
        Where the file is damaged or another one; names file, expected and found.
    """
    try:
        frame = pd.read_csv(path)
    except (ValueError, UnicodeDecodeError, OSError) as error:  # pandas' ParserError and EmptyDataError are ValueErrors
        raise DataError(
            f"{path}: expected a CSV file of {len(columns)} columns, found one unreadable: {error}"
        ) from error
    found = list(frame.columns)
    if found != list(columns):
        missing = [name for name in columns if name not in found]
        unknown = [name for name in found if name not in columns]
        raise DataError(
            f"{path}: expected the columns {', '.join(columns)}; found {len(found)} columns, "
            f"missing: {', '.join(missing) or 'none'}, unknown: {', '.join(unknown) or 'none'}, "
            f"order {'right' if missing or unknown else 'wrong'}; fetch the file again"
        )
    if len(frame) != rows:
        raise DataError(f"{path}: expected {rows} rows, found {len(frame)}; fetch the file again")
    for name in columns:
        numeric = pd.api.types.is_numeric_dtype(frame[name])
        empty = bool(frame[name].isna().all())
        if empty or numeric == (name in texts):
            kind = "text" if name in texts else "numbers"
            raise DataError(
                f"{path}: column {name}: expected {kind}, found "
                f"{'no value at all' if empty else f'type {frame[name].dtype}, {_example(frame[name], numeric)}'}; "
                "fetch the file again"
            )
    return frame


def require_complete(path: Path, frame: pd.DataFrame, names: Sequence[str]) -> None:
    """Refuse missing values in columns that must have none.

    Raises
    ------
    DataError
        Names file, column and the first row (counted from 0) without a value.
    """
    for name in names:
        gaps = frame.index[frame[name].isna()]
        if len(gaps):
            raise DataError(f"{path}: column {name}: expected a value in every row, found none in row {gaps[0]}")


def write_table(path: Path, frame: pd.DataFrame) -> None:
    """Write a public CSV file: no index, and the same bytes on every machine."""
    frame.to_csv(path, index=False, lineterminator="\n")


def _example(column: pd.Series, numeric: bool) -> str:
    if numeric:
        return f"such as {column.dropna().iloc[0]}"
    wrong = column[pd.to_numeric(column, errors="coerce").isna() & column.notna()]
    return f"row {wrong.index[0]}: {wrong.iloc[0]!r}" if len(wrong) else "mixed values"
