"""Times as an organiser types them: by the club's clock, which leaves out one hour a year and shows one twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

Which = Literal["", "first", "second"]
"""Of a time that the clock shows twice: the first or the second one; empty where it was not said."""


class UnclearTime(ValueError):
    """A typed time is no moment, or is two; the message says which and what to type.

    Attributes
    ----------
    twice : bool
        Whether the clock shows this time twice, so that saying which one settles it.
    """

    def __init__(self, message: str, *, twice: bool = False) -> None:
        super().__init__(message)
        self.twice = twice


def parse_local(text: str, zone: ZoneInfo, which: Which = "") -> datetime:
    """Read what a field of type ``datetime-local`` sends.

    Parameters
    ----------
    text : str
        Such as ``2026-10-25T23:59``, by the clock of `zone`; seconds may follow.
    zone : ZoneInfo
        The club's.
    which : {"", "first", "second"}
        Which one is meant where the clock shows `text` twice.

    Returns
    -------
    datetime
        Aware, UTC.

    Raises
    ------
    UnclearTime
        Where `text` is no time, is left out by the clock in spring, or is shown twice in autumn and `which` is empty.
    """
    try:
        typed = datetime.fromisoformat(text.strip())
    except ValueError:
        typed = None
    if typed is None or typed.tzinfo is not None or not 2000 <= typed.year <= 2999:
        raise UnclearTime(f"expected a time by the club's clock such as 2026-12-01T23:59, found {text[:40]!r}")
    one, other = (typed.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    if one.utcoffset() == other.utcoffset():
        return one.astimezone(UTC)
    if one.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != typed:
        raise UnclearTime(_left_out(one, other, zone))
    if not which:
        raise UnclearTime(
            f"{typed:%d %B %Y, %H:%M} comes twice, because clocks in {zone.key} are set back that night: "
            f"the first one is {_offset(one)}, the second {_offset(other)}; say which one you mean",
            twice=True,
        )
    return (one if which == "first" else other).astimezone(UTC)


def as_typed(moment: datetime | None, zone: ZoneInfo) -> str:
    """`moment` as a field of type ``datetime-local`` shows it; empty where there is none."""
    return "" if moment is None else f"{moment.astimezone(zone):%Y-%m-%dT%H:%M}"


def _left_out(before: datetime, after: datetime, zone: ZoneInfo) -> str:
    # read with the offset of before the jump, the time lies after it, and the other way round
    late, early = before.astimezone(UTC).astimezone(zone), after.astimezone(UTC).astimezone(zone)
    jump = (late.utcoffset() or timedelta()) - (early.utcoffset() or timedelta())
    return (
        f"{before:%d %B %Y, %H:%M} does not exist: clocks in {zone.key} are set forward by {int(jump.seconds // 60)} "
        f"minutes that night; type {early:%H:%M} or {late:%H:%M}"
    )


def _offset(moment: datetime) -> str:
    text = f"{moment:%z}"
    return f"UTC{text[:3]}:{text[3:5]}"
