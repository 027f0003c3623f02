"""The records that preparing data passes around: raw files, datasets, plans and what was published."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from datauab.errors import DataError

RawT = TypeVar("RawT")

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much is done and how much there is (0: not known)."""

Solution = NDArray[np.float64] | NDArray[np.int64]


def quiet(step: str, done: int, total: int) -> None:
    """Show no progress."""


@dataclass(frozen=True)
class RawFile:
    """One file of a source.

    Attributes
    ----------
    name : str
        Its name at the source and in the folder ``<raw>/<dataset>/``.
    urls : tuple of str
        Addresses that hold it, the first preferred.
    sha256 : str or None
        Checksum of the file as the source holds it; None where the source publishes none and only content can be
        checked. It binds downloads; a file from a folder may be compressed anew and is checked by its content.
    kaggle : tuple of str
        Handles of Kaggle datasets that hold it, the first preferred.
    """

    name: str
    urls: tuple[str, ...] = ()
    sha256: str | None = None
    kaggle: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """A split: who is tested, what the truth is, and how the public files are written.

    Attributes
    ----------
    solution : ndarray, shape (rows["test"],)
        The truth of the test rows in the order of the public test features, float64 or int64.
    baselines : dict
        Constant predictions learnt from the training targets alone: ``mean``, ``median``, ``majority``, ``prior``.
    rows : dict
        Number of rows of ``train``, ``validation`` and ``test``.
    constant : float or int
        What the sample submission predicts everywhere; its type is the predictions' type.
    write : callable
        Writes the public files into an empty folder and reports progress.
    ids : tuple of str
        Ids of the test rows; empty where their numbers, from 0, are the ids.
    classes : tuple of str
        Names of the prediction columns where a submission has one for each class.
    """

    solution: Solution
    baselines: dict[str, float]
    rows: dict[str, int]
    constant: float | int
    write: Callable[[Path, Progress], None]
    ids: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()


def _no_more(found: Mapping[str, Path]) -> tuple[RawFile, ...]:
    return ()


@dataclass(frozen=True)
class Dataset(Generic[RawT]):
    """How one dataset is read, made up where it cannot be had, and split.

    Attributes
    ----------
    version : int
        Raised whenever `plan` would write other public files from the same raw files and secret.
    withheld : tuple of str
        Columns of the source that the public test features lack.
    target : str
        The column of the public tables that is to be predicted; empty where the data is no table.
    files : tuple of RawFile
        What is needed.
    more : callable
        Further files that are needed, given those found.
    read : callable
        Reads and checks the raw files; raises `DataError` with file, expected and found.
    make_stand_in : callable
        Makes raw data of the same schema and size from a random generator.
    plan : callable
        Splits raw data by the deployment's secret.
    """

    name: str
    title: str
    source: str
    licence: str
    version: int
    files: tuple[RawFile, ...]
    read: Callable[[Mapping[str, Path]], RawT]
    make_stand_in: Callable[[np.random.Generator], RawT]
    plan: Callable[[RawT, bytes], Plan]
    withheld: tuple[str, ...] = ()
    target: str = ""
    more: Callable[[Mapping[str, Path]], tuple[RawFile, ...]] = _no_more


class Manifest(BaseModel):
    """What ``dataset.json`` in a public folder says about the data beside it.

    Attributes
    ----------
    stand_in : bool
        Whether the data is made up; every page that shows it must say so.
    rows : dict
        Number of rows of ``train``, ``validation`` and ``test``.
    raw : str
        SHA-256 over the content of the raw files, or ``stand-in``.
    fingerprint : str
        HMAC-SHA256 of name, version and `raw` under the deployment's secret: two public folders with one
        fingerprint hold the same split in the same order.
    baselines : dict
        Constant predictions learnt from the training targets.
    target : str
        The column of the public tables that is to be predicted; empty where the data is no table.
    size : int
        Bytes of all other public files together, to notice a damaged folder quickly.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    title: str
    stand_in: bool
    source: str
    licence: str
    rows: dict[str, int]
    withheld: tuple[str, ...]
    version: int
    raw: str
    fingerprint: str
    baselines: dict[str, float]
    size: int
    target: str = ""


def read_manifest(folder: Path) -> Manifest:
    """Read ``dataset.json`` of a public folder.

    Raises
    ------
    DataError
        Where the file is missing or is no such record.
    """
    path = folder / "dataset.json"
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise DataError(
            f"{path}: no such file; the data is not prepared: run ./club data prepare {folder.name}"
        ) from error
    except (OSError, ValidationError) as error:
        raise DataError(
            f"{path}: expected the record of a prepared dataset, found {error}; run ./club data prepare {folder.name}"
        ) from error


@dataclass(frozen=True)
class Prepared:
    """A dataset whose public files are in place.

    Attributes
    ----------
    public_dir : Path
        The read-only folder of the public files.
    manifest : Manifest
        What ``dataset.json`` in it says.
    notes : tuple of str
        What an operator should know, for example why a stand-in was made.
    changed : bool
        Whether this call wrote the public files.
    """

    public_dir: Path
    manifest: Manifest
    planned: Callable[[], Plan] = field(repr=False)
    notes: tuple[str, ...] = ()
    changed: bool = False

    @cached_property
    def solution(self) -> Solution:
        """The truth of the test rows, in the order of the public test features; computed when first asked for."""
        return self.planned().solution

    @property
    def baselines(self) -> dict[str, float]:
        """Constant predictions learnt from the training targets."""
        return self.manifest.baselines

    @property
    def stand_in(self) -> bool:
        """Whether the data is made up."""
        return self.manifest.stand_in

    @property
    def fingerprint(self) -> str:
        """Which split and order the public files hold."""
        return self.manifest.fingerprint


AnyDataset = Dataset[Any]
