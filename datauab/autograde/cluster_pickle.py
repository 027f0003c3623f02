"""Keeps Dask from running what a worker sends: its own messages are pickles, and a worker may be in anybody's hands."""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterable
from typing import Any

_KNOWN = frozenset(
    {
        ("builtins", "bytearray"),
        ("builtins", "bytes"),
        ("dask._expr", "Expr._reconstruct"),
        ("dask._expr", "LLGExpr"),
        ("dask._task_spec", "Task"),
        ("datauab.autograde.worker", "run_bytes"),
        ("distributed.scheduler", "KilledWorker"),
    }
)
"""What Dask needs to hand on a run of `run_bytes`. None of them does anything but hold data when it is made."""


class Refused(Exception):
    """Stands where something else was sent, and does nothing; it is no bytes, so that nobody takes it for a result."""

    def __init__(self, *_: Any, **__: Any) -> None:
        super().__init__("a worker sent an object, which was not looked at; expected bytes")

    def __setstate__(self, state: object) -> None:
        """Take no state."""

    def __setitem__(self, key: object, value: object) -> None:
        """Take no item."""

    def append(self, value: object) -> None:
        """Take no item."""

    def extend(self, values: Iterable[object]) -> None:
        """Take no items."""


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        return super().find_class(module, name) if (module, name) in _KNOWN else Refused


def guarded_loads(content: bytes, /, *, buffers: Iterable[Any] | None = None, **_: Any) -> Any:
    """Unpickle, with a `Refused` for every class and function but the few that Dask needs."""
    return _Reader(io.BytesIO(content), buffers=buffers or None).load()


def guard_process() -> None:
    """From now on, unpickle in this process with `guarded_loads` only.

    Dask offers no switch: a scheduler unpickles parts of each message, whoever sends it. The whole process has to be
    one that needs no other pickles.
    """
    import dask.delayed  # noqa: F401  copies operators by pickle when it is imported
    import dask_jobqueue  # noqa: F401  imports the rest of Dask

    pickle.loads = guarded_loads  # type: ignore[assignment]
