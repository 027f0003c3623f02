"""Where raw files come from: the folder that the operator names, then the cache, then the original source."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from datauab.datasets.download import download, from_kaggle
from datauab.datasets.records import AnyDataset, Progress, RawFile, quiet
from datauab.errors import DataError
from datauab.settings import Settings

Ask = Callable[[RawFile, Path], tuple[Path | None, list[str]]]
"""Asks a source for a file that is to lie at a path; tells where it is now and what was missing."""


@dataclass(frozen=True)
class Fetched:
    """The raw files of a dataset.

    Attributes
    ----------
    files : dict
        Path of each file by its name; empty unless all were found.
    notes : tuple of str
        What was missing where, for the operator.
    downloaded : tuple of Path
        Those that this call downloaded.
    incomplete : tuple of Path
        Where not all were found: those in the operator's own folder.
    """

    files: dict[str, Path] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    downloaded: tuple[Path, ...] = ()
    incomplete: tuple[Path, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every file was found."""
        return bool(self.files)


def cache(settings: Settings, name: str) -> Path:
    """Folder of a dataset's downloaded raw files."""
    return settings.state / "raw-cache" / name


def own_folders(settings: Settings, name: str) -> list[Path]:
    """Folders where an operator puts raw files of a dataset, the first preferred."""
    return [*([settings.raw / name] if settings.raw else []), settings.own_raw / name]


def local(settings: Settings, dataset: AnyDataset) -> Fetched:
    """Find the raw files on this machine, without network."""
    return _collect(settings, dataset, _absent)


def fetch(settings: Settings, dataset: AnyDataset, progress: Progress = quiet) -> Fetched:
    """Find or download the raw files.

    Raises
    ------
    DataError
        Where a source gave a wrong file.
    """

    def ask_source(file: RawFile, target: Path) -> tuple[Path | None, list[str]]:
        path, notes = download(file.urls, target, file.sha256, progress) if file.urls else (None, [])
        if path is None and file.kaggle:
            path, more = from_kaggle(file.kaggle, target)
            notes += more
        if path is not None and path.suffix == ".zip":
            progress(f"checking {file.name}", 0, 0)
            _check_zip(path)
        return path, notes

    return _collect(settings, dataset, ask_source)


def identity(files: Mapping[str, Path]) -> str:
    """SHA-256 over the content of raw files.

    Of a zip archive, whose checking takes long, the directory counts: names, sizes and CRC-32 of its members.

    Raises
    ------
    DataError
        Where an archive has no readable directory.
    """
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(name.encode() + b"\0")
        if name.endswith(".zip"):
            with open_zip(files[name]) as archive:
                for member in archive.infolist():
                    digest.update(f"{member.filename}\0{member.file_size}\0{member.CRC}\0".encode())
        else:
            with files[name].open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def open_zip(path: Path) -> zipfile.ZipFile:
    """Open a zip archive.

    Raises
    ------
    DataError
        Where it is none, or was cut off.
    """
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError) as error:
        size = path.stat().st_size if path.exists() else 0
        raise DataError(
            f"{path}: expected a zip archive, found {size} bytes without a readable directory ({error}); "
            "fetch the file again"
        ) from error


def _check_zip(path: Path) -> None:
    try:
        with open_zip(path) as archive:
            bad = archive.testzip()
        if bad is not None:
            raise DataError(f"{path}: {bad}: expected the CRC-32 of the archive's directory, found another one")
    except DataError:
        path.unlink()
        raise


def _absent(file: RawFile, target: Path) -> tuple[Path | None, list[str]]:
    return None, [f"{target.parent.name}/{file.name}: not found on this machine"]


def _collect(settings: Settings, dataset: AnyDataset, otherwise: Ask) -> Fetched:
    files: dict[str, Path] = {}
    notes: list[str] = []
    downloaded: list[Path] = []
    if settings.raw is not None and not settings.raw.is_dir():
        notes.append(f"DATAUAB_RAW: no folder at {settings.raw}; other sources are asked")
    folders = [*own_folders(settings, dataset.name), cache(settings, dataset.name)]

    def find(file: RawFile) -> bool:
        path = next((folder / file.name for folder in folders if (folder / file.name).is_file()), None)
        if path is None:
            path, words = otherwise(file, folders[-1] / file.name)
            notes.extend(words)
            if path is not None:
                downloaded.append(path)
        if path is not None:
            files[file.name] = path
        return path is not None

    complete = all(find(file) for file in dataset.files) and all(find(file) for file in dataset.more(files))
    if complete:
        return Fetched(files, tuple(notes), tuple(downloaded))
    own = tuple(path for path in files.values() if settings.raw is not None and path.is_relative_to(settings.raw))
    return Fetched({}, tuple(notes), tuple(downloaded), own)
