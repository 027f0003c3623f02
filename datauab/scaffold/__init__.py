"""Scaffolds a competition: its description, its post with an autograder cell, its cover, and a place for its table."""

from __future__ import annotations

from datauab.scaffold.records import KINDS, Kind, Made, Plan
from datauab.scaffold.table import look_at
from datauab.scaffold.writing import scaffold

__all__ = ["KINDS", "Kind", "Made", "Plan", "look_at", "scaffold"]
