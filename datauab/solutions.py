"""The ground truths of the competitions: the only module that opens them.

Student code never runs in a process that imports this module, and the web service must not import it.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datauab.errors import ConfigurationError, GradingError
from datauab.keys import ensure_secret, give_to_folders_owner, refuse_if_shared, sync_folder
from datauab.settings import Settings

__all__ = ["Program", "Solution", "ensure_secret", "read", "read_program", "write", "write_program"]

SIDES = ("public", "private")
"""The two sides that a scoring program may have reference data for."""


@dataclass(frozen=True, slots=True, eq=False)
class Solution:
    """The ground truth of one competition.

    Attributes
    ----------
    array : ndarray
        Shape (rows,), float64 or int64, read-only; in the order of the public test rows. Empty where the competition
        has a scoring program instead (`read_program`).
    sha256 : str
        Of the file, or of the program's reference data; scores are kept under it.
    fingerprint : str
        Of the prepared data that the solution belongs to.
    """

    array: NDArray[Any]
    sha256: str
    fingerprint: str


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """A competition's own scoring program and its reference data.

    Attributes
    ----------
    archive : bytes
        The program's files, as a zip archive.
    references : mapping
        Reference data by side (`SIDES`), each a zip archive; one for both where the sides do not differ.
    contract : mapping
        How the program is called and what its output means, as `datauab.autograde.program` reads it.
    sha256 : str
        Of the reference data.
    """

    archive: bytes
    references: Mapping[str, bytes]
    contract: Mapping[str, Any]
    sha256: str

    @property
    def has_two_sides(self) -> bool:
        """Whether public and private scores come from different reference data."""
        return self.references[SIDES[0]] != self.references[SIDES[1]]


def write(settings: Settings, name: str, array: NDArray[Any], fingerprint: str) -> Solution:
    """Put the solution of competition `name` in place, for the grader's account only.

    Writes nothing where the same solution is there already. A process killed half-way leaves either the old solution
    or one that `read` refuses.

    Raises
    ------
    GradingError
        Where `array` is not one finite number a row, or cannot be written.
    """
    folder = _folder(settings, name)
    content = _to_npy(name, array)
    digest = hashlib.sha256(content).hexdigest()
    record = {"sha256": digest, "fingerprint": fingerprint, "rows": len(array)}
    try:
        _make_folders(settings, folder)
        if not _is_current(folder, record):
            _replace(folder / "solution.npy", content)
            _replace(folder / "solution.json", json.dumps(record, indent=1).encode())
    except OSError as error:
        raise GradingError(f"{folder}: the solution cannot be written: {error.strerror}") from error
    return read(settings, name)


def read(settings: Settings, name: str) -> Solution:
    """Read the solution of competition `name`.

    Raises
    ------
    GradingError
        Where it is missing, damaged or open to other accounts.
    """
    folder = _folder(settings, name)
    again = f"prepare it again: ./club data prepare {name}"
    try:
        refuse_if_shared(folder)
        record = json.loads((folder / "solution.json").read_text(encoding="utf-8"))
        expected, fingerprint = str(record["sha256"]), str(record["fingerprint"])
        if "contract" in record:
            return Solution(np.empty(0), expected, fingerprint)
        refuse_if_shared(folder / "solution.npy")
        content = (folder / "solution.npy").read_bytes()
    except FileNotFoundError as error:
        raise GradingError(f"{error.filename}: the solution is missing; {again}") from error
    except ConfigurationError as error:
        raise GradingError(str(error)) from error
    except OSError as error:
        raise GradingError(f"{folder}: the solution cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise GradingError(f"{folder / 'solution.json'}: damaged ({error}); {again}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise GradingError(f"{folder / 'solution.npy'}: expected SHA-256 {expected}, found {found}; {again}")
    array = np.load(io.BytesIO(content), allow_pickle=False)
    array.flags.writeable = False
    return Solution(array, found, fingerprint)


def write_program(
    settings: Settings, name: str, archive: bytes, references: Mapping[str, bytes], contract: Mapping[str, Any]
) -> Program:
    """Put the scoring program of competition `name` and its reference data in place, for the grader's account only.

    Parameters
    ----------
    archive, references, contract
        As in `Program`.

    Raises
    ------
    GradingError
        Where they cannot be written.
    """
    folder = _folder(settings, name)
    parts = {"program": archive, **{f"reference-{side}": references[side] for side in SIDES}}
    digests = {part: hashlib.sha256(content).hexdigest() for part, content in parts.items()}
    whole = hashlib.sha256("".join(digests[f"reference-{side}"] for side in SIDES).encode()).hexdigest()
    record = {"sha256": whole, "fingerprint": whole, "parts": digests, "contract": dict(contract)}
    try:
        _make_folders(settings, folder)
        for part, content in parts.items():
            _replace(folder / f"{part}.zip", content)
        _replace(folder / "solution.json", json.dumps(record, indent=1).encode())
    except OSError as error:
        raise GradingError(f"{folder}: the scoring program cannot be written: {error.strerror}") from error
    return read_program(settings, name)


def read_program(settings: Settings, name: str) -> Program:
    """Read the scoring program of competition `name` and its reference data.

    Raises
    ------
    GradingError
        Where one of them is missing, damaged or open to other accounts.
    """
    folder = _folder(settings, name)
    again = "import the competition's bundle again"
    parts: dict[str, bytes] = {}
    try:
        refuse_if_shared(folder)
        record = json.loads((folder / "solution.json").read_text(encoding="utf-8"))
        contract, digests, whole = dict(record["contract"]), dict(record["parts"]), str(record["sha256"])
        for part in ("program", *(f"reference-{side}" for side in SIDES)):
            path = folder / f"{part}.zip"
            refuse_if_shared(path)
            parts[part] = path.read_bytes()
            found = hashlib.sha256(parts[part]).hexdigest()
            if found != digests[part]:
                raise GradingError(f"{path}: expected SHA-256 {digests[part]}, found {found}; {again}")
    except FileNotFoundError as error:
        raise GradingError(f"{error.filename}: the scoring program is missing; {again}") from error
    except ConfigurationError as error:
        raise GradingError(str(error)) from error
    except OSError as error:
        raise GradingError(f"{folder}: the scoring program cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise GradingError(
            f"{folder / 'solution.json'}: no scoring program, or damaged ({error!r}); {again}"
        ) from error
    return Program(parts["program"], {side: parts[f"reference-{side}"] for side in SIDES}, contract, whole)


def _make_folders(settings: Settings, folder: Path) -> None:
    for made in (settings.solutions, folder):
        made.mkdir(mode=0o700, parents=True, exist_ok=True)
        made.chmod(0o700)
        give_to_folders_owner(made)


def _folder(settings: Settings, name: str) -> Path:
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name):
        raise GradingError(f"solution {name!r}: expected the name of a competition")
    return settings.solutions / name


def _to_npy(name: str, array: NDArray[Any]) -> bytes:
    if array.ndim != 1 or len(array) == 0 or array.dtype.kind not in "biuf":
        raise GradingError(f"solution of {name}: expected one number a row, found {array.dtype} of shape {array.shape}")
    typed = np.ascontiguousarray(array, dtype=np.float64 if array.dtype.kind == "f" else np.int64)
    if not np.isfinite(typed).all():
        row = int(np.flatnonzero(~np.isfinite(typed))[0])
        raise GradingError(f"solution of {name}: expected finite numbers, found {typed[row]} in row {row}")
    buffer = io.BytesIO()
    np.save(buffer, typed, allow_pickle=False)
    return buffer.getvalue()


def _is_current(folder: Path, record: dict[str, Any]) -> bool:
    try:
        found = json.loads((folder / "solution.json").read_text(encoding="utf-8"))
        content = (folder / "solution.npy").read_bytes()
    except (OSError, ValueError):
        return False
    return bool(found == record) and hashlib.sha256(content).hexdigest() == record["sha256"]


def _replace(path: Path, content: bytes) -> None:
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".")  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        give_to_folders_owner(Path(temporary))
        Path(temporary).replace(path)
        sync_folder(path.parent)
    finally:
        Path(temporary).unlink(missing_ok=True)
