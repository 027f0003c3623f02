"""What autograding did: which submission was graded with what, so that nothing unchanged is graded again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from datauab.ledger.attempt_rows import utc_now
from datauab.ledger.engine import Database
from datauab.ledger.tables_desk import grading


@dataclass(frozen=True, slots=True)
class Grading:
    """One autograding of one submission.

    Attributes
    ----------
    key : str
        SHA-256 of all that decides its result.
    state : {"scored", "failed"}
        How it ended.
    seconds : mapping of str to float
        Wall time by stage.
    """

    competition: str
    member: str
    attempt_id: int
    key: str
    state: str
    seconds: Mapping[str, float]
    graded_at: datetime


class Gradings:
    """The part of the ledger that remembers what was autograded."""

    _database: Database

    def record_grading(
        self, *, competition: str, member: str, attempt_id: int, key: str, state: str, seconds: Mapping[str, float]
    ) -> None:
        """Remember that a submission was graded."""
        values = {
            "competition": competition, "member": member, "attempt_id": attempt_id, "key": key, "state": state,
            "seconds": dict(seconds), "graded_at": utc_now(),
        }  # fmt: skip
        with self._database.writing() as connection:
            connection.execute(grading.insert().values(values))

    def newest_gradings(self, competition: str) -> dict[str, Grading]:
        """The newest grading of each member, by member."""
        newest = select(func.max(grading.c.id)).where(grading.c.competition == competition).group_by(grading.c.member)
        columns = [column for column in grading.c if column.name != "id"]
        query = select(*columns).where(grading.c.id.in_(newest))
        with self._database.reading() as connection:
            return {row.member: Grading(**row._mapping) for row in connection.execute(query)}
