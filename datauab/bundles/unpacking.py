"""Files of a bundle: the archive and the archives in it, read once, without trust and within one budget."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath

from datauab.archive import read_archive, safe_name
from datauab.autograde.program import without_junk
from datauab.bundles.records import BundleError, Report
from datauab.errors import InvalidSubmission

MOST_BYTES = 2 * 2**30
"""Largest sum of all unpacked files, in bytes."""

_MOST_FILES = 20_000
_YAMLS = ("competition.yaml", "competition.yml")


class Bundle:
    """A bundle's files by path.

    Parameters
    ----------
    data : bytes
        The archive.
    most_bytes : int
        Largest sum of all unpacked files, those in inner archives too.

    Raises
    ------
    BundleError
        Where the archive is refused, or has no ``competition.yaml``.
    """

    def __init__(self, data: bytes, report: Report, most_bytes: int = MOST_BYTES) -> None:
        self._left = most_bytes
        self._report = report
        self._read: dict[str, dict[str, bytes]] = {}
        self.files = self._unzip("the bundle", data)
        top = _only_folder(self.files)
        if (
            not any(name in self.files for name in _YAMLS)
            and top
            and any(f"{top}/{name}" in self.files for name in _YAMLS)
        ):
            report.add("changed", f"{top}/", "the whole bundle lies in a folder; Codabench wants it at the top")
            self.files = _without(self.files, top)
        self.yaml = next((name for name in _YAMLS if name in self.files), "")
        if not self.yaml:
            found = ", ".join(sorted(self.files)[:10]) or "nothing"
            raise BundleError(f"the bundle: expected competition.yaml at its top, found {found}")

    def text(self, path: object, where: str) -> str | None:
        """Text of a page; None, with a remark, where there is none."""
        content = self.file(path, where)
        return None if content is None else content.decode("utf-8", "replace")

    def file(self, path: object, where: str) -> bytes | None:
        """Content of a file; None, with a remark, where it is missing."""
        name = self._name(path, where)
        if name is None or name not in self.files:
            self._report.add("missing", where, f"{path!r} is not in the bundle")
            return None
        return self.files[name]

    def part(self, path: object, where: str) -> dict[str, bytes] | None:
        """Files of an archive, a folder, or a single file; None, with a remark, where it is missing."""
        name = self._name(path, where)
        if name is None:
            self._report.add("missing", where, f"{path!r} is not in the bundle")
            return None
        if name not in self._read:
            found = self._find(name, where)
            if found is None:
                self._report.add("missing", where, f"{path!r} is not in the bundle")
                return None
            self._read[name] = found
        return self._read[name]

    def _find(self, name: str, where: str) -> dict[str, bytes] | None:
        if name in self.files:
            if self.files[name][:4] in (b"PK\x03\x04", b"PK\x05\x06"):
                return self._unzip(name, self.files[name])
            self._report.add("changed", where, f"{name} is no zip archive; taken as the only file of one")
            return {PurePosixPath(name).name: self.files[name]}
        inside = _without(self.files, name)
        return inside or None

    def _name(self, path: object, where: str) -> str | None:
        if not isinstance(path, str) or not path.strip():
            return None
        try:
            return safe_name(path.strip())
        except InvalidSubmission as error:
            raise BundleError(f"{where}: {error}") from error

    def _unzip(self, name: str, data: bytes) -> dict[str, bytes]:
        try:
            files = read_archive(data, max_bytes=self._left, max_files=_MOST_FILES)
        except InvalidSubmission as error:
            raise BundleError(f"{name}: {error}") from error
        self._left -= sum(map(len, files.values()))
        return without_junk(files)


def program_root(files: Mapping[str, bytes], where: str, report: Report) -> dict[str, bytes]:
    """A program's files with its metadata at the top, where all of them lie in one folder."""
    top = _only_folder(files)
    if metadata_name(files) or not top or not metadata_name(_without(files, top)):
        return dict(files)
    report.add("changed", where, f"the program lies in the folder {top}/; taken out of it")
    return _without(files, top)


def metadata_name(files: Mapping[str, bytes]) -> str:
    """Name of a program's metadata file; empty where there is none."""
    return next((name for name in ("metadata.yaml", "metadata", "metadata.yml") if name in files), "")


def _only_folder(files: Mapping[str, bytes]) -> str:
    tops = {name.split("/", 1)[0] for name in files}
    return tops.pop() if len(tops) == 1 and all("/" in name for name in files) else ""


def _without(files: Mapping[str, bytes], folder: str) -> dict[str, bytes]:
    return {name[len(folder) + 1 :]: content for name, content in files.items() if name.startswith(f"{folder}/")}
