"""Who is in a class: of each student the submission that nbgrader would autograde."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from datauab.autograde.assignment import read_files
from datauab.autograde.execute import most_beside
from datauab.autograde.record import named_attempt
from datauab.errors import ConfigurationError, InvalidSubmission
from datauab.grader.notebooks import read_submission
from datauab.grader.submissions import Submission
from datauab.ledger import Attempt, Ledger
from datauab.settings import Settings


@dataclass(frozen=True)
class Candidate:
    """One student's submission before anything of it is read.

    Attributes
    ----------
    attempt : Attempt or None
        What the student handed in last; None for a folder of ``submitted/`` that an instructor put there.
    """

    student: str
    attempt: Attempt | None

    @property
    def is_open(self) -> bool:
        """Whether it waits for a result, or got none by the platform's fault."""
        return self.attempt is not None and (self.attempt.state in ("queued", "running") or self.attempt.platform_fault)

    def read(self, settings: Settings, ledger: Ledger, name: str) -> Submission:
        """Read its files.

        Raises
        ------
        InvalidSubmission
            Where they cannot be read.
        """
        if self.attempt is None:
            return Submission(name, self.student, _read_folder(settings, self.student, name))
        files = read_submission(settings, self.attempt, ledger.blob(self.attempt))
        return Submission(name, self.student, files, self.attempt)


def candidates(settings: Settings, ledger: Ledger, name: str, students: Collection[str] = ()) -> list[Candidate]:
    """The newest notebook of each student, by name.

    A folder of ``submitted/`` counts where it was put there by hand after the student's last attempt.

    Parameters
    ----------
    students : collection of str
        Only these; everybody where it is empty.

    Raises
    ------
    ConfigurationError
        Where there is no such assignment, or one of `students` handed nothing in.
    """
    if not (settings.source / name / "competition.toml").is_file():
        known = sorted(path.parent.name for path in settings.source.glob("*/competition.toml"))
        raise ConfigurationError(f"{name}: no such assignment; expected one of {', '.join(known) or 'none so far'}")
    newest = {attempt.member: attempt for attempt in ledger.latest_attempts(name)}
    folders = {path.parent.parent.name for path in settings.root.glob(f"submitted/*/{name}/{name}.ipynb")}
    everybody = sorted(newest.keys() | folders)
    missing = sorted(set(students) - set(everybody))
    if missing:
        handed = ", ".join(everybody[:20]) + (" and more" if len(everybody) > 20 else "")
        raise ConfigurationError(
            f"{name}: nothing was handed in by {', '.join(missing)}; expected some of {handed or 'nobody so far'}"
        )
    chosen = [student for student in everybody if not students or student in students]
    return [
        Candidate(student, None if _by_hand(settings, ledger, name, student, newest) else newest[student])
        for student in chosen
    ]


def _by_hand(settings: Settings, ledger: Ledger, name: str, student: str, newest: dict[str, Attempt]) -> bool:
    last = newest.get(student)
    folder = settings.root / "submitted" / student / name
    if last is None or not (folder / f"{name}.ipynb").is_file():
        return last is None
    named = named_attempt(ledger, folder, name, student)
    return named is None or (named.origin == "nbgrader" and named.id > last.id)


def _read_folder(settings: Settings, student: str, name: str) -> dict[str, bytes]:
    folder: Path = settings.root / "submitted" / student / name
    notebook = folder / f"{name}.ipynb"
    if notebook.is_symlink():
        raise InvalidSubmission(f"{notebook.name}: expected a file, found a link")
    return {**read_files(folder, most_beside(settings)), notebook.name: notebook.read_bytes()}
