"""Intervals are the bootstrap's: of every metric, at once, and around the score."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datauab import metrics, scoring
from datauab.errors import GradingError
from datauab.scoring import resampling

SEVEN = tuple(range(7))
STRATIFIED = ("balanced_accuracy", "mean_recall", "f1", "f1_macro", "roc_auc")
CASES = [(name, kind) for name, spec in metrics.METRICS.items() for kind in spec.kinds]


def example(name, kind, rows, seed=3):
    """Ground truth, predictions and classes: good ones, but not perfect."""
    rng = np.random.default_rng([rows, seed])
    if name in ("r2", "rmse", "mae", "rmsle"):
        solution = rng.random(rows)
        return solution, np.clip(solution + rng.normal(0, 0.1, rows), 0, 1), ()
    if kind == "probability":
        solution = np.concatenate([[0, 1], rng.integers(0, 2, rows - 2)])
        classes = (0, 1) if name in STRATIFIED and name != "roc_auc" else ()
        return solution, np.clip(solution * 0.3 + rng.random(rows) * 0.7, 0, 1).round(2), classes
    solution = np.concatenate([SEVEN, rng.integers(0, 7, rows - 7)])
    if kind == "scores":
        scores = rng.integers(0, 5, (rows, 7)) + 2.0 * np.eye(7)[solution]  # whole numbers, so that some are tied
        return solution, scores, SEVEN
    return solution, np.where(rng.random(rows) < 0.7, solution, rng.integers(0, 7, rows)), SEVEN


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_the_quick_bootstrap_agrees_with_the_plain_one(name, kind):
    solution, predictions, classes = example(name, kind, 300)
    rng = np.random.default_rng(0)
    groups = [np.arange(300)]
    if name in STRATIFIED:
        groups = [np.flatnonzero(solution == value) for value in np.unique(solution)]
    plain = []
    for _ in range(1000):
        rows = np.concatenate([rng.choice(group, len(group)) for group in groups])
        plain.append(metrics.score(name, solution[rows], predictions[rows], classes))
    low, high = np.quantile(plain, [0.025, 0.975])
    found = scoring.interval(name, solution, predictions, classes)
    assert found == pytest.approx((low, high), abs=0.15 * (high - low))


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_an_interval_holds_the_score_and_narrows_with_the_square_root_of_the_rows(name, kind):
    inside, widths = 0, {100: [], 1600: []}
    for rows, found in widths.items():
        for seed in range(10):
            solution, predictions, classes = example(name, kind, rows, seed)
            low, high = scoring.interval(name, solution, predictions, classes)
            inside += low <= metrics.score(name, solution, predictions, classes) <= high
            found.append(high - low)
    assert inside >= 19
    assert 2.5 < np.median(widths[100]) / np.median(widths[1600]) < 6  # 4, give or take


@pytest.mark.parametrize("name", ["mae", "accuracy", "roc_auc", "log_loss"])
def test_most_intervals_hold_the_value_of_a_larger_draw(name):
    kind = {"mae": "real", "accuracy": "class"}.get(name, "probability")
    solution, predictions, classes = example(name, kind, 40_000)
    truth = metrics.score(name, solution, predictions, classes)
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(100):
        rows = rng.choice(40_000, 200, replace=False)
        low, high = scoring.interval(name, solution[rows], predictions[rows], classes)
        held += low <= truth <= high
    assert held >= 87  # of 100, where 95 % is what the interval promises


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_every_metric_has_an_interval_even_for_constant_predictions(name, kind):
    solution, predictions, classes = example(name, kind, 50)
    low, high = scoring.interval(name, solution, np.full_like(predictions, 1), classes)
    assert np.isfinite([low, high]).all()
    assert low <= high


def test_the_largest_accepted_predictions_have_finite_intervals():
    solution = np.random.default_rng(2).normal(size=40)
    for name in ("r2", "rmse", "mae"):
        assert np.isfinite(scoring.interval(name, solution, np.full(40, 1e100))).all()
    assert np.isfinite(scoring.interval("rmsle", np.abs(solution), np.full(40, 1e100))).all()


def test_an_interval_on_a_constant_target_is_a_point():
    constant = np.full(30, 4.0)
    assert scoring.interval("r2", constant, constant) == (1.0, 1.0)
    assert scoring.interval("r2", constant, constant + 1) == (0.0, 0.0)
    assert scoring.interval("rmse", constant, constant + 2) == pytest.approx((2.0, 2.0))


def test_class_one_alone_has_an_interval_of_f1():
    ones = np.ones(20, np.int64)
    assert scoring.interval("f1", ones, ones, (0, 1)) == (1.0, 1.0)
    assert scoring.interval("log_loss", ones, np.full(20, 0.5)) == pytest.approx((np.log(2), np.log(2)))


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(CASES), st.integers(0, 1000))
def test_an_interval_is_the_same_each_time_and_near_it_in_any_order_of_rows(case, seed):
    solution, predictions, classes = example(*case, 120)
    order = np.random.default_rng(seed).permutation(120)
    found = scoring.interval(case[0], solution, predictions, classes)
    assert found == scoring.interval(case[0], solution.copy(), predictions.copy(), classes)
    moved = scoring.interval(case[0], solution[order], predictions[order], classes)
    assert moved == pytest.approx(found, abs=0.2 * (found[1] - found[0]))


def test_an_interval_that_is_not_finite_is_refused():
    with pytest.raises(GradingError, match="finite interval"), np.errstate(all="ignore"):
        scoring.interval("mae", np.zeros(5), np.full(5, np.nan))


@pytest.mark.parametrize(("rows", "kept"), [(50, True), (30_000, True), (100_000, False)])
def test_resamples_are_fixed_and_each_draws_as_many_rows_as_there_are(rows, kept):
    first = list(resampling.counts(rows))
    assert all((some.sum(axis=1) == rows).all() for some in first)
    assert sum(len(some) for some in first) == resampling.resamples(rows) >= resampling.LEAST_RESAMPLES
    again = list(resampling.counts(rows))
    assert all((one == other).all() for one, other in zip(first, again, strict=True))
    assert (first[0] != next(iter(resampling.counts(rows, stream=1)))).any()
    assert kept == (rows * resampling.resamples(rows) <= resampling.MOST_COUNTS)


# Several times what they take on one free core, for machines that are busy.
@pytest.mark.parametrize(
    ("name", "kind", "most_ms"),
    [(name, kind, 50 if kind in ("class", "scores") and name != "log_loss" else 100) for name, kind in CASES],
)
def test_ten_thousand_rows_take_milliseconds(name, kind, most_ms):
    solution, predictions, classes = example(name, kind, 10_000)
    scoring.interval(name, solution, predictions, classes)  # draws the resamples, once for each number of rows
    spent = []
    for _ in range(3):
        begun = time.process_time()
        scoring.interval(name, solution, predictions, classes)
        spent.append(time.process_time() - begun)
    assert min(spent) < most_ms / 1000
