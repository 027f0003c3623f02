"""Boards as files: CSV and JSON, written row by row so that no board is held in memory twice."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from datauab.competition import Competition
from datauab.web.board import BoardRow, Side

ROWS_AT_ONCE = 200
"""Rows of one piece of an answer."""

PUBLIC_COLUMNS = (
    "rank", "name", "score", "interval_low", "interval_high", "attempts", "last_improvement", "verified",
    "tied_with_next", "baseline", "members",
)  # fmt: skip
PRIVATE_COLUMNS = (
    "rank", "name", "score", "public_score", "public_rank", "moved", "medal", "attempts", "last_improvement",
    "verified", "baseline", "members",
)  # fmt: skip

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def row_record(row: BoardRow, side: Side) -> dict[str, Any]:
    """One row as plain values, ready for JSON; scores in full precision, no account names."""
    final = side == "private"
    return {
        "rank": row.rank,
        "name": row.name,
        "score": row.score,
        "interval": list(row.interval) if row.interval else None,
        "attempts": row.attempts,
        "last_improvement": row.last_improvement.isoformat().replace("+00:00", "Z"),
        "baseline": row.baseline,
        "mine": row.mine,
        "verified": row.verified,
        "tied_with_next": row.tied,
        "team": row.team,
        "members": [person.name for person in row.people],
        "public_score": row.public_score if final else None,
        "public_rank": row.public_rank if final else None,
        "moved": row.moved if final else None,
        "medal": row.medal if final else None,
    }


def csv_pieces(rows: Iterable[BoardRow], side: Side) -> Iterator[str]:
    """The board as CSV (RFC 4180, UTF-8) with a line of headings.

    A text that a spreadsheet would take for a formula gets a leading apostrophe.
    """
    columns = PUBLIC_COLUMNS if side == "public" else PRIVATE_COLUMNS
    target = io.StringIO()
    writer = csv.writer(target)
    writer.writerow(columns)
    for number, row in enumerate(rows, start=1):
        record = _flat(row_record(row, side))
        writer.writerow([_cell(record[column]) for column in columns])
        if number % ROWS_AT_ONCE == 0:
            yield _taken(target)
    yield _taken(target)


def json_pieces(head: Mapping[str, Any], rows: Iterable[BoardRow], side: Side) -> Iterator[str]:
    """The board as one JSON object: `head`, and its rows under ``rows``."""
    text = json.dumps(dict(head), allow_nan=False)
    yield f'{text[:-1]}{", " if head else ""}"rows": ['
    piece: list[str] = []
    first = True
    for row in rows:
        piece.append(("" if first else ",\n") + json.dumps(row_record(row, side), allow_nan=False))
        first = False
        if len(piece) == ROWS_AT_ONCE:
            yield "".join(piece)
            piece.clear()
    yield "".join(piece) + "]}\n"


def file_name(competition: Competition, side: Side, ending: str) -> str:
    """Name under which a browser keeps the file."""
    return f"{competition.name}-{side}-leaderboard.{ending}"


def _flat(record: dict[str, Any]) -> dict[str, Any]:
    low, high = record["interval"] or ("", "")
    return {**record, "interval_low": low, "interval_high": high, "members": "; ".join(record["members"])}


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return repr(value)
    text = str(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(_FORMULA) else text


def _taken(target: io.StringIO) -> str:
    text = target.getvalue()
    target.seek(0)
    target.truncate()
    return text
