"""What the checks look at: one competition, its public data, and its solution, each read when first asked for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from datauab import solutions
from datauab.autograde.assignment import public_rows
from datauab.competition import Competition
from datauab.datasets.records import Manifest, read_manifest
from datauab.lint import pictures
from datauab.lint.pictures import Picture
from datauab.settings import Settings
from datauab.starter import Form, form_of
from datauab.submission import Ids, load_ids

MOST_KNOWN = 5000
MOST_ASKED = 2000
"""Rows with and without a target that slow checks look at; a fixed draw where there are more."""

Array = NDArray[Any]


@dataclass(frozen=True)
class Case:
    """One competition under examination.

    Attributes
    ----------
    competition : Competition
        As its file says, without an organiser's later decisions.
    """

    settings: Settings
    competition: Competition

    @property
    def source(self) -> Path:
        """Folder of post and description."""
        return self.settings.source / self.competition.name

    @property
    def public(self) -> Path:
        """Folder of the public data."""
        return self.settings.public / self.competition.dataset

    @property
    def is_program(self) -> bool:
        """Whether an imported program scores it, so that there is no solution to look at."""
        return self.competition.metric.name == "program"

    @cached_property
    def manifest(self) -> Manifest:
        """The record of the public data."""
        return read_manifest(self.public)

    @cached_property
    def form(self) -> Form | None:
        """Tables, arrays or folders of images; None for anything else."""
        return form_of(self.public)

    @cached_property
    def solution(self) -> solutions.Solution:
        """The ground truth."""
        return solutions.read(self.settings, self.competition.name)

    @property
    def truth(self) -> Array:
        """The target of the test rows, in their order."""
        return self.solution.array

    @cached_property
    def mask(self) -> Array:
        """Which test rows are public."""
        return public_rows(self.settings, self.competition, self.solution)

    @cached_property
    def ids(self) -> Ids:
        """Ids of the test rows."""
        return load_ids(self.public, len(self.truth))

    @property
    def is_real(self) -> bool:
        """Whether numbers are predicted, not classes."""
        return self.competition.predictions.kind == "real"

    @cached_property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The public tables by part; none where the data has another form."""
        if self.form != "tables":
            return {}
        parts = ("train", "validation", "test")
        return {part: pd.read_csv(self.public / f"{part}.csv") for part in parts if self._has(f"{part}.csv")}

    @cached_property
    def shared(self) -> list[str]:
        """Columns of the test table from which somebody could predict: those that training rows have, without ids."""
        data = self.competition.data
        skipped = {self.manifest.target, data.id if data else ""}
        known = self.tables["train"].columns
        return [name for name in self.tables["test"].columns if name in known and name not in skipped]

    @cached_property
    def known(self) -> tuple[pd.DataFrame, Array]:
        """Features and targets of training and validation rows; of images, a few plain measures of each."""
        if self.form == "tables":
            parts = [self.tables[part] for part in ("train", "validation") if part in self.tables]
            frame = pd.concat(parts, ignore_index=True)
            return frame[self.shared], frame[self.manifest.target].to_numpy()
        drawn = draw(len(self.known_pictures), MOST_KNOWN)
        chosen = [self.known_pictures[row] for row in drawn]
        return pictures.measures(chosen), np.array([one.label for one in chosen])

    @cached_property
    def asked(self) -> pd.DataFrame:
        """Features of the test rows; of images, a few plain measures of each (of `asked_rows`)."""
        if self.form == "tables":
            return self.tables["test"][self.shared]
        return pictures.measures([self.asked_pictures[row] for row in draw(len(self.asked_pictures), MOST_ASKED)])

    @cached_property
    def known_pictures(self) -> list[Picture]:
        """Images with a label."""
        return [
            *pictures.labelled(self.public, self.form, "train"),
            *pictures.labelled(self.public, self.form, "validation"),
        ]

    @cached_property
    def asked_pictures(self) -> list[Picture]:
        """Images to predict, in the order of the solution."""
        return pictures.unlabelled(self.public, self.form)

    def _has(self, name: str) -> bool:
        return (self.public / name).is_file()


def draw(rows: int, most: int) -> Array:
    """Row numbers, ascending: all, or the same `most` of them each time."""
    if rows <= most:
        return np.arange(rows)
    return np.sort(np.random.default_rng(rows).choice(rows, most, replace=False))
