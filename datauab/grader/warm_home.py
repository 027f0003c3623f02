"""What is kept warm where the labels are: kernels for autograder cells, and nbgrader itself."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from datauab.autograde.kernels import use_warm
from datauab.autograde.loading import without_collections
from datauab.autograde.warm import WarmKernels, warm_problem
from datauab.settings import Settings


@contextlib.contextmanager
def warm_home(settings: Settings) -> Iterator[None]:
    """Keep trusted kernels warm, and load nbgrader beside what is done meanwhile."""
    loading = threading.Thread(target=_load, daemon=True)
    with contextlib.ExitStack() as opened:
        if settings.warm and warm_problem() is None:
            trusted = opened.enter_context(WarmKernels.start(solution_wall=True))
            opened.enter_context(use_warm(None, trusted))
        loading.start()
        yield


def _load() -> None:
    """What marks the first submission, and what scores it, so that it does not wait for them."""
    with without_collections():
        import nbgrader.converters  # noqa: F401
        import sklearn.metrics  # noqa: F401
