"""The ids of the test rows, by which files with an id column are put in order."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from pathlib import Path

from datauab.errors import DataError

SAMPLE = "sample_submission.csv"


@dataclass(frozen=True)
class Ids:
    """Ids of the test rows in the order of the public test features.

    Attributes
    ----------
    keys : tuple of str
        One id a row, as files write it.
    """

    keys: tuple[str, ...]
    _places: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        places = {key: place for place, key in enumerate(self.keys)}
        if len(places) != len(self.keys):
            raise DataError(f"ids of test rows: expected each once, found {len(self.keys) - len(places)} repeated")
        object.__setattr__(self, "_places", places)

    @classmethod
    def rows(cls, count: int) -> Ids:
        """Row numbers from 0 as ids."""
        return cls(tuple(str(number) for number in range(count)))

    def __len__(self) -> int:
        return len(self.keys)

    def place(self, key: str) -> int | None:
        """Row of the id `key`, counted from 0; None where there is no such id."""
        return self._places.get(key)


def load_ids(public_folder: Path, rows: int) -> Ids:
    """Ids from the first column, `id`, of the sample submission; row numbers where there is none.

    Raises
    ------
    DataError
        Where the sample has another number of rows, or an id twice.
    """
    path = public_folder / SAMPLE
    try:
        with path.open(encoding="utf-8", newline="") as file:
            lines = list(csv.reader(file))
    except FileNotFoundError:
        return Ids.rows(rows)
    if not lines or not lines[0] or lines[0][0] != "id":
        return Ids.rows(rows)
    keys = tuple(line[0].strip() for line in lines[1:] if line)
    if len(keys) != rows:
        raise DataError(f"{path}: expected {rows} rows, found {len(keys)}; prepare the data again")
    return Ids(keys)
