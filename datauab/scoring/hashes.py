"""The hash under which scores are kept: what turns predictions into a score."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

import numpy as np


@functools.cache
def scorer_hash() -> str:
    """Hash every file of the packages of metrics and of scoring, and the versions of numpy and scikit-learn.

    Returns
    -------
    str
        SHA-256, hexadecimal.
    """
    import sklearn

    package = Path(__file__).resolve().parent.parent
    digest = hashlib.sha256()
    for path in sorted(path for part in ("metrics", "scoring") for path in (package / part).rglob("*.py")):
        for part in (path.relative_to(package).as_posix().encode(), path.read_bytes()):
            digest.update(hashlib.sha256(part).digest())
    digest.update(f"{np.__version__} {sklearn.__version__}".encode())
    return digest.hexdigest()
