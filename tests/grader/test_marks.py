"""Marks of a new score: from the rows that the competition names, less what being late costs, never guessed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from datauab.autograde.late import lost_share
from datauab.competition import Competition, load_competition
from datauab.grader.marks import Reporting, new_points
from datauab.ledger import Attempt, ScoreRecord
from tests.autograde.toy_course import COMPETITION, NAME

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CELL = Reporting("score", 10.0, 2.0)
ALONE = Reporting("score", 10.0, 0.0)


def competition(tmp_path: Path, rows: str = "public", late: str = "") -> Competition:
    folder = tmp_path / NAME
    folder.mkdir()
    text = COMPETITION.replace("[points]", f'{late}\n[points]\nrows = "{rows}"')
    (folder / "competition.toml").write_text(text, encoding="utf-8")
    return load_competition(folder)


def attempt(public: float, points: float, late_days: int = 0) -> Attempt:
    return Attempt(
        1, NAME, "ana", "notebook", "exchange", "", 0, NOW, "scored",
        public=public, points=points, max_points=12.0, late_days=late_days,
    )  # fmt: skip


def record(public: float) -> ScoreRecord:
    return ScoreRecord(public, -5.0, public, public, "r2", "scorer", "solution")


def test_the_checks_keep_their_marks_and_the_score_gives_the_rest(tmp_path: Path) -> None:
    found = new_points(competition(tmp_path), CELL, attempt(0.5, 5 + 2), record(0.8), full=0.1)
    assert found == pytest.approx(8 + 2)


def test_marks_from_all_rows_follow_the_metric_on_all_rows(tmp_path: Path) -> None:
    all_rows = competition(tmp_path, "all")
    assert new_points(all_rows, ALONE, attempt(0.5, 7), record(0.8), full=0.25) == pytest.approx(2.5)
    assert new_points(all_rows, CELL, attempt(0.5, 7), record(0.8), full=0.25) is None


def test_marks_that_the_score_never_explained_are_left_alone(tmp_path: Path) -> None:
    assert new_points(competition(tmp_path), CELL, attempt(0.9, 1), record(0.8), full=0.8) is None


@pytest.mark.parametrize(("days", "left"), [(0, 1.0), (1, 0.75), (3, 0.25), (4, 0.0), (40, 0.0)])
def test_being_late_costs_its_share_of_the_new_marks_too(tmp_path: Path, days: int, left: float) -> None:
    late = competition(tmp_path, late="[late]\ndays = 60\npenalty_per_day = 0.25")
    assert lost_share(late, days) == pytest.approx(1 - left)
    found = new_points(late, CELL, attempt(0.5, 7 * left, days), record(0.8), full=0.8)
    assert found == pytest.approx(10 * left)


def test_without_a_rule_for_it_being_late_costs_nothing(tmp_path: Path) -> None:
    assert lost_share(competition(tmp_path), 9) == 0
