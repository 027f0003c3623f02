"""Made-up skin lesions: blots whose colour, size and edge depend on the class."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

CLASSES = ("AKIEC", "BCC", "BKL", "DF", "MEL", "NV", "VASC")

COUNTS = (327, 514, 1099, 115, 1113, 6705, 142)
"""Images of each class in HAM10000 (Tschandl et al. 2018, table 1)."""

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
_GRID = 32
"""Points a side at which a lesion is computed; the image between them is interpolated, a tenth of the work."""


def draw_labels(random: np.random.Generator) -> NDArray[np.int64]:
    """Give the class of each of 10,015 images, in random order."""
    return random.permutation(np.repeat(np.arange(len(CLASSES)), COUNTS)).astype(np.int64)


def draw(label: int, seed: int) -> Image.Image:
    """Draw one lesion: RGB, 112 × 112 pixels."""
    random = np.random.default_rng(seed)
    angle, distance = _polar()
    waves = random.normal(0, 0.03 + 0.03 * (label == 4), len(angle)) @ np.cos(angle + random.uniform(0, 6, (5, 1)))
    edge = 0.45 + 0.02 * label + random.normal(0, 0.06)
    inside = 1 / (1 + np.exp((distance - edge - waves) * 18))
    skin = np.array((225, 180, 160)) + random.normal(0, 8, 3)
    colour = np.array(_COLOURS[label]) + random.normal(0, 14, 3)
    pixels = skin + inside[:, None] * (colour - skin) + random.normal(0, 6, (_GRID * _GRID, 1))
    small = Image.fromarray(pixels.clip(0, 255).astype(np.uint8).reshape(_GRID, _GRID, 3))
    return small.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)


@cache
def _polar() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Multiples 2 to 6 of each point's angle, shape (5, points), and its distance from the middle, shape (points,)."""
    line = np.linspace(-1, 1, _GRID)
    x, y = (axis.ravel() for axis in np.meshgrid(line, line))
    return np.arange(2.0, 7.0)[:, None] * np.arctan2(y, x), np.hypot(x, y)
