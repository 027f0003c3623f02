"""Made-up skin lesions: blots whose colour, size and edge depend on the class."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

CLASSES = ("AKIEC", "BCC", "BKL", "DF", "MEL", "NV", "VASC")

COUNTS = (164, 237, 524, 54, 441, 3890, 72)
"""Images of each class, as many as the real data has lesions."""

_COLOURS = (
    (190, 110, 100),
    (205, 140, 140),
    (150, 100, 70),
    (165, 110, 90),
    (70, 45, 45),
    (130, 80, 55),
    (170, 40, 60),
)
_SIDE = 112


def draw_labels(random: np.random.Generator) -> NDArray[np.int64]:
    """Give the class of each of 5,382 images, in random order."""
    return random.permutation(np.repeat(np.arange(len(CLASSES)), COUNTS)).astype(np.int64)


def draw(label: int, seed: int) -> Image.Image:
    """Draw one lesion: RGB, 112 × 112 pixels."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[-1 : 1 : _SIDE * 1j, -1 : 1 : _SIDE * 1j]
    angle = np.arctan2(y, x)
    edge = 0.45 + 0.02 * label + random.normal(0, 0.06)
    ragged = sum(
        random.normal(0, 0.03 + 0.03 * (label == 4)) * np.cos(k * angle + random.uniform(0, 6)) for k in range(2, 7)
    )
    inside = 1 / (1 + np.exp((np.hypot(x, y) - edge - ragged) * 18))
    skin = np.array((225, 180, 160)) + random.normal(0, 8, 3)
    colour = np.array(_COLOURS[label]) + random.normal(0, 14, 3)
    pixels = skin + inside[..., None] * (colour - skin) + random.normal(0, 6, (_SIDE, _SIDE, 1))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(0.8))
