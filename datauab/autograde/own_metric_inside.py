"""Runs inside the sandbox: calls a competition's own ``metric.py`` and writes its numbers to what was standard output.

Everything here can be undone by the code that it calls, so whoever reads the result trusts none of it.
"""

from __future__ import annotations

import json
import math
import numbers
import os
import random
import sys
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

METRIC, SOLUTION, PREDICTIONS, PUBLIC = "/metric.py", "/solution.npy", "/predictions.npy", "/public.npy"
MOST_SECONDARY = 40
LONGEST_NAME = 100

_SEED = 20180220  # fixed: the same predictions have the same interval, and a metric that uses chance the same score


def main() -> int:
    """Compute everything and write it as one line of JSON; gives the exit status."""
    task = json.loads(sys.stdin.buffer.read())
    result = _take_channels()
    found: dict[str, Any] = {"token": task["token"]}
    solution, predictions, public = (np.load(path, allow_pickle=False) for path in (SOLUTION, PREDICTIONS, PUBLIC))
    metric = _load()
    sides = {"public": public, "private": ~public}
    took = float("inf")
    for side, rows in sides.items():
        began = time.monotonic()
        found[side] = _score(metric, solution[rows], predictions[rows])
        took = min(took, time.monotonic() - began)  # the first one may import what it needs
    found["full"] = _score(metric, solution.copy(), predictions.copy())
    found["secondary"] = {side: _secondary(metric, solution[rows], predictions[rows]) for side, rows in sides.items()}
    found["interval"] = None
    if took * task["resamples"] <= task["seconds"]:
        ends = time.monotonic() + task["seconds"]
        found["interval"] = _interval(metric, solution[public], predictions[public], task["resamples"], ends)
    text = json.dumps(found, allow_nan=False).encode() + b"\n"
    while text:
        text = text[os.write(result, text) :]
    return 0


def _take_channels() -> int:
    """Close what the task came through, send what is printed to the error stream, and give the way out."""
    result = os.dup(1)
    os.dup2(2, 1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return result


def _load() -> ModuleType:
    with open(METRIC, "rb") as file:  # noqa: PTH123  no more than is needed is imported here
        code = compile(file.read(), "metric.py", "exec")
    module = ModuleType("metric")
    module.__file__ = METRIC
    sys.modules["metric"] = module
    exec(code, module.__dict__)  # noqa: S102  the organiser's own code, which is what the sandbox is for
    if not callable(getattr(module, "score", None)):
        raise TypeError("metric.py: expected a function score(solution, predictions), found none")
    return module


def _call(function: Callable[[Array, Array], Any], solution: Array, predictions: Array) -> Any:
    random.seed(_SEED)
    np.random.seed(_SEED)
    return function(solution, predictions)


def _score(metric: ModuleType, solution: Array, predictions: Array) -> float:
    return _number("score", _call(metric.score, solution, predictions))


def _number(what: str, value: Any) -> float:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise TypeError(f"metric.py: {what}: expected one number, found {type(value).__name__} {repr(value)[:80]}")
    found = float(value)
    if not math.isfinite(found):
        raise ValueError(f"metric.py: {what}: expected a finite number, found {found}")
    return found


def _secondary(metric: ModuleType, solution: Array, predictions: Array) -> dict[str, float]:
    function = getattr(metric, "secondary", None)
    if function is None:
        return {}
    values = _call(function, solution, predictions)
    if not isinstance(values, dict) or len(values) > MOST_SECONDARY:
        raise TypeError(
            f"metric.py: secondary: expected a dict of at most {MOST_SECONDARY} names and numbers, "
            f"found {type(values).__name__} {repr(values)[:80]}"
        )
    return {_name(name): _number(f"secondary {name!r}", value) for name, value in values.items()}


def _name(name: Any) -> str:
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        raise TypeError(f"metric.py: secondary: expected names of 1 to {LONGEST_NAME} letters, found {repr(name)[:80]}")
    return name


def _interval(
    metric: ModuleType, solution: Array, predictions: Array, resamples: int, ends: float
) -> tuple[float, float] | None:
    """Bootstrap percentiles; None where time is short, or the metric has no value on some resample."""
    chance = np.random.default_rng(_SEED)
    classes = solution.dtype.kind in "iu"
    groups = [np.flatnonzero(solution == value) for value in np.unique(solution)] if classes else []
    values = []
    for _ in range(resamples):
        if groups:  # within each class, so that every resample has them all
            rows = np.concatenate([chance.choice(group, len(group)) for group in groups])
        else:
            rows = chance.integers(0, len(solution), len(solution))
        if time.monotonic() > ends:
            return None
        try:
            values.append(_score(metric, solution[rows], predictions[rows]))
        except Exception:
            return None
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


if __name__ == "__main__":
    sys.exit(main())
