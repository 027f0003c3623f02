"""A damaged or wrong raw file is refused with file, expected and found, and no stand-in takes its place."""

from __future__ import annotations

import gzip
import io
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from datauab import datasets
from datauab.datasets import bitcoin, got, lesions, mnist
from datauab.datasets.tables import write_table
from datauab.errors import DataError

SECRET = b"s" * 32


def refuses(settings, name: str, file: str, *words: str) -> None:
    for act in (lambda: datasets.prepare(settings, name, SECRET), lambda: datasets.fetch(settings, name)):
        with pytest.raises(DataError) as caught:
            act()
        for word in (file, *words):
            assert word in str(caught.value), str(caught.value)
    assert not (settings.public / name).exists()


def change(settings, name: str, file: str, edit) -> None:
    path = settings.raw / name / file
    frame = pd.read_csv(path)
    write_table(path, edit(frame))


TABLES = [("bitcoin", bitcoin.FILE, 2920, "btc_hash_rate"), ("got", got.FILE, 1946, "popularity")]


@pytest.mark.parametrize(("name", "file", "rows", "column"), TABLES)
class TestTables:
    def test_a_missing_row(self, copied, name, file, rows, column):
        settings = copied(name)
        change(settings, name, file, lambda frame: frame.iloc[:-1])
        refuses(settings, name, file, f"expected {rows} rows, found {rows - 1}")

    def test_a_missing_and_an_unknown_column(self, copied, name, file, rows, column):
        settings = copied(name)
        change(settings, name, file, lambda frame: frame.rename(columns={column: "else"}))
        refuses(settings, name, file, f"missing: {column}", "unknown: else")

    def test_columns_in_another_order(self, copied, name, file, rows, column):
        settings = copied(name)
        change(settings, name, file, lambda frame: frame[frame.columns[::-1]])
        refuses(settings, name, file, "order wrong")

    def test_text_where_numbers_belong(self, copied, name, file, rows, column):
        settings = copied(name)
        change(
            settings,
            name,
            file,
            lambda frame: frame.astype({column: object}).replace({column: {frame[column][7]: "?"}}),
        )
        refuses(settings, name, file, f"column {column}", "expected numbers", "'?'")

    def test_an_empty_and_a_binary_file(self, copied, name, file, rows, column):
        settings = copied(name)
        for content in (b"", b"\x00\xff" * 500, b"<html>Please sign in</html>"):
            (settings.raw / name / file).write_bytes(content)
            refuses(settings, name, file, "expected")

    def test_a_file_cut_off_in_the_middle(self, copied, name, file, rows, column):
        settings = copied(name)
        path = settings.raw / name / file
        path.write_bytes(path.read_bytes()[:-100_000])
        refuses(settings, name, file, "expected")


def test_a_bitcoin_gap_elsewhere_and_a_day_twice(copied):
    settings = copied("bitcoin")
    path = settings.raw / "bitcoin" / bitcoin.FILE
    whole = pd.read_csv(path)
    write_table(path, whole.assign(btc_market_price=whole["btc_market_price"].mask(whole.index == 5)))
    refuses(settings, "bitcoin", bitcoin.FILE, "btc_market_price", "found none in row 5")
    write_table(path, whole.assign(Date=whole["Date"].mask(whole.index == 5, whole["Date"][4])))
    refuses(settings, "bitcoin", bitcoin.FILE, "2,920 different days")


def test_a_price_that_is_given_away_by_a_new_column_is_not_published(raw):
    frame = bitcoin.read({bitcoin.FILE: raw / "bitcoin" / bitcoin.FILE})
    leaking = frame.assign(btc_hash_rate=frame[bitcoin.TARGET] * frame["btc_n_transactions"])
    with pytest.raises(DataError, match="btc_hash_rate / btc_n_transactions: R²"):
        bitcoin.plan(leaking, SECRET)


def test_a_fate_that_is_neither_dead_nor_alive(copied):
    settings = copied("got")
    change(settings, "got", got.FILE, lambda frame: frame.assign(actual=frame["actual"].mask(frame.index == 3, 2)))
    refuses(settings, "got", got.FILE, "expected 0 or 1, found 2 in row 3")


