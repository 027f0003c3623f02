"""What boards are made of: attempts with their public or, for instructors, their private scores."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import and_, func, select

from datauab.ledger.attempts import utc_now
from datauab.ledger.engine import Database
from datauab.ledger.tables import attempt, ending, member, private_score, score
from datauab.ranking import Entry

_newest = select(func.max(score.c.id)).where(score.c.attempt_id == attempt.c.id).correlate(attempt).scalar_subquery()
_scored = and_(score.c.attempt_id == attempt.c.id, score.c.id == _newest)


class Boards:
    """The part of the ledger that leaderboards and instructors' pages are made from."""

    _database: Database

    def public_board(self, competition: str) -> list[Entry]:
        """List all attempts of a competition with their public scores, for `datauab.ranking.rank`.

        Attempts that wait, run or failed have the score None; those that the platform failed are left out.
        """
        query = (
            select(attempt.c.member, attempt.c.id, attempt.c.received_at, score.c.public, attempt.c.origin)
            .select_from(attempt)
            .outerjoin(score, _scored)
            .outerjoin(ending, ending.c.attempt_id == attempt.c.id)
            .where(attempt.c.competition == competition, ending.c.platform_fault.is_not(True))
        )
        with self._database.reading() as connection:
            return [_entry(*row) for row in connection.execute(query)]

    def private_board(self, competition: str) -> list[Entry]:
        """List the same attempts with their private scores: for instructors only, until the reveal."""
        query = (
            select(attempt.c.member, attempt.c.id, attempt.c.received_at, private_score.c.private, attempt.c.origin)
            .select_from(attempt)
            .outerjoin(score, _scored)
            .outerjoin(private_score, private_score.c.score_id == score.c.id)
            .outerjoin(ending, ending.c.attempt_id == attempt.c.id)
            .where(attempt.c.competition == competition, ending.c.platform_fault.is_not(True))
        )
        with self._database.reading() as connection:
            return [_entry(*row) for row in connection.execute(query)]

    def private_scores(self, attempt_ids: Iterable[int]) -> dict[int, float]:
        """Read the private scores of attempts, by number; those without one are left out. For instructors only."""
        return {number: private for number, private, _ in self._private_rows(attempt_ids)}

    def private_secondary(self, attempt_ids: Iterable[int]) -> dict[int, dict[str, float]]:
        """Read the secondary metrics on the private part, by number of the attempt. For instructors only."""
        return {number: dict(secondary) for number, _, secondary in self._private_rows(attempt_ids)}

    def _private_rows(self, attempt_ids: Iterable[int]) -> list[tuple[int, float, dict[str, float]]]:
        query = (
            select(attempt.c.id, private_score.c.private, private_score.c.secondary)
            .select_from(attempt)
            .join(score, _scored)
            .join(private_score, private_score.c.score_id == score.c.id)
        )
        numbers = sorted(set(attempt_ids))
        rows: list[tuple[int, float, dict[str, float]]] = []
        with self._database.reading() as connection:
            for begin in range(0, len(numbers), 500):  # databases limit the number of parameters of one query
                chunk = query.where(attempt.c.id.in_(numbers[begin : begin + 500]))
                rows += [(row[0], row[1], row[2]) for row in connection.execute(chunk)]
        return rows

    def display_names(self) -> dict[str, str]:
        """Map members' account names to the names they show."""
        with self._database.reading() as connection:
            return {row.name: row.display_name for row in connection.execute(select(member))}

    def upsert_member(self, name: str, display_name: str) -> None:
        """Set the name that a member shows."""
        values = {"display_name": display_name, "updated_at": utc_now()}
        with self._database.writing() as connection:
            self._database.lock(connection, _MEMBERS)
            if connection.execute(member.update().where(member.c.name == name).values(values)).rowcount == 0:
                connection.execute(member.insert().values(name=name, **values))


_MEMBERS = 0x6D656D62  # number of the lock under which members are added


def _entry(name: str, number: int, received_at: datetime, value: float | None, origin: str) -> Entry:
    return Entry(name, number, received_at, value, baseline=origin == "baseline")
