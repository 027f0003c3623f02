"""Checks a checkpoint in the safetensors format by its header, without loading any tensor.

The format (the safetensors project's own description): eight bytes, little endian, with the header's size; the header,
a JSON object that gives each tensor's type, shape and place; then the tensors' bytes, without gaps.
"""

from __future__ import annotations

import json
import math
import struct
from typing import Any

from datauab.errors import InvalidSubmission

_MIB = 2**20
_MOST_HEADER = 4 * _MIB
_MOST_AXES = 64  # as many as PyTorch allows; the product of a million numbers would take minutes
_BYTES = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "I16": 2, "U16": 2, "F16": 2, "BF16": 2,
    "I32": 4, "U32": 4, "F32": 4, "I64": 8, "U64": 8, "F64": 8,
}  # fmt: skip
_HOW = "write it with datauab.save_checkpoint(model)"


def check_checkpoint(content: bytes, name: str, most_mb: int) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Look at a checkpoint's header.

    Parameters
    ----------
    content : bytes
        The whole file.
    name : str
        Its name, for messages.
    most_mb : int
        Largest size, in MiB.

    Returns
    -------
    dict
        Type and shape of each tensor, by its name.

    Raises
    ------
    InvalidSubmission
        Where it is too large or no such file; says what was expected.
    """
    if len(content) > most_mb * _MIB:
        raise InvalidSubmission(
            f"{name}: expected at most {most_mb} MiB, found {len(content) / _MIB:.1f} MiB; use a smaller model or "
            "half precision (model.half())"
        )
    if len(content) < 8:
        raise _wrong(name, f"{len(content)} bytes")
    size = struct.unpack("<Q", content[:8])[0]
    if size > min(_MOST_HEADER, len(content) - 8):
        begins = "a zip archive, as torch.save writes it" if content[:2] == b"PK" else f"the bytes {content[:8]!r}"
        raise _wrong(name, begins)
    try:
        header = json.loads(content[8 : 8 + size])
    except (ValueError, RecursionError) as error:
        raise _wrong(name, f"a header that is no JSON ({error})") from error
    if not isinstance(header, dict):
        raise _wrong(name, "a header that is no object")
    header.pop("__metadata__", None)
    return _tensors(header, len(content) - 8 - size, name)


def _tensors(header: dict[str, Any], size: int, name: str) -> dict[str, tuple[str, tuple[int, ...]]]:
    found: dict[str, tuple[str, tuple[int, ...]]] = {}
    places = []
    for key, entry in header.items():
        try:
            kind, shape = entry["dtype"], tuple(entry["shape"])
            begin, end = entry["data_offsets"]
            whole = all(type(number) is int and number >= 0 for number in (*shape, begin, end))
            fits = whole and len(shape) <= _MOST_AXES and end - begin == math.prod(shape) * _BYTES[kind]
        except (KeyError, TypeError, ValueError) as error:
            raise _wrong(name, f"no type, shape and place of {key[:100]!r}") from error
        if not fits:
            raise _wrong(name, f"{key[:100]!r} with a size that its type and shape do not give")
        found[key] = (kind, shape)
        places.append((begin, end))
    at = 0
    for begin, end in sorted(places):
        if begin != at:
            raise _wrong(name, "tensors that overlap or leave gaps")
        at = end
    if at != size:
        raise _wrong(name, f"{size} bytes of tensors, where its header tells of {at}")
    return found


def _wrong(name: str, found: str) -> InvalidSubmission:
    return InvalidSubmission(f"{name}: expected a checkpoint in the safetensors format, found {found}; {_HOW}")
