"""Scores again what was handed in, with the solution and the scorer of now; looking first, then all at once.

Scores are never replaced: each new one is added with the hashes of what made it, under the task's number.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from datauab.autograde.assignment import Assignment
from datauab.autograde.outcome import Outcome
from datauab.errors import GradingError, InvalidSubmission
from datauab.grader.catalogue import Catalogue
from datauab.grader.faults import ACTOR
from datauab.grader.files import score_file
from datauab.grader.marks import Marks
from datauab.ledger import Attempt, Ledger, ScoreRecord, ScoreVersion, TaskLease
from datauab.ranking import Entry, board_terms, fold_teams, rank_by
from datauab.settings import Settings
from datauab.task_results import Move, RescoreApplied, RescorePreview

_CHUNK = 500
_EntrantKey = tuple[bool, str]


@dataclass(frozen=True)
class Rescored:
    """One attempt with its score of today, the new one, and the metric on all hidden rows."""

    attempt: Attempt
    old: ScoreVersion
    new: ScoreRecord
    full: float

    @property
    def differs(self) -> bool:
        """Whether the new score, or what made it, is another."""
        old, new = self.old, self.new
        return (old.public, old.private, old.metric, old.solution_hash, old.scorer_hash) != (
            new.public,
            new.private,
            new.metric,
            new.solution_hash,
            new.scorer_hash,
        )


@dataclass
class Computed:
    """What scoring everything again gave.

    Attributes
    ----------
    missing : list of int
        Scored attempts whose predictions were not kept.
    failed : dict of int to str
        Attempts that are refused now, and why.
    """

    solution_hash: str
    scorer_hash: str = ""
    done: list[Rescored] = field(default_factory=list)
    missing: list[int] = field(default_factory=list)
    failed: dict[int, str] = field(default_factory=dict)


def preview(settings: Settings, ledger: Ledger, lease: TaskLease) -> None:
    """Do a task "rescore_preview": tell who would move and why, and change nothing."""
    name = lease.task.competition
    catalogue = Catalogue(settings)
    computed = compute(catalogue, ledger, name)
    result = RescorePreview(
        moves=_moves(catalogue, ledger, name, computed),
        solution_hash=computed.solution_hash,
        scorer_hash=computed.scorer_hash,
        why=_why(computed.done),
        missing=tuple(computed.missing),
        failed=computed.failed,
    )
    ledger.finish_task(lease, result.model_dump(mode="json"))
    detail = {"scored": len(computed.done), "missing": len(computed.missing), "failed": len(computed.failed)}
    ledger.audit(ACTOR, "rescore.previewed", name, str(lease.task.id), {**detail, "why": list(result.why)})


def apply(settings: Settings, ledger: Ledger, lease: TaskLease) -> None:
    """Do a task "rescore_apply": record the scores that the organiser saw in the preview, all in one transaction.

    Raises
    ------
    GradingError
        Where solution or scorer are others than those of the preview.
    """
    name, asked = lease.task.competition, lease.task.parameters
    catalogue = Catalogue(settings)
    computed = compute(catalogue, ledger, name)
    for what, found in (("solution_hash", computed.solution_hash), ("scorer_hash", computed.scorer_hash)):
        if asked.get(what) != found:
            raise GradingError(
                f"competition {name}: nothing was recomputed: expected the {what.removesuffix('_hash')} of the "
                f"preview ({str(asked.get(what))[:12]}), found another ({found[:12]}); look at a new preview first"
            )
    changed = [item for item in computed.done if item.differs]
    marks = Marks(settings, ledger, catalogue.assignment(name).competition)
    records = {item.attempt.id: marks.carried(item.attempt, item.new, item.full) for item in changed}
    # Before the ledger's own transaction: were this process killed in between, the task is done again.
    marks.renew_gradebook()
    ledger.apply_rescore(lease, records, RescoreApplied(rescored=len(records)).model_dump(mode="json"))
    detail = {
        "rescored": len(records),
        "solution_hash": computed.solution_hash,
        "scorer_hash": computed.scorer_hash,
        "marks_left_as_they_were": marks.kept[:_CHUNK],
    }
    ledger.audit(ACTOR, "rescore.applied", name, str(lease.task.id), detail)


def compute(catalogue: Catalogue, ledger: Ledger, name: str) -> Computed:
    """Score every scored attempt of a competition that was not deleted again, the oldest first.

    Raises
    ------
    GradingError
        Where the solution or the metric give no score, or change meanwhile.
    """
    assignment = catalogue.assignment(name)
    computed = Computed(assignment.solution.sha256)
    attempts = ledger.attempts(competition=name, states=["scored"], include_deleted=False)
    for attempt in reversed(attempts):
        kept = ledger.predictions(attempt)
        history = ledger.score_history(attempt.id)
        if kept is None or not history:
            computed.missing.append(attempt.id)
            continue
        try:
            new, full = _score(catalogue, assignment, attempt, *kept)
        except InvalidSubmission as error:
            computed.failed[attempt.id] = str(error)
            continue
        if (computed.scorer_hash or new.scorer_hash) != new.scorer_hash:
            raise GradingError(f"competition {name}: its metric was changed meanwhile; ask again")
        computed.scorer_hash = new.scorer_hash
        computed.done.append(Rescored(attempt, history[-1], new, full))
    return computed


def _score(
    catalogue: Catalogue, assignment: Assignment, attempt: Attempt, data: bytes, filename: str
) -> tuple[ScoreRecord, float]:
    try:
        scores, full = score_file(catalogue, assignment, data, filename)
    except GradingError as error:
        raise GradingError(f"attempt {attempt.id}: {error}") from error
    record = Outcome(scores=scores).record()
    return replace(record, points=attempt.points, max_points=attempt.max_points), full


def _why(done: Iterable[Rescored]) -> tuple[Literal["solution", "metric"], ...]:
    pairs = [(item.old, item.new) for item in done]
    why: list[Literal["solution", "metric"]] = []
    if any(old.solution_hash != new.solution_hash for old, new in pairs):
        why.append("solution")
    if any(old.scorer_hash != new.scorer_hash or old.metric != new.metric for old, new in pairs):
        why.append("metric")
    return tuple(why)


def _moves(catalogue: Catalogue, ledger: Ledger, name: str, computed: Computed) -> tuple[Move, ...]:
    """Ranks are those of entrants, before and with the new scores in place of the old."""
    competition = catalogue.competition(name)
    entrants = ledger.entrants(name)
    entries = ledger.entries(name)
    terms = board_terms(competition)
    fresh = {item.attempt.id: item.new for item in computed.done}

    def ranks(of: Collection[Entry]) -> Mapping[_EntrantKey, int]:
        return {row.key: row.rank for row in rank_by(fold_teams(of, entrants), terms)}

    before, after = ranks(entries), ranks([_with(entry, fresh.get(entry.attempt_id)) for entry in entries])
    moves = []
    for item in computed.done:
        attempt = item.attempt
        baseline = attempt.origin == "baseline"
        key = (baseline, attempt.member if baseline else entrants.get(attempt.member, attempt.member))
        moves.append(
            Move(
                attempt=attempt.id,
                member=attempt.member,
                baseline=baseline,
                old_public=item.old.public,
                new_public=item.new.public,
                old_private=item.old.private,
                new_private=item.new.private,
                old_rank=None if baseline else before.get(key),
                new_rank=None if baseline else after.get(key),
            )
        )
    return tuple(moves)


def _with(entry: Entry, new: ScoreRecord | None) -> Entry:
    if new is None:
        return entry
    return replace(entry, score=new.public, interval=(new.interval_low, new.interval_high))
