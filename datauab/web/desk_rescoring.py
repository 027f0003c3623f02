"""How the desk shows a preview of rescoring: who would move, in the order in which people should look."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from datauab.ledger import Task
from datauab.task_results import Move, RescorePreview

PAGE_ROWS = 100


@dataclass(frozen=True)
class PreviewView:
    """A preview as a page shows it.

    Attributes
    ----------
    moves : sequence of Move
        One page of the attempts whose scores change, entrants that move farthest first.
    changed : int
        Attempts whose public or private score changes.
    rescored : int
        Attempts that were scored again.
    entrants_moved : int
        Members whose rank on the public board changes.
    """

    task: Task
    preview: RescorePreview
    moves: Sequence[Move]
    changed: int
    rescored: int
    entrants_moved: int
    page: int
    pages: int


def view_preview(task: Task, page: int) -> PreviewView:
    """Arrange the answer of a preview that is done.

    Parameters
    ----------
    page : int
        From 1; a page beyond the last is the last.
    """
    preview = RescorePreview.model_validate(task.result)
    changed = sorted((move for move in preview.moves if _changes(move)), key=_by_interest)
    pages = max(1, math.ceil(len(changed) / PAGE_ROWS))
    number = min(page, pages)
    movers = {move.member for move in changed if not move.baseline and move.old_rank != move.new_rank}
    return PreviewView(
        task=task,
        preview=preview,
        moves=changed[(number - 1) * PAGE_ROWS : number * PAGE_ROWS],
        changed=len(changed),
        rescored=len(preview.moves),
        entrants_moved=len(movers),
        page=number,
        pages=pages,
    )


def _changes(move: Move) -> bool:
    return move.old_public != move.new_public or move.old_private != move.new_private


def _by_interest(move: Move) -> tuple[int, int, int]:
    distance = abs((move.old_rank or 0) - (move.new_rank or 0)) if move.old_rank and move.new_rank else 0
    return -distance, move.new_rank or 10**9, move.attempt
