"""Checks predictions and gives them the type that scoring takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from datauab.errors import InvalidSubmission
from datauab.submission.npy import words

if TYPE_CHECKING:
    from datauab.competition import Competition

Array = NDArray[Any]

LARGEST = 1e100
"""Largest magnitude of a real prediction: beyond it squared errors leave the range of float64."""


def validate(predictions: Any, *, competition: Competition, rows: int) -> Array:
    """Check predictions and give them the type that scoring takes.

    Parameters
    ----------
    predictions : array-like
        A list or tuple of numbers, numpy array, pandas Series or DataFrame of one column, or torch tensor. Rows count
        by position, in the order of the public test features; a pandas index is ignored.
    competition : Competition
        Its ``predictions`` say what is expected.
    rows : int
        Number of test rows.

    Returns
    -------
    ndarray
        C-contiguous; (rows,) float64 for "real" and "probability", (rows,) int64 for "class", (rows, classes) float64
        for "scores".

    Raises
    ------
    InvalidSubmission
        Names the first bad row (counted from 0), how many are bad, what was expected and what to do.
    """
    spec = competition.predictions
    check = _Check(spec.variable, rows)
    array = check.numbers(_to_numpy(predictions, spec.variable))
    array = check.shape(array, (rows, len(spec.classes)) if spec.kind == "scores" else (rows,))
    if spec.kind == "class":
        return check.classes(array, spec.classes)
    array = check.finite(array)
    if spec.kind == "probability":
        check.refuse((array < 0) | (array > 1), array, "a probability between 0 and 1", "predict_proba(X)[:, 1] is one")
    return array


def to_numbers(predictions: Any, variable: str) -> Array:
    """Convert array-like `predictions` to a numpy array of numbers, of whatever shape.

    Raises
    ------
    InvalidSubmission
        Where it cannot be made an array, or holds anything but numbers.
    """
    return _Check(variable, rows=0).numbers(_to_numpy(predictions, variable))


class _Check:
    """Checks of one variable; each returns the array it accepts, or raises."""

    def __init__(self, variable: str, rows: int) -> None:
        self.variable = variable
        self.rows = rows

    def refuse(self, bad: Array, array: Array, expected: str, advice: str) -> None:
        """Raise where any row of `bad` is true."""
        rows = np.asarray(bad.reshape(len(bad), -1).any(axis=1))
        count = int(np.count_nonzero(rows))
        if count:
            row = int(rows.argmax())
            found = array[row] if bad.ndim == 1 else array[row][int(bad[row].argmax())]
            raise InvalidSubmission(
                f"{self.variable}: row {row} (counted from 0): expected {expected}, found {found}; "
                f"{count} of {len(rows)} rows are wrong; {advice}"
            )

    def numbers(self, array: Array) -> Array:
        """Accept booleans, integers and floating numbers."""
        if array.dtype.kind in "biuf":
            return array
        expected, advice = "a number", "convert every value with float(...) and submit again"
        if array.dtype.kind in "OSUT" and array.ndim == 1:
            bad = np.fromiter((not _is_number(item) for item in array), dtype=bool, count=len(array))
            shown = np.array([_show(item) for item in array[bad][:1]], dtype=object).repeat(len(array))
            self.refuse(bad, shown, expected, advice)
        raise InvalidSubmission(
            f"{self.variable}: expected {expected} in each row, found {words(array.dtype)}; {advice}"
        )

    def shape(self, array: Array, expected: tuple[int, ...]) -> Array:
        """Accept the shape `expected`, and a single column where one number a row is expected."""
        if array.shape == expected:
            return np.ascontiguousarray(array)
        if len(expected) == 1 and array.shape == (*expected, 1):
            return np.ascontiguousarray(array[:, 0])
        advice = "predict each row of the test features once, in their order"
        if len(expected) == 1 and array.ndim == 2 and array.shape[0] == self.rows:
            advice = "keep one number a row: argmax(axis=1) for classes, [:, 1] for the probability of class 1"
        elif array.shape == expected[::-1] or array.shape == (1, *expected):
            advice = "rows and columns are exchanged: transpose it with .T"
        raise InvalidSubmission(f"{self.variable}: expected shape {expected}, found {array.shape}; {advice}")

    def finite(self, array: Array) -> Array:
        """Accept finite numbers that scoring can square; gives float64."""
        if array.dtype.kind == "b":
            raise InvalidSubmission(
                f"{self.variable}: expected a number in each row, found True or False; convert with .astype(float)"
            )
        advice = "look for missing values and divisions by zero before the model predicts"
        self.refuse(~np.isfinite(array), array, "a finite number", advice)
        with np.errstate(over="ignore"):
            typed = array.astype(np.float64)
        self.refuse(np.abs(typed) > LARGEST, array, f"a number between -{LARGEST:g} and {LARGEST:g}", "check its unit")
        return typed

    def classes(self, array: Array, classes: tuple[int, ...]) -> Array:
        """Accept the classes listed, as integers, as whole floating numbers, or as booleans where they are 0 and 1."""
        listed = ", ".join(str(item) for item in classes)
        expected, advice = f"one of the classes {listed}", "predict the class's number"
        if array.dtype.kind == "b":
            if set(classes) != {0, 1}:
                raise InvalidSubmission(f"{self.variable}: expected {expected} in each row, found True or False")
            return array.astype(np.int64)
        if array.dtype.kind == "f":
            self.refuse(~np.isfinite(array), array, expected, "look for missing values before the model predicts")
            self.refuse(array != np.round(array), array, f"{expected}: a whole number", advice)
        self.refuse(~np.isin(array, classes), array, expected, advice)
        return array.astype(np.int64)


def _to_numpy(predictions: Any, variable: str) -> Array:
    library = type(predictions).__module__.partition(".")[0]
    try:
        if library == "torch" and hasattr(predictions, "detach"):
            tensor = predictions.detach().cpu()
            return np.asarray(tensor.double() if tensor.is_floating_point() else tensor)
        if library == "pandas" and hasattr(predictions, "to_numpy"):
            return _from_pandas(predictions)
        if np.ma.isMaskedArray(predictions):
            return _from_masked(predictions)
        if isinstance(predictions, (list, tuple)):
            array = np.asarray(predictions)
            # One text among numbers makes numpy turn all of them into text, and hides which row is wrong.
            return array if array.dtype.kind in "biuf" else np.asarray(predictions, dtype=object)
        if hasattr(predictions, "__array__"):
            return np.asarray(predictions)
    except InvalidSubmission:
        raise
    except Exception as error:  # whatever a student's object raises while it is converted is an answer to the student
        raise InvalidSubmission(
            f"{variable}: cannot be made an array: {type(error).__name__}: {error}; expected one number a row"
        ) from error
    raise InvalidSubmission(
        f"{variable}: expected an array with one prediction for each test row, found {type(predictions).__name__}"
        + ("; does the notebook set it before its last cell?" if predictions is None else "")
    )


def _from_pandas(predictions: Any) -> Array:
    if getattr(predictions, "ndim", 1) == 2 and predictions.shape[1] == 1:
        predictions = predictions.iloc[:, 0]
    array = np.asarray(predictions.to_numpy())
    if array.dtype.kind == "O" and predictions.ndim == 1 and getattr(predictions.dtype, "kind", "O") in "biuf":
        array = np.asarray(predictions.to_numpy(dtype=np.float64, na_value=np.nan))  # pandas' own missing value
    return array


def _from_masked(predictions: Any) -> Array:
    if np.ma.is_masked(predictions) and predictions.dtype.kind in "biuf":
        return np.asarray(predictions.astype(np.float64).filled(np.nan))  # a masked value is a missing one
    return np.asarray(predictions.data)


def _is_number(item: object) -> bool:
    return isinstance(item, (int, float, np.number, np.bool_)) and not isinstance(item, (np.complexfloating, bool))


def _show(item: object) -> str:
    if isinstance(item, (str, bytes)):
        return f"the text {item[:40]!r}"
    return "None" if item is None else f"a {type(item).__name__}"
