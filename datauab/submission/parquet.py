"""Reads parquet files in a process of its own, so that a hostile file can neither crash nor fill the caller."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
from typing import Any, BinaryIO

import numpy as np

from datauab.errors import InvalidSubmission
from datauab.submission.npy import read_npy, to_npy
from datauab.submission.table import Table

_MEMORY = 2 * 2**30
_SECONDS = 20
_MOST_COLUMNS = 1001
_HEADER_BYTES = 1 << 20


def read_parquet(data: bytes, max_rows: int, max_bytes: int, isolated: bool = True) -> Table:
    """Columns of a parquet file of numbers and text.

    Raises
    ------
    InvalidSubmission
        Where it cannot be read within the limits, or has other columns.
    """
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as target:
        source.write(data)
        source.seek(0)
        if isolated:
            _run(source, target, max_rows, max_bytes)
        else:
            convert(source, target, max_rows, max_bytes)
        target.seek(0)
        return _table(target.read(4 * max_bytes + _HEADER_BYTES), max_bytes)


def _run(source: BinaryIO, target: BinaryIO, max_rows: int, max_bytes: int) -> None:
    command = [sys.executable, "-I", "-m", "datauab.submission.parquet", str(max_rows), str(max_bytes)]
    try:
        done = subprocess.run(
            command, stdin=source, stdout=target, stderr=subprocess.DEVNULL, timeout=_SECONDS + 10, check=False, env={}
        )
    except subprocess.TimeoutExpired as error:
        raise InvalidSubmission("parquet: it took too long to read; save it as csv or .npy") from error
    if done.returncode:
        raise InvalidSubmission("parquet: it cannot be read within the limits; save it as csv or .npy")


def _table(content: bytes, max_bytes: int) -> Table:
    head, _, rest = content.partition(b"\n")
    try:
        record = json.loads(head)
        if "problem" in record:
            raise InvalidSubmission(f"parquet: {record['problem']}")
        columns: list[Any] = []
        for size in record["sizes"]:
            part, rest = rest[: abs(size)], rest[abs(size) :]
            columns.append(read_npy(part, max_bytes) if size > 0 else json.loads(part))
        rows = int(record["rows"])
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidSubmission("parquet: it cannot be read; save it as csv or .npy") from error
    return Table(tuple(record["names"]), tuple(columns), [f"row {row} (counted from 0)" for row in range(rows)])


def convert(source: BinaryIO, target: BinaryIO, max_rows: int, max_bytes: int) -> None:
    """Write the columns of the parquet file `source` to `target`: a line of JSON, then the columns one by one."""
    try:
        names, parts, rows = _columns(source, max_rows, max_bytes)
    except InvalidSubmission as error:
        target.write(json.dumps({"problem": str(error)}).encode() + b"\n")
        return
    sizes = [len(part) if part.startswith(b"\x93NUMPY") else -len(part) for part in parts]
    target.write(json.dumps({"names": names, "sizes": sizes, "rows": rows}).encode() + b"\n")
    for part in parts:
        target.write(part)


def _columns(source: BinaryIO, max_rows: int, max_bytes: int) -> tuple[list[str], list[bytes], int]:
    import pyarrow
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(source)
        rows, schema, meta = file.metadata.num_rows, file.schema_arrow, file.metadata
        if rows > max_rows or len(schema.names) > _MOST_COLUMNS:
            raise InvalidSubmission(f"expected {max_rows} rows, found {rows} in {len(schema.names)} columns")
        unpacked = sum(meta.row_group(number).total_byte_size for number in range(meta.num_row_groups))
        if unpacked > 4 * max_bytes:
            raise InvalidSubmission(f"expected at most {4 * max_bytes} bytes unpacked, found {unpacked}")
        table = file.read(use_threads=False)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise InvalidSubmission(f"it cannot be read ({str(error)[:120]})") from error
    parts: list[bytes] = []
    for name in schema.names:
        column = table.column(name)
        if column.null_count:
            row = int(column.is_null().to_numpy().argmax())
            raise InvalidSubmission(
                f"column {name[:60]!r}: row {row} (counted from 0): expected a value in every row, found "
                f"{column.null_count} without"
            )
        if pyarrow.types.is_integer(column.type) or pyarrow.types.is_floating(column.type):
            parts.append(to_npy(np.asarray(column.to_numpy())))
        elif pyarrow.types.is_string(column.type) or pyarrow.types.is_large_string(column.type):
            parts.append(json.dumps(column.to_pylist()).encode())
        else:
            raise InvalidSubmission(f"column {name[:60]!r}: expected numbers or text, found {column.type}")
    return list(schema.names), parts, rows


def _main() -> None:
    max_rows, max_bytes = int(sys.argv[1]), int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (4 * max_bytes + _HEADER_BYTES,) * 2)
    convert(sys.stdin.buffer, sys.stdout.buffer, max_rows, max_bytes)


if __name__ == "__main__":
    _main()