class TestMnist:
    @pytest.fixture
    def settings(self, copied):
        return copied("mnist")

    def edit(self, settings, file: mnist.IdxFile, edit) -> None:
        path = settings.raw / "mnist" / file.name
        path.write_bytes(gzip.compress(edit(bytearray(gzip.decompress(path.read_bytes()))), 1))

    def test_a_wrong_magic_number(self, settings):
        self.edit(settings, mnist.TRAIN_LABELS, lambda content: b"\0\0\x08\x03" + content[4:])
        refuses(settings, "mnist", mnist.TRAIN_LABELS.name, "expected IDX magic number 2049, found 2051")

    def test_a_wrong_size(self, settings):
        self.edit(settings, mnist.TEST_LABELS, lambda content: content[:-1])
        refuses(settings, "mnist", mnist.TEST_LABELS.name, "expected shape (10000,) (10000 bytes)", "(9999 bytes)")

    def test_one_changed_pixel(self, settings):
        def flip(content: bytearray) -> bytearray:
            content[5000] ^= 1
            return content

        self.edit(settings, mnist.TEST_IMAGES, flip)
        refuses(settings, "mnist", mnist.TEST_IMAGES.name, f"expected content of sha256 {mnist.TEST_IMAGES.content}")

    def test_no_gzip_and_half_a_gzip(self, settings):
        path = settings.raw / "mnist" / mnist.TEST_IMAGES.name
        whole = path.read_bytes()
        for content in (b"", b"<html>", whole[: len(whole) // 2]):
            path.write_bytes(content)
            refuses(settings, "mnist", path.name, "expected")

    def test_one_file_alone_is_not_replaced_by_a_stand_in(self, settings, monkeypatch):
        (settings.raw / "mnist" / mnist.TEST_LABELS.name).unlink()
        offline = datasets.Dataset(**{**vars(mnist.DATASET), "files": mnist.raw_files(())})
        monkeypatch.setitem(datasets.DATASETS, "mnist", offline)
        with pytest.raises(DataError, match=r"expected all raw files, found only .*train-images.*--stand-in"):
            datasets.prepare(settings, "mnist", SECRET)


def jpeg(size: tuple[int, int], shade: int) -> bytes:
    from PIL import Image

    exif = Image.Exif()
    exif[0x010E] = "ISIC secret place"
    buffer = io.BytesIO()
    Image.new("RGB", size, (shade, 90, 60)).save(buffer, "JPEG", exif=exif, comment=b"ISIC_0024306")
    return buffer.getvalue()


def archive(folder: Path, *, beside: bool = False, size: tuple[int, int] = (600, 450)) -> np.ndarray:
    """Write archives as the source does: several images of one lesion, licence and Mac files between them."""
    folder.mkdir(parents=True)
    lesion = np.sort(np.arange(700) % 430)
    labels = np.array([number % 7 for number in lesion])
    names = [f"ISIC_{24306 + number:07d}" for number in range(len(lesion))]
    one_hot = np.eye(7)[[lesions.COLUMNS.index(lesions.CLASSES[label]) for label in labels]]
    truth = pd.DataFrame(one_hot, columns=list(lesions.COLUMNS))
    truth.insert(0, "image", names)
    groups = pd.DataFrame(
        {"image": names, "lesion_id": [f"HAM_{n:07d}" for n in lesion], "diagnosis_confirm_type": "histopathology"}
    )
    with zipfile.ZipFile(folder / lesions.TRUTH, "w") as file:
        file.writestr(f"ISIC2018_Task3_Training_GroundTruth/{lesions.TABLE}", truth.to_csv(index=False))
        if not beside:
            file.writestr(f"ISIC2018_Task3_Training_GroundTruth/{lesions.GROUPINGS}", groups.to_csv(index=False))
    if beside:
        (folder / lesions.GROUPINGS).write_text(groups.to_csv(index=False))
    with zipfile.ZipFile(folder / lesions.INPUT, "w") as file:
        file.writestr("ISIC2018_Task3_Training_Input/LICENSE.txt", "CC BY-NC")
        for name, number in zip(names, lesion, strict=True):
            file.writestr(f"ISIC2018_Task3_Training_Input/{name}.jpg", jpeg(size, 30 + 2 * (number % 100)))
            file.writestr(f"__MACOSX/ISIC2018_Task3_Training_Input/._{name}.jpg", b"mac")
    return lesion


@pytest.mark.parametrize("beside", [False, True], ids=["groupings inside", "groupings beside"])
def test_lesions_of_several_large_images_stay_on_one_side(tmp_path, beside):
    from PIL import Image

    from datauab.settings import Settings

    archive(tmp_path / "raw" / "lesions", beside=beside)
    settings = Settings(root=tmp_path, raw=tmp_path / "raw")
    prepared = datasets.prepare(settings, "lesions", SECRET)
    rows = prepared.manifest.rows
    assert rows["test"] == pytest.approx(140, abs=4)
    assert rows["validation"] == pytest.approx(112, abs=4)
    assert sum(rows.values()) == 700
    for path in prepared.public_dir.rglob("*.jpg"):
        assert b"ISIC" not in path.read_bytes()
        with Image.open(path) as image:
            assert image.size == (299, 224)


@pytest.mark.parametrize("seed", range(3))
def test_no_lesion_is_in_two_parts(tmp_path, seed, monkeypatch):
    lesion = archive(tmp_path / "lesions", size=(8, 8))
    raw = lesions.read({path.name: path for path in (tmp_path / "lesions").iterdir()})
    assert len(set(zip(raw.lesions, lesion, strict=True))) == 430
    photos = []
    monkeypatch.setattr(lesions, "write_photos", lambda folder, all_photos, *rest: photos.extend(all_photos))
    lesions.plan(raw, bytes([seed]) * 32).write(tmp_path, lambda *words: None)
    side_of: dict[int, set[str]] = {}
    for photo in photos:
        side_of.setdefault(int(raw.lesions[photo.number]), set()).add(photo.path.split("/")[0])
    assert len(side_of) == 430
    assert all(len(sides) == 1 for sides in side_of.values())


class TestLesions:
    @pytest.fixture
    def settings(self, tmp_path):
        from datauab.settings import Settings

        archive(tmp_path / "raw" / "lesions", size=(16, 16))
        return Settings(root=tmp_path, raw=tmp_path / "raw")

    def rewrite(self, settings, file: str, edit) -> None:
        path = settings.raw / "lesions" / file
        with zipfile.ZipFile(path) as old:
            members = {name: old.read(name) for name in old.namelist()}
        edit(members)
        with zipfile.ZipFile(path, "w") as new:
            for name, content in members.items():
                new.writestr(name, content)

    @pytest.mark.parametrize("file", [lesions.INPUT, lesions.TRUTH])
    def test_half_an_archive(self, settings, file):
        path = settings.raw / "lesions" / file
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        refuses(settings, "lesions", file, "expected a zip archive")

    def test_an_image_without_a_label_and_a_label_without_an_image(self, settings):
        def swap(members: dict[str, bytes]) -> None:
            name = "ISIC2018_Task3_Training_Input/ISIC_{}.jpg"
            members[name.format("9999999")] = members.pop(name.format("0024306"))

        self.rewrite(settings, lesions.INPUT, swap)
        refuses(
            settings, "lesions", lesions.INPUT, "without image: 1 ['ISIC_0024306']", "without label: 1 ['ISIC_9999999']"
        )

    def test_a_damaged_image_is_found_while_images_are_made_and_nothing_is_published(self, settings):
        path = settings.raw / "lesions" / lesions.INPUT
        content = bytearray(path.read_bytes())
        at = content.index(b"ISIC_0024400.jpg") + 200
        content[at : at + 40] = b"\0" * 40
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"ISIC_0024400\.jpg: expected a whole image"):
            datasets.prepare(settings, "lesions", SECRET)
        assert not list(settings.public.iterdir())

    def test_a_table_that_is_not_one_hot_or_lacks_a_class(self, settings):
        table = f"ISIC2018_Task3_Training_GroundTruth/{lesions.TABLE}"

        def two(members: dict[str, bytes]) -> None:
            members[table] = members[table].replace(b"ISIC_0024306,0.0", b"ISIC_0024306,1.0", 1)

        self.rewrite(settings, lesions.TRUTH, two)
        refuses(settings, "lesions", lesions.TRUTH, "expected one 1 and six 0", "ISIC_0024306")

    def test_an_image_without_a_lesion(self, settings):
        table = f"ISIC2018_Task3_Training_GroundTruth/{lesions.GROUPINGS}"

        def forget(members: dict[str, bytes]) -> None:
            members[table] = members[table].replace(b"ISIC_0024307,", b"ISIC_1111111,", 1)

        self.rewrite(settings, lesions.TRUTH, forget)
        refuses(settings, "lesions", lesions.TRUTH, "found none for 1, such as ISIC_0024307")


def test_a_damaged_file_never_replaces_what_was_prepared(copied):
    settings = copied("got")
    before = datasets.prepare(settings, "got", SECRET)
    inode = before.public_dir.stat().st_ino
    (settings.raw / "got" / got.FILE).write_text("S.No,actual\n1,0\n")
    with pytest.raises(DataError, match="missing: pred"):
        datasets.prepare(settings, "got", SECRET)
    assert before.public_dir.stat().st_ino == inode
    shutil.rmtree(settings.raw)
    assert datasets.prepare(settings, "got", SECRET).fingerprint == before.fingerprint
