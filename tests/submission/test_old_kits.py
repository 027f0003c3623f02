"""What members of the club's old competitions kept on their disks is still read, and the right way round."""

from __future__ import annotations

import io
import pickle
import zipfile

import numpy as np
import pytest

from datauab import metrics
from datauab.competition import Competition
from datauab.submission import Ids, InvalidSubmission, read_predictions

ROWS = 40
TRUTH = np.random.default_rng(3).integers(0, 10, ROWS)
SCORES = np.eye(10)[TRUTH] * 0.8 + np.random.default_rng(4).random((ROWS, 10)) * 0.1  # the largest is always right


def competition(kind: str, metric: str) -> Competition:
    return Competition.model_validate(
        {
            "name": "old",
            "title": "Old",
            "summary": "As it was.",
            "authors": ["Club"],
            "date": "2026-09-01",
            "cover": "img/cover.svg",
            "dataset": "old",
            "public_share": 0.5,
            "predictions": {"kind": kind, "classes": list(range(10)) if kind in ("class", "scores") else []},
            "metric": {"name": metric, "direction": "maximize"},
            "phases": [{"name": "open", "opens": "2026-09-01T00:00:00Z"}],
            "points": {"begin": 0.0, "full": 1.0},
        }
    )


def handed_in(value: object) -> bytes:
    """The zip that both kits asked for: ``predictions_class.pkl``, protocol 2."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("predictions_class.pkl", pickle.dumps(value, 2))
    return target.getvalue()


def read(value: object, kind: str, metric: str) -> np.ndarray:
    return read_predictions(
        handed_in(value), "submission.zip", competition=competition(kind, metric), ids=Ids.rows(ROWS), max_bytes=1 << 20
    )


def test_ten_lists_of_scores_become_rows_and_perfect_ones_score_one():
    lists = [SCORES[:, number].tolist() for number in range(10)]
    found = read(lists, "scores", "accuracy")
    np.testing.assert_array_equal(found, SCORES)
    assert metrics.score("accuracy", TRUTH, found, range(10)) == 1.0  # the old scorer reshaped here, and gave 0.10


def test_a_float_array_of_the_regression_kit_is_read_to_the_last_digit():
    values = np.random.default_rng(5).normal(size=ROWS) * 1e9
    np.testing.assert_array_equal(read(values, "real", "r2"), values)
    np.testing.assert_array_equal(read([np.float64(value) for value in values], "real", "r2"), values)


def test_ten_lists_of_scores_where_classes_are_asked_for_say_what_to_do():
    with pytest.raises(InvalidSubmission, match=r"np\.argmax"):
        read([SCORES[:, number].tolist() for number in range(10)], "class", "accuracy")
