"""Splits hold their shares, respect groups, and follow the secret."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from datauab.datasets.splits import generator, majority, shuffled, take_share

LABELS = st.lists(st.integers(0, 4), min_size=1, max_size=300).map(lambda values: np.array(values, dtype=np.int64))
SHARES = st.floats(0.05, 0.95)
SEEDS = st.integers(0, 2**32).map(np.random.default_rng)


@given(LABELS, SHARES, SEEDS, st.sampled_from([round, math.ceil]))
def test_every_class_gives_its_rounded_share(labels, share, random, rounding):
    drawn = take_share(labels, share, random, rounding=rounding)
    for label in np.unique(labels):
        assert drawn[labels == label].sum() == rounding(share * int((labels == label).sum()))


@given(LABELS, SHARES, SEEDS, st.integers(1, 5))
def test_a_group_is_drawn_whole_and_a_class_never_gives_more_than_its_share(labels, share, random, size):
    groups = np.arange(len(labels)) // size
    labels = labels[groups * size]
    drawn = take_share(labels, share, random, groups)
    for group in np.unique(groups):
        assert len(set(drawn[groups == group])) == 1
    for label in np.unique(labels):
        wanted = round(share * int((labels == label).sum()))
        assert wanted - size < drawn[labels == label].sum() <= wanted


@given(st.binary(min_size=1), st.binary(min_size=1))
def test_the_secret_and_the_purpose_decide_the_numbers(one, other):
    first = generator(one, "got", "split").random(4)
    assert (first == generator(one, "got", "split").random(4)).all()
    assert (first != generator(one, "got", "order").random(4)).any()
    assert (first != generator(one, "mnist", "split").random(4)).any()
    # HMAC pads keys with zeros: only keys that differ otherwise are different secrets.
    if one.rstrip(b"\0") != other.rstrip(b"\0"):
        assert (first != generator(other, "got", "split").random(4)).any()


def test_shuffled_gives_each_marked_row_once_in_another_order():
    rows = np.arange(1000) % 3 == 0
    order = shuffled(rows, np.random.default_rng(0))
    assert sorted(order) == list(np.flatnonzero(rows))
    assert list(order) != sorted(order)


def test_majority_is_the_smallest_of_the_most_frequent():
    assert majority(np.array([3, 1, 1, 3, 0])) == 1
