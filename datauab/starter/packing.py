"""Packs a kit into a zip archive on disk, file by file, and keeps it while nothing in it changes."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from datauab.datasets.publishing import only_one
from datauab.errors import DataError
from datauab.keys import give_to_folders_owner

FOLDER = "starter-kits"

MOST_BYTES = 2 * 2**30
"""Largest sum of the public files that a kit takes along, in bytes."""

_NOT_DATA = ("competition.json", "dataset.json")
_PACKED = (".zip", ".gz", ".png", ".jpg", ".jpeg", ".npz", ".parquet")
_EPOCH = (1980, 1, 1, 0, 0, 0)
_CHUNK = 2**20


def kits_folder(state: Path) -> Path:
    """Make the folder of packed kits and give its path."""
    folder = state / FOLDER
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    return folder


def packed(folder: Path, name: str, files: Mapping[str, bytes], data: Path) -> Path:
    """Pack `files` and the public `data`, below ``data/``, unless the same are packed already.

    Parameters
    ----------
    folder : Path
        Where kits lie; an older one of the same competition is removed.
    name : str
        Of the competition.

    Returns
    -------
    Path
        The archive. It appears whole: who reads it never sees a part.

    Raises
    ------
    DataError
        Where there is no public data, or more than `MOST_BYTES`.
    """
    public = {path.relative_to(data).as_posix(): path for path in sorted(data.rglob("*")) if path.is_file()}
    public = {inside: path for inside, path in public.items() if inside not in _NOT_DATA}
    size = sum(path.stat().st_size for path in public.values())
    if not public or size > MOST_BYTES:
        raise DataError(
            f"{data}: expected public data of at most {MOST_BYTES // 2**20} MiB for a starter kit, found "
            f"{len(public)} files of {size / 2**20:.0f} MiB"
        )
    target = folder / f"{name}-{_mark(files, public, data)}.zip"
    if target.is_file():
        return target
    lock = folder / f".{name}.lock"
    with only_one(lock):
        give_to_folders_owner(lock)  # the web service packs kits too, under another account than a root shell's
        if not target.is_file():
            _pack(target, files, public)
            for older in folder.glob(f"{name}-*.zip"):
                if older != target and older.stem.rpartition("-")[0] == name:
                    older.unlink(missing_ok=True)
    return target


def _mark(files: Mapping[str, bytes], public: Mapping[str, Path], data: Path) -> str:
    """Short hash of all that decides a kit; the data's own record stands for the content of its files."""
    digest = hashlib.sha256()
    for inside in sorted(files):
        digest.update(f"{inside}\0".encode() + hashlib.sha256(files[inside]).digest())
    for inside, path in public.items():
        digest.update(f"{inside}\0{path.stat().st_size}\0".encode())
    digest.update((data / "dataset.json").read_bytes())
    return digest.hexdigest()[:16]


def _pack(target: Path, files: Mapping[str, bytes], public: Mapping[str, Path]) -> None:
    handle, temporary = tempfile.mkstemp(prefix=f".{target.stem}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file, zipfile.ZipFile(file, "w") as archive:
            for inside in sorted(files):
                archive.writestr(_entry(inside, len(files[inside])), files[inside])
            for inside, path in public.items():
                entry = _entry(f"data/{inside}", path.stat().st_size)
                with path.open("rb") as source, archive.open(entry, "w") as place:
                    shutil.copyfileobj(source, place, _CHUNK)
        Path(temporary).chmod(0o644)
        give_to_folders_owner(Path(temporary))
        Path(temporary).replace(target)
    finally:
        Path(temporary).unlink(missing_ok=True)


def _entry(name: str, size: int) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.external_attr = 0o100644 << 16
    entry.file_size = size
    entry.compress_type = zipfile.ZIP_STORED if name.lower().endswith(_PACKED) else zipfile.ZIP_DEFLATED
    return entry
