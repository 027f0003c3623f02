"""Rescoring on real parts: first a look, then all at once; history stays, and a second time changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from datauab import gradebook, solutions
from datauab.autograde.assignment import AutograderCell
from datauab.grader.marks import Reporting, reporting_cell
from datauab.ledger import Ledger, Task
from datauab.settings import Settings
from datauab.task_results import RescorePreview
from tests.autograde.toy_course import CHECK, NAME, Toy, make_course, truth
from tests.grader.toy_queue import do, edit, near, public_mask, score_now


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    return make_course(tmp_path)


@pytest.fixture
def settings(toy: Toy) -> Settings:
    return toy.settings


@pytest.fixture
def ledger(settings: Settings) -> Iterator[Ledger]:
    with Ledger.open(settings) as opened:
        yield opened


def look(settings: Settings, ledger: Ledger) -> RescorePreview:
    task = do(settings, ledger, "rescore_preview")
    assert task.state == "done", task.reason
    return RescorePreview.model_validate(task.result)


def apply(settings: Settings, ledger: Ledger, seen: RescorePreview) -> Task:
    return do(settings, ledger, "rescore_apply", solution_hash=seen.solution_hash, scorer_hash=seen.scorer_hash)


def test_a_preview_tells_who_would_move_and_why_and_changes_nothing(settings: Settings, ledger: Ledger) -> None:
    base = score_now(settings, ledger, "Mean", near(5), origin="baseline")
    ana = score_now(settings, ledger, "ana", near(0.5))
    ben = score_now(settings, ledger, "ben", near(1.5))
    gone = score_now(settings, ledger, "ben", near(1.4))
    ledger.delete_attempt(gone.id, "ben")
    mark = ledger.change_mark(NAME)
    solutions.write(settings, NAME, truth() + 2, "corrected")
    seen = look(settings, ledger)
    assert seen.why == ("solution",)
    moves = {move.attempt: move for move in seen.moves}
    assert set(moves) == {base.id, ana.id, ben.id}
    assert (moves[ana.id].old_rank, moves[ana.id].new_rank) == (1, 2)
    assert (moves[ben.id].old_rank, moves[ben.id].new_rank) == (2, 1)
    assert moves[base.id].baseline
    assert moves[base.id].old_rank is None
    assert moves[ana.id].old_public == ana.public
    assert moves[ana.id].old_private == ledger.private_scores([ana.id])[ana.id]
    assert ledger.change_mark(NAME) == mark
    assert ledger.attempt(ana.id) == ana


def test_one_click_recomputes_all_attempts_at_once_and_keeps_their_history(settings: Settings, ledger: Ledger) -> None:
    handed = [score_now(settings, ledger, f"m{number}", near(number)) for number in range(5)]
    solutions.write(settings, NAME, truth() + 3, "corrected")
    seen = look(settings, ledger)
    mark = ledger.change_mark(NAME)
    task = apply(settings, ledger, seen)
    assert (task.state, dict(task.result or {})) == ("done", {"rescored": 5})
    assert len(ledger.changes(NAME, mark, 100)) == 1
    for move in seen.moves:
        old, new = ledger.score_history(move.attempt)
        assert (old.public, old.private, old.rescore) == (move.old_public, move.old_private, None)
        assert (new.public, new.private, new.rescore) == (move.new_public, move.new_private, task.id)
        assert ledger.attempt(move.attempt).public == move.new_public
    assert ledger.attempt(handed[3].id).public == pytest.approx(1)
    assert [row.action for row in ledger.audit_log(NAME)][:1] == ["rescore.applied"]
    again = look(settings, ledger)
    assert again.why == ()
    assert apply(settings, ledger, again).result == {"rescored": 0}
    assert all(len(ledger.score_history(one.id)) == 2 for one in handed)


def test_what_changed_after_the_preview_is_not_recorded_unseen(settings: Settings, ledger: Ledger) -> None:
    ana = score_now(settings, ledger, "ana", near(1))
    solutions.write(settings, NAME, truth() + 1, "first")
    seen = look(settings, ledger)
    solutions.write(settings, NAME, truth() + 2, "second")
    task = apply(settings, ledger, seen)
    assert task.state == "failed"
    assert "look at a new preview" in (task.reason or "")
    assert ledger.attempt(ana.id) == ana
    assert len(ledger.score_history(ana.id)) == 1


def test_another_metric_is_the_reason_told(settings: Settings, ledger: Ledger) -> None:
    ana = score_now(settings, ledger, "ana", near(1))
    edit(settings, 'name = "r2"\ndirection = "maximize"\nsecondary = ["rmse"]', 'name = "mae"\ndirection = "minimize"')
    seen = look(settings, ledger)
    assert seen.why == ("metric",)
    assert seen.moves[0].new_public == pytest.approx(1)
    assert apply(settings, ledger, seen).state == "done"
    assert ledger.attempt(ana.id).metric == "mae"


def test_attempts_that_no_longer_fit_stay_as_they_are(settings: Settings, ledger: Ledger) -> None:
    ana = score_now(settings, ledger, "ana", near(1))
    solutions.write(settings, NAME, truth()[:30], "fewer rows")
    seen = look(settings, ledger)
    assert seen.moves == ()
    assert "expected shape (30,)" in seen.failed[ana.id]
    assert apply(settings, ledger, seen).result == {"rescored": 0}
    assert ledger.attempt(ana.id).public == ana.public


def test_without_a_solution_the_task_fails_with_words_for_the_organiser(settings: Settings, ledger: Ledger) -> None:
    score_now(settings, ledger, "ana", near(1))
    (settings.solutions / NAME / "solution.json").unlink()
    task = do(settings, ledger, "rescore_preview")
    assert task.state == "failed"
    assert "the solution is missing" in (task.reason or "")


@pytest.mark.sandbox
def test_marks_follow_a_notebooks_new_score_in_ledger_and_gradebook(toy: Toy) -> None:
    """Its predictions were kept, the check that gives two points of its own stays, and being late still costs."""
    settings = toy.settings
    edit(settings, "[points]", "[late]\ndays = 30\npenalty_per_day = 0.25\n[points]")
    mask = public_mask(settings)
    right_on_public = np.where(mask, truth(), truth() + 5)
    folder = toy.hand_in("ana", [f"predictions = np.array({right_on_public.tolist()!r})"])
    with Ledger.open(settings) as ledger:
        attempt = ledger.add_attempt(competition=NAME, member="ana", blob=b"notebook", late_days=2)
        (folder / ".attempt").write_text(str(attempt.id), encoding="ascii")
        toy.autograde("ana")
        first = ledger.attempt(attempt.id)
        # All marks for the public rows though the others are wrong, and half of them lost for two days.
        assert (first.points, first.max_points) == (pytest.approx(6), 12)
        assert toy.points("ana") == (pytest.approx(6), 12)
        assert penalty(settings, "ana") == pytest.approx(6)
        assert "Late: 50% of the marks are lost" in toy.feedback("ana")
        kept = ledger.predictions(first)
        assert kept is not None
        assert np.array_equal(np.load(__import__("io").BytesIO(kept[0])), right_on_public)
        truth_now = np.where(mask, truth() + 4, truth())
        solutions.write(settings, NAME, truth_now, "corrected")
        task = apply(settings, ledger, look(settings, ledger))
        assert task.state == "done", task.reason
        second = ledger.attempt(attempt.id)
        share = second.public
        assert share is not None
        assert 0 < share < 1
        assert second.points == pytest.approx((10 * share + 2) / 2)
    assert toy.points("ana") == (pytest.approx((10 * share + 2) / 2), 12)


def penalty(settings: Settings, student: str) -> float:
    with gradebook.opened(settings) as book:
        return float(book.find_submission(NAME, student).late_submission_penalty)


def test_marks_follow_the_score_only_where_one_cell_reports_it() -> None:
    cells = {"score": AutograderCell(CHECK, 10.0), "shape": AutograderCell("assert predictions.ndim == 1", 2.0)}
    assert reporting_cell(cells) == Reporting("score", 10.0, 2.0)
    assert reporting_cell({**cells, "more": AutograderCell("if True:\n    report(r2=1.0)", 1.0)}) is None
    assert reporting_cell({"shape": cells["shape"]}) is None
    assert reporting_cell({"text": AutograderCell("x = 'report(r2=1)'", 1.0)}) is None
