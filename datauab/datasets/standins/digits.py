"""Made-up handwritten digits: printed ones, turned, sheared, scaled and moved."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

SIDE = 28
VARIANTS = 96
"""Different drawings of each digit; each image is one of them, moved by up to two pixels."""


def draw(counts: tuple[int, ...], random: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Draw digits.

    Parameters
    ----------
    counts : tuple of int
        How many of each digit, from 0 to 9; n together.
    random : Generator
        Which, and how.

    Returns
    -------
    images : ndarray, shape (n, 28, 28), uint8
        White on black.
    labels : ndarray, shape (n,), uint8
        The digits shown, in random order.
    """
    drawings = np.stack([[_drawing(digit, random) for _ in range(VARIANTS)] for digit in range(10)])
    labels = random.permutation(np.repeat(np.arange(10, dtype=np.uint8), counts))
    count = len(labels)
    images = drawings[labels, random.integers(0, VARIANTS, count)]
    moves = random.integers(-2, 3, (count, 2))
    for down in range(-2, 3):
        for right in range(-2, 3):
            chosen = (moves == (down, right)).all(axis=1)
            images[chosen] = np.roll(images[chosen], (down, right), axis=(1, 2))
    return images, labels


def _drawing(digit: int, random: np.random.Generator) -> NDArray[np.uint8]:
    image = Image.new("L", (SIDE, SIDE))
    font = ImageFont.load_default(size=float(random.uniform(19, 25)))
    width = int(random.integers(0, 2))
    ImageDraw.Draw(image).text((14, 14), str(digit), fill=255, font=font, anchor="mm", stroke_width=width)
    shear = float(random.uniform(-0.25, 0.25))
    image = image.transform(
        image.size, Image.Transform.AFFINE, (1, shear, -14 * shear, 0, 1, 0), Image.Resampling.BILINEAR
    )
    return np.asarray(image.rotate(float(random.uniform(-15, 15)), Image.Resampling.BILINEAR), dtype=np.uint8)
