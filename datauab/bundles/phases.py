"""Phases of an exported bundle: one after the other, the private leaderboard the last."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from datauab.bundles.records import FAR, Report
from datauab.competition import Competition, Phase

MANY = 100_000
"""Written where submissions are not limited: leaving the key out means 100 to Codabench."""

PRIVATE = "Private leaderboard"
_FAR = datetime.fromisoformat(FAR)


def described_phases(competition: Competition, report: Report, *, data: bool) -> list[dict[str, Any]]:
    """Phases as ``competition.yaml`` has them; times are quoted text in UTC, as Codabench loses offsets.

    Parameters
    ----------
    data : bool
        Whether the bundle holds the public data.
    """
    found: list[dict[str, Any]] = []
    end: datetime | None = None
    for index, phase in enumerate(sorted(competition.phases, key=lambda one: one.opens)):
        opens = phase.opens if end is None else max(phase.opens, end)
        if opens != phase.opens:
            report.add("changed", f"phase {phase.name}", "begins with the end of the one before: none may overlap")
        end = phase.closes or _FAR
        if end <= opens:
            report.add("unused", f"phase {phase.name}", "it lies within the one before and is left out")
            end = opens
            continue
        if phase.closes is None:
            report.add("changed", f"phase {phase.name}", f"has no end; a phase before another needs one: {FAR}")
        found.append(_phase(competition, phase, index, opens, end))
    attached = {"starting_kit": "starting_kit.zip", **({"public_data": "public_data.zip"} if data else {})}
    found = [{**phase, **attached} for phase in found]
    return [*found, _private(competition, len(found), end or _FAR)]


def _phase(competition: Competition, phase: Phase, index: int, opens: datetime, closes: datetime) -> dict[str, Any]:
    blind = phase.board == "blind"
    return {
        "index": index,
        "name": phase.name,
        "description": phase.description,
        "start": _text(opens),
        "end": _text(closes),
        "max_submissions_per_day": phase.daily_scored or competition.quotas.daily_scored,
        "max_submissions": phase.total_scored or MANY,
        "execution_time_limit": max(600, competition.metric.timeout_s),
        "hide_output": True,
        **({"hide_score_output": True, "hide_prediction_output": True} if blind else {}),
        "tasks": [0],
    }


def _private(competition: Competition, index: int, end: datetime) -> dict[str, Any]:
    return {
        "index": index,
        "name": PRIVATE,
        "description": "Attempts of the phase before, scored on the private part of the hidden rows",
        "start": _text(max(end, competition.reveals or _FAR)),
        "auto_migrate_to_this_phase": True,
        "max_submissions_per_day": 1,
        "max_submissions": 1,
        "execution_time_limit": max(600, competition.metric.timeout_s),
        "hide_output": True,
        "tasks": [1],
    }


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
