"""A folder becomes files in memory, and files become a folder again, without ever leaving the folder."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from datauab.archive import safe_name, unpack
from datauab.errors import ClubError, InvalidSubmission

ATTEMPT_FILE = ".attempt"
"""File of a collected submission that holds the attempt's number; nbgrader carries it on to the feedback."""

TIMESTAMP_FILE = "timestamp.txt"

RESERVED = (ATTEMPT_FILE, TIMESTAMP_FILE, "feedback", ".ipynb_checkpoints")
"""Names at the root of an assignment that the platform writes itself; never taken from a student's folder."""

KILOBYTE = 1000  # nbgrader counts its sizes in units of 1000 bytes


@dataclass(frozen=True)
class Selection:
    """What is taken from a folder, and how large it may be.

    Parameters
    ----------
    ignore, include : sequence of str
        Globs of single names; a file or folder that matches `ignore`, and a file that matches none of `include`, is
        left out.
    max_file, max_total : int
        Largest file and largest sum of files, in bytes.
    """

    ignore: Sequence[str] = ()
    include: Sequence[str] = ("*",)
    max_file: int = 100_000 * KILOBYTE
    max_total: int = 100_000 * KILOBYTE


@dataclass(frozen=True)
class Packed:
    """The files of a folder by their path below it, and a sentence for each thing that was left out on the way."""

    files: dict[str, bytes]
    left_out: tuple[str, ...]


def pack_folder(folder: Path, selection: Selection) -> Packed:
    """Read the files of `folder` that `selection` takes.

    Symbolic links are left out, whatever they point to: following one could hand in a file from outside the folder.
    So are files larger than `selection.max_file`, names that are not Unicode, and anything that is no plain file.

    Raises
    ------
    InvalidSubmission
        Where the files together exceed ``selection.max_total`` bytes, or one of them cannot be read.
    """
    files: dict[str, bytes] = {}
    left_out: list[str] = []
    total = 0
    for path in _walk(folder, folder, selection, left_out):
        content = _read_plain(path)
        total += len(content)
        if total > selection.max_total:
            raise InvalidSubmission(
                f"{folder}: expected at most {_size(selection.max_total)} of files together, found more at "
                f"{path.relative_to(folder)}; move data and models out of the assignment's folder and try again"
            )
        files[path.relative_to(folder).as_posix()] = content
    return Packed(files, tuple(left_out))


def write_folder(files: Mapping[str, bytes], target: Path) -> None:
    """Make the folder `target` hold exactly `files`; an earlier folder is replaced at once, or stays on an error."""
    target.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{target.name[:64]}-", dir=target.parent))
    try:
        fresh = work / "new"
        unpack(files, fresh)
        if target.is_symlink():
            raise ClubError(f"{target}: expected a folder, found a symbolic link; remove it and try again")
        if target.exists():
            target.rename(work / "old")
        try:
            fresh.rename(target)
        except OSError:
            (work / "old").rename(target)
            raise
    finally:
        shutil.rmtree(work, ignore_errors=True)


def write_missing(files: Mapping[str, bytes], target: Path) -> list[Path]:
    """Write those of `files` that `target` lacks and return their paths; what is there stays as it is."""
    written = []
    for name, content in sorted(files.items()):
        path = _below(target, name)
        if not os.path.lexists(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            written.append(path)
    return written


def _walk(folder: Path, root: Path, selection: Selection, left_out: list[str]) -> Iterator[Path]:
    for entry in sorted(os.scandir(folder), key=lambda item: item.name):
        path = Path(entry.path)
        shown = repr(path.relative_to(root).as_posix())
        if (folder == root and entry.name in RESERVED) or _matches(entry.name, selection.ignore):
            continue
        if entry.is_symlink():
            left_out.append(f"{shown} is left out: it is a symbolic link, and only plain files are taken")
        elif not _nameable(entry.name):
            left_out.append(f"{shown} is left out: its name has characters that other systems cannot show; rename it")
        elif entry.is_dir(follow_symlinks=False):
            yield from _walk(path, root, selection, left_out)
        elif not entry.is_file(follow_symlinks=False):
            left_out.append(f"{shown} is left out: it is no plain file")
        elif entry.stat(follow_symlinks=False).st_size > selection.max_file:
            size = _size(entry.stat(follow_symlinks=False).st_size)
            left_out.append(
                f"{shown} is left out: it has {size}, and one file may have {_size(selection.max_file)} "
                "(CourseDirectory.max_file_size)"
            )
        elif _matches(entry.name, selection.include):
            yield path


def _read_plain(path: Path) -> bytes:
    try:
        # The walk has seen a plain file; should a link have taken its place, opening fails instead of following it.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            return file.read()
    except OSError as error:
        raise InvalidSubmission(f"{path}: cannot be read ({error.strerror}); repair or remove it, then retry") from None


def _below(root: Path, name: str) -> Path:
    path = root.joinpath(*safe_name(name).split("/"))
    if not path.parent.resolve().is_relative_to(root.resolve()):
        raise ClubError(f"{path}: a symbolic link leads out of {root}; remove it and try again")
    return path


def _nameable(name: str) -> bool:
    try:
        return bool(safe_name(name))
    except InvalidSubmission:
        return False


def _matches(name: str, globs: Sequence[str]) -> bool:
    return any(fnmatch(name, glob) for glob in globs)


def _size(count: int) -> str:
    return f"{count / KILOBYTE**2:.1f} MB" if count >= KILOBYTE**2 else f"{count / KILOBYTE:.1f} kB"
