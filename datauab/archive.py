"""Zip archives as submissions travel in them: read without trust, made the same for the same files.

Used at the door (upload), by the exchange and by the grader, so that what one accepts the others can open.
"""

from __future__ import annotations

import io
import json
import stat
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from datauab.errors import InvalidSubmission

_MIB = 2**20
_NAME_BYTES = 255  # the longest name of one file that Linux takes
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip can hold; the same for every file, so that bytes repeat


def read_archive(data: bytes, max_bytes: int = 256 * _MIB, max_files: int = 1000) -> dict[str, bytes]:
    """Files of a zip archive by their relative path, with ``/`` between its parts; folders are left out.

    Parameters
    ----------
    data : bytes
        The archive.
    max_bytes : int
        Largest sum of the unpacked files' sizes, in bytes. Never more than this is unpacked, whatever the archive
        says about itself.
    max_files : int
        Largest number of entries.

    Raises
    ------
    InvalidSubmission
        Where it is no zip, is damaged or encrypted, is too large or has too many files; where a path is absolute,
        leaves its folder, is named twice, is no plain file, or cannot be a file's name.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            if len(entries) > max_files:
                raise InvalidSubmission(
                    f"the archive holds too many files: expected at most {max_files}, found {len(entries)}; "
                    "hand in the notebook and what it needs only"
                )
            return _read_entries(archive, entries, max_bytes)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError, RuntimeError) as error:
        raise InvalidSubmission(
            f"the archive cannot be read: expected a zip file, found {_beginning(data)} ({error}); pack it again"
        ) from error


def _beginning(data: bytes) -> str:
    return f"{len(data)} bytes that begin with {data[:8]!r}" if data else "nothing"


def _read_entries(archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo], max_bytes: int) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    left = max_bytes
    for entry in entries:
        name = safe_name(entry.filename)
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if entry.is_dir():
            continue
        if kind not in (0, stat.S_IFREG):
            raise InvalidSubmission(f"{name!r} in the archive is a link or a device: expected plain files only")
        if entry.flag_bits & 1:
            raise InvalidSubmission(f"{name!r} in the archive is encrypted: expected no password")
        if name in files:
            raise InvalidSubmission(f"{name!r} is in the archive twice: expected each file once")
        with archive.open(entry) as stream:
            content = stream.read(left + 1)
        if len(content) > left:
            raise InvalidSubmission(
                f"the archive is too large unpacked: expected at most {max_bytes / _MIB:g} MiB, found more; "
                "clear large outputs and leave data sets out"
            )
        left -= len(content)
        files[name] = content
    for name in files:
        above = next((str(parent) for parent in PurePosixPath(name).parents if str(parent) in files), None)
        if above is not None:
            raise InvalidSubmission(f"{above!r} is both a file and a folder in the archive")
    return files


def safe_name(name: str) -> str:
    """`name` as a relative path that stays in its folder, its parts joined by ``/``.

    Raises
    ------
    InvalidSubmission
        Where it is absolute, has ``..``, a backslash, a drive or control characters, or a part too long to be a
        file's name.
    """
    parts = [part for part in name.split("/") if part not in ("", ".")]
    wrong = (
        not parts
        or name.startswith("/")
        or ".." in parts
        or "\\" in name
        or (len(parts[0]) == 2 and parts[0][1] == ":")
        or any(not character.isprintable() for character in name)
        or any(len(part.encode("utf-8", "surrogatepass")) > _NAME_BYTES for part in parts)
    )
    if wrong:
        raise InvalidSubmission(
            f"a path in the archive is not allowed: expected a relative path inside its folder, found {name[:300]!r}"
        )
    return "/".join(parts)


def make_archive(files: Mapping[str, bytes]) -> bytes:
    """Zip archive of `files` (relative path to content); the same files give the same bytes.

    Raises
    ------
    InvalidSubmission
        Where a path is one that `read_archive` would refuse.
    """
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(safe_name(name), _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            archive.writestr(entry, files[name])
    return target.getvalue()


def unpack(files: Mapping[str, bytes], folder: Path) -> None:
    """Write `files`, as `read_archive` returns them, below `folder`, which must be new or empty.

    Raises
    ------
    FileExistsError
        Where `folder` holds anything, because an old file (or a link in its place) must not be mixed with new ones.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FileExistsError(f"{folder}: expected an empty folder")
    for name, content in files.items():
        path = folder.joinpath(*safe_name(name).split("/"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def check_notebook(data: bytes, name: str = "the notebook") -> None:
    """Check that `data` is a notebook of format 4 that Jupyter opens.

    Raises
    ------
    InvalidSubmission
        Where it is no JSON in UTF-8, of another format, or breaks the format; says where.
    """
    import nbformat

    try:
        raw = json.loads(data.decode("utf-8"))
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise InvalidSubmission(
            f"{name} is no notebook: expected JSON, found {_beginning(data)} ({error}); save it again in JupyterLab"
        ) from error
    found = raw.get("nbformat") if isinstance(raw, dict) else None
    if found != 4:
        raise InvalidSubmission(
            f"{name} is no notebook of format 4: expected nbformat 4, found {found!r}; save it again in JupyterLab"
        )
    try:
        nbformat.validate(nbformat.from_dict(raw), relax_add_props=True)
    except (nbformat.ValidationError, AttributeError, TypeError, KeyError, ValueError, RecursionError) as error:
        where = str(error).splitlines()[0][:300]
        raise InvalidSubmission(f"{name} breaks the notebook format: {where}; save it again in JupyterLab") from error
