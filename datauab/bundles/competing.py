"""The values of ``competition.toml`` that an imported bundle gives."""

from __future__ import annotations

from typing import Any

from datauab.bundles.description import Description, PhaseText, never
from datauab.bundles.records import BundleError, Report
from datauab.settings import Settings

_MIB = 2**20
_UNLIMITED = 10_000
_LONGEST_S = 3600


def competition_values(
    settings: Settings, described: Description, *, two_sides: bool, bytes_used: int, rules: str, report: Report
) -> dict[str, Any]:
    """Keys and values of ``competition.toml``, all but the cover and the dataset.

    Parameters
    ----------
    two_sides : bool
        Whether the first and the last phase have different reference data.
    bytes_used : int
        Size of program and reference data unpacked.
    rules : str
        What members accept.
    """
    phases, reveal = _phases(described, two_sides, report)
    primary = described.columns[0]
    seconds = max(phase.seconds or 600 for phase in described.phases)
    begin, full = (1.0, 0.0) if primary.ascending else (0.0, 1.0)
    report.add("changed", "points", f"marks run from {begin:g} to {full:g} of the score; correct [points] if need be")
    if not two_sides:
        report.add("changed", "reference_data", "one for all phases: public and private score are the same")
    per_day = described.phases[0].per_day or _UNLIMITED
    values: dict[str, Any] = {
        "title": described.title[:200],
        "summary": (described.summary or described.title)[:500],
        "authors": [settings.club],
        "date": described.phases[0].start.date(),
        "public_share": 0.5,
        "predictions": {"kind": "files"},
        "metric": {
            "name": "program",
            "direction": "minimize" if primary.ascending else "maximize",
            "title": primary.title[:64],
            "secondary": [column.key for column in described.columns[1:]],
            "digits": primary.digits,
            "timeout_s": min(_LONGEST_S, max(1, seconds)),
        },
        "quotas": {"daily_scored": per_day, "daily_attempts": max(20, 4 * per_day)},
        "board": {"policy": described.policy},
        "points": {"begin": begin, "full": full},
        "phases": phases,
    }
    if rules:
        values["rules"] = {"text": rules}
    if reveal:
        values["reveal"] = reveal
    room = 2 * bytes_used // _MIB + 256
    if room > settings.limits.scratch_mb:
        values["run"] = {"scratch_mb": room}
        report.add("warning", "scoring", f"each run takes {room} MiB of memory for its files")
    return values


def _phases(described: Description, two_sides: bool, report: Report) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Phases that accept attempts, and when the private board is shown.

    A last phase into which the attempts of the one before move, with data of its own, is what the private board is
    here: each attempt is scored on both sides when it arrives.
    """
    kept = list(described.phases)
    reveal: dict[str, Any] = {}
    last = kept[-1]
    if two_sides and len(kept) > 1 and last.migrates:
        kept.pop()
        text = (
            "becomes the private board: attempts are scored on its data too, shown from its start; it takes no new ones"
        )
        report.add("changed", last.where, text)
        if not never(last.start):
            reveal = {"at": last.start}
        elif not never(kept[-1].end):
            reveal = {"auto": False}
    elif two_sides:
        report.add("changed", last.where, "its reference data gives the private score, shown after the last phase")
    found = [phase for index, item in enumerate(kept) if (phase := _phase(item, kept[index + 1 :], report))]
    if not found:
        raise BundleError("competition.yaml: phases: expected one that ends after it starts, found none")
    return found, reveal


def _phase(phase: PhaseText, later: list[PhaseText], report: Report) -> dict[str, Any] | None:
    end = None if never(phase.end) else phase.end
    if end is None and later:
        end = later[0].start
        report.add("missing", f"{phase.where}: end", f"none; it ends where the next one starts, {end}")
    if end is not None and end <= phase.start:
        report.add("unused", phase.where, f"it ends ({end}) before it starts ({phase.start}); left out")
        return None
    return {
        "name": phase.name[:100],
        "description": phase.description[:500],
        "opens": phase.start,
        "closes": end,
        "daily_scored": phase.per_day,
        "total_scored": phase.total,
    }
