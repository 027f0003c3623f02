"""Real data is split as promised, by the secret, and nothing public tells who is tested or what the answer is."""

from __future__ import annotations

import hashlib
import itertools
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from datauab import datasets
from datauab.datasets import bitcoin, got, lesions, mnist
from datauab.datasets.publishing import MOMENT
from datauab.datasets.records import Prepared
from datauab.settings import Settings

SECRET = b"one secret" * 4
OTHER = b"another one" * 4
NAMES = ("bitcoin", "got", "lesions", "mnist")


@pytest.fixture(scope="module")
def real(tmp_path_factory, raw) -> dict[str, Prepared]:
    """Prepare the four datasets once."""
    settings = Settings(root=tmp_path_factory.mktemp("real"), raw=raw)
    return {name: datasets.prepare(settings, name, SECRET) for name in NAMES}


def digest(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_parts_have_their_sizes(real):
    assert real["bitcoin"].manifest.rows == {"train": 2336, "validation": 292, "test": 292}
    assert real["got"].manifest.rows == {"train": 1557, "validation": 0, "test": 389}
    assert real["mnist"].manifest.rows == {"train": 47_995, "validation": 12_005, "test": 10_000}
    for name, prepared in real.items():
        sample = np.load(prepared.public_dir / "sample_submission.npy", allow_pickle=False)
        assert sample.shape == prepared.solution.shape == (prepared.manifest.rows["test"],), name
        assert np.ptp(sample) == 0
        assert not prepared.stand_in
    assert real["bitcoin"].solution.dtype == np.float64
    assert all(real[name].solution.dtype == np.int64 for name in ("got", "mnist", "lesions"))


@pytest.mark.parametrize("name", NAMES)
def test_every_student_may_read_and_nobody_write_and_times_tell_nothing(real, name):
    folder = real[name].public_dir
    for path in (folder, *folder.rglob("*")):
        assert path.stat().st_mode & 0o777 == (0o555 if path.is_dir() else 0o444)
        assert path.stat().st_mtime == MOMENT


@pytest.mark.parametrize("name", NAMES)
def test_a_second_call_is_instant_and_changes_nothing(real, name, raw):
    settings = Settings(root=real[name].public_dir.parents[2], raw=raw)
    before = real[name].public_dir.stat().st_ino
    begin = time.perf_counter()
    again = datasets.prepare(settings, name, SECRET)
    assert time.perf_counter() - begin < 2
    assert not again.changed
    assert again.public_dir.stat().st_ino == before
    assert again.fingerprint == real[name].fingerprint
    assert (again.solution == real[name].solution).all()


@pytest.mark.parametrize("name", ["bitcoin", "got"])
def test_the_same_secret_gives_the_same_bytes_and_another_one_another_split(real, tmp_path, raw, name):
    same = datasets.prepare(Settings(root=tmp_path / "a", raw=raw), name, SECRET)
    other = datasets.prepare(Settings(root=tmp_path / "b", raw=raw), name, OTHER)
    assert digest(same.public_dir) == digest(real[name].public_dir)
    assert other.fingerprint != same.fingerprint
    rows = [
        frozenset(map(tuple, pd.read_csv(one.public_dir / "test.csv").astype(str).to_numpy())) for one in (same, other)
    ]
    shared = len(rows[0] & rows[1]) / len(rows[0])
    assert shared < 0.5
    assert not np.array_equal(same.solution, other.solution)


def test_the_same_secret_gives_the_same_digits_and_another_one_another_order(real, raw):
    files = {path.name: path for path in (raw / "mnist").iterdir()}
    digits = mnist.read(files)
    same, other = mnist.plan(digits, SECRET), mnist.plan(digits, OTHER)
    assert (same.solution == real["mnist"].solution).all()
    assert (same.solution != other.solution).mean() > 0.8


def test_the_same_secret_gives_the_same_lesions_and_another_one_others(real, tmp_path, raw):
    source = lesions.read({path.name: path for path in (raw / "lesions").iterdir()})
    same, other = lesions.plan(source, SECRET), lesions.plan(source, OTHER)
    assert (same.solution == real["lesions"].solution).all()
    assert not np.array_equal(same.solution, other.solution)
    same.write(tmp_path, lambda *words: None)
    expected = digest(real["lesions"].public_dir)
    assert all(expected[path] == found for path, found in digest(tmp_path).items())


class TestBitcoin:
    @pytest.fixture
    def parts(self, real) -> dict[str, pd.DataFrame]:
        return {
            part: pd.read_csv(real["bitcoin"].public_dir / f"{part}.csv") for part in ("train", "validation", "test")
        }

    def test_gaps_are_in_training_rows_only(self, parts):
        assert parts["train"].isna().sum().sum() == parts["train"]["btc_trade_volume"].isna().sum() == 21
        assert not parts["validation"].isna().any().any()
        assert not parts["test"].isna().any().any()

    def test_every_raw_row_is_in_one_part_and_the_solution_belongs_to_the_test_rows(self, real, parts, raw):
        frame = pd.read_csv(raw / "bitcoin" / bitcoin.FILE)
        public = list(parts["test"].columns)
        assert set(public) == set(frame.columns) - set(bitcoin.WITHHELD)
        assert set(real["bitcoin"].manifest.withheld) == set(bitcoin.WITHHELD)
        seen = pd.concat([part[public] for part in parts.values()])
        assert Counter(map(tuple, seen.fillna(-1).to_numpy())) == Counter(
            map(tuple, frame[public].fillna(-1).to_numpy())
        )
        truth = parts["test"].merge(frame, on=public, how="left")
        assert np.array_equal(truth[bitcoin.TARGET], real["bitcoin"].solution)

    def test_no_column_of_the_test_rows_gives_their_place(self, parts, raw):
        frame = pd.read_csv(raw / "bitcoin" / bitcoin.FILE)
        public = list(parts["test"].columns)
        place = parts["test"].merge(frame.reset_index(), on=public, how="left")["index"]
        assert abs(place.corr(pd.Series(range(len(place))), method="spearman")) < 0.2
        for name in public:
            order = place.iloc[parts["test"][name].argsort(kind="stable")]
            assert (order.diff().dropna() > 0).mean() < 0.9, name

    def test_test_days_and_prices_are_nowhere_public(self, real, parts, raw):
        frame = pd.read_csv(raw / "bitcoin" / bitcoin.FILE)
        shown = set(parts["train"]["Date"]) | set(parts["validation"]["Date"])
        hidden = frame[~frame["Date"].isin(shown)]
        assert len(hidden) == 292
        text = "".join(path.read_text() for path in real["bitcoin"].public_dir.glob("*.*") if path.suffix != ".npy")
        assert not [day for day in hidden["Date"] if day in text or day[:10] in text]

    def test_baselines_come_from_training_prices(self, real, parts):
        prices = parts["train"][bitcoin.TARGET]
        assert real["bitcoin"].baselines == pytest.approx({"mean": prices.mean(), "median": prices.median()})


class TestGot:
    def test_columns_that_give_the_answer_away_are_in_no_public_file(self, real, raw):
        folder = real["got"].public_dir
        train, test = (pd.read_csv(folder / f"{part}.csv") for part in ("train", "test"))
        frame = pd.read_csv(raw / "got" / got.FILE)
        assert set(train.columns) == set(frame.columns) - set(got.LEAKS)
        assert set(test.columns) == set(train.columns) - {"actual"}
        assert set(real["got"].manifest.withheld) == {*got.LEAKS, "actual"}

    def test_the_split_is_stratified_and_the_solution_belongs_to_the_test_rows(self, real, raw):
        test = pd.read_csv(real["got"].public_dir / "test.csv").astype(str)
        frame = pd.read_csv(raw / "got" / got.FILE)
        assert Counter(real["got"].solution) == {1: 290, 0: 99}
        possible: dict[tuple[str, ...], set[int]] = {}
        for row, fate in zip(frame[list(test.columns)].astype(str).to_numpy(), frame["actual"], strict=True):
            possible.setdefault(tuple(row), set()).add(fate)
        rows = map(tuple, test.to_numpy())
        assert all(fate in possible[row] for row, fate in zip(rows, real["got"].solution, strict=True))

    def test_baselines_come_from_training_fates(self, real):
        alive = pd.read_csv(real["got"].public_dir / "train.csv")["actual"]
        assert real["got"].baselines == {"majority": 1.0, "prior": pytest.approx(alive.mean())}


class TestMnist:
    def test_images_are_binary_whole_and_in_a_new_order(self, real, raw):
        folder = real["mnist"].public_dir
        arrays = ("test_images", "train_images", "train_labels", "validation_images", "validation_labels")
        samples = ("sample_submission.csv", "sample_submission.npy")
        expected = sorted(["dataset.json", *samples, *(f"{name}.npy" for name in arrays)])
        assert sorted(path.name for path in folder.iterdir()) == expected
        loaded = {path.stem: np.load(path) for path in folder.glob("*.npy")}
        source = mnist.read({path.name: path for path in (raw / "mnist").iterdir()})
        for part in ("train", "validation", "test"):
            assert loaded[f"{part}_images"].dtype == np.uint8
            assert set(np.unique(loaded[f"{part}_images"])) == {0, 255}

        def pairs(images, labels):
            return Counter((image.tobytes(), int(label)) for image, label in zip(images, labels, strict=True))

        shown = pairs(loaded["train_images"], loaded["train_labels"])
        shown += pairs(loaded["validation_images"], loaded["validation_labels"])
        assert shown == pairs(mnist.binarise(source.train_images), source.train_labels)
        hidden = mnist.binarise(source.test_images)
        assert pairs(loaded["test_images"], real["mnist"].solution) == pairs(hidden, source.test_labels)
        assert (loaded["test_images"] == hidden).all(axis=(1, 2)).mean() < 0.01

    def test_validation_has_a_fifth_of_each_digit_rounded_up(self, real):
        folder = real["mnist"].public_dir
        train, validation = (np.bincount(np.load(folder / f"{part}_labels.npy")) for part in ("train", "validation"))
        assert (validation == np.ceil((train + validation) / 5)).all()


class TestLesions:
    def test_shares_hold_for_each_class_and_image_folder_reads_them(self, real, raw):
        from torchvision.datasets import ImageFolder

        folder = real["lesions"].public_dir
        train, validation = ImageFolder(folder / "train"), ImageFolder(folder / "validation")
        assert tuple(train.classes) == tuple(validation.classes) == lesions.CLASSES
        truth = lesions.read({path.name: path for path in (raw / "lesions").iterdir()})
        total = np.bincount(truth.labels)
        hidden = np.bincount(real["lesions"].solution)
        assert (hidden == [round(0.2 * count) for count in total]).all()
        held = np.bincount(validation.targets)
        assert (held == [round(0.2 * count) for count in total - hidden]).all()
        assert (np.bincount(train.targets) == total - hidden - held).all()
        assert real["lesions"].manifest.rows == {
            "train": len(train),
            "validation": len(validation),
            "test": hidden.sum(),
        }

    def test_images_are_small_and_carry_neutral_names_and_no_metadata(self, real):
        from PIL import Image

        folder = real["lesions"].public_dir
        paths = sorted(folder.rglob("*.jpg"))
        tests = sorted(path.name for path in (folder / "test" / "images").iterdir())
        assert tests == [f"{number:04d}.jpg" for number in range(len(real["lesions"].solution))]
        assert all(path.stem.isdigit() and len(path.stem) == 4 for path in paths)
        for path in itertools.islice(paths, 0, None, 50):
            with Image.open(path) as image:
                assert min(image.size) <= 224
                assert not image.getexif()
                assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
            assert b"ISIC" not in path.read_bytes()

    def test_the_solution_belongs_to_the_images(self, real, raw):
        from PIL import Image

        source = lesions.read({path.name: path for path in (raw / "lesions").iterdir()})
        small = {}
        with source.reader() as read_image:
            for number in range(0, len(source.labels), 3):
                pixels = np.asarray(read_image(number).resize((12, 12)), dtype=float).ravel()
                small[number] = pixels
        known = np.stack(list(small.values()))
        numbers = np.array(list(small))
        found = 0
        for place in range(0, len(real["lesions"].solution), 10):
            with Image.open(real["lesions"].public_dir / "test" / "images" / f"{place:04d}.jpg") as image:
                pixels = np.asarray(image.resize((12, 12)), dtype=float).ravel()
            distance = np.abs(known - pixels).mean(axis=1)
            if distance.min() < 1:
                found += 1
                assert source.labels[numbers[distance.argmin()]] == real["lesions"].solution[place]
        assert found > 10


def test_raw_names_and_ids_are_nowhere_public(real, raw):
    text = "".join(path.read_text() for one in real.values() for path in one.public_dir.glob("*.json"))
    assert "ISIC_" not in text
    assert "HAM_" not in text
    assert str(raw) not in text
