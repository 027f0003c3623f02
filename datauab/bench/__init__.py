"""Measurements, side by side with what the club replaces.

Each module holds one: it is imported where its verb runs, since each needs other heavy parts.
"""

from datauab.bench.figure import Figure

__all__ = ["Figure"]
