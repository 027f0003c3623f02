"""What a notebook of the course needs: the public data, a check of predictions, and the leaderboard."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from datauab.competition import Competition
from datauab.datasets.records import Manifest, read_manifest
from datauab.errors import ClubError, DataError
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
    folder = _folder(name)
    manifest = read_manifest(folder)
    if (folder / "train.csv").is_file():
        return _tables(folder, manifest)
    if (folder / "train_images.npy").is_file():
        return _images(folder, manifest)
    classes = tuple(sorted(path.name for path in (folder / "train").iterdir() if path.is_dir()))
    return Folders(
        folder, folder / "train", folder / "validation", folder / "test", manifest.stand_in, classes
    )  # fmt: skip


def check(name: str, predictions: Any) -> bool:
    """Check predictions as the club will when they are handed in, and say so.

    Parameters
    ----------
    name : str
        The competition.
    predictions : array-like
        One prediction for each test row, in the order of the rows.

    Returns
    -------
    bool
        Always True; wrong predictions raise.

    Raises
    ------
    InvalidSubmission
        Where they could not be scored; names the first wrong row, expected and found.
    """
    from datauab.submission import validate

    folder = _folder(name)
    try:
        competition = Competition.model_validate_json((folder / "competition.json").read_bytes())
    except FileNotFoundError as error:
        raise DataError(
            f"{folder / 'competition.json'}: no such file; an operator runs ./club data prepare {name}"
        ) from error
    rows = read_manifest(folder).rows["test"]
    array = validate(predictions, competition=competition, rows=rows)
    print(f"predictions look right: {_describe(array)}")  # noqa: T201 - the answer to a student in a notebook
    return True


def leaderboard(name: str) -> pd.DataFrame:
    """Read a competition's public leaderboard.

    Parameters
    ----------
    name : str
        The competition.

    Returns
    -------
    DataFrame
        One row a member or baseline: ``rank`` (none for baselines), ``name``, ``score``, ``attempts``,
        ``last_improvement`` (UTC).

    Raises
    ------
    ClubError
        Where there is no hub, as while being graded, or it does not answer.
    """
    import httpx
    import pandas as pd

    hub = hub_client_settings()
    if not hub.web_url:
        raise ClubError(
            "no leaderboard here: expected a notebook on the club's hub, found none (a graded run has no network); "
            "open the competition's page instead"
        )
    url = f"{hub.web_url}api/v1/competitions/{name}/leaderboard"
    try:
        answer = httpx.get(url, headers={"Authorization": f"token {hub.token}"}, timeout=20, trust_env=False)
    except httpx.HTTPError as error:
        raise ClubError(f"leaderboard of {name}: the club does not answer ({error}); try again in a minute") from error
    if answer.status_code != httpx.codes.OK:
        raise ClubError(f"leaderboard of {name}: {_problem(answer.text)}")
    columns = ["rank", "name", "score", "attempts", "last_improvement"]
    board = pd.DataFrame(answer.json()["rows"], columns=columns)
    board["rank"] = board["rank"].astype("Int64")
    board["last_improvement"] = pd.to_datetime(board["last_improvement"], utc=True)
    return board


def _folder(name: str) -> Path:
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


def _describe(array: Array) -> str:
    shape = " × ".join(str(length) for length in array.shape)
    return f"{shape} numbers of type {array.dtype}, from {array.min():.6g} to {array.max():.6g}"


def _problem(text: str) -> str:
    import json

    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return f"the club answered something else than expected: {text[:200]!r}; try again in a minute"
