"""What being late costs: a share of the marks for each day begun, as ``[late]`` of competition.toml says.

Which attempts are late, and by how many days, was decided when they came in; here it only becomes marks.
"""

from __future__ import annotations

from datauab.autograde.record import named_attempt
from datauab.competition import Competition
from datauab.ledger import Ledger
from datauab.settings import Settings


def lost_share(competition: Competition, late_days: int) -> float:
    """Share of the marks, in [0, 1], that an attempt loses which came `late_days` days late."""
    if competition.late is None or late_days <= 0:
        return 0.0
    return min(1.0, competition.late.penalty_per_day * late_days)


def lost_share_of(settings: Settings, competition: Competition, student: str) -> float:
    """The share that the attempt in the student's folder of ``submitted/`` loses."""
    if competition.late is None:
        return 0.0
    folder = settings.root / "submitted" / student / competition.name
    with Ledger.open(settings) as ledger:
        attempt = named_attempt(ledger, folder, competition.name, student)
    return lost_share(competition, attempt.late_days) if attempt else 0.0
