"""What an organiser may decide over ``competition.toml``: which keys, which values, and what holds now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from datauab.competition import FROM_FILE, BoardView, Competition

RulingKey = Literal["closes", "reveal_at", "daily_scored", "daily_attempts", "board"]

RULING_KEYS: tuple[RulingKey, ...] = get_args(RulingKey)

MOST_A_DAY = 100_000

TITLES: dict[RulingKey, str] = {
    "closes": "End of the last phase",
    "reveal_at": "Private board is shown",
    "daily_scored": "Scored attempts a day",
    "daily_attempts": "Attempts a day, failed ones too",
    "board": "Board before the reveal",
}


class InvalidRuling(ValueError):
    """A value that a ruling cannot have; the message says what was expected."""


@dataclass(frozen=True)
class Standing:
    """One key as the file says it and as it holds.

    Attributes
    ----------
    in_file, holds : object
        A time (aware) or None, a number, or a view of the board.
    ruled : bool
        Whether a ruling weighs more than the file.
    """

    key: RulingKey
    title: str
    in_file: datetime | int | str | None
    holds: datetime | int | str | None
    ruled: bool


def standings(in_file: Competition, rulings: Mapping[str, Any]) -> list[Standing]:
    """Set the file beside what holds under `rulings`, key by key."""
    ruled = in_file.ruled(rulings)
    return [
        Standing(
            key=key,
            title=TITLES[key],
            in_file=_value(in_file, key),
            holds=_value(ruled, key),
            ruled=key in rulings and rulings[key] != FROM_FILE,
        )
        for key in RULING_KEYS
    ]


def check_ruling(competition: Competition, key: RulingKey, value: object) -> object:
    """Give `value` in the form that the ledger keeps.

    Parameters
    ----------
    competition : Competition
        What it is a ruling on.
    key : str
        One of `RULING_KEYS`.
    value : object
        An aware time for ``closes`` (or None: no end) and ``reveal_at``; a whole number for the quotas; a view of the
        board.

    Raises
    ------
    InvalidRuling
        Where the value cannot hold: says what was expected and found.
    """
    if key == "board":
        if value not in get_args(BoardView):
            raise InvalidRuling(f"board: expected public, hidden or blind, found {value!r}")
        return value
    if key in ("daily_scored", "daily_attempts"):
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_A_DAY:
            raise InvalidRuling(f"{TITLES[key]}: expected a whole number from 1 to {MOST_A_DAY}, found {value!r}")
        return value
    if value is None and key == "closes":
        return None
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise InvalidRuling(f"{TITLES[key]}: expected a time with its offset, found {value!r}")
    last = competition.phases[-1]
    if key == "closes" and value <= last.opens:
        raise InvalidRuling(
            f"the last phase, {last.name!r}, opens at {last.opens:%Y-%m-%d %H:%M} UTC: expected an end after that, "
            f"found {value.astimezone(UTC):%Y-%m-%d %H:%M} UTC; to open it later, change competition.toml"
        )
    _check_order(competition, key, value)
    return value.astimezone(UTC).isoformat()


def _check_order(competition: Competition, key: RulingKey, value: datetime) -> None:
    ends = value if key == "closes" else competition.ends
    shown = value if key == "reveal_at" else competition.reveal.at
    if shown is None or (ends is not None and shown >= ends):
        return
    until = "has no end" if ends is None else f"ends {ends:%Y-%m-%d %H:%M} UTC"
    raise InvalidRuling(
        f"the private board would be shown at {shown.astimezone(UTC):%Y-%m-%d %H:%M} UTC while attempts are accepted "
        f"(the last phase {until}): expected the end first, then the reveal; change the other one first"
    )


def _value(competition: Competition, key: RulingKey) -> datetime | int | str | None:
    match key:
        case "closes":
            return competition.phases[-1].closes
        case "reveal_at":
            return competition.reveals
        case "board":
            views = dict.fromkeys(phase.board for phase in competition.phases)
            return ", then ".join(views)
        case _:
            quotas = [getattr(phase, key) or getattr(competition.quotas, key) for phase in competition.phases]
            return quotas[-1] if len(set(quotas)) == 1 else ", then ".join(str(one) for one in quotas)
