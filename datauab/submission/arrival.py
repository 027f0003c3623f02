"""Tells what a file is that somebody hands in: a notebook to run, or predictions to score as they are."""

from __future__ import annotations

import io
import zipfile
import zlib
from typing import TYPE_CHECKING, Literal

from datauab.submission.reading import sniff

if TYPE_CHECKING:
    from datauab.competition import Competition

_MOST_ENTRIES = 1000
_LONGEST_NAME = 200


def kind_of(data: bytes, filename: str, competition: Competition) -> Literal["notebook", "predictions"]:
    """Whether a file is run or scored as it is; says nothing about whether it is right.

    A zip is ambiguous: with a notebook at its root it is one to run, else it holds one predictions file. Where the
    competition takes files for its own scoring program, everything is predictions.

    Parameters
    ----------
    data : bytes
        The file's content.
    filename : str
        Its name.
    competition : Competition
        What it is handed in for.
    """
    if competition.predictions.kind == "files":
        return "predictions"
    kind = sniff(data, filename)
    if kind == "zip":
        return "notebook" if any(name.endswith(".ipynb") for name in root_names(data)) else "predictions"
    return "notebook" if kind == "notebook" else "predictions"


def root_names(data: bytes) -> frozenset[str]:
    """Names of the files at the root of a zip; none where it is no zip, is damaged, or has too many entries."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        OSError,
        ValueError,
        IndexError,
        NotImplementedError,
        RuntimeError,
    ):
        return frozenset()
    if len(entries) > _MOST_ENTRIES:
        return frozenset()
    return frozenset(entry.filename for entry in entries if "/" not in entry.filename)


def plain_name(filename: str) -> str:
    """The last part of `filename` without what cannot be shown, at most 200 characters: what is kept of it."""
    last = filename.replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(character for character in last if character.isprintable())[-_LONGEST_NAME:]
