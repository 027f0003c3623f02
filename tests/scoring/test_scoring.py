"""The split is secret and fair, scores are finite and agree with the metric, intervals are the bootstrap's."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

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


SEVEN = tuple(range(7))
CASES = {
    "r2": ("real", ("rmse", "mae", "rmsle"), ()),
    "balanced_accuracy": ("class", ("accuracy", "f1_macro", "mean_recall"), SEVEN),
    "accuracy": ("probability", ("roc_auc", "f1", "log_loss"), ()),
    "mean_recall": ("scores", ("log_loss", "f1_macro"), SEVEN),
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
    if kind == "scores":
        return solution, rng.dirichlet(np.ones(7), rows) + 0.3 * np.eye(7)[solution]
    return solution, np.where(rng.random(rows) < 0.7, solution, 0)


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


def test_a_direction_that_is_not_the_metrics_is_refused():
    with pytest.raises(GradingError, match="rmse: expected direction minimize, found maximize"):
        scoring.check_split(competition("real", "rmse"), np.zeros(4), np.array([True, True, False, False]))


def test_a_metric_of_the_competitions_own_is_left_to_its_code_but_those_beside_it_are_not():
    mask = np.array([True, True, False, False])
    entered = competition("real", "metric.py", ("mae",))
    scoring.check_split(entered, np.zeros(4), mask)
    assert scoring.secondary(entered, np.zeros(4), np.ones(4), mask) == {"mae": {"public": 1.0, "private": 1.0}}
    with pytest.raises(GradingError, match="its own"):
        scoring.score(entered, np.zeros(4), np.zeros(4), mask)
    with pytest.raises(GradingError, match="f1 takes predictions"):
        scoring.check_split(competition("real", "metric.py", ("f1",)), np.zeros(4), mask)


def test_shapes_must_agree():
    mask = np.array([True, True, False, False])
    with pytest.raises(GradingError, match="4 rows, found 3"):
        scoring.score(competition("real", "r2"), np.arange(4.0), np.arange(3.0), mask)


def test_the_scorers_hash_covers_every_file_of_metrics_and_scoring(tmp_path):
    package = Path(scoring.__file__).parent.parent
    copied = tmp_path / "datauab"
    for part in ("metrics", "scoring"):
        shutil.copytree(package / part, copied / part)
    for name in ("__init__.py", "errors.py", "settings.py", "competition.py"):
        shutil.copy(package / name, copied / name)
    code = "from datauab import scoring; print(scoring.scorer_hash())"

    def found():
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
        return done.stdout.strip()

    hashes = {found()}
    assert hashes == {scoring.scorer_hash()}
    for part in ("metrics/classes.py", "scoring/resampling.py"):
        (copied / part).write_text((copied / part).read_text(encoding="utf-8") + "\n# changed\n", encoding="utf-8")
        hashes.add(found())
    assert len(hashes) == 3


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
