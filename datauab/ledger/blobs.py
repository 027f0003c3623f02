"""Files named by their SHA-256, on disk for good before anything refers to them."""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from pathlib import Path

from datauab.errors import LedgerError
from datauab.keys import give_to_folders_owner, sync_folder

_LEFT_OVER_SECONDS = 86_400.0


class StagedBlob:
    """Bytes that are safely on disk under a temporary name: `keep` gives them their own, `discard` removes them."""

    def __init__(self, store: BlobStore, temporary: Path, sha256: str, size: int) -> None:
        self.sha256 = sha256
        self.size = size
        self._store = store
        self._temporary = temporary

    def keep(self) -> None:
        """Move the file into place and make its name durable.

        Raises
        ------
        LedgerError
            Where the file system refuses.
        """
        final = self._store.path(self.sha256)
        try:
            if not final.parent.is_dir():
                final.parent.mkdir(mode=0o700, exist_ok=True)
                give_to_folders_owner(final.parent)
                sync_folder(final.parent.parent)
            # An existing file of this name has the same content; replacing it also heals a damaged one.
            self._temporary.replace(final)
            sync_folder(final.parent)
        except OSError as error:
            raise LedgerError(f"{final}: cannot be written: {error.strerror}; nothing was recorded") from error

    def discard(self) -> None:
        """Remove the temporary file, if it was not kept."""
        self._temporary.unlink(missing_ok=True)


class BlobStore:
    """The folder of blobs: ``<first two digits>/<sha256>``.

    Parameters
    ----------
    folder : Path
        Made at the first write.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, sha256: str) -> Path:
        """Where the blob of this hash lies."""
        return self._folder / sha256[:2] / sha256

    def stage(self, content: bytes) -> StagedBlob:
        """Write `content` to disk, flushed, under a temporary name.

        Raises
        ------
        LedgerError
            Where it cannot be written (a full disk, no permission); nothing is left behind.
        """
        digest = hashlib.sha256(content).hexdigest()
        incoming = self._folder / "incoming"
        temporary: Path | None = None
        try:
            if not incoming.is_dir():
                incoming.mkdir(mode=0o700, parents=True, exist_ok=True)
                give_to_folders_owner(incoming)
                sync_folder(self._folder)
                sync_folder(self._folder.parent)
            descriptor, name = tempfile.mkstemp(dir=incoming)
            temporary = Path(name)
            give_to_folders_owner(temporary)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            if temporary is not None:
                temporary.unlink(missing_ok=True)
            raise LedgerError(
                f"{incoming}: {len(content)} bytes cannot be written: {error.strerror}; "
                "nothing was recorded: free some disk space, then hand it in again"
            ) from error
        return StagedBlob(self, temporary, digest, len(content))

    def read(self, sha256: str) -> bytes:
        """Read a blob and check that it is what was stored.

        Raises
        ------
        LedgerError
            Where it is missing or damaged.
        """
        path = self.path(sha256)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise LedgerError(f"{path}: cannot be read: {error.strerror}; restore it from a backup") from error
        found = hashlib.sha256(content).hexdigest()
        if found != sha256:
            raise LedgerError(f"{path}: damaged: expected SHA-256 {sha256}, found {found}; restore it from a backup")
        return content

    def remove_left_overs(self) -> None:
        """Remove temporary files that a killed process left more than a day ago."""
        oldest = time.time() - _LEFT_OVER_SECONDS
        try:
            with os.scandir(self._folder / "incoming") as entries:
                stale = [Path(entry.path) for entry in entries if entry.stat().st_mtime < oldest]
        except OSError:  # no folder yet, or another process was faster: nothing to tidy
            return
        for path in stale:
            path.unlink(missing_ok=True)
