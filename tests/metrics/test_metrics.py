"""Metrics agree with scikit-learn, keep to their declared range, and refuse what they are not defined on."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as reference
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from datauab import metrics
from datauab.errors import GradingError

RNG = np.random.default_rng(5)
REAL = RNG.normal(50, 20, 300)
GUESS = REAL + RNG.normal(0, 5, 300)
AMOUNT, AMOUNT_GUESS = np.abs(REAL), np.abs(GUESS)
CLASSES = tuple(range(7))
CLASS = RNG.integers(0, 7, 300)
CLASS_GUESS = np.where(RNG.random(300) < 0.6, CLASS, RNG.integers(0, 7, 300))
BINARY = RNG.integers(0, 2, 300)
CHANCE = np.round(np.clip(BINARY * 0.2 + RNG.random(300) * 0.8, 0, 1), 2)
ROWS = RNG.dirichlet(np.ones(7), 300)
ARGMAX = ROWS.argmax(axis=1)


@pytest.mark.parametrize(
    ("name", "solution", "predictions", "expected"),
    [
        ("r2", REAL, GUESS, reference.r2_score(REAL, GUESS)),
        ("rmse", REAL, GUESS, reference.root_mean_squared_error(REAL, GUESS)),
        ("mae", REAL, GUESS, reference.mean_absolute_error(REAL, GUESS)),
        ("rmsle", AMOUNT, AMOUNT_GUESS, reference.root_mean_squared_log_error(AMOUNT, AMOUNT_GUESS)),
        ("accuracy", CLASS, CLASS_GUESS, reference.accuracy_score(CLASS, CLASS_GUESS)),
        ("accuracy", BINARY, CHANCE, reference.accuracy_score(BINARY, CHANCE >= 0.5)),
        ("balanced_accuracy", CLASS, CLASS_GUESS, reference.balanced_accuracy_score(CLASS, CLASS_GUESS)),
        ("mean_recall", CLASS, CLASS_GUESS, reference.recall_score(CLASS, CLASS_GUESS, average="macro")),
        ("mean_recall", CLASS, ROWS, reference.recall_score(CLASS, ARGMAX, average="macro")),
        ("f1", BINARY, CHANCE, reference.f1_score(BINARY, CHANCE >= 0.5)),
        ("f1", BINARY, BINARY[::-1], reference.f1_score(BINARY, BINARY[::-1])),
        ("f1_macro", CLASS, CLASS_GUESS, reference.f1_score(CLASS, CLASS_GUESS, average="macro")),
        ("f1_macro", CLASS, ROWS, reference.f1_score(CLASS, ARGMAX, average="macro")),
        ("roc_auc", BINARY, CHANCE, reference.roc_auc_score(BINARY, CHANCE)),
        ("log_loss", BINARY, CHANCE, reference.log_loss(BINARY, CHANCE)),
        ("log_loss", CLASS, ROWS, reference.log_loss(CLASS, ROWS, labels=CLASSES)),
        ("log_loss", np.ones(3, np.int64), CHANCE[:3], reference.log_loss(np.ones(3), CHANCE[:3], labels=[0, 1])),
    ],
)
def test_equal_to_scikit_learn(name, solution, predictions, expected):
    classes = () if predictions.ndim == 1 and predictions.dtype.kind == "f" else CLASSES
    assert metrics.score(name, solution, predictions, classes) == pytest.approx(expected, abs=1e-12)


def n(*values):
    return np.array(values)


@pytest.mark.parametrize(
    ("name", "solution", "predictions", "classes", "expected"),
    [
        ("r2", n(1.0, 2.0, 3.0), n(1.0, 2.0, 5.0), (), -1.0),
        ("rmse", n(0.0, 0.0), n(3.0, 4.0), (), np.sqrt(12.5)),
        ("mae", n(0.0, 0.0), n(3.0, -4.0), (), 3.5),
        ("rmsle", n(0.0, np.e - 1), n(np.e - 1, np.e - 1), (), np.sqrt(0.5)),
        ("rmsle", n(0.0, np.e - 1), n(-7.0, -1e100), (), np.sqrt(0.5)),  # negative predictions count as 0
        ("accuracy", n(1, 2, 3, 3), n(1, 2, 3, 1), (1, 2, 3), 0.75),
        ("balanced_accuracy", n(5, 5, 5, 9), n(5, 5, 9, 9), (5, 9), 5 / 6),
        ("balanced_accuracy", n(5, 9), n([1.0, 1.0], [0.0, 3.0]), (5, 9), 1.0),  # ties: the first class
        ("mean_recall", n(5, 9), n([1.0, 1.0], [0.0, 3.0]), (5, 9), 0.5),  # ties: undecided
        ("mean_recall", n(5, 5, 5, 9), n(5, 5, 9, 9), (5, 9), 5 / 6),
        ("f1", n(1, 1, 0, 0), n(1, 0, 1, 0), (0, 1), 0.5),
        ("f1", n(1, 1, 0, 0), n(0.5, 0.6, 0.7, 0.1), (), 0.8),
        ("f1", n(1, 0), n(0, 0), (0, 1), 0.0),
        ("f1", n(1, 1), n(1, 1), (0, 1), 1.0),  # one class only
        ("f1_macro", n(0, 0, 1, 2), n(0, 0, 1, 1), (0, 1, 2), (1 + 2 / 3 + 0) / 3),
        ("roc_auc", n(0, 0, 1, 1), n(0.1, 0.5, 0.5, 0.9), (), 0.875),
        ("log_loss", n(1, 0), n(0.5, 0.75), (), (np.log(2) + np.log(4)) / 2),
        ("log_loss", n(1, 0), n(0.0, 1.0), (), -np.log(np.finfo(float).eps)),  # clipped
        ("log_loss", n(7, 3), n([1.0, 3.0], [2.0, 2.0]), (3, 7), (np.log(4 / 3) + np.log(2)) / 2),  # divided by sums
        ("log_loss", n(7, 3), n([3.0, 1.0], [2.0, 2.0]), (7, 3), (np.log(4 / 3) + np.log(2)) / 2),  # unsorted classes
        ("log_loss", n(3, 7), n([0.0, 0.0], [-2.0, -9.0]), (3, 7), np.log(2)),  # nothing positive: equal chances
        ("log_loss", n(3, 7), n([1e100, 1e100], [1e-300, 1e-300]), (3, 7), np.log(2)),
    ],
)
def test_values_worked_out_by_hand(name, solution, predictions, classes, expected):
    assert metrics.score(name, solution, predictions, classes) == pytest.approx(expected, abs=1e-12)


def one_hot(classes, count):
    return np.eye(count)[classes]


PERFECT = {
    "roc_auc": (BINARY, BINARY.astype(float)),
    "f1": (BINARY, BINARY.copy()),
    "log_loss": (CLASS, one_hot(CLASS, 7)),
    "mean_recall": (CLASS, one_hot(CLASS, 7)),
    "rmsle": (AMOUNT, AMOUNT.copy()),
    **{name: (REAL, REAL.copy()) for name in ("r2", "rmse", "mae")},
    **{name: (CLASS, CLASS.copy()) for name in ("accuracy", "balanced_accuracy", "f1_macro")},
}


@pytest.mark.parametrize("name", metrics.METRICS)
def test_perfect_predictions_reach_the_declared_best(name):
    solution, predictions = PERFECT[name]
    found = metrics.score(name, solution, predictions, () if name == "roc_auc" else CLASSES)
    assert found == pytest.approx(metrics.METRICS[name].best, abs=1e-15)  # clipping leaves 2.2e-16 of the log loss


@st.composite
def cases(draw):
    """Any checked predictions for any ground truth, by metric and kind of predictions."""
    spec = metrics.METRICS[draw(st.sampled_from(sorted(metrics.METRICS)))]
    kind = draw(st.sampled_from(spec.kinds))
    rows = draw(st.integers(2, 25))
    count = 2 if kind == "probability" else draw(st.integers(2, 5))
    classes = tuple(draw(st.permutations(range(count))))
    real = st.floats(-1e100, 1e100) if spec.name != "rmsle" else st.floats(0, 1e100)
    elements = real if spec.name in ("r2", "rmse", "mae", "rmsle") else st.integers(0, count - 1)
    solution = draw(arrays.arrays(float if elements is real else np.int64, rows, elements=elements))
    shape = (rows, count) if kind == "scores" else rows
    if kind == "class":
        predictions = draw(arrays.arrays(np.int64, shape, elements=st.integers(0, count - 1)))
    else:
        predictions = draw(
            arrays.arrays(float, shape, elements=st.floats(0, 1) if kind == "probability" else st.floats(-1e100, 1e100))
        )
    return spec, solution, predictions, classes


@settings(max_examples=400, deadline=None)
@given(cases(), st.randoms(use_true_random=False))
def test_every_checked_prediction_has_a_score_in_range_whatever_the_order_of_rows(case, random):
    spec, solution, predictions, classes = case
    if spec.undefined(solution, classes):
        with pytest.raises(GradingError, match="undefined here"):
            metrics.score(spec.name, solution, predictions, classes)
        return
    value = metrics.score(spec.name, solution, predictions, classes)
    assert spec.range[0] <= value <= spec.range[1]
    assert value <= spec.best if spec.direction == "maximize" else value >= spec.best
    order = list(range(len(solution)))
    random.shuffle(order)
    moved = metrics.score(spec.name, solution[order], predictions[order], classes)
    assert moved == pytest.approx(value, rel=1e-6, abs=1e-9)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.05, 0.9), st.floats(1.05, 3.0))
def test_more_errors_are_never_better(seed, share, times):
    rng = np.random.default_rng(seed)
    truth = np.concatenate([np.arange(4), rng.integers(0, 4, 60)])
    order = rng.permutation(64)
    wrong = (truth + 1 + rng.integers(0, 3, 64)) % 4
    few, many = order[: int(share * 64)], order[: min(64, int(share * 64 * times))]

    def broken(rows):
        found = truth.copy()
        found[rows] = wrong[rows]
        return found

    for name in ("accuracy", "balanced_accuracy", "mean_recall"):
        assert metrics.score(name, truth, broken(many), tuple(range(4))) <= metrics.score(
            name, truth, broken(few), tuple(range(4))
        )
    noise = rng.normal(size=64)
    for name in ("rmse", "mae"):
        found = [metrics.score(name, truth * 1.0, truth + noise * scale) for scale in (1, times)]
        assert found[0] < found[1]


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


@pytest.mark.parametrize(
    ("name", "solution", "constant", "expected"),
    [
        ("balanced_accuracy", CLASS, np.zeros(300, np.int64), 1 / 7),
        ("balanced_accuracy", CLASS, np.zeros((300, 7)), 1 / 7),
        ("mean_recall", CLASS, np.zeros(300, np.int64), 1 / 7),
        ("mean_recall", CLASS, np.zeros((300, 7)), 0.0),
        ("f1", BINARY, np.zeros(300, np.int64), 0.0),
        ("roc_auc", BINARY, np.full(300, 0.3), 0.5),
        ("log_loss", BINARY, np.full(300, 0.5), np.log(2)),
        ("log_loss", CLASS, np.ones((300, 7)), np.log(7)),
        ("r2", REAL, np.full(300, REAL.mean()), 0.0),
    ],
)
def test_constant_predictions_earn_what_chance_does(name, solution, constant, expected):
    assert metrics.score(name, solution, constant, CLASSES) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "solution", "says"),
    [
        ("r2", np.array([1.0]), "at least 2 rows"),
        ("rmsle", np.array([1.0, -0.5]), "targets of at least 0, found -0.5 in its row 1"),
        ("rmsle", np.array([]), "at least 1 rows"),
        ("roc_auc", np.ones(4, np.int64), "class 0 and of class 1"),
        ("balanced_accuracy", np.zeros(4, np.int64), "no row of class 1, 2"),
        ("mean_recall", np.zeros(4, np.int64), "no row of class 1, 2"),
        ("f1_macro", np.zeros(4, np.int64), "no row of class 1, 2"),
        ("f1", np.zeros(4, np.int64), "no row of class 1"),
        ("log_loss", np.array([0, 3]), "classes 0, 1, 2 only, found 3"),
        ("accuracy", np.array([], np.int64), "at least 1 rows"),
        ("f2", np.zeros(4), "unknown"),
    ],
)
def test_an_undefined_metric_is_refused_with_its_reason(name, solution, says):
    with pytest.raises(GradingError, match=says):
        metrics.score(name, solution, solution.astype(float), (0, 1, 2))


def test_means_over_classes_need_the_list_of_classes():
    with pytest.raises(GradingError, match="lists no classes"):
        metrics.score("f1_macro", CLASS, CLASS)
    with pytest.raises(GradingError, match="expected class 1 among"):
        metrics.score("f1", CLASS, CLASS, (3, 4))


def test_another_number_of_rows_is_refused():
    with pytest.raises(GradingError, match="300 rows, found 299"):
        metrics.score("r2", REAL, GUESS[:-1])


def test_every_metric_tells_direction_range_and_source():
    for name, spec in metrics.METRICS.items():
        assert spec.name == name
        assert spec.best == spec.range[1 if spec.direction == "maximize" else 0]
        assert spec.title
        assert spec.source
        assert spec.kinds
        assert spec.on_constant
        assert spec.note


@pytest.mark.parametrize("name", metrics.METRICS)
def test_what_is_said_of_a_constant_truth_is_what_happens(name):
    spec = metrics.METRICS[name]
    undefined = spec.undefined(np.ones(4, np.int64), (0, 1))
    assert bool(undefined) == spec.on_constant.startswith("undefined")
