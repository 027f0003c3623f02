"""What a worker is told of a submission, and what it sends back: plain records over plain bytes, never a pickle.

A request holds the student's code and files. It holds no label, no hidden test, no name of a student: of an autograder
cell only its place is told, as the moment at which predictions leave the kernel. A result is read as what a hostile
worker could have sent: bounded, typed, and its outputs are cleaned again by the grader.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from datauab.competition import Checkpoint
from datauab.errors import GradingError
from datauab.settings import Limits

CellKind = Literal["code", "export", "train"]

_LENGTH = struct.Struct(">Q")
_MIB = 2**20
_MOST_HEADER = 64 * _MIB  # outputs are kept up to 20 MiB; JSON may escape each character


class RunCell(BaseModel):
    """One cell that does something.

    Attributes
    ----------
    number : int
        Its place in the notebook, from 0.
    kind : {"code", "export", "train"}
        Run it; take the predictions out; skip it and load the checkpoint instead.
    source : str
        Empty where it is not run.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: int = Field(ge=0)
    kind: CellKind
    source: str = ""


class RunRequest(BaseModel):
    """One run of a student's notebook.

    Attributes
    ----------
    cells : tuple of RunCell
        In the notebook's order.
    variable : str
        Name of the predictions.
    limits : Limits
        What the run may use.
    gpu, warm : bool
        Whether it gets a GPU, and whether its kernel may be forked from one that has loaded the course's packages.
    checkpoint : Checkpoint or None
        What is loaded where training is skipped.
    files : mapping of str to bytes
        Files beside the notebook, by relative path.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    cells: tuple[RunCell, ...]
    variable: str
    limits: Limits
    gpu: bool = False
    warm: bool = True
    checkpoint: Checkpoint | None = None
    files: Mapping[str, bytes] = Field(default_factory=dict, exclude=True, repr=False)

    def to_bytes(self) -> bytes:
        """The request as it travels."""
        names = sorted(self.files)
        header = {"request": self.model_dump(mode="json"), "files": [[name, len(self.files[name])] for name in names]}
        return _pack(header, [self.files[name] for name in names])

    @classmethod
    def from_bytes(cls, content: bytes) -> RunRequest:
        """Read what `to_bytes` made.

        Raises
        ------
        GradingError
            Where it is something else.
        """
        header, rest = _unpack(content, "request")
        try:
            files = {}
            for name, size in header["files"]:
                files[str(name)], rest = bytes(rest[:size]), rest[size:]
            return cls(**header["request"], files=files)
        except (ValidationError, KeyError, TypeError, ValueError) as error:
            raise GradingError(f"a request to run a notebook cannot be read: {error}") from error

    def digest(self) -> str:
        """SHA-256 of all that decides what the run does."""
        return hashlib.sha256(self.to_bytes()).hexdigest()


class RunResult(BaseModel):
    """What came of a run, as far as a worker can tell.

    Attributes
    ----------
    outputs : dict of int to list of dict
        Outputs of each cell that ran, by its number, as a notebook keeps them.
    counts : dict of int to int
        Execution counts.
    predictions : bytes or None
        What left the kernel: meant as ``.npy``, but nobody has looked yet.
    exported : bool
        Whether the run came to the export.
    reason : str
        Why there are no predictions; empty where there are.
    first_error : str
        The first exception that a cell raised; empty where none did.
    skipped_training : bool
        Whether training was skipped and the checkpoint loaded.
    seconds : dict
        Wall time by stage: ``start``, ``cells``, ``export``, ``whole``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    outputs: dict[int, list[dict[str, Any]]] = Field(default_factory=dict)
    counts: dict[int, int] = Field(default_factory=dict)
    predictions: bytes | None = Field(None, exclude=True, repr=False)
    exported: bool = False
    reason: str = Field("", max_length=10_000)
    first_error: str = Field("", max_length=10_000)
    skipped_training: bool = False
    seconds: dict[str, float] = Field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """The result as it travels."""
        return _pack(
            {"result": self.model_dump(mode="json"), "array": self.predictions is not None}, [self.predictions or b""]
        )

    @classmethod
    def from_bytes(cls, content: bytes, most_bytes: int) -> RunResult:
        """Read what a worker sent, whatever it is.

        Parameters
        ----------
        most_bytes : int
            Largest size of the predictions.

        Raises
        ------
        GradingError
            Where it is no result, or too large.
        """
        header, rest = _unpack(content, "result")
        if len(rest) > most_bytes + 8192:  # the array's own header
            raise GradingError(f"a worker sent {len(rest)} bytes of predictions, expected at most {most_bytes}")
        try:
            return cls(**header["result"], predictions=bytes(rest) if header["array"] else None)
        except (ValidationError, KeyError, TypeError) as error:
            raise GradingError(f"a worker sent no result of a run: {str(error)[:500]}") from error


def _pack(header: Mapping[str, Any], parts: list[bytes]) -> bytes:
    text = json.dumps(header, allow_nan=False, sort_keys=True).encode()
    return b"".join([_LENGTH.pack(len(text)), text, *parts])


def _unpack(content: bytes, what: str) -> tuple[dict[str, Any], memoryview]:
    view = memoryview(content)
    size = _LENGTH.unpack_from(view)[0] if len(view) >= _LENGTH.size else _MOST_HEADER + 1
    if size > min(_MOST_HEADER, len(view) - _LENGTH.size):
        raise GradingError(f"the {what} of a run is damaged: {len(view)} bytes, which do not hold its header")
    try:
        header = json.loads(bytes(view[_LENGTH.size : _LENGTH.size + size]))
    except (ValueError, RecursionError) as error:
        raise GradingError(f"the {what} of a run is damaged: {error}") from error
    if not isinstance(header, dict):
        raise GradingError(f"the {what} of a run is damaged: its header is no object")
    return header, view[_LENGTH.size + size :]
