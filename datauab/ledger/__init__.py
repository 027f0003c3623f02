"""The append-only ledger of attempts, scores and failures, beside nbgrader's tables in one database."""

from datauab.ledger.records import (
    Attempt,
    Kind,
    Lease,
    Origin,
    QueueCounts,
    Release,
    ScoreRecord,
    State,
    UsageToday,
)
from datauab.ledger.store import Ledger

__all__ = [
    "Attempt",
    "Kind",
    "Lease",
    "Ledger",
    "Origin",
    "QueueCounts",
    "Release",
    "ScoreRecord",
    "State",
    "UsageToday",
]
