"""Quotas, marks, baselines and rules: whether they fit each other and the data."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterable

import numpy as np

from datauab import metrics
from datauab.baselines import constant_predictions
from datauab.competition import Phase
from datauab.lint.case import Case
from datauab.lint.finding import error, note, warning
from datauab.lint.splits import interval_width
from datauab.task_results import LintFinding

EASY = 0.2
"""Share of the marks that a constant answer may earn."""

_PRIZE = re.compile(r"\b(prize|award|reward|premi|premio|€|eur)", re.IGNORECASE)


def quotas(case: Case) -> Iterable[LintFinding]:
    """Ask how far an entrant can climb the public board by trying alone."""
    competition = case.competition
    if competition.board.ladder_step > 0 or competition.ends is None:
        return
    attempts = sum(_most_attempts(phase, competition.quotas.daily_scored) for phase in competition.phases)
    rows = int(case.mask.sum())
    width = interval_width(case)
    climb = ""
    if width is not None:
        gain = math.sqrt(2 * math.log(max(2, attempts))) * width / 1.96  # largest of that many draws of the noise
        climb = f"; the best of so many equal models looks better by about {gain:.3f}"
    if attempts < rows:
        if attempts > rows / 4:
            yield note(
                "quota-generous",
                f"{attempts} scored attempts on {rows} public rows{climb}",
                where="competition.toml: quotas",
                advice="set board.ladder_step to the smallest difference that matters",
            )
        return
    yield warning(
        "quota-learns-rows",
        f"an entrant may make {attempts} scored attempts on {rows} public rows: enough to learn them one by one{climb}",
        where="competition.toml: quotas",
        advice="lower daily_scored, set total_scored, or set board.ladder_step (docs/competitions.md, the Ladder)",
    )


def _most_attempts(phase: Phase, daily: int) -> int:
    days = math.ceil((phase.closes - phase.opens).total_seconds() / 86400) if phase.closes else 0
    most = days * (phase.daily_scored or daily)
    return min(most, phase.total_scored) if phase.total_scored else most


def points(case: Case) -> Iterable[LintFinding]:
    """Compare the range of the marks with the metric and with constant answers."""
    competition, where = case.competition, "competition.toml: points"
    begin, full = competition.points.begin, competition.points.full
    rises = full > begin
    if rises != (competition.metric.direction == "maximize"):
        yield error(
            "points-direction",
            f"marks grow from {begin:g} to {full:g}, but the metric is to {competition.metric.direction}",
            where=where,
            advice="exchange begin and full",
        )
    spec = metrics.METRICS.get(competition.metric.name)
    if spec is None or competition.metric.is_own:
        return
    for key, value in (("begin", begin), ("full", full)):
        if not spec.range[0] <= value <= spec.range[1]:
            yield error(
                "points-out-of-reach",
                f"{key} = {value:g}, but {spec.title} lies between {spec.range[0]:g} and {spec.range[1]:g}",
                where=where,
            )
    for strategy, constant in case.manifest.baselines.items():
        guess = np.load(io.BytesIO(constant_predictions(competition, constant, len(case.truth))))
        score = metrics.score(spec.name, case.truth, guess, competition.predictions.classes)
        share = competition.points.share(score)
        if share > EASY:
            yield warning(
                "points-for-nothing",
                f"always answering the {strategy} of the training targets scores {score:.4f} and earns {share:.0%} of "
                f"the marks, expected at most {EASY:.0%}",
                where=where,
                advice="raise begin to what a constant answer reaches",
            )


def baselines(case: Case) -> Iterable[LintFinding]:
    """Find competitions without a row to compare with, and baselines that cannot be made."""
    found, where = case.competition.baselines, "competition.toml: baselines"
    if not found:
        yield warning(
            "no-baseline",
            "no baseline: nobody sees whether a score is good",
            where=where,
            advice='add one with strategy "mean" or "majority", and "reference"',
        )
    for one in found:
        if one.strategy != "reference" and one.strategy not in case.manifest.baselines:
            yield error(
                "baseline-impossible",
                f"baseline {one.name!r}: expected a strategy of {', '.join(case.manifest.baselines)}, or reference, "
                f"found {one.strategy}",
                where=where,
            )


def rules_text(case: Case) -> Iterable[LintFinding]:
    """Find prizes and teams without rules to accept, and teams that may merge after the end."""
    competition = case.competition
    texts = " ".join((competition.title, competition.summary, *competition.tags))
    reasons = [*(["teams"] if competition.teams.max_size > 1 else []), *(["a prize"] if _PRIZE.search(texts) else [])]
    if reasons and not competition.rules.text.strip():
        yield warning(
            "no-rules",
            f"there is {' and '.join(reasons)}, but no rules that members accept",
            where="competition.toml: rules",
            advice="say who may win, what data may be used, and what is shared",
        )
    merge, ends = competition.teams.merge_until, competition.ends
    if merge is not None and ends is not None and merge > ends:
        yield warning(
            "merge-after-end",
            "teams may change after the last phase has ended",
            where="competition.toml: teams.merge_until",
        )


def limits(case: Case) -> Iterable[LintFinding]:
    """Find limits on files that valid predictions exceed."""
    spec = case.competition.predictions
    columns = len(spec.classes) if spec.kind == "scores" else 1
    size = len(case.truth) * columns * 8 / 2**20
    text = len(case.truth) * (columns + 1) * 20 / 2**20
    most = case.competition.run.over(case.settings.limits).predictions_mb
    if size > most:
        yield error(
            "predictions-too-large",
            f"valid predictions take {size:.0f} MiB, but predictions_mb is {most}",
            where="competition.toml: run",
        )
    if text > case.settings.upload_mb:
        yield warning(
            "upload-too-large",
            f"a CSV file of predictions takes about {text:.0f} MiB, but upload_mb is {case.settings.upload_mb}",
            where="club.toml: upload_mb",
        )
