"""What a class run tells while it goes on, and when it has ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Begun:
    """It begins.

    Attributes
    ----------
    total : int
        Submissions that are run.
    skipped : int
        Those that are not, since nothing has changed.
    slots : int
        Runs at one time.
    """

    total: int
    skipped: int
    slots: int


@dataclass(frozen=True)
class Graded:
    """One submission is done.

    Attributes
    ----------
    attempt : int or None
        Its number; None for a folder that was put into ``submitted/`` by hand.
    state : {"scored", "failed", "fault"}
        "failed" by the student's own notebook, "fault" by the platform or the organiser's cells.
    text : str
        The score, or the reason, for organisers.
    seconds : mapping of str to float
        Wall time by stage.
    done, total : int
        How many are done, of how many; those that somebody else grades now are not counted.
    """

    student: str
    attempt: int | None
    state: Literal["scored", "failed", "fault"]
    text: str
    seconds: Mapping[str, float]
    done: int
    total: int


Event = Begun | Graded


@dataclass(frozen=True)
class Summary:
    """What became of a class.

    Attributes
    ----------
    graded, skipped : int
        Submissions that were run, and that were not since nothing has changed.
    without : list of str
        Those of the skipped who have no score: their notebooks failed before, and are the same.
    failed, faults : list of (str, str)
        Students and reasons; see `Graded.state`.
    elsewhere : list of str
        Students whose attempts somebody else graded meanwhile, or goes on grading.
    left : list of str
        Students who were not reached, because the run was stopped.
    seconds : float
        Wall time of the whole run, the start of its workers included.
    stages : dict
        Sums over all submissions, by stage.
    interrupted : bool
        Whether it was told to stop.
    """

    graded: int
    skipped: int
    without: list[str]
    failed: list[tuple[str, str]]
    faults: list[tuple[str, str]]
    elsewhere: list[str]
    left: list[str]
    seconds: float
    stages: dict[str, float]
    interrupted: bool
