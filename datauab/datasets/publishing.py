"""Public folders that appear at once, are read-only, and tell nothing by their files' times."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from datauab.datasets.records import Manifest

MOMENT = 946_684_800
"""Modification time of every public file (2000-01-01): the real ones could tell in which order rows were read."""

KEPT = "competition.json"
"""The one public file that is not part of the data: it is carried over when the data is made anew."""

_EXCHANGE = 2  # RENAME_EXCHANGE of renameat2(2)
_HERE = -100  # AT_FDCWD


@contextmanager
def only_one(lock: Path) -> Iterator[None]:
    """Let one process at a time prepare a dataset; the others wait."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def publish(folder: Path, build: Callable[[Path], None]) -> None:
    """Replace the public `folder` by what `build` writes, in one step.

    `build` writes into an empty sibling folder. That is made read-only and then takes the place of `folder`: who
    reads, and who comes after a process that was killed, finds the old state or the new one.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    recover(folder)
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".new", dir=folder.parent))
    try:
        build(fresh)
        if (folder / KEPT).is_file():
            shutil.copyfile(folder / KEPT, fresh / KEPT)
        seal(fresh)
        _replace(folder, fresh)
    finally:
        remove(fresh)


def recover(folder: Path) -> None:
    """Remove what a killed process left beside `folder`, and bring back the old state where that was cut off."""
    old = folder.with_name(f".{folder.name}.old")
    if old.exists() and not folder.exists():
        old.rename(folder)
    for left in (old, *folder.parent.glob(f".{folder.name}.*.new")):
        remove(left)


def put_file(folder: Path, name: str, content: bytes) -> bool:
    """Add or replace one file of a published folder, in one step; tell whether it changed."""
    path = folder / name
    sealed = folder.stat().st_mode & 0o777 == 0o555
    if sealed and path.is_file() and path.read_bytes() == content:
        return False
    folder.chmod(0o755)
    for left in folder.glob(f".{name}.*"):
        left.unlink()
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{name}.", dir=folder)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(temporary).replace(path)
    finally:
        seal(folder, only=path)
    return True


def seal(folder: Path, only: Path | None = None) -> None:
    """Make `folder` read-only (files 0444, folders 0555) and set every time to one constant."""
    for here, _, files in os.walk(folder, topdown=False):
        for name in files:
            path = Path(here) / name
            if only is None or path == only:
                path.chmod(0o444)
                os.utime(path, (MOMENT, MOMENT))
        os.utime(here, (MOMENT, MOMENT))
        Path(here).chmod(0o555)


def size_of(folder: Path) -> int:
    """Bytes of all data files below `folder`."""
    return sum(
        path.stat().st_size for path in folder.rglob("*") if path.is_file() and path.name not in ("dataset.json", KEPT)
    )


def intact(folder: Path, manifest: Manifest) -> bool:
    """Whether the published files are all there, judged by their sizes."""
    return folder.is_dir() and size_of(folder) == manifest.size


def remove(folder: Path) -> None:
    """Remove a folder, read-only or not, where it exists."""
    if not folder.exists():
        return
    for here, _, _ in os.walk(folder):
        Path(here).chmod(0o755)
    shutil.rmtree(folder)


def _replace(folder: Path, fresh: Path) -> None:
    if not folder.exists():
        fresh.rename(folder)
        return
    try:
        _exchange(folder, fresh)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.EXDEV):
            raise
        # Some file systems cannot exchange two folders; `recover` repairs what a kill between these lines leaves.
        old = folder.with_name(f".{folder.name}.old")
        folder.rename(old)
        fresh.rename(folder)
        with suppress(OSError):
            remove(old)


def _exchange(one: Path, other: Path) -> None:
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is None:
        raise OSError(errno.ENOSYS, "renameat2 is missing in the C library")
    if call(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(one))
