"""Features as plain numbers, for checks that compare columns with each other."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Values = NDArray[np.float64]

_DATES = 0.95  # share of a text column's values that must read as dates


def numbers(frame: pd.DataFrame) -> dict[str, Values]:
    """Numeric columns, truth values and dates as float64, NaN where a value is missing."""
    found: dict[str, Values] = {}
    for name in frame.columns:
        column = frame[name]
        if pd.api.types.is_bool_dtype(column) or pd.api.types.is_numeric_dtype(column):
            found[str(name)] = column.to_numpy(dtype=np.float64, na_value=np.nan)
        else:
            days = dates(column)
            if days is not None:
                found[str(name)] = days
    return found


def dates(column: pd.Series) -> Values | None:
    """Days since 1970 where nearly all values of a text column are dates; else None."""
    known = column.dropna().astype(str)
    if known.empty or not known.head(50).str.contains(r"\d{1,4}[-/.]\d{1,2}").all():
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas says that it guesses the format
        moments = pd.to_datetime(column, errors="coerce", utc=True, format="mixed")
    if moments.notna().sum() < _DATES * len(known):
        return None
    values = (moments - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(days=1)
    return np.asarray(values.to_numpy(), dtype=np.float64)


def words(frame: pd.DataFrame) -> list[str]:
    """Names of the text columns that are no dates."""
    plain = numbers(frame)
    return [str(name) for name in frame.columns if str(name) not in plain]


def ranks(values: Values) -> Values:
    """Ranks from 0 to 1, equal values sharing one; missing values stay missing."""
    return np.asarray(pd.Series(values).rank(pct=True), dtype=np.float64)


def squared_correlation(one: Values, other: Values) -> float:
    """R² of the best line through the points where both are known: 0 where there is none."""
    known = np.isfinite(one) & np.isfinite(other)
    if known.sum() < 10 or np.ptp(one[known]) == 0 or np.ptp(other[known]) == 0:
        return 0.0
    with np.errstate(all="ignore"):
        found = float(np.corrcoef(one[known], other[known])[0, 1] ** 2)
    return found if np.isfinite(found) else 0.0


def filled(frame: pd.DataFrame) -> pd.DataFrame:
    """All columns as numbers without gaps: text by how often a value occurs, gaps as a value of their own."""
    plain = numbers(frame)
    columns = {}
    for name in frame.columns:
        if str(name) in plain:
            values = plain[str(name)]
            low = np.nanmin(values) if np.isfinite(values).any() else 0.0
            columns[str(name)] = np.where(np.isfinite(values), values, low - 1)
        else:
            texts = frame[name].astype(object).where(frame[name].notna(), "")
            columns[str(name)] = texts.map(texts.value_counts()).to_numpy(dtype=np.float64)
    return pd.DataFrame(columns)
