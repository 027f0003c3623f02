"""Skin lesions: dermatoscopic images of seven diagnoses.

Origin: HAM10000 as Task 3 of ISIC 2018. P. Tschandl, C. Rosendahl, H. Kittler: "The HAM10000 dataset, a large
collection of multi-source dermatoscopic images of common pigmented skin lesions", Scientific Data 5, 180161 (2018),
doi:10.1038/sdata.2018.161. Licence: CC BY-NC 4.0. 10,015 images of 600 × 450 pixels, sometimes several of one lesion.

Raw files: ``ISIC2018_Task3_Training_Input.zip`` (``ISIC_0024306.jpg``, ...), ``..._GroundTruth.zip`` (a CSV file:
``image``, and 1 in one of ``MEL``, ``NV``, ``BCC``, ``AKIEC``, ``BKL``, ``DF``, ``VASC``), and the lesion groupings (a
CSV file: ``image``, ``lesion_id``, ``diagnosis_confirm_type``), which lie in the ground truth's archive or beside it.
An archive of some of the images works as well, with a table of just these.

Public: ``train/<CLASS>/0000.jpg``, ``validation/<CLASS>/0000.jpg`` (torchvision's ``ImageFolder`` numbers the classes
from 0 to 6 in alphabetical order, as `CLASSES` does) and ``test/images/0000.jpg``. The shorter side has 224 pixels at
most; every image is encoded anew, without metadata. A lesion is on one side only.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from datauab.datasets.photos import Photo, scaled, write_photos
from datauab.datasets.records import Dataset, Plan, Progress, RawFile
from datauab.datasets.sources import open_zip
from datauab.datasets.splits import generator, majority, shuffled, take_share
from datauab.datasets.standins import lesions as stand_in
from datauab.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

SOURCE = "https://isic-challenge-data.s3.amazonaws.com/2018/"
"""Folder of the ISIC archive's own storage that holds the files; it publishes no checksums."""

INPUT = "ISIC2018_Task3_Training_Input.zip"
TRUTH = "ISIC2018_Task3_Training_GroundTruth.zip"
TABLE = "ISIC2018_Task3_Training_GroundTruth.csv"
GROUPINGS = "ISIC2018_Task3_Training_LesionGroupings.csv"

COLUMNS = ("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC")
CLASSES = tuple(sorted(COLUMNS))
SHARE = 0.2


@dataclass(frozen=True)
class Lesions:
    """Labelled images.

    Attributes
    ----------
    labels : ndarray of int64, shape (n,)
        Index into `CLASSES`.
    lesions : ndarray of int64, shape (n,)
        Number of the lesion that the image shows.
    reader : callable
        Opens the images: a context manager that gives what reads the image of a row, RGB, from several threads.
    """

    labels: NDArray[np.int64]
    lesions: NDArray[np.int64]
    reader: Callable[[], AbstractContextManager[Callable[[int], Image]]]


def more(found: Mapping[str, Path]) -> tuple[RawFile, ...]:
    """The groupings, where the archive of the ground truth lacks them (the source keeps them beside it)."""
    with open_zip(found[TRUTH]) as archive:
        inside = GROUPINGS in _members(archive)
    return () if inside else (RawFile(GROUPINGS, (SOURCE + GROUPINGS,)),)


def read(files: Mapping[str, Path]) -> Lesions:
    """Read and check the tables and the list of images; the images themselves are checked while they are resized.

    Raises
    ------
    DataError
        Where an archive is damaged, a table is not the source's, or tables and images do not speak of the same.
    """
    path = files[TRUTH]
    truth = _read_csv(path, TABLE)
    _require_columns(path, TABLE, truth, ("image", *COLUMNS))
    one_hot = truth[list(COLUMNS)].to_numpy()
    wrong = np.flatnonzero(~np.isin(one_hot, (0, 1)).all(axis=1) | ((one_hot == 1).sum(axis=1) != 1))
    if len(wrong):
        row = truth.iloc[wrong[0]]
        raise DataError(f"{path}: {TABLE}: expected one 1 and six 0 a row, found {row.to_dict()}")
    names = truth["image"].astype(str)
    if names.duplicated().any():
        raise DataError(f"{path}: {TABLE}: expected each image once, found {names[names.duplicated()].iloc[0]} twice")
    labels = np.array([CLASSES.index(COLUMNS[column]) for column in one_hot.argmax(axis=1)], dtype=np.int64)
    absent = [name for number, name in enumerate(CLASSES) if (labels == number).sum() == 0]
    if absent:
        raise DataError(f"{path}: {TABLE}: expected images of all seven classes, found none of {', '.join(absent)}")
    members = _images(files[INPUT], names)
    return Lesions(labels, _lesions(files, names), partial(_zipped, files[INPUT], members))


