"""What every measurement returns."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One number of a benchmark."""

    name: str
    value: float
    unit: str
