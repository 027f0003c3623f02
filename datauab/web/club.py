"""What every request handler needs, in one record, and the way to it from a request."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

from fastapi import Request

from datauab.competition import Competition
from datauab.ledger import Attempt, Ledger
from datauab.settings import Settings
from datauab.web.answered import Answered
from datauab.web.auth import Authenticator
from datauab.web.catalogue import Catalogue
from datauab.web.live import BoardWatch
from datauab.web.problems import Problem
from datauab.web.receipts import Receipt, issue_receipt

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
    clock: Callable[[], datetime]

    @property
    def zone(self) -> ZoneInfo:
        """The zone in which times are shown."""
        return ZoneInfo(self.settings.timezone)

    @property
    def prefix(self) -> str:
        """Path of the service, with both slashes."""
        return self.settings.web_prefix

    def competition(self, name: str, *, instructor: bool) -> Competition:
        """The competition `name` as the asker may see it.

        Raises
        ------
        Problem
            404 where there is none, or where it is not released and the asker is no instructor.
        """
        found = self.catalogue.get(name)
        if found is None or (not instructor and self.is_draft(found)):
            raise Problem(404, "NotFound", f"there is no competition {name[:60]!r} here; see the list of competitions")
        return found

    def is_draft(self, competition: Competition) -> bool:
        """Whether it was never released and nobody took part: then only instructors see it."""
        released = any(release.assignment == competition.name for release in self.ledger.releases())
        return not released and not self.ledger.attempts(competition=competition.name, limit=1)

    def intervals(self, name: str) -> Callable[[Collection[int]], dict[int, tuple[float, float]]]:
        """How to look up the 95 % intervals of the public scores of competition `name`."""

        def look_up(numbers: Collection[int]) -> dict[int, tuple[float, float]]:
            wanted = set(numbers)
            found = self.ledger.attempts(competition=name, states=["scored"])
            return {one.id: one.interval for one in found if one.id in wanted and one.interval}

        return look_up

    def receipt(self, attempt: Attempt) -> str:
        """The receipt of `attempt`; the same each time it is asked for."""
        fields = Receipt(attempt.competition, attempt.member, attempt.id, attempt.sha256, attempt.received_at)
        return issue_receipt(fields, self.key)


def club_of(request: Request) -> Club:
    """Give the running service's parts; a dependency of every handler."""
    club = request.app.state.club
    if not isinstance(club, Club):
        raise TypeError(f"expected the service's parts in app.state.club, found {club!r}")
    return club


@lru_cache
def static_version(name: str) -> str:
    """Short hash of a static file, so that browsers may keep it for ever and still see a change at once."""
    return hashlib.sha256((HERE / "static" / name).read_bytes()).hexdigest()[:12]
