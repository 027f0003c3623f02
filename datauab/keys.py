"""The deployment's own secrets: random keys, made once, one file each, readable by their owner only."""

from __future__ import annotations

import os
import re
import secrets as random
import tempfile
from contextlib import suppress
from pathlib import Path

from datauab.errors import ConfigurationError
from datauab.settings import Settings

KEY_BYTES = 32


def ensure_secret(settings: Settings, name: str) -> bytes:
    """Read the key `name`, made at the first call; processes that race for the first call get the same key.

    Parameters
    ----------
    name : str
        For example "split" (which rows are tested, and their order) or "receipts" (signatures of receipts).

    Returns
    -------
    bytes
        `KEY_BYTES` random bytes.

    Raises
    ------
    ConfigurationError
        Where the file is damaged, open to other accounts, or cannot be written.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_-]*", name):
        raise ConfigurationError(f"secret {name!r}: expected a name of lower-case letters, digits, '-' and '_'")
    path = settings.secrets / name
    try:
        if not path.exists():
            _create(path)
        return _read(path)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read or made: {error.strerror}; check its owner") from error


def _create(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".")  # mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(random.token_hex(KEY_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        give_to_folders_owner(Path(temporary))
        try:
            os.link(temporary, path)  # unlike a rename it never replaces the key of a faster process
        except FileExistsError:
            return
        sync_folder(path.parent)
    finally:
        Path(temporary).unlink(missing_ok=True)


def _read(path: Path) -> bytes:
    refuse_if_shared(path)
    text = path.read_text(encoding="ascii", errors="replace").strip()
    if not re.fullmatch(rf"[0-9a-f]{{{2 * KEY_BYTES}}}", text):
        raise ConfigurationError(
            f"{path}: damaged: expected {2 * KEY_BYTES} hexadecimal digits, found {len(text)} characters; "
            "restore it from a backup (a new key changes which rows are tested and voids receipts)"
        )
    return bytes.fromhex(text)


def refuse_if_shared(path: Path) -> None:
    """Raise `ConfigurationError` where other accounts may read or write `path`."""
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        raise ConfigurationError(
            f"{path}: expected it to be open to its owner only, found mode {mode:o}; run: chmod go= {path}"
        )


def give_to_folders_owner(path: Path) -> None:
    """Give what root wrote to the account whose folder it lies in.

    Where the club runs as root, the gradebook belongs to an account of the course: the web service and instructors'
    servers, which run under it, must read what the grader and the commands of a root shell write.
    """
    if os.geteuid() != 0:
        return
    owner = path.parent.stat()
    with suppress(PermissionError):  # number 0 without root's rights, as in a container: one account is all there is
        os.chown(path, owner.st_uid, owner.st_gid)


def sync_folder(folder: Path) -> None:
    """Flush a folder, so that the names in it survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
