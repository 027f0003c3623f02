"""Public photographs: made small once, without metadata."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from datauab.datasets.records import Progress

if TYPE_CHECKING:
    from PIL.Image import Image

SHORTER_SIDE = 224
QUALITY = 90


@dataclass(frozen=True)
class Photo:
    """A photograph to publish: its row in the raw data, and its path in the public folder."""

    number: int
    path: str


def scaled(size: tuple[int, int]) -> tuple[int, int]:
    """Size in pixels whose shorter side is 224, of the same shape; a smaller one stays as it is."""
    factor = min(1.0, SHORTER_SIDE / min(size))
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def write_photos(folder: Path, photos: Sequence[Photo], read_image: Callable[[int], Image], progress: Progress) -> None:
    """Read, scale and write photographs as JPEG, on all processor cores (Pillow works outside Python's lock).

    Raises
    ------
    Exception
        What `read_image` raises for the first photograph that cannot be read; no further ones are begun.
    """
    from PIL import Image

    for parent in sorted({Path(photo.path).parent for photo in photos}):
        (folder / parent).mkdir(parents=True)

    def write(photo: Photo) -> None:
        image = read_image(photo.number)
        size = scaled(image.size)
        if image.size != size:
            image = image.resize(size, Image.Resampling.LANCZOS)
        clean = Image.frombytes("RGB", image.size, image.tobytes())  # leaves comments, EXIF and profiles behind
        clean.save(folder / photo.path, "JPEG", quality=QUALITY)

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        try:
            for done, _ in enumerate(pool.map(write, photos), 1):
                if done % 50 == 0 or done == len(photos):
                    progress("resizing images", done, len(photos))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
