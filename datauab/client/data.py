"""The public data of the course, as a notebook opens it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from datauab.datasets.records import Manifest, read_manifest
from datauab.errors import DataError
from datauab.settings import hub_client_settings, load_settings

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[Any]


@dataclass(frozen=True)
class Tables:
    """A dataset of tables.

    Attributes
    ----------
    path : Path
        The read-only folder that all students share.
    train : DataFrame
        Rows to learn from, with the target.
    validation : DataFrame or None
        Rows to judge a model by, with the target; None where the post cross-validates instead.
    test : DataFrame
        Rows to predict, without the target; one prediction for each, in this order.
    stand_in : bool
        Whether the numbers are made up because the real data could not be had.
    """

    path: Path
    train: pd.DataFrame
    validation: pd.DataFrame | None
    test: pd.DataFrame
    stand_in: bool


@dataclass(frozen=True)
class Images:
    """A dataset of small images of one size, in memory.

    Attributes
    ----------
    path : Path
        The read-only folder that all students share.
    train, validation : tuple of ndarray
        Images, uint8 of shape (rows, height, width), and their labels, int64 of shape (rows,).
    test : ndarray
        Images to predict, uint8 of shape (rows, height, width).
    stand_in : bool
        Whether the images are made up because the real data could not be had.
    """

    path: Path
    train: tuple[Array, Array]
    validation: tuple[Array, Array]
    test: Array
    stand_in: bool


@dataclass(frozen=True)
class Folders:
    """A dataset of image files, as torchvision's ``ImageFolder`` reads them.

    Attributes
    ----------
    path : Path
        The read-only folder that all students share.
    train, validation : Path
        Folders with one folder of images for each class.
    test : Path
        Folder with one folder of images to predict, in the order of their names.
    stand_in : bool
        Whether the images are made up because the real data could not be had.
    classes : tuple of str
        Names of the classes; a class's number is its place here.
    """

    path: Path
    train: Path
    validation: Path
    test: Path
    stand_in: bool
    classes: tuple[str, ...]


def load(name: str) -> Tables | Images | Folders:
    """Open a dataset of the course.

    Parameters
    ----------
    name : str
        The dataset: ``bitcoin``, ``got``, ``mnist``, ``lesions``, or another that the course has.

    Returns
    -------
    Tables, Images or Folders
        By what the dataset's folder holds.

    Raises
    ------
    DataError
        Where there is no such dataset, or it is not prepared; names those that are.
    """
    folder = public_folder(name)
    manifest = read_manifest(folder)
    if (folder / "train.csv").is_file():
        return _tables(folder, manifest)
    if (folder / "train_images.npy").is_file():
        return _images(folder, manifest)
    classes = tuple(sorted(path.name for path in (folder / "train").iterdir() if path.is_dir()))
    return Folders(
        folder, folder / "train", folder / "validation", folder / "test", manifest.stand_in, classes
    )  # fmt: skip


def public_folder(name: str) -> Path:
    """Folder of the public data of `name`.

    Raises
    ------
    DataError
        Where there is none; names those that there are.
    """
    public = hub_client_settings().public or load_settings().public
    if not name.replace("-", "").replace("_", "").isalnum():
        raise DataError(f"dataset {name!r}: expected a name such as 'bitcoin'")
    folder = public / name
    if not folder.is_dir():
        known = sorted(path.name for path in public.glob("*") if (path / "dataset.json").is_file())
        raise DataError(f"dataset {name!r}: no such folder in {public}; expected one of {known or 'none, yet'}")
    return folder


def _tables(folder: Path, manifest: Manifest) -> Tables:
    import pandas as pd

    def read(part: str) -> pd.DataFrame | None:
        path = folder / f"{part}.csv"
        return pd.read_csv(path) if path.is_file() else None

    train, test = read("train"), read("test")
    if train is None or test is None:
        raise DataError(
            f"{folder}: expected train.csv and test.csv; an operator runs ./club data prepare {folder.name}"
        )
    return Tables(folder, train, read("validation"), test, manifest.stand_in)


def _images(folder: Path, manifest: Manifest) -> Images:
    def read(part: str) -> Array:
        loaded: Array = np.load(folder / f"{part}.npy", allow_pickle=False)
        return loaded

    train = read("train_images"), read("train_labels")
    validation = read("validation_images"), read("validation_labels")
    return Images(folder, train, validation, read("test_images"), manifest.stand_in)
