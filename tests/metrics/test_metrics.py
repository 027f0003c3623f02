"""Metrics agree with scikit-learn, keep to their declared range, and refuse what they are not defined on."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as reference

from datauab import metrics
from datauab.errors import GradingError

RNG = np.random.default_rng(5)
REAL = RNG.normal(50, 20, 300)
GUESS = REAL + RNG.normal(0, 5, 300)
CLASSES = tuple(range(7))
CLASS = RNG.integers(0, 7, 300)
CLASS_GUESS = np.where(RNG.random(300) < 0.6, CLASS, RNG.integers(0, 7, 300))
BINARY = RNG.integers(0, 2, 300)
CHANCE = np.round(np.clip(BINARY * 0.2 + RNG.random(300) * 0.8, 0, 1), 2)


@pytest.mark.parametrize(
    ("name", "solution", "predictions", "expected"),
    [
        ("r2", REAL, GUESS, reference.r2_score(REAL, GUESS)),
        ("rmse", REAL, GUESS, reference.root_mean_squared_error(REAL, GUESS)),
        ("mae", REAL, GUESS, reference.mean_absolute_error(REAL, GUESS)),
        ("accuracy", CLASS, CLASS_GUESS, reference.accuracy_score(CLASS, CLASS_GUESS)),
        ("accuracy", BINARY, CHANCE, reference.accuracy_score(BINARY, CHANCE >= 0.5)),
        ("balanced_accuracy", CLASS, CLASS_GUESS, reference.balanced_accuracy_score(CLASS, CLASS_GUESS)),
        ("roc_auc", BINARY, CHANCE, reference.roc_auc_score(BINARY, CHANCE)),
    ],
)
def test_equal_to_scikit_learn(name, solution, predictions, expected):
    assert metrics.score(name, solution, predictions, CLASSES) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("name", "solution"),
    [("r2", REAL), ("rmse", REAL), ("mae", REAL), ("accuracy", CLASS), ("balanced_accuracy", CLASS)],
)
def test_perfect_predictions_reach_the_declared_best(name, solution):
    assert metrics.score(name, solution, solution.copy(), CLASSES) == metrics.METRICS[name].best


def test_scores_of_classes_predict_the_largest_and_ties_the_first():
    scores = np.array([[0.1, 0.9, 0.0], [0.5, 0.5, 0.0], [0.0, 0.2, 0.8]])
    assert metrics.score("accuracy", np.array([11, 10, 12]), scores, (10, 11, 12)) == 1.0


def test_a_probability_of_one_half_predicts_class_one():
    assert metrics.score("accuracy", np.array([1, 0]), np.array([0.5, 0.49999])) == 1.0


def test_r2_on_a_constant_target_is_finite():
    constant = np.full(5, 3.0)
    assert metrics.score("r2", constant, constant) == 1.0
    assert metrics.score("r2", constant, constant + 1) == 0.0


def test_r2_of_the_largest_accepted_predictions_is_finite():
    assert np.isfinite(metrics.score("r2", REAL, np.full(300, 1e100)))


def test_a_constant_prediction_earns_one_over_the_number_of_classes():
    assert metrics.score("balanced_accuracy", CLASS, np.zeros(300, np.int64), CLASSES) == pytest.approx(1 / 7)


@pytest.mark.parametrize(
    ("name", "solution", "says"),
    [
        ("r2", np.array([1.0]), "at least 2 rows"),
        ("roc_auc", np.ones(4, np.int64), "class 0 and of class 1"),
        ("balanced_accuracy", np.zeros(4, np.int64), "no row of class 1, 2"),
        ("accuracy", np.array([], np.int64), "at least 1 rows"),
        ("f2", np.zeros(4), "unknown"),
    ],
)
def test_an_undefined_metric_is_refused_with_its_reason(name, solution, says):
    with pytest.raises(GradingError, match=says):
        metrics.score(name, solution, solution.astype(float), (0, 1, 2))


def test_another_number_of_rows_is_refused():
    with pytest.raises(GradingError, match="300 rows, found 299"):
        metrics.score("r2", REAL, GUESS[:-1])


def test_every_metric_tells_direction_range_and_source():
    for name, spec in metrics.METRICS.items():
        assert spec.name == name
        assert spec.best == spec.range[1 if spec.direction == "maximize" else 0]
        assert spec.source
        assert spec.kinds
