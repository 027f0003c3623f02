"""What the pages of one competition have in common."""

from __future__ import annotations

from typing import Any

from datauab.competition import Competition
from datauab.web.club import Club
from datauab.web.team_rules import team_terms
from datauab.web.wording import direction_text, late_text, metric_words, view_phase, view_state


def about(club: Club, competition: Competition) -> dict[str, Any]:
    """What every page of one competition shows."""
    words = metric_words(competition.metric.name, competition.metric.title)
    return {
        "competition": competition,
        "draft": club.is_draft(competition),
        "phase": view_state(competition, club.clock()),
        "dataset": club.catalogue.dataset(competition),
        "upload_mb": club.settings.upload_mb,
        "metric": {
            "title": words.title,
            "text": words.text,
            "range": words.range,
            "source": words.source,
            "direction_text": direction_text(competition),
            "secondary": [metric_words(name).title for name in competition.metric.secondary],
        },
    }


def facts(club: Club, competition: Competition) -> dict[str, Any]:
    """What the first page of a competition tells beside its board: news, rules, times."""
    now = club.clock()
    return {
        "announcements": club.ledger.announcements(competition.name),
        "phases": [view_phase(phase, now) for phase in competition.phases],
        "late": late_text(competition.late) if competition.late else "",
        "revealed": competition.is_revealed(now),
        "released": any(release.assignment == competition.name for release in club.ledger.releases()),
        "team_until": team_terms(club, competition).until,
    }


def cover_address(club: Club, competition: Competition) -> str | None:
    """Address of the competition's cover image, or None where it has none."""
    return f"{club.prefix}competitions/{competition.name}/cover" if club.catalogue.cover(competition) else None
