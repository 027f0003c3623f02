"""The files of a competition: data, cover, post, sample submission, and its own metric."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from datauab.autograde.assignment import Assignment
from datauab.baselines import constant_predictions
from datauab.errors import ClubError, DataError, InvalidSubmission
from datauab.lint.case import Case
from datauab.lint.finding import error, note, warning
from datauab.submission import read_predictions
from datauab.task_results import LintFinding


def data(case: Case) -> Iterable[LintFinding]:
    """Ask whether the public data is prepared, is real, and belongs to the solution."""
    advice = f"run ./club data prepare {case.competition.dataset}"
    try:
        manifest = case.manifest
    except DataError as problem:
        yield error("data-not-prepared", str(problem), where=str(case.competition.dataset), advice=advice)
        return
    if manifest.stand_in:
        yield warning(
            "data-made-up",
            "the public data is a stand-in: what follows speaks of made-up numbers",
            where="dataset.json",
            advice="fetch the real data before it begins",
        )
    try:
        solution = case.solution
    except ClubError as problem:
        yield error("solution-missing", str(problem), where="gradebook/solutions", advice=advice)
        return
    if case.is_program:
        return
    if solution.fingerprint != manifest.fingerprint:
        yield error(
            "solution-of-other-data",
            "solution and public data are of different splits",
            where="gradebook/solutions",
            advice=advice,
        )
    if len(solution.array) != manifest.rows.get("test"):
        yield error(
            "solution-rows",
            f"the solution has {len(solution.array)} rows, the test part {manifest.rows.get('test')}",
            where="gradebook/solutions",
            advice=advice,
        )


def cover(case: Case) -> Iterable[LintFinding]:
    """Ask whether the picture of the card is there."""
    path = case.source / "img" / Path(case.competition.cover).name
    if not path.is_file():
        yield warning(
            "no-cover",
            f"{case.competition.cover}: no such file",
            where="competition.toml: cover",
            advice="put a picture into img/",
        )


def post(case: Case) -> Iterable[LintFinding]:
    """Ask whether the post is there, makes the predictions, and has hidden tests that report."""
    path = case.source / f"{case.competition.name}.ipynb"
    if not path.is_file():
        if not case.is_program:
            yield warning(
                "no-post",
                f"{path.name}: no such file; members can hand in predictions only",
                where=f"source/{case.competition.name}",
            )
        return
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    except (ValueError, KeyError, TypeError) as problem:
        yield error("post-unreadable", f"{path.name}: expected a notebook, found {problem!r}", where=path.name)
        return
    sources = ["".join(cell["source"]) for cell in cells if cell.get("cell_type") == "code"]
    tests = [text for text in sources if "### BEGIN HIDDEN TESTS" in text]
    if not tests:
        yield error(
            "no-hidden-tests",
            "expected a cell with ### BEGIN HIDDEN TESTS, found none: submissions are not scored",
            where=path.name,
        )
    elif not any("report(" in text for text in tests):
        yield warning(
            "nothing-reported", "no hidden test calls report(...): the feedback shows no value", where=path.name
        )
    if not any(case.competition.predictions.variable in text for text in sources if text not in tests):
        yield error(
            "variable-missing",
            f"expected a cell that makes {case.competition.predictions.variable!r}, found none",
            where=path.name,
        )
    if not any("### BEGIN SOLUTION" in text for text in sources):
        yield note(
            "no-solution-cell",
            "no cell is marked with ### BEGIN SOLUTION: students get the whole post",
            where=path.name,
        )


def samples(case: Case) -> Iterable[LintFinding]:
    """Hand the sample submissions in, as a member would."""
    found = sorted(case.public.glob("sample_submission.*"))
    if not found:
        yield warning(
            "no-sample",
            "no sample submission among the public data",
            where=case.competition.dataset,
            advice=f"run ./club data prepare {case.competition.dataset}",
        )
    for path in found:
        limit = case.competition.run.over(case.settings.limits).predictions_mb * 2**20
        try:
            read_predictions(path.read_bytes(), path.name, competition=case.competition, ids=case.ids, max_bytes=limit)
        except (InvalidSubmission, DataError) as problem:
            yield error(
                "sample-invalid",
                f"{path.name} is refused: {problem}",
                where=f"{case.competition.dataset}/{path.name}",
                advice="prepare the data again, or correct [predictions]",
            )


def own_metric(case: Case) -> Iterable[LintFinding]:
    """Run the competition's own metric on a constant answer."""
    if case.competition.metric.name != "metric.py":
        return
    from datauab.autograde.own_metric import score_own

    assignment = Assignment.open(case.settings, case.competition, {})
    value = next(iter(case.manifest.baselines.values()), 0.0)
    guess = np.load(io.BytesIO(constant_predictions(case.competition, value, len(case.truth))))
    try:
        scores, _ = score_own(assignment, guess)
    except ClubError as problem:
        yield error(
            "own-metric-fails",
            f"on a constant answer: {problem}",
            where="metric.py",
            advice="it must give a finite number for every valid prediction",
        )
        return
    if not (scores.interval_low <= scores.public <= scores.interval_high):
        yield note(
            "own-metric-interval", "the score of a constant answer lies outside its own interval", where="metric.py"
        )