def plan(raw: Lesions, secret: bytes) -> Plan:
    """Hide a fifth of each class, give a fifth of each class of the rest to validation; no lesion is on two sides."""
    random = generator(secret, "lesions", "split")
    hidden = take_share(raw.labels, SHARE, random, raw.lesions)
    rest = np.flatnonzero(~hidden)
    held = np.zeros(len(hidden), dtype=bool)
    held[rest] = take_share(raw.labels[rest], SHARE, random, raw.lesions[rest])
    train, validation, test = (shuffled(part, random) for part in (~hidden & ~held, held, hidden))
    common = majority(raw.labels[train])

    def write(folder: Path, progress: Progress) -> None:
        photos = [
            *_in_classes("train", train, raw.labels),
            *_in_classes("validation", validation, raw.labels),
            *(Photo(number, f"test/images/{place:04d}.jpg") for place, number in enumerate(test)),
        ]
        with raw.reader() as read_image:
            write_photos(folder, photos, read_image, progress)

    rows = {"train": len(train), "validation": len(validation), "test": len(test)}
    return Plan(raw.labels[test], {"majority": float(common)}, rows, common, write)


def make_stand_in(random: np.random.Generator) -> Lesions:
    """Draw 10,015 images, each of a lesion of its own, as many of each class as HAM10000 has."""
    labels = stand_in.draw_labels(random)
    seeds = random.integers(0, 2**63, len(labels))

    @contextmanager
    def drawn() -> Iterator[Callable[[int], Image]]:
        yield lambda number: stand_in.draw(int(labels[number]), int(seeds[number]))

    return Lesions(labels, np.arange(len(labels)), drawn)


def _in_classes(part: str, rows: NDArray[np.int64], labels: NDArray[np.int64]) -> Iterator[Photo]:
    # In the order of the public names: when a file was made then tells nothing about its place in the raw archive.
    for label, name in enumerate(CLASSES):
        for place, number in enumerate(rows[labels[rows] == label]):
            yield Photo(int(number), f"{part}/{name}/{place:04d}.jpg")


def _members(archive: zipfile.ZipFile) -> dict[str, str]:
    return {PurePosixPath(name).name: name for name in archive.namelist() if not name.endswith("/")}


def _read_csv(path: Path, name: str) -> pd.DataFrame:
    try:
        if path.suffix == ".csv":
            return pd.read_csv(path)
        with open_zip(path) as archive:
            member = _members(archive).get(name)
            if member is None:
                raise DataError(f"{path}: expected {name} in the archive, found {', '.join(archive.namelist()[:5])}")
            return pd.read_csv(io.BytesIO(archive.read(member)))
    except (zipfile.BadZipFile, zlib.error, ValueError, OSError, EOFError) as error:
        raise DataError(f"{path}: {name}: expected a whole CSV file, found {error}; fetch the file again") from error


def _require_columns(path: Path, name: str, frame: pd.DataFrame, columns: tuple[str, ...]) -> None:
    if tuple(frame.columns) != columns:
        raise DataError(
            f"{path}: {name}: expected the columns {', '.join(columns)}; found {', '.join(map(str, frame.columns))}"
        )


def _lesions(files: Mapping[str, Path], names: pd.Series) -> NDArray[np.int64]:
    path = files.get(GROUPINGS, files[TRUTH])
    groups = _read_csv(path, GROUPINGS)
    _require_columns(path, GROUPINGS, groups, ("image", "lesion_id", "diagnosis_confirm_type"))
    lesion_of = groups.drop_duplicates("image").set_index("image")["lesion_id"]
    lesions = names.map(lesion_of)
    unknown = names[lesions.isna()]
    if len(unknown):
        raise DataError(
            f"{path}: {GROUPINGS}: expected the lesion of each of {len(names)} images, found none for {len(unknown)}, "
            f"such as {unknown.iloc[0]}"
        )
    numbers, _ = pd.factorize(lesions)
    return numbers.astype(np.int64)


def _images(path: Path, names: pd.Series) -> tuple[str, ...]:
    with open_zip(path) as archive:
        found = {
            name[:-4]: member
            for name, member in _members(archive).items()
            if name[:1] != "." and name[-4:].lower() == ".jpg"
        }
    missing = [name for name in names if name not in found]
    extra = sorted(set(found) - set(names))
    if missing or extra:
        raise DataError(
            f"{path}: expected one image for each of {len(names)} labels, found {len(found)} images; "
            f"without image: {len(missing)} {missing[:3]}, without label: {len(extra)} {extra[:3]}; "
            "fetch both archives again"
        )
    return tuple(found[name] for name in names)


@contextmanager
def _zipped(path: Path, members: tuple[str, ...]) -> Iterator[Callable[[int], Image]]:
    from PIL import Image

    with open_zip(path) as archive:

        def read_image(number: int) -> Image.Image:
            member = members[number]
            try:
                image = Image.open(io.BytesIO(archive.read(member)))
                image.draft("RGB", scaled(image.size))  # a JPEG decodes to half its size in a third of the time
                return image.convert("RGB")
            except (zipfile.BadZipFile, zlib.error, OSError, ValueError, EOFError) as error:
                raise DataError(f"{path}: {member}: expected a whole image, found {error}; fetch it again") from error

        yield read_image


DATASET = Dataset(
    name="lesions",
    title="HAM10000: dermatoscopic images of skin lesions",
    source="ISIC 2018 Task 3 (HAM10000), Tschandl et al. 2018, doi:10.1038/sdata.2018.161",
    licence="CC BY-NC 4.0",
    version=1,
    files=(RawFile(INPUT, (SOURCE + INPUT,)), RawFile(TRUTH, (SOURCE + TRUTH,))),
    more=more,
    read=read,
    make_stand_in=make_stand_in,
    plan=plan,
)
