"""What a notebook of the course needs: the public data, a check of predictions, a way to hand them in, the board."""

from __future__ import annotations

from datauab.client.checkpoint import load_checkpoint, save_checkpoint, save_predictions
from datauab.client.data import Folders, Images, Tables, load
from datauab.client.predictions import check
from datauab.client.submitting import Result, submit
from datauab.client.table import leaderboard

__all__ = [
    "Folders",
    "Images",
    "Result",
    "Tables",
    "check",
    "leaderboard",
    "load",
    "load_checkpoint",
    "save_checkpoint",
    "save_predictions",
    "submit",
]
