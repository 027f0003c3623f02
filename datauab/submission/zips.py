"""Takes the one predictions file out of a zip."""

from __future__ import annotations

import io
import stat
import zipfile
import zlib

from datauab.errors import InvalidSubmission

_MOST_ENTRIES = 100


def only_file(data: bytes, max_bytes: int) -> tuple[str, bytes]:
    """Name and content of the only file of a zip; what macOS and Windows leave beside it is ignored.

    Raises
    ------
    InvalidSubmission
        Where there is none or more than one, where it is encrypted, a link, another zip, larger than `max_bytes`
        unpacked, or where the zip is damaged.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            if len(entries) > _MOST_ENTRIES:
                raise InvalidSubmission(f"zip: expected one file, found {len(entries)} entries")
            files = [entry for entry in entries if not entry.is_dir() and not _is_junk(entry.filename)]
            if len(files) != 1:
                names = ", ".join(repr(entry.filename[:60]) for entry in files[:5]) or "none"
                raise InvalidSubmission(f"zip: expected one predictions file, found {len(files)}: {names}")
            return _read(archive, files[0], max_bytes)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, IndexError, RuntimeError) as error:
        raise InvalidSubmission(f"zip: it cannot be read ({str(error)[:200]}); pack it again") from error


def _is_junk(name: str) -> bool:
    parts = name.split("/")
    return "__MACOSX" in parts or parts[-1] in (".DS_Store", "Thumbs.db", "desktop.ini") or parts[-1].startswith("._")


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, max_bytes: int) -> tuple[str, bytes]:
    name = entry.filename
    if name.startswith("/") or ".." in name.split("/") or "\\" in name or not name.isprintable():
        raise InvalidSubmission(f"zip: expected a relative name inside it, found {name[:100]!r}")
    if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG):
        raise InvalidSubmission(f"zip: {name[:100]!r} is a link or a device: expected a plain file")
    if entry.flag_bits & 1:
        raise InvalidSubmission(f"zip: {name[:100]!r} is encrypted: expected no password")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # others hold dictionaries of any size
        raise InvalidSubmission(f"zip: {name[:100]!r} is packed in an unusual way: expected deflate")
    with archive.open(entry) as stream:
        content = stream.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise InvalidSubmission(f"zip: expected at most {max_bytes} bytes unpacked, found more")
    if content[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        raise InvalidSubmission(f"zip: {name[:100]!r} is a zip inside the zip: expected the predictions file itself")
    return name.rsplit("/", 1)[-1], content
