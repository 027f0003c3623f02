"""Phases, their ends, the reveal, and clocks that are set forward and back."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from datauab.lint.case import Case
from datauab.lint.finding import error, note, warning
from datauab.task_results import LintFinding

_HOUR = timedelta(hours=1)


def phases(case: Case) -> Iterable[LintFinding]:
    """Find phases that overlap, leave gaps, or have no end though another one follows."""
    ordered = sorted(case.competition.phases, key=lambda phase: phase.opens)
    where = "competition.toml: phases"
    for before, after in pairwise(ordered):
        if before.closes is None or before.closes > after.opens:
            end = f"closes {before.closes:%Y-%m-%d %H:%M} UTC" if before.closes else "has no end"
            yield error(
                "phases-overlap",
                f"phase {before.name!r} {end}, but {after.name!r} opens {after.opens:%Y-%m-%d %H:%M} UTC: attempts "
                f"count for {before.name!r} only",
                where=where,
                advice="let one close when the next opens",
            )
        elif before.closes < after.opens:
            yield note(
                "phases-gap",
                f"nobody can hand in between {before.closes:%Y-%m-%d %H:%M} and {after.opens:%Y-%m-%d %H:%M} UTC",
                where=where,
            )
    if case.competition.ends is None:
        yield note(
            "phase-without-end",
            "the last phase has no end: attempts go on for ever, and the private board is never shown by itself",
            where=where,
            advice="give it `closes`, unless it is an exercise that stays open",
        )
    names = [phase.name for phase in ordered]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield warning("phase-named-twice", f"two phases are called {name!r}", where=where)


def clocks(case: Case) -> Iterable[LintFinding]:
    """Find ends that fall into the hour that a clock shows twice, and days whose hour shifts in between."""
    zone = ZoneInfo(case.settings.timezone)
    for phase in case.competition.phases:
        for what, moment in (("opens", phase.opens), ("closes", phase.closes)):
            if moment is not None and _shown_twice(moment, zone):
                yield warning(
                    "hour-shown-twice",
                    f"phase {phase.name!r} {what} at {moment.astimezone(zone):%H:%M} of {zone.key} on a day when that "
                    "hour comes twice",
                    where=f"competition.toml: phases: {what}",
                    advice="choose another hour",
                )
        if phase.closes is None:
            continue
        first, last = phase.opens.astimezone(zone), phase.closes.astimezone(zone)
        same_in_utc = phase.opens.time() == phase.closes.time()
        if first.utcoffset() != last.utcoffset() and same_in_utc and first.time() != last.time():
            yield note(
                "clock-change",
                f"phase {phase.name!r} opens at {first:%H:%M} and closes at {last:%H:%M} of {zone.key}: the clocks "
                "change in between",
                where="competition.toml: phases",
                advice="give times with the offset that holds on that day, such as +02:00 in summer",
            )


def _shown_twice(moment: datetime, zone: ZoneInfo) -> bool:
    shown = moment.astimezone(zone).replace(tzinfo=None)
    return any((moment + shift).astimezone(zone).replace(tzinfo=None) == shown for shift in (-_HOUR, _HOUR))


def reveal(case: Case) -> Iterable[LintFinding]:
    """Find a private board that is shown while attempts are still accepted."""
    competition = case.competition
    shown, ends, late = competition.reveals, competition.ends, competition.late_until
    if shown is None:
        return
    where = "competition.toml: reveal"
    if ends is None or shown < ends:
        end = f"the last phase ends {ends:%Y-%m-%d %H:%M} UTC" if ends else "the last phase has no end"
        yield error(
            "reveal-before-end",
            f"the private board is shown {shown:%Y-%m-%d %H:%M} UTC, but {end}: afterwards attempts aim at it",
            where=where,
            advice="reveal at the end, or later",
        )
    elif late is not None and shown < late:
        say = warning if competition.late is not None and competition.late.ranked else note
        yield say(
            "late-after-reveal",
            f"late attempts are accepted until {late:%Y-%m-%d %H:%M} UTC, but the private board is shown "
            f"{shown:%Y-%m-%d %H:%M} UTC: who is late sees private scores first",
            where="competition.toml: late",
            advice="set reveal.at to the end of the late days",
        )
