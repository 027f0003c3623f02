"""What every request handler needs, in one record, and the way to it from a request."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

from fastapi import Request

from datauab.competition import Competition
from datauab.ledger import Attempt, Ledger
from datauab.receipts import Receipt, issue_receipt
from datauab.settings import Settings
from datauab.web.answered import Answered
from datauab.web.auth import Authenticator
from datauab.web.board_index import BoardIndexes
from datauab.web.catalogue import Catalogue
from datauab.web.drawings import Drawings
from datauab.web.endings import Endings
from datauab.web.live import BoardWatch
from datauab.web.names import Names
from datauab.web.problems import Problem
from datauab.web.row_ids import RowIds

HERE = Path(__file__).parent


def utc_now() -> datetime:
    """Now, in UTC, by the server's clock: the only clock that counts."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Club:
    """The parts of one running web service."""

    settings: Settings
    ledger: Ledger
    auth: Authenticator
    catalogue: Catalogue
    key: bytes
    watch: BoardWatch
    answered: Answered
    boards: BoardIndexes
    names: Names
    endings: Endings
    row_ids: RowIds
    clock: Callable[[], datetime]
    drawings: Drawings = field(default_factory=Drawings)
    _taken_up: set[str] = field(default_factory=set)
    # competitions in which somebody takes part: attempts are never removed, so this needs no second look

    @property
    def zone(self) -> ZoneInfo:
        """The zone in which times are shown."""
        return ZoneInfo(self.settings.timezone)

    @property
    def prefix(self) -> str:
        """Path of the service, with both slashes."""
        return self.settings.web_prefix

    def competition(self, name: str, *, instructor: bool) -> Competition:
        """The competition `name` as the asker may see it, under the organisers' rulings.

        Raises
        ------
        Problem
            404 where there is none, or where it is not released and the asker is no instructor.
        """
        found = self.catalogue.get(name)
        if found is None or (not instructor and self.is_draft(found)):
            raise Problem(404, "NotFound", f"there is no competition {name[:60]!r} here; see the list of competitions")
        return found.ruled(self.ledger.rulings(name))

    def competitions(self, *, instructor: bool) -> list[Competition]:
        """Every competition that the asker may see, under the organisers' rulings, the newest first."""
        shown = [one for one in self.catalogue.all() if instructor or not self.is_draft(one)]
        return [one.ruled(self.ledger.rulings(one.name)) for one in shown]

    def is_draft(self, competition: Competition) -> bool:
        """Whether it is not released and nobody took part: then only instructors see it."""
        name = competition.name
        if name in self._taken_up:
            return False
        if self.ledger.attempts(competition=name, limit=1):
            self._taken_up.add(name)
            return False
        return all(release.assignment != name for release in self.ledger.releases())

    def receipt(self, attempt: Attempt) -> str:
        """The receipt of `attempt`; the same each time it is asked for."""
        fields = Receipt(
            club=self.settings.club,
            competition=attempt.competition,
            member=attempt.member,
            attempt=attempt.id,
            sha256=attempt.sha256,
            size=attempt.size,
            received_at=attempt.received_at,
        )
        return issue_receipt(fields, self.key)


def club_of(request: Request) -> Club:
    """Give the running service's parts."""
    club = request.app.state.club
    if not isinstance(club, Club):
        raise TypeError(f"expected the service's parts in app.state.club, found {club!r}")
    return club


async def running_club(request: Request) -> Club:
    """Give the running service's parts; a dependency of every handler, a coroutine since others cost a thread."""
    return club_of(request)


@lru_cache
def static_version(name: str) -> str:
    """Short hash of a static file, so that browsers may keep it for ever and still see a change at once."""
    return hashlib.sha256((HERE / "static" / name).read_bytes()).hexdigest()[:12]
