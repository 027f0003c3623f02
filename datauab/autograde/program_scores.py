"""Reads what a scoring program wrote: finite numbers by key, and nothing else."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any, Literal, NoReturn

from pydantic import BaseModel, ConfigDict, Field

from datauab.autograde.program_run import MOST_SCORES
from datauab.errors import GradingError

_NUMBER = re.compile(r"[+-]?(\d{1,400}(\.\d{0,400})?|\.\d{1,400})([eE][+-]?\d{1,4})?")
_LINE = re.compile(r"""\s*(['"]?)([^:'"]{1,200})\1\s*:\s*(.{0,1000}?)\s*""")


class Column(BaseModel):
    """A column of a bundle's leaderboard: a key of the scores, or computed from other keys (`of`)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str
    computation: Literal["sum", "avg", "min", "max"] | None = None
    of: tuple[str, ...] = ()


class Contract(BaseModel):
    """How a scoring program is called, and what of its output is kept.

    Attributes
    ----------
    command : str
        As its metadata gives it.
    folder : str
        Working folder inside the sandbox.
    columns : tuple of Column
        The primary one, which ranks, first.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    command: str
    folder: str
    columns: tuple[Column, ...] = Field(min_length=1)


def read_scores(name: str, content: bytes, columns: tuple[Column, ...]) -> dict[str, float]:
    """Values of `columns`, the primary one first; others that the program did not write are left out.

    Parameters
    ----------
    name : str
        "scores.json" or "scores.txt".
    content : bytes
        Of the file.

    Raises
    ------
    GradingError
        Where the file is no flat list of numbers, or one that a column needs is missing or not finite.
    """
    if len(content) > MOST_SCORES:
        raise GradingError(f"{name}: expected at most {MOST_SCORES} bytes, found more")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise GradingError(f"{name}: expected text in UTF-8: {error}") from error
    found = _from_json(text) if name.endswith(".json") else _from_lines(text)
    values: dict[str, float] = {}
    for position, column in enumerate(columns):
        value = _computed(name, column, found) if column.computation else _number(name, column.key, found)
        if value is not None:
            values[column.key] = value
        elif position == 0:
            raise GradingError(
                f"{name}: expected a value for {column.key!r}, which ranks on the leaderboard, "
                f"found {', '.join(map(repr, list(found)[:10])) or 'nothing'}"
            )
    return values


def _from_json(text: str) -> Mapping[str, Any]:
    def refuse(word: str) -> NoReturn:
        raise GradingError(f"scores.json: expected finite numbers, found {word}")

    try:
        found = json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise GradingError(f"scores.json: not valid JSON: {str(error)[:200]}") from error
    if not isinstance(found, dict):
        raise GradingError(f"scores.json: expected an object of keys and numbers, found {type(found).__name__}")
    return found


def _from_lines(text: str) -> Mapping[str, Any]:
    """Read ``key: value`` lines; the blank after the colon is often missing in old programs, which YAML minds."""
    found: dict[str, Any] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#") or line.strip() in ("---", "..."):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise GradingError(f"scores.txt: line {number}: expected 'key: number', found {line[:80]!r}")
        found[match[2].strip()] = match[3]
    return found


def _number(name: str, key: str, found: Mapping[str, Any]) -> float | None:
    if key not in found:
        return None
    raw = found[key]
    if isinstance(raw, str):
        value = float(raw) if _NUMBER.fullmatch(raw.strip()) else math.nan
    elif isinstance(raw, (int, float)) and not isinstance(raw, bool):
        try:
            value = float(raw)
        except OverflowError:
            value = math.inf
    else:
        value = math.nan
    if not math.isfinite(value):
        raise GradingError(f"{name}: {key}: expected a finite number, found {str(raw)[:80]!r}")
    return value


def _computed(name: str, column: Column, found: Mapping[str, Any]) -> float | None:
    values = [value for key in column.of if (value := _number(name, key, found)) is not None]
    if not values or len(values) < len(column.of):
        return None
    computed = {"sum": sum(values), "avg": sum(values) / len(values), "min": min(values), "max": max(values)}
    value = computed[column.computation or "sum"]
    if not math.isfinite(value):
        raise GradingError(f"{name}: {column.key}: expected a finite {column.computation}, found {value}")
    return value
