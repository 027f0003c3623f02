"""What students have is accepted; what is wrong is refused with row, count, expectation and next step."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from datauab.errors import InvalidSubmission
from datauab.submission import validate

DIGITS = tuple(range(10))


@pytest.mark.parametrize(
    "predictions",
    [
        [1, 2.5, 3],
        (1.0, 2.5, np.float32(3)),
        np.array([1, 2.5, 3], np.float16),
        np.array([1, 2.5, 3], np.longdouble),
        np.array([[1.0], [2.5], [3.0]]),
        pd.Series([1, 2.5, 3], index=[9, 4, 1]),
        pd.Series([1, 2.5, 3], dtype="Float64"),
        pd.DataFrame({"btc_market_price": [1, 2.5, 3]}),
        torch.tensor([1, 2.5, 3], requires_grad=True),
        torch.tensor([1, 2.5, 3]).bfloat16(),
        np.ma.array([1, 2.5, 3]),
    ],
    ids=lambda value: f"{type(value).__module__}.{type(value).__name__}",
)
def test_real_numbers_of_every_sort_become_float64(predictions, competition_of):
    found = validate(predictions, competition=competition_of("real"), rows=3)
    assert found.dtype == np.float64
    assert found.flags.c_contiguous
    assert found.tolist() == [1, 2.5, 3]


@pytest.mark.parametrize(
    "predictions",
    [
        [3, 0, 9],
        [3.0, 0.0, 9.0],
        np.array([3, 0, 9], np.uint8),
        np.array([3, 0, 9], ">i2"),
        torch.tensor([3, 0, 9]),
        pd.Series([3, 0, 9], dtype="Int64"),
        pd.Series([3, 0, 9]).astype("category"),
    ],
)
def test_classes_of_every_sort_become_int64(predictions, competition_of):
    found = validate(predictions, competition=competition_of("class", DIGITS), rows=3)
    assert found.dtype == np.int64
    assert found.tolist() == [3, 0, 9]


def test_booleans_are_classes_zero_and_one_only(competition_of):
    guess = [True, False]
    assert validate(guess, competition=competition_of("class", (0, 1)), rows=2).tolist() == [1, 0]
    for wrong in (competition_of("class", (1, 2)), competition_of("real"), competition_of("probability")):
        with pytest.raises(InvalidSubmission, match="True or False"):
            validate(guess, competition=wrong, rows=2)


def test_scores_keep_one_column_a_class(competition_of):
    found = validate(np.ones((4, 3), np.float32), competition=competition_of("scores", (0, 1, 2)), rows=4)
    assert (found.shape, found.dtype) == ((4, 3), np.float64)
    with pytest.raises(InvalidSubmission, match="transpose"):
        validate(np.ones((3, 4)), competition=competition_of("scores", (0, 1, 2)), rows=4)


@pytest.mark.parametrize(
    ("kind", "predictions", "words"),
    [
        ("real", [1, 2], ["expected shape (3,)", "found (2,)"]),
        ("real", [1, np.nan, np.inf], ["row 1 (counted from 0)", "finite", "found nan", "2 of 3 rows"]),
        ("real", [1, 2, 1e200], ["row 2", "1e+100"]),
        ("real", [1, "two", 3], ["row 1", "found the text 'two'", "1 of 3 rows"]),
        ("real", [1, None, 3], ["row 1", "found None"]),
        ("real", np.array([1, 2, 3], object), ["Python objects", "float("]),
        ("real", np.ma.array([1, 2, 3], mask=[0, 1, 0]), ["row 1", "nan"]),
        ("real", pd.Series([1, 2, None], dtype="Int64"), ["row 2", "nan"]),
        ("real", np.array([1, 2, 3j]), ["complex"]),
        ("real", [[1, 2], [3], [4]], ["cannot be made an array", "one number a row"]),
        ("real", None, ["NoneType", "set it"]),
        ("real", "abc", ["found str"]),
        ("real", {0: 1}, ["found dict"]),
        ("real", 5.0, ["found float"]),
        ("real", np.float64(5), ["expected shape (3,), found ()"]),
        ("real", torch.ones(3, dtype=torch.complex64), ["complex"]),
        ("real", torch.ones(3).to_sparse(), ["cannot be made an array"]),
        ("probability", [0.5, 1.0, 1.0001], ["row 2", "between 0 and 1", "1.0001"]),
        ("probability", [-0.1, 0.5, 2], ["row 0", "2 of 3 rows"]),
        ("probability", np.ones((3, 2)) / 2, ["(3, 2)", "[:, 1]"]),
        ("class", [0, 10, -1], ["row 1", "0, 1, 2", "found 10", "2 of 3 rows"]),
        ("class", [0, 1.5, 2], ["row 1", "whole number", "1.5"]),
        ("class", [0, np.nan, 2], ["row 1", "missing values"]),
        ("class", np.ones((3, 10)), ["(3, 10)", "argmax"]),
        ("class", np.array([2**63, 1, 2], np.uint64), ["row 0"]),
    ],
)
def test_a_refusal_says_where_what_and_what_to_do(kind, predictions, words, competition_of):
    competition = competition_of(kind, DIGITS if kind == "class" else ())
    with pytest.raises(InvalidSubmission) as caught:
        validate(predictions, competition=competition, rows=3)
    for word in ["predictions", *words]:
        assert word in str(caught.value)


ANYTHING = st.one_of(
    hnp.arrays(hnp.scalar_dtypes(), hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)),
    st.lists(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3), st.binary(max_size=3))
    ),
    st.recursive(st.integers(), lambda inner: st.lists(inner, max_size=3), max_leaves=8),
)


@given(ANYTHING, st.sampled_from(["real", "class", "probability", "scores"]))
def test_anything_is_either_typed_or_refused(competition_of, predictions, kind):
    competition = competition_of(kind, (0, 1, 2) if kind in ("class", "scores") else ())
    try:
        found = validate(predictions, competition=competition, rows=3)
    except InvalidSubmission:
        return
    assert found.shape == ((3, 3) if kind == "scores" else (3,))
    assert found.dtype == (np.int64 if kind == "class" else np.float64)
    assert np.isfinite(found).all()


class Hostile:
    def __array__(self, *args, **kwargs):
        raise KeyError("not today")


def test_what_an_object_raises_becomes_an_answer(competition_of):
    with pytest.raises(InvalidSubmission, match="KeyError"):
        validate(Hostile(), competition=competition_of("real"), rows=3)


def test_importing_it_loads_no_heavy_library():
    heavy = ("pandas", "torch", "sklearn", "pydantic")
    code = f"import sys, datauab.submission; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
