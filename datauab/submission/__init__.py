"""Reads and checks predictions: one validator for the notebook, the command line and the grader.

Importing it loads nothing but numpy, since students' notebooks import it.
"""

from __future__ import annotations

from datauab.errors import InvalidSubmission
from datauab.submission.arrival import kind_of, plain_name, root_names
from datauab.submission.check import LARGEST, to_numbers, validate
from datauab.submission.ids import Ids, load_ids
from datauab.submission.npy import read_npy, to_npy
from datauab.submission.reading import FORMATS, read_predictions, sniff

__all__ = [
    "FORMATS",
    "LARGEST",
    "Ids",
    "InvalidSubmission",
    "kind_of",
    "load_ids",
    "plain_name",
    "read_npy",
    "read_predictions",
    "root_names",
    "sniff",
    "to_npy",
    "to_numbers",
    "validate",
]
