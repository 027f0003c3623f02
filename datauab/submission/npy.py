"""Reads and writes ``.npy`` files of plain numbers without trusting them."""

from __future__ import annotations

import io
import re
import struct
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from datauab.errors import InvalidSubmission

Array = NDArray[Any]

_MAGIC = b"\x93NUMPY"
_LONGEST_HEADER = 4096
_HEADER = re.compile(  # each part can match in one way only, so that no header makes the match slow
    r"\{'descr': '([<>|=]?[a-zA-Z]\d{0,3})', 'fortran_order': (True|False), "
    r"'shape': \(((?:\d{1,12}, ?)*(?:\d{1,12})?)\), \}\s*"
)
_MOST_DIMENSIONS = 2
_ADVICE = "save plain numbers: np.save(path, np.asarray(predictions, dtype=float))"


def read_npy(data: bytes | BinaryIO, max_bytes: int) -> Array:
    """Read a ``.npy`` file of plain numbers without trusting it.

    The header is matched against one fixed form and never evaluated; nothing is unpickled; no more than `max_bytes` of
    data are held in memory, and none before the header was checked.

    Parameters
    ----------
    data : bytes or binary file
        The file's content, from its first byte.
    max_bytes : int
        Largest size of the array in bytes.

    Returns
    -------
    ndarray
        Boolean, integer or floating, of at most two dimensions; its own memory, native byte order.

    Raises
    ------
    InvalidSubmission
        For anything else.
    """
    stream = io.BytesIO(data) if isinstance(data, bytes) else data
    dtype, fortran, shape = _parse_header(_read_header(stream))
    size = dtype.itemsize
    for length in shape:
        size *= length
    if size > max_bytes:
        raise InvalidSubmission(f"predictions file: expected at most {max_bytes} bytes of numbers, found {size}")
    content = _read_exactly(stream, size, f"{size} bytes of numbers for shape {shape}")
    if stream.read(1):
        raise InvalidSubmission(f"predictions file: expected its end after {size} bytes of numbers, found more")
    array = np.frombuffer(content, dtype=dtype).reshape(shape, order="F" if fortran else "C")
    return np.ascontiguousarray(array, dtype=dtype.newbyteorder("=")).reshape(shape)


def _read_header(stream: BinaryIO) -> str:
    magic = _read_exactly(stream, 8, "a .npy file", start=True)
    if magic[:6] != _MAGIC:
        raise InvalidSubmission(f"predictions file: expected a .npy file, found one that begins with {bytes(magic)!r}")
    if magic[6] not in (1, 2, 3):
        raise InvalidSubmission(f"predictions file: expected .npy version 1, 2 or 3, found {magic[6]}")
    form = "<H" if magic[6] == 1 else "<I"
    (length,) = struct.unpack(form, _read_exactly(stream, struct.calcsize(form), "the header's length"))
    if length > _LONGEST_HEADER:
        raise InvalidSubmission(f"predictions file: expected a header of at most {_LONGEST_HEADER} bytes, got {length}")
    return _read_exactly(stream, length, "the header").decode("latin-1")


def _parse_header(header: str) -> tuple[np.dtype[Any], bool, tuple[int, ...]]:
    if "|O" in header:
        raise InvalidSubmission(f"predictions file: expected plain numbers, found Python objects; {_ADVICE}")
    match = _HEADER.fullmatch(header)
    if match is None:
        raise InvalidSubmission(f"predictions file: expected a header as np.save writes it, found another; {_ADVICE}")
    try:
        dtype = np.dtype(match[1])
    except (TypeError, ValueError) as error:
        raise InvalidSubmission(f"predictions file: unknown type {match[1]!r}; {_ADVICE}") from error
    if dtype.kind not in "biuf":
        raise InvalidSubmission(f"predictions file: expected plain numbers, found {words(dtype)}; {_ADVICE}")
    lengths = [part for part in match[3].replace(" ", "").split(",") if part]
    if len(lengths) > _MOST_DIMENSIONS:
        raise InvalidSubmission(f"predictions file: expected at most {_MOST_DIMENSIONS} dimensions, found ({match[3]})")
    return dtype, match[2] == "True", tuple(int(part) for part in lengths)


def _read_exactly(stream: BinaryIO, size: int, what: str, *, start: bool = False) -> bytearray:
    content = bytearray()
    while len(content) < size:
        part = stream.read(min(size - len(content), 1 << 20))  # in parts: a header may promise more than there is
        if not part:
            found = "an empty file" if start and not content else f"the end of the file after {len(content)} bytes"
            raise InvalidSubmission(f"predictions file: expected {what}, found {found}")
        content += part
    return content


def to_npy(array: Array) -> bytes:
    """The canonical ``.npy`` file of a checked array: the same numbers give the same bytes."""
    target = io.BytesIO()
    plain = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    np.lib.format.write_array(target, plain.reshape(array.shape), version=(1, 0), allow_pickle=False)
    return target.getvalue()


def words(dtype: np.dtype[Any]) -> str:
    """Words for a type that is no number, in messages to students."""
    names = {"O": "Python objects", "U": "text", "S": "bytes", "T": "text", "c": "complex numbers", "V": "records"}
    return names.get(dtype.kind, f"the type {dtype}")
