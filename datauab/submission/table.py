"""Turns a table with an id column, from whatever file, into predictions in the order of the test rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from datauab.errors import InvalidSubmission
from datauab.submission.ids import Ids

if TYPE_CHECKING:
    from datauab.competition import Competition


@dataclass(frozen=True)
class Table:
    """Columns of a file by position.

    `places` tells where each row stands in the file, for messages: "line 7" of a csv, "row 5" of a parquet file.
    """

    names: tuple[str, ...]
    columns: tuple[Sequence[Any] | NDArray[Any], ...]
    places: Sequence[str]


def arrange(table: Table, competition: Competition, ids: Ids) -> NDArray[Any]:
    """Predictions of `table` in the order of `ids`; class names become classes.

    Raises
    ------
    InvalidSubmission
        Names the place in the file and the id.
    """
    if "id" not in table.names:
        raise InvalidSubmission(
            f"predictions file: expected a column named id, found the columns {_list(table.names)}; "
            "the competition's sample_submission.csv shows the form"
        )
    if len(set(table.names)) != len(table.names):
        raise InvalidSubmission(f"predictions file: expected each column once, found {_list(table.names)}")
    order = _order(table, ids)
    wanted = _wanted(table, competition)
    named = dict(zip(competition.predictions.class_names, competition.predictions.classes, strict=False))
    columns = [_numbers(table, name, order, ids, named) for name in wanted]
    return columns[0] if competition.predictions.kind != "scores" else np.stack(columns, axis=1)


def _list(names: Sequence[str]) -> str:
    return ", ".join(repr(name[:40]) for name in names[:12]) + (", ..." if len(names) > 12 else "")


def _order(table: Table, ids: Ids) -> list[int]:
    """Row of the file for each test row."""
    order = [-1] * len(ids)
    for row, value in enumerate(table.columns[table.names.index("id")]):
        key = _key(value)
        place = ids.place(key)
        if place is None:
            raise InvalidSubmission(
                f"predictions file: {table.places[row]}: expected an id of the test rows, found {key[:60]!r}"
            )
        if order[place] >= 0:
            raise InvalidSubmission(
                f"predictions file: {table.places[row]}: id {key!r} is there already on {table.places[order[place]]}; "
                "expected each id once"
            )
        order[place] = row
    missing = [ids.keys[place] for place, row in enumerate(order) if row < 0]
    if missing:
        raise InvalidSubmission(
            f"predictions file: expected {len(ids)} rows, found {len(ids) - len(missing)}: id {missing[0]!r} "
            f"is missing{f', and {len(missing) - 1} more' if len(missing) > 1 else ''}"
        )
    return order


def _key(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def _wanted(table: Table, competition: Competition) -> tuple[str, ...]:
    spec = competition.predictions
    others = tuple(name for name in table.names if name != "id")
    if spec.kind != "scores":
        if len(others) != 1:
            raise InvalidSubmission(
                f"predictions file: expected the column id and one column of predictions, found {_list(table.names)}"
            )
        return others
    for names in (tuple(str(number) for number in spec.classes), spec.class_names):
        if names and set(others) == set(names):
            return names
    raise InvalidSubmission(
        f"predictions file: expected the column id and one column for each class "
        f"({_list(spec.class_names or tuple(str(number) for number in spec.classes))}), found {_list(table.names)}"
    )


def _numbers(table: Table, name: str, order: list[int], ids: Ids, named: dict[str, int]) -> NDArray[Any]:
    column = table.columns[table.names.index(name)]
    if isinstance(column, np.ndarray) and column.dtype.kind in "biuf":
        return np.asarray(column[order])
    values = [column[row] for row in order]
    try:
        return _fast(values)
    except ValueError:
        pass  # one by one, to find the first that is wrong
    for place, row in enumerate(order):
        values[place] = value = values[place].strip()
        if value in named:
            values[place] = str(named[value])
        elif not _is_number(value):
            raise InvalidSubmission(
                f"predictions file: {table.places[row]} (id {ids.keys[place]!r}), column {name!r}: "
                f"expected a number{' or a class name' if named else ''}, found {value[:60]!r}"
            )
    return _fast(values)


def _fast(values: list[str]) -> NDArray[Any]:
    if any("_" in value for value in values):
        raise ValueError("digits with underscores")
    return np.array(list(map(float, values)), dtype=np.float64)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text
