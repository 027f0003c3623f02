"""Similar predictions of different entrants are found, those of one entrant are nobody's business."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from datauab.grader import similar
from datauab.grader.catalogue import Catalogue
from datauab.grader.similar import EACH, Compared
from datauab.ledger import Attempt, Ledger
from datauab.settings import Settings
from datauab.task_results import SimilarFound
from tests.autograde.toy_course import NAME, ROWS, make_course, truth
from tests.grader.toy_queue import do, score_now


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return make_course(tmp_path).settings


@pytest.fixture
def ledger(settings: Settings) -> Iterator[Ledger]:
    with Ledger.open(settings) as opened:
        yield opened


def test_copies_across_entrants_are_told_and_those_within_a_team_are_not(settings: Settings, ledger: Ledger) -> None:
    rng = np.random.default_rng(5)
    own = truth() + rng.normal(0, 8, ROWS)
    team = ledger.create_team(NAME, "Two", "ana")
    invitation = ledger.invite(team.id, "ana", "ben")
    ledger.accept(invitation.id, "ben", lambda members: None)
    ana = score_now(settings, ledger, "ana", own)
    score_now(settings, ledger, "ben", own * 1.0001)
    copy = score_now(settings, ledger, "cid", own)
    score_now(settings, ledger, "dan", truth() + rng.normal(0, 8, ROWS))
    score_now(settings, ledger, "Mean", own, origin="baseline")
    task = do(settings, ledger, "similar")
    found = SimilarFound.model_validate(task.result)
    assert found.measure == "correlation"
    assert found.compared == 4
    assert {(pair.first_member, pair.second_member) for pair in found.pairs} == {("ana", "cid"), ("ben", "cid")}
    best = found.pairs[0]
    assert (best.first, best.second, best.identical, best.value) == (ana.id, copy.id, True, pytest.approx(1))
    assert ledger.audit_log(NAME)[0].action == "similar.found"


def test_the_work_is_bounded_by_the_best_attempts_of_each_entrant(settings: Settings, ledger: Ledger) -> None:
    handed = [score_now(settings, ledger, "ana", truth() + shift) for shift in (5, 1, 4, 2, 3)]
    chosen = similar.choose(handed, {}, Catalogue(settings).assignment(NAME))
    assert [handed.index(attempt) for attempt in chosen] == [1, 3, 4]
    assert len(chosen) == EACH


def compared(*rows: list[float]) -> list[Compared]:
    from datetime import UTC, datetime

    return [
        Compared(
            Attempt(number, NAME, f"m{number}", "predictions", "web", "", 0, datetime(2026, 1, 1, tzinfo=UTC)),
            f"m{number}",
            np.array(row),
        )
        for number, row in enumerate(rows)
    ]


def test_constant_predictions_are_alike_only_where_they_are_the_same() -> None:
    found = similar.pairs(compared([2.0] * 9, [2.0] * 9, [3.0] * 9, list(np.arange(9.0))), "correlation", 0.99)
    assert [(pair.first, pair.second, pair.identical) for pair in found] == [(0, 1, True)]


def test_predictions_of_any_magnitude_are_compared_without_overflow() -> None:
    huge = list(np.arange(9.0) * 1e99)
    found = similar.pairs(compared(huge, list(np.arange(9.0)), list(-np.arange(9.0))), "correlation", 0.99)
    assert [(pair.first, pair.second, pair.value) for pair in found] == [(0, 1, pytest.approx(1))]


def test_classes_are_alike_by_the_share_of_rows_that_agree() -> None:
    classes = np.arange(200) % 3
    other = classes.copy()
    other[0] = 2
    found = similar.pairs(compared(classes.tolist(), other.tolist(), ((classes + 1) % 3).tolist()), "agreement", 0.99)
    assert [(pair.value, pair.identical) for pair in found] == [(pytest.approx(0.995), False)]
