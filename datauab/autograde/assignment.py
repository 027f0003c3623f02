"""What grading a submission takes: the competition, its solution, its autograder cells, and the submitted files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from datauab import scoring
from datauab.autograde.outcome import Scores
from datauab.competition import Competition
from datauab.errors import InvalidSubmission
from datauab.settings import Limits, Settings
from datauab.solutions import Solution, ensure_secret, read

if TYPE_CHECKING:
    from nbformat import NotebookNode  # slow to load, and predictions files need none

_MIB = 2**20
_OWN_FILES = (".attempt", "timestamp.txt")  # the platform's, beside the student's


@dataclass(frozen=True)
class AutograderCell:
    """An autograder cell as its author wrote it.

    Attributes
    ----------
    source : str
        From the source notebook, never from the submission.
    max_points : float
        Points that it is worth.
    """

    source: str
    max_points: float


@dataclass(frozen=True)
class Assignment:
    """What grading a submission of one competition takes.

    Attributes
    ----------
    cells : mapping of str to AutograderCell
        By their ``grade_id``.
    limits : Limits
        Of the run.
    """

    settings: Settings
    competition: Competition
    solution: Solution
    cells: Mapping[str, AutograderCell]
    limits: Limits

    @classmethod
    def open(cls, settings: Settings, competition: Competition, cells: Mapping[str, AutograderCell]) -> Assignment:
        """Read the solution and find the run's limits.

        Raises
        ------
        GradingError
            Where the solution is missing or damaged.
        """
        limits = competition.run.over(settings.limits)
        return cls(settings, competition, read(settings, competition.name), cells, limits)


def grade_id_of(cell: NotebookNode) -> str:
    """The cell's ``grade_id``; empty where it has none."""
    return str(cell.metadata.get("nbgrader", {}).get("grade_id", ""))


def public_line(competition: Competition, public: float) -> str:
    """What a student reads of the score: the metric on the public part of the test rows."""
    return f"Public score: {competition.metric.name} = {public:.{competition.metric.digits}f}"


def read_files(folder: Path, most_bytes: int) -> dict[str, bytes]:
    """Files beside a submitted notebook, by relative path: plain files only, and no notebook.

    Links are left out, whatever they lead to.
    """
    found: dict[str, bytes] = {}
    left = most_bytes
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        plain_file = path.is_file() and not any(
            part.is_symlink() for part in (path, *path.parents[: len(inside.parts)])
        )
        if not plain_file or not is_beside(inside.as_posix()):
            continue
        if path.stat().st_size > left:
            raise _too_large(most_bytes)
        found[inside.as_posix()] = path.read_bytes()
        left -= len(found[inside.as_posix()])
    return found


def is_beside(path: str) -> bool:
    """Whether a file of a submission, by its relative path, goes along with the notebook."""
    return not path.endswith(".ipynb") and path.split("/", 1)[0] not in _OWN_FILES


def check_size(files: Mapping[str, bytes], most_bytes: int) -> None:
    """Refuse files that take more than `most_bytes` together.

    Raises
    ------
    InvalidSubmission
        Where they do.
    """
    if sum(map(len, files.values())) > most_bytes:
        raise _too_large(most_bytes)


def _too_large(most_bytes: int) -> InvalidSubmission:
    return InvalidSubmission(f"the files beside the notebook take more than {most_bytes // _MIB} MiB")


_MOST_MASKS = 64
_MASKS: dict[tuple[int, float, bytes, str, str], NDArray[Any]] = {}
"""Splits by all that decides them: one hash a row is most of the time that a score takes."""


def score_predictions(assignment: Assignment, predictions: NDArray[Any]) -> tuple[Scores, float]:
    """Score checked predictions on both sides, and give the metric on all rows beside.

    Raises
    ------
    GradingError
        Where the solution, the split or the competition's own metric allow no finite score.
    """
    if assignment.competition.metric.is_own:
        from datauab.autograde.own_metric import score_own  # which takes an assignment itself

        return score_own(assignment, predictions)
    competition, solution = assignment.competition, assignment.solution
    mask = public_rows(assignment.settings, competition, solution)
    found = scoring.score(competition, solution.array, predictions, mask)
    view = (
        scoring.author_view(competition, solution.array, predictions, mask) if competition.board.author_view else None
    )
    kept = Scores(
        metric=found.metric,
        public=found.public,
        private=found.private,
        interval_low=found.interval[0],
        interval_high=found.interval[1],
        secondary={name: dict(sides) for name, sides in found.secondary.items()},
        scorer_hash=scoring.scorer_hash(),
        solution_hash=solution.sha256,
        author_view=view,
    )
    return kept, found.full


def public_rows(settings: Settings, competition: Competition, solution: Solution) -> NDArray[Any]:
    """Which test rows the public leaderboard is computed on: boolean, shape (rows,), read-only.

    Raises
    ------
    GradingError
        Where there are too few rows for two sides.
    """
    secret = ensure_secret(settings, "split")
    rows = len(solution.array)
    key = (rows, competition.public_share, secret, competition.name, solution.sha256)
    mask = _MASKS.get(key)
    if mask is None:
        mask = scoring.public_mask(rows, competition.public_share, secret, competition.name, solution.array)
        mask.flags.writeable = False
        if len(_MASKS) >= _MOST_MASKS:
            _MASKS.clear()
        _MASKS[key] = mask
    return mask
