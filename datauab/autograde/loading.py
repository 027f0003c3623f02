"""How many packages are loaded at one time."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def without_collections() -> Iterator[None]:
    """Collect no garbage meanwhile: modules leave little, and looking for it takes a quarter of the time.

    Threads may overlap: who found it switched off leaves it to the other one to switch it on.
    """
    collected = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collected:
            gc.enable()
