"""What both formats of bundles say, in one form."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any, Literal

from datauab.bundles.records import FAR, BundleError, Report

Computation = Literal["sum", "avg", "min", "max"]
_FAR = datetime.fromisoformat(FAR)
_SHORT = 200


@dataclass(frozen=True)
class Task:
    """What attempts are scored with: paths in the bundle."""

    name: str
    program: object
    reference: object
    where: str


@dataclass(frozen=True)
class PhaseText:
    """A phase; times in UTC."""

    name: str
    description: str
    start: datetime
    end: datetime | None
    per_day: int | None
    total: int | None
    seconds: int | None
    task: Task
    migrates: bool
    public_data: object
    starting_kit: object
    where: str


@dataclass(frozen=True)
class ColumnText:
    """A column of the leaderboard."""

    key: str
    title: str
    ascending: bool
    digits: int
    computation: Computation | None = None
    of: tuple[str, ...] = ()


@dataclass(frozen=True)
class Description:
    """A whole bundle. `columns`: the one that ranks first. `pages`: title and path."""

    version: Literal[1, 2]
    title: str
    summary: str
    image: object
    terms: object
    pages: tuple[tuple[str, object], ...]
    phases: tuple[PhaseText, ...]
    columns: tuple[ColumnText, ...]
    policy: Literal["best", "last"]


class Fields:
    """The keys of one mapping of the file; each unknown one is told, and so is each that has no effect here."""

    def __init__(
        self, value: object, where: str, report: Report, known: Collection[str], unused: Mapping[str, str] | None = None
    ) -> None:
        if not isinstance(value, dict):
            raise BundleError(f"{where}: expected keys with values, found {short(value)}")
        self.where, self._report = where, report
        self._value = {str(key): item for key, item in value.items()}
        for key, item in self._value.items():
            if unused and key in unused:
                if item not in (None, False, "", [], {}):
                    report.add("unused", self.at(key), f"{unused[key]}, found {short(item)}")
            elif key not in known:
                report.add("unknown", self.at(key), f"no key of the format; ignored, found {short(item)}")

    def at(self, key: str) -> str:
        """Name of a key in messages."""
        return f"{self.where}: {key}" if not self.where.endswith(".") else f"{self.where}{key}"

    def get(self, key: str, default: object = None) -> Any:
        """The value, or `default` where there is none."""
        found = self._value.get(key)
        return default if found is None else found

    def has(self, key: str) -> bool:
        """Whether the key has a value."""
        return self._value.get(key) is not None

    def text(self, key: str, default: str = "") -> str:
        """A value as one line of text."""
        found = self.get(key, default)
        if isinstance(found, (dict, list)):
            raise BundleError(f"{self.at(key)}: expected text, found {short(found)}")
        return " ".join(str(found).split())

    def flag(self, key: str) -> bool:
        """A value that is true or false."""
        found = self.get(key, False)
        return found if isinstance(found, bool) else str(found).strip().lower() in ("true", "yes", "1")

    def count(self, key: str, default: int | None) -> int | None:
        """A number above 0; None, for no limit, where it is 0."""
        found = self.get(key, default)
        if found is None:
            return None
        try:
            number = float(found)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if isinstance(found, bool) or not math.isfinite(number) or number < 0:
            self._report.add("changed", self.at(key), f"expected a number, found {short(found)}; {default} is taken")
            return default
        return int(number) or None

    def moment(self, key: str) -> datetime | None:
        """A time in UTC; None where there is none."""
        found = self.get(key)
        if found is None or str(found).strip().lower() in ("", "null", "none"):
            return None
        return self._moment(key, found)

    def _moment(self, key: str, found: object) -> datetime:
        if isinstance(found, datetime):
            if found.time() != time():
                self._report.add(
                    "warning", self.at(key), f"not quoted: Codabench reads midnight, taken as it stands, {found}"
                )
            return in_utc(found)
        if isinstance(found, date):
            return datetime.combine(found, time(), UTC)
        if not isinstance(found, str):
            raise BundleError(f"{self.at(key)}: expected a time, found {short(found)}")
        from dateutil.parser import ParserError, parse

        try:
            moment: datetime = parse(found[:100])
        except (ParserError, OverflowError, ValueError) as error:
            raise BundleError(f"{self.at(key)}: expected a time, found {short(found)}") from error
        if moment.tzinfo is not None and moment.utcoffset():
            self._report.add("warning", self.at(key), f"Codabench loses the offset; taken with it, {moment}")
        return in_utc(moment)


def never(moment: datetime | None) -> bool:
    """Whether a time stands for none."""
    return moment is None or moment.year >= _FAR.year


def in_utc(moment: datetime) -> datetime:
    """`moment` in UTC; without an offset it is taken as UTC, as both platforms do."""
    try:
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        return moment.replace(tzinfo=UTC)


def as_list(value: object, where: str) -> list[Any]:
    """A list; empty where there is none."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise BundleError(f"{where}: expected a list, found {short(value)}")
    return value


def short(value: object) -> str:
    """A value, cut for messages."""
    text = repr(value)
    return text if len(text) <= _SHORT else f"{text[:_SHORT]}…"


def digits(fields: Fields, key: str) -> int:
    """Digits shown, from 0 to 10."""
    found = fields.get(key, 2)
    return min(10, max(0, found)) if isinstance(found, int) else 2


def computation(fields: Fields, found: object) -> Computation | None:
    """How a column is computed from others; None where it is not."""
    words: dict[str, Computation] = {
        "sum": "sum",
        "avg": "avg",
        "average": "avg",
        "mean": "avg",
        "min": "min",
        "max": "max",
    }
    if found in (None, "", False):
        return None
    word = words.get(str(found).strip().lower())
    if word is None:
        raise BundleError(f"{fields.where}: expected a computation of sum, avg, min or max, found {short(found)}")
    return word
