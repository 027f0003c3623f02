"""Reads predictions from csv files."""

from __future__ import annotations

import csv
import io

from datauab.errors import InvalidSubmission
from datauab.submission.table import Table

_MOST_COLUMNS = 1001
_LONGEST_FIELD = 1000


def read_csv(data: bytes, max_rows: int) -> Table:
    """Read a csv file with a header; byte order mark, CRLF and quotes are fine.

    Raises
    ------
    InvalidSubmission
        Names the line.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InvalidSubmission(
            f"predictions file: line {line}: expected text in UTF-8, found the byte {data[error.start]:#04x}; "
            'save it with df.to_csv(path, index=False, encoding="utf-8")'
        ) from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[list[str]] = []
    places: list[str] = []
    names: list[str] = []
    try:
        for fields in reader:
            if not fields or (len(fields) == 1 and not fields[0].strip()):
                continue
            if not names:
                names = _header(fields)
                continue
            if len(fields) != len(names):
                raise InvalidSubmission(
                    f"predictions file: line {reader.line_num}: expected {len(names)} fields, found {len(fields)}"
                )
            if len(rows) >= max_rows:
                raise InvalidSubmission(
                    f"predictions file: line {reader.line_num}: expected {max_rows} rows after the header, found more"
                )
            rows.append(fields)
            places.append(f"line {reader.line_num}")
    except csv.Error as error:
        raise InvalidSubmission(f"predictions file: line {reader.line_num}: not csv: {error}") from error
    if not names:
        raise InvalidSubmission("predictions file: expected a csv file with a header, found no line")
    columns = tuple(zip(*rows, strict=True)) if rows else tuple(() for _ in names)
    long = next((row for row, fields in enumerate(rows) if sum(map(len, fields)) > _LONGEST_FIELD * len(names)), None)
    if long is not None:
        raise InvalidSubmission(f"predictions file: {places[long]}: expected short fields, found very long ones")
    return Table(tuple(names), columns, places)


def _header(fields: list[str]) -> list[str]:
    names = [field.strip() for field in fields]
    if len(names) == 1 and ";" in names[0]:
        raise InvalidSubmission(
            "predictions file: line 1: expected fields parted by commas, found semicolons; "
            'save it with df.to_csv(path, index=False), sep=","'
        )
    if len(names) > _MOST_COLUMNS:
        raise InvalidSubmission(f"predictions file: line 1: expected at most {_MOST_COLUMNS} columns, found more")
    return names
