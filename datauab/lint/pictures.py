"""Images of a competition, small and plain enough to compare thousands of them in seconds."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

SIDE = 32
_THREADS = 4


@dataclass(frozen=True)
class Picture:
    """One image: a file, or an array in memory.

    Attributes
    ----------
    name : str
        Where it is, for messages.
    label : int
        Its class; -1 where it is to be predicted.
    """

    name: str
    label: int
    path: Path | None = None
    array: NDArray[np.uint8] | None = None

    @cached_property
    def content(self) -> bytes:
        """The file, or the array's bytes."""
        return self.path.read_bytes() if self.path is not None else np.ascontiguousarray(self.array).tobytes()

    @property
    def digest(self) -> bytes:
        """Hash of the content."""
        return hashlib.sha256(self.path.read_bytes() if self.path is not None else self.content).digest()

    def opened(self) -> Image.Image:
        """The image, in grey or colours; a JPEG is decoded about as small as `SIDE` needs it."""
        if self.path is None:
            return Image.fromarray(np.asarray(self.array))
        return Image.open(io.BytesIO(self.path.read_bytes()))

    @cached_property
    def seen(self) -> tuple[NDArray[np.float64], tuple[float, ...]]:
        """Grey values of shape (SIDE, SIDE) from 0 to 255, and plain measures: see `MEASURES`."""
        image = self.opened()
        width, height = image.size
        image.draft("RGB", (SIDE * 2, SIDE * 2))
        small = np.asarray(image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR), dtype=np.float64)
        size = self.path.stat().st_size if self.path is not None else 0
        grey = small.mean(axis=2)
        return grey, (width, height, size, *small.mean(axis=(0, 1)), float(grey.std()), float(grey[0].mean()))


MEASURES = ("width", "height", "bytes of the file", "red", "green", "blue", "contrast", "upper edge")


def measures(chosen: Sequence[Picture]) -> pd.DataFrame:
    """Plain measures of each image, one row each."""
    return pd.DataFrame([one[1] for one in _looked_at(chosen)], columns=MEASURES)


def small_grey(chosen: Sequence[Picture]) -> NDArray[np.float64]:
    """Grey values, shape (images, SIDE, SIDE), from 0 to 255."""
    return np.stack([one[0] for one in _looked_at(chosen)])


def hashes(grey: NDArray[np.float64]) -> NDArray[np.uint64]:
    """64 bits of each image: whether it grows brighter from one place of an 8 × 8 grid to its right neighbour."""
    blocks = grey.reshape(len(grey), 8, SIDE // 8, 8, SIDE // 8).mean(axis=(2, 4))
    bits = np.roll(blocks, -1, axis=2) > blocks
    packed: NDArray[np.uint64] = np.packbits(bits.reshape(len(grey), 64), axis=1).view(np.uint64)[:, 0]
    return packed


def labelled(folder: Path, form: str | None, part: str) -> list[Picture]:
    """Images of ``train`` or ``validation``; none where there is no such part."""
    if form == "arrays":
        path = folder / f"{part}_images.npy"
        if not path.is_file():
            return []
        images, labels = np.load(path, mmap_mode="r"), np.load(folder / f"{part}_labels.npy")
        pairs = zip(images, labels, strict=True)
        return [Picture(f"{part} image {row}", int(label), array=image) for row, (image, label) in enumerate(pairs)]
    if form != "folders" or not (folder / part).is_dir():
        return []
    names = sorted(path.name for path in (folder / part).iterdir() if path.is_dir())
    return [
        Picture(path.relative_to(folder).as_posix(), names.index(path.parent.name), path=path)
        for path in sorted((folder / part).glob("*/*"))
        if path.is_file()
    ]


def unlabelled(folder: Path, form: str | None) -> list[Picture]:
    """Images to predict, in their order."""
    if form == "arrays":
        images: Any = np.load(folder / "test_images.npy", mmap_mode="r")
        return [Picture(f"test image {row}", -1, array=image) for row, image in enumerate(images)]
    if form != "folders":
        return []
    paths = sorted(path for path in (folder / "test").glob("*/*") if path.is_file())
    return [Picture(path.relative_to(folder).as_posix(), -1, path=path) for path in paths]


def _looked_at(chosen: Sequence[Picture]) -> list[tuple[NDArray[np.float64], tuple[float, ...]]]:
    with ThreadPoolExecutor(_THREADS) as pool:  # Pillow works outside Python's lock
        return list(pool.map(lambda one: one.seen, chosen))
