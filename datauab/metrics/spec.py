"""The shape of a metric's description, and the arrays that metrics take."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from numpy.typing import NDArray

Array = NDArray[Any]
Classes = Sequence[int]


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """What a metric is, what it takes, and where it comes from.

    Attributes
    ----------
    title : str
        Name as people write it.
    function : callable
        ``(solution, predictions, classes) -> float``.
    undefined : callable
        ``(solution, classes) -> str``: why the metric has no value on this ground truth; empty where it has one.
    best : float
        The value of perfect predictions.
    range : tuple of float
        Smallest and largest value; infinite where there is no bound.
    kinds : tuple of str
        Kinds of predictions (`datauab.competition.Predictions`) that the metric takes.
    on_constant : str
        What it does where every row has the same truth: a constant target, or a split with one class only.
    note : str
        What else decides its value: ties, clipping, what is refused.
    source : str
        Where the formula is from.
    """

    name: str
    title: str
    function: Callable[[Array, Array, Classes], float]
    undefined: Callable[[Array, Classes], str]
    direction: Literal["maximize", "minimize"]
    best: float
    range: tuple[float, float]
    kinds: tuple[str, ...]
    on_constant: str
    note: str
    source: str
