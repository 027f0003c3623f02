"""Stand-ins pass the checks that real raw data passes, have its size, and can be learnt from."""

from __future__ import annotations

import numpy as np
import pytest

from datauab.datasets import DATASETS, bitcoin, got, lesions, mnist
from datauab.datasets.tables import write_table

SECRET = b"s" * 32


@pytest.mark.parametrize("module", [bitcoin, got], ids=["bitcoin", "got"])
def test_made_up_tables_are_read_as_real_ones(tmp_path, module):
    frame = module.DATASET.make_stand_in(np.random.default_rng(1))
    write_table(tmp_path / module.FILE, frame)
    again = module.read({module.FILE: tmp_path / module.FILE})
    assert list(again.columns) == list(frame.columns)
    assert len(again) == module.ROWS


@pytest.mark.parametrize("seed", range(4))
def test_a_made_up_price_is_not_given_away(seed):
    plan = bitcoin.plan(bitcoin.DATASET.make_stand_in(np.random.default_rng(seed)), SECRET)
    assert plan.rows == {"train": 2336, "validation": 292, "test": 292}
    assert np.isfinite(plan.solution).all()


def test_made_up_gaps_are_as_many_as_the_real_ones():
    table = bitcoin.DATASET.make_stand_in(np.random.default_rng(0))
    assert table.isna().sum().sum() == table["btc_trade_volume"].isna().sum() == 21
    characters = got.DATASET.make_stand_in(np.random.default_rng(0))
    assert (characters["actual"] == 0).sum() == 495
    assert (characters["age"] < -1000).sum() == 2


def test_made_up_digits_can_be_told_apart():
    from sklearn.neighbors import KNeighborsClassifier

    raw = mnist.make_stand_in(np.random.default_rng(0))
    assert raw.train_images.shape == (60_000, 28, 28)
    assert raw.test_images.shape == (10_000, 28, 28)
    assert mnist.plan(raw, SECRET).rows == {"train": 47_995, "validation": 12_005, "test": 10_000}
    pixels = mnist.binarise(raw.train_images[:3000]).reshape(3000, -1) / 255
    model = KNeighborsClassifier(3).fit(pixels[:2000], raw.train_labels[:2000])
    assert 0.6 < model.score(pixels[2000:], raw.train_labels[2000:3000]) <= 1


def test_made_up_lesions_have_all_classes_and_differ():
    raw = lesions.make_stand_in(np.random.default_rng(0))
    assert set(raw.labels) == set(range(7))
    assert len(raw.labels) == 10_015
    with raw.reader() as read_image:
        colours = {
            label: np.mean([np.asarray(read_image(number))[40:70, 40:70].mean() for number in rows[:20]])
            for label in range(7)
            if len(rows := np.flatnonzero(raw.labels == label))
        }
    assert np.ptp(list(colours.values())) > 30


def test_made_up_digits_are_as_many_as_the_real_ones(raw):
    real = mnist.read({path.name: path for path in (raw / "mnist").iterdir()})
    assert tuple(np.bincount(real.train_labels)) == mnist.TRAIN_COUNTS
    assert tuple(np.bincount(real.test_labels)) == mnist.TEST_COUNTS


@pytest.mark.parametrize("name", sorted(DATASETS))
def test_who_lacks_the_secret_cannot_make_the_same_stand_in(name):
    from datauab.datasets import STAND_IN
    from datauab.datasets.splits import generator

    seeds = [generator(secret, name, STAND_IN).integers(2**63) for secret in (SECRET, b"t" * 32)]
    assert seeds[0] != seeds[1]
