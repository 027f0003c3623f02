"""Competitions and what scoring them takes, kept in memory until one of their files changes."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from datauab.autograde.assignment import Assignment, public_rows, score_predictions
from datauab.competition import Competition, load_competition
from datauab.errors import ClubError
from datauab.settings import Settings
from datauab.submission import Ids, load_ids
from datauab.submission.ids import SAMPLE

Stamp = tuple[int, int, int] | None
_Value = TypeVar("_Value")


class Catalogue:
    """The competitions of a deployment as their files are now; threads may share it.

    A file counts as changed where its time, size or inode differ: a file that is replaced is always noticed.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, str], tuple[Hashable, object]] = {}
        self._slow: dict[str, Competition] = {}

    def competition(self, name: str) -> Competition:
        """The competition `name`.

        Raises
        ------
        ConfigurationError
            Where its ``competition.toml`` is missing or wrong.
        """
        folder = self.settings.source / name
        stamp = _stamp(folder / "competition.toml")
        return self._keep("competition", name, stamp, lambda: load_competition(folder))

    def assignment(self, name: str) -> Assignment:
        """The competition `name` with its solution, without autograder cells.

        Raises
        ------
        ConfigurationError
            Where its ``competition.toml`` is missing or wrong.
        GradingError
            Where the solution is missing or damaged.
        """
        competition = self.competition(name)
        folder = self.settings.solutions / name
        stamp = (id(competition), _stamp(folder / "solution.json"), _stamp(folder / "solution.npy"))
        return self._keep("assignment", name, stamp, lambda: Assignment.open(self.settings, competition, {}))

    def ids(self, assignment: Assignment) -> Ids:
        """Ids of the competition's test rows.

        Raises
        ------
        DataError
            Where the sample submission does not fit the solution.
        """
        competition, rows = assignment.competition, len(assignment.solution.array)
        folder = self.settings.public / competition.dataset
        stamp = (competition.dataset, rows, _stamp(folder / SAMPLE))
        return self._keep("ids", competition.name, stamp, lambda: load_ids(folder, rows))

    def ready(self, name: str) -> Assignment:
        """`assignment`, with ids and split at hand for whoever scores next.

        Raises
        ------
        ClubError
            Where one of them cannot be had.
        """
        assignment = self.assignment(name)
        if not assignment.competition.metric.is_own:
            self.ids(assignment)
            public_rows(self.settings, assignment.competition, assignment.solution)
        return assignment

    def mark_slow(self, competition: Competition) -> None:
        """Remember that scoring this competition takes long, until its file changes."""
        with self._lock:
            self._slow[competition.name] = competition

    def heavy(self) -> frozenset[str]:
        """Names of competitions whose attempts are scored in a process of their own.

        Those that bring the code that scores, and those that turned out slow. One whose file is wrong is not among
        them: that its attempts cannot be scored is told at once.
        """
        found = set()
        for path in self.settings.source.glob("*/competition.toml"):
            with contextlib.suppress(ClubError):
                competition = self.competition(path.parent.name)
                if competition.metric.is_own or self._slow.get(competition.name) is competition:
                    found.add(competition.name)
        return frozenset(found)

    def warm(self) -> None:
        """Score something for each competition, so that the first attempt finds files read and libraries loaded."""
        for path in self.settings.source.glob("*/competition.toml"):
            with contextlib.suppress(ClubError):  # told to whoever hands something in
                assignment = self.ready(path.parent.name)
                if not assignment.competition.metric.is_own:
                    score_predictions(assignment, _anything(assignment))

    def _keep(self, what: str, name: str, stamp: Hashable, make: Callable[[], _Value]) -> _Value:
        with self._lock:
            stored = self._kept.get((what, name))
        if stored is not None and stored[0] == stamp:
            value: _Value = stored[1]  # type: ignore[assignment]
            return value
        value = make()
        with self._lock:
            self._kept[what, name] = (stamp, value)
        return value


def _anything(assignment: Assignment) -> NDArray[Any]:
    """Predictions that every metric takes."""
    spec, rows = assignment.competition.predictions, len(assignment.solution.array)
    if spec.kind == "scores":
        return np.full((rows, len(spec.classes)), 0.5)
    return np.full(rows, spec.classes[0]) if spec.kind == "class" else np.full(rows, 0.5)


def _stamp(path: Path) -> Stamp:
    """What tells one state of a file from another; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
