"""Scores what members hand in to a competition that brings its own scoring program (an imported bundle)."""

from __future__ import annotations

import functools
import hashlib
import inspect
import platform
from collections.abc import Mapping

from pydantic import ValidationError

from datauab.archive import read_archive
from datauab.autograde import program_run, program_scores, watched
from datauab.autograde.assignment import Assignment
from datauab.autograde.outcome import Scores
from datauab.autograde.program_run import Ran, run
from datauab.autograde.program_scores import Contract, read_scores
from datauab.errors import GradingError, InvalidSubmission
from datauab.settings import Limits
from datauab.solutions import SIDES, Program, read_program

_MIB = 2**20
_MOST_FILES = 20_000  # of a program, of reference data, or handed in: folders of images are common
_JUNK = ("__MACOSX", ".DS_Store", "Thumbs.db")


class ProgramFailed(InvalidSubmission):
    """A scoring program gave no score for these files; `detail`, for organisers only, has its last words."""

    def __init__(self, message: str, detail: str) -> None:
        super().__init__(message)
        self.detail = detail


def score_files(assignment: Assignment, data: bytes) -> tuple[Scores, float]:
    """Score a member's zip with the competition's scoring program.

    The public score comes from the reference data of the bundle's first task, the private one from that of its last;
    where they are the same, the program runs once and both are its score. The third value, on "all rows", is the
    private score: a program tells no more. There is no interval: both its ends are the public score.

    Parameters
    ----------
    data : bytes
        The zip archive that was handed in; its files are the program's ``input/res``.

    Raises
    ------
    InvalidSubmission
        Where the archive is refused, or where the program fails, hangs or takes too much on it (`ProgramFailed`).
    GradingError
        Where the program ends well but writes no finite score, or cannot be started.
    """
    competition, limits = assignment.competition, _limits(assignment)
    program = read_program(assignment.settings, competition.name)
    contract = _contract(program, competition.name)
    files = {"program": _unpacked(program.archive), "res": _submission(data, limits)}
    sides = SIDES if program.has_two_sides else SIDES[:1]
    values: dict[str, dict[str, float]] = {}
    for side in sides:
        ran = run(contract.command, contract.folder, {**files, "ref": _unpacked(program.references[side])}, limits)
        values[side] = _values(ran, contract, competition.name)
    public, private = values[SIDES[0]], values[sides[-1]]
    primary = contract.columns[0].key
    scores = Scores(
        metric=competition.metric.name,
        public=public[primary],
        private=private[primary],
        interval_low=public[primary],
        interval_high=public[primary],
        secondary={
            key: {"public": value, "private": private[key]}
            for key, value in public.items()
            if key != primary and key in private
        },
        scorer_hash=scorer_hash(program),
        solution_hash=program.sha256,
    )
    return scores, scores.private


def scorer_hash(program: Program) -> str:
    """Hash what turns files into a score: the program, its contract, how it is run, and the libraries it finds.

    Returns
    -------
    str
        SHA-256, hexadecimal.
    """
    digest = hashlib.sha256(_platform_hash())
    for part in (program.archive, Contract.model_validate(program.contract).model_dump_json().encode()):
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()


@functools.cache
def _platform_hash() -> bytes:
    import numpy
    import sklearn

    sources = "".join(inspect.getsource(module) for module in (program_run, program_scores, watched))
    versions = f"{platform.python_version()} {numpy.__version__} {sklearn.__version__}"
    return hashlib.sha256(f"{sources}\0{versions}".encode()).digest()


def _limits(assignment: Assignment) -> Limits:
    """Limits of one run of the program: those of the competition, and the metric's own time."""
    seconds = assignment.competition.metric.timeout_s
    return assignment.limits.model_copy(update={"wall_s": seconds, "cpu_s": min(seconds, assignment.limits.cpu_s)})


def _contract(program: Program, name: str) -> Contract:
    try:
        return Contract.model_validate(program.contract)
    except ValidationError as error:
        raise GradingError(f"competition {name}: how its scoring program is called is damaged: {error}") from error


def _unpacked(archive: bytes) -> dict[str, bytes]:
    try:
        return read_archive(archive, max_bytes=2048 * _MIB, max_files=_MOST_FILES)
    except InvalidSubmission as error:
        raise GradingError(f"scoring program or reference data cannot be unpacked: {error}") from error


def _submission(data: bytes, limits: Limits) -> dict[str, bytes]:
    files = without_junk(read_archive(data, max_bytes=limits.scratch_mb * _MIB // 2, max_files=_MOST_FILES))
    if not files:
        raise InvalidSubmission("the archive is empty: expected the files that the evaluation page names")
    for name in ("metadata", "metadata.yaml"):
        if b"command" in files.get(name, b""):
            raise InvalidSubmission(
                f"{name} in the archive names a command: expected results, found a program to be run; run it yourself "
                "and hand in the files that it writes"
            )
    return files


def without_junk(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """`files` without those that desktops put into archives by themselves."""
    return {name: content for name, content in files.items() if not any(part in _JUNK for part in name.split("/"))}


def _values(ran: Ran, contract: Contract, name: str) -> dict[str, float]:
    detail = f"command: {contract.command}\nexit status: {ran.status}\n{ran.stopped}\n{ran.said}"
    if ran.status in (126, 127):
        raise GradingError(f"competition {name}: the scoring program's command cannot be run\n{detail}")
    if ran.status != 0:
        why = ran.stopped or f"it ended with status {ran.status}"
        raise ProgramFailed(
            f"the competition's scoring program gave no score for these files: {why}; compare them with what the "
            "evaluation page asks for. The organiser can read what the program said",
            detail,
        )
    if not ran.name:
        raise GradingError(f"competition {name}: the scoring program wrote no scores.json or scores.txt\n{detail}")
    try:
        return read_scores(ran.name, ran.content, contract.columns)
    except GradingError as error:
        raise GradingError(f"competition {name}: the scoring program's {error}\n{detail}") from error
