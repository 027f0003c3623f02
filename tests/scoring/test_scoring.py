"""The split is secret and fair, scores are finite and agree with the metric, intervals are the bootstrap's."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datauab import metrics, scoring
from datauab.competition import Competition
from datauab.errors import GradingError

SECRET = b"k" * 32
RNG = np.random.default_rng(8)


def competition(kind: str, metric: str, secondary: tuple[str, ...] = (), classes: tuple[int, ...] = ()) -> Competition:
    return Competition.model_validate(
        {
            "name": "sample",
            "title": "Sample",
            "summary": "For scoring.",
            "authors": ["Club"],
            "date": "2026-09-01",
            "cover": "img/cover.svg",
            "dataset": "sample",
            "public_share": 0.5,
            "predictions": {"kind": kind, "classes": classes},
            "metric": {"name": metric, "direction": "maximize", "secondary": secondary},
            "phases": [{"name": "open", "opens": "2026-09-01T00:00:00Z"}],
            "points": {"begin": 0.0, "full": 1.0},
        }
    )


@settings(max_examples=150, deadline=None)
@given(st.integers(4, 120), st.floats(0.01, 0.99), st.integers(1, 9), st.integers(0, 99), st.booleans())
def test_each_side_has_two_rows_and_each_class_both_sides(rows, share, classes, seed, real):
    rng = np.random.default_rng(seed)
    solution = rng.normal(size=rows) if real else rng.integers(0, classes, rows)
    mask = scoring.public_mask(rows, share, SECRET, "sample", solution)
    assert (mask.dtype, mask.shape) == (np.bool_, (rows,))
    assert 2 <= mask.sum() <= rows - 2
    if not real:
        for value in np.unique(solution):
            own = mask[solution == value]
            assert len(own) == 1 or (own.any() and not own.all())


@pytest.mark.parametrize("share", [0.01, 0.99])
@pytest.mark.parametrize("classes", [[0, 0, 1, 2], [0, 1, 2, 3], [0, 0, 0, 1], [0, 0, 1, 1], [0, 0, 0, 0]])
def test_the_smallest_splits_keep_both_promises(share, classes):
    solution = np.array(classes)
    for number in range(20):
        mask = scoring.public_mask(4, share, SECRET, f"x{number}", solution)
        assert mask.sum() == 2
        for value in np.unique(solution):
            own = mask[solution == value]
            assert len(own) == 1 or (own.any() and not own.all())


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_the_share_is_kept(share):
    for solution in (RNG.normal(size=1000), RNG.integers(0, 7, 1000)):
        assert abs(scoring.public_mask(1000, share, SECRET, "x", solution).mean() - share) < 0.005


def test_the_split_depends_on_secret_and_name_and_nothing_else():
    solution = RNG.normal(size=200)
    first = scoring.public_mask(200, 0.5, SECRET, "x", solution)
    np.testing.assert_array_equal(first, scoring.public_mask(200, 0.5, SECRET, "x", solution.copy()))
    assert (first != scoring.public_mask(200, 0.5, b"j" * 32, "x", solution)).any()
    assert (first != scoring.public_mask(200, 0.5, SECRET, "y", solution)).any()


def test_the_split_is_the_same_for_ever():
    solution = np.arange(12) % 2
    mask = scoring.public_mask(12, 0.5, SECRET, "x", solution)
    assert "".join("p" if public else "." for public in mask) == PINNED


PINNED = "ppp....p..pp"


@pytest.mark.parametrize("rows", [0, 3])
def test_too_few_rows_are_refused(rows):
    with pytest.raises(GradingError, match="at least 4 rows"):
        scoring.public_mask(rows, 0.5, SECRET, "x", np.zeros(rows))


def test_another_length_is_refused():
    with pytest.raises(GradingError, match="10 rows, found 9"):
        scoring.public_mask(10, 0.5, SECRET, "x", np.zeros(9))


CASES = {
    "r2": ("real", ("rmse", "mae"), ()),
    "balanced_accuracy": ("class", ("accuracy",), tuple(range(7))),
    "accuracy": ("probability", ("roc_auc",), ()),
}


@pytest.mark.parametrize("metric", CASES)
def test_a_score_is_the_metric_on_each_side(metric):
    kind, secondary, classes = CASES[metric]
    entered = competition(kind, metric, secondary, classes)
    solution, predictions = example(kind, 400)
    mask = scoring.public_mask(400, 0.4, SECRET, "x", solution)
    found = scoring.score(entered, solution, predictions, mask)
    assert found.public == metrics.score(metric, solution[mask], predictions[mask], classes)
    assert found.private == metrics.score(metric, solution[~mask], predictions[~mask], classes)
    assert found.full == metrics.score(metric, solution, predictions, classes)
    assert found.interval[0] <= found.public <= found.interval[1]
    for name in secondary:
        assert found.secondary[name]["private"] == metrics.score(name, solution[~mask], predictions[~mask], classes)
    assert found == scoring.score(entered, solution, predictions, mask)


def example(kind: str, rows: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(rows)
    if kind == "real":
        solution = rng.normal(1000, 300, rows)
        return solution, solution + rng.normal(0, 100, rows)
    if kind == "probability":
        solution = rng.integers(0, 2, rows)
        return solution, np.clip(solution * 0.3 + rng.random(rows) * 0.7, 0, 1).round(2)
    solution = rng.integers(0, 7, rows)
    return solution, np.where(rng.random(rows) < 0.7, solution, 0)


@pytest.mark.parametrize("metric", ["r2", "rmse", "mae", "accuracy", "balanced_accuracy", "roc_auc"])
def test_the_quick_bootstrap_agrees_with_the_plain_one(metric):
    kind = {"accuracy": "class", "balanced_accuracy": "class", "roc_auc": "probability"}.get(metric, "real")
    solution, predictions = example(kind, 300)
    classes = tuple(range(7))
    rng = np.random.default_rng(0)
    groups = [np.arange(300)]
    if metric in ("balanced_accuracy", "roc_auc"):
        groups = [np.flatnonzero(solution == value) for value in np.unique(solution)]
    plain = []
    for _ in range(1000):
        rows = np.concatenate([rng.choice(group, len(group)) for group in groups])
        plain.append(metrics.score(metric, solution[rows], predictions[rows], classes))
    low, high = np.quantile(plain, [0.025, 0.975])
    found = scoring.interval(metric, solution, predictions, classes)
    assert found == pytest.approx((low, high), abs=0.15 * (high - low))


@pytest.mark.parametrize("metric", metrics.METRICS)
def test_every_metric_has_an_interval_even_for_constant_predictions(metric):
    kind = {"accuracy": "class", "balanced_accuracy": "class", "roc_auc": "probability"}.get(metric, "real")
    solution, _ = example(kind, 50)
    constant = np.full(50, 0.5) if kind != "class" else np.zeros(50, np.int64)
    low, high = scoring.interval(metric, solution, constant, tuple(range(7)))
    assert np.isfinite([low, high]).all()
    assert low <= high


def test_ten_thousand_rows_are_scored_at_once():
    entered = competition("class", "accuracy", (), tuple(range(10)))
    rng = np.random.default_rng(1)
    solution = rng.integers(0, 10, 10_000)
    mask = scoring.public_mask(10_000, 0.5, SECRET, "x", solution)
    begun = time.process_time()
    scoring.score(entered, solution, solution, mask)
    assert time.process_time() - begun < 0.2


def test_a_split_on_which_a_metric_is_undefined_is_refused_with_the_side():
    entered = competition("class", "balanced_accuracy", (), (0, 1, 2))
    solution = np.array([0, 1, 2, 0, 1, 0, 1, 0])
    mask = scoring.public_mask(8, 0.5, SECRET, "x", solution)
    with pytest.raises(GradingError, match=r"balanced_accuracy is undefined on the (public|private) rows: no row of"):
        scoring.score(entered, solution, solution, mask)
    one_sided = np.array([True, True, False, False])
    with pytest.raises(GradingError, match=r"roc_auc is undefined on the public rows"):
        scoring.check_split(competition("probability", "roc_auc"), np.array([1, 1, 0, 1]), one_sided)


def test_a_metric_that_does_not_fit_the_predictions_is_refused():
    with pytest.raises(GradingError, match="roc_auc takes predictions of kind probability, found kind real"):
        scoring.check_split(competition("real", "roc_auc"), np.zeros(4), np.array([True, True, False, False]))


def test_shapes_must_agree():
    mask = np.array([True, True, False, False])
    with pytest.raises(GradingError, match="4 rows, found 3"):
        scoring.score(competition("real", "r2"), np.arange(4.0), np.arange(3.0), mask)


def test_the_scorers_hash_is_the_same_in_another_process():
    code = "from datauab import scoring; print(scoring.scorer_hash())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "7"},
    )
    assert done.stdout.strip() == scoring.scorer_hash()
    assert len(scoring.scorer_hash()) == 64
