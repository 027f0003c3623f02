"""What the grader's tasks answer, as the ledger keeps it in JSON: one shape for who writes it and who shows it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

STAGES = {
    "prepare": "reading and sanitising the notebook",
    "slot": "waiting for a free place to run",
    "transfer": "the way to the worker and back",
    "start": "starting the kernel",
    "cells": "the notebook's own cells",
    "export": "taking the predictions out",
    "score": "scoring them",
    "autograder": "the autograder cells",
    "wait": "waiting for the one writer",
    "write": "writing marks into the gradebook",
}
"""Stages of autograding one submission, in their order, with the words that people read."""


class Result(BaseModel):
    """Base of the records below: frozen; keys that a newer grader adds are passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Move(Result):
    """What rescoring changes for one attempt.

    Ranks are those of the attempt's entrant on the public board; None for a baseline, or where there is no rank.
    """

    attempt: int
    member: str
    baseline: bool = False
    old_public: float
    new_public: float
    old_private: float | None = None
    new_private: float | None = None
    old_rank: int | None = None
    new_rank: int | None = None


class RescorePreview(Result):
    """Answer of a task "rescore_preview".

    Attributes
    ----------
    moves : tuple of Move
        Every attempt that was scored again, moved or not.
    solution_hash, scorer_hash : str
        Of what it was scored with.
    why : tuple of str
        Which of "solution" and "metric" differ from what made the scores of today.
    missing : tuple of int
        Scored attempts whose predictions were not kept: they stay as they are.
    failed : dict of int to str
        Attempts that cannot be scored again, and why: they stay as they are.
    """

    moves: tuple[Move, ...]
    solution_hash: str
    scorer_hash: str
    why: tuple[Literal["solution", "metric"], ...] = ()
    missing: tuple[int, ...] = ()
    failed: dict[int, str] = {}


class RescoreApplied(Result):
    """Answer of a task "rescore_apply": how many attempts have new scores."""

    rescored: int


class Pair(Result):
    """Two attempts of different entrants whose predictions are alike; `value` is in [-1, 1]."""

    first: int
    first_member: str
    second: int
    second_member: str
    value: float
    identical: bool = False


class SimilarFound(Result):
    """Answer of a task "similar": pairs, the most alike first.

    Attributes
    ----------
    measure : {"correlation", "agreement"}
        Pearson's correlation of numbers, or the share of rows with the same class.
    threshold : float
        From which value on a pair is listed.
    compared : int
        Attempts that were compared.
    left_out : int
        Attempts that were not, because the work is bounded or their predictions were not kept.
    """

    pairs: tuple[Pair, ...]
    measure: Literal["correlation", "agreement"]
    threshold: float
    compared: int
    left_out: int = 0


class LintFinding(Result):
    """One thing that the lint found."""

    severity: Literal["error", "warning", "note"]
    code: str
    message: str
    where: str = ""
    advice: str = ""


class LintFound(Result):
    """Answer of a task "lint"; no finding means that nothing is wrong."""

    findings: tuple[LintFinding, ...] = ()


class ClassGraded(Result):
    """One student of a class run; see `datauab.grader.classroom_events.Graded`."""

    student: str
    attempt: int | None = None
    state: Literal["scored", "failed", "fault"]
    text: str


class ClassProgress(Result):
    """How far a task "autograde" has come.

    Attributes
    ----------
    seconds_left : float or None
        At the speed so far; None before the first is done.
    newest : tuple of ClassGraded
        Those who were graded last, newest first.
    """

    done: int
    total: int
    skipped: int = 0
    failed: int = 0
    seconds_left: float | None = None
    newest: tuple[ClassGraded, ...] = ()


class ClassDone(Result):
    """Answer of a task "autograde"; see `datauab.grader.classroom_events.Summary`."""

    graded: int
    skipped: int
    failed: tuple[tuple[str, str], ...] = ()
    faults: tuple[tuple[str, str], ...] = ()
    seconds: float
    stages: dict[str, float] = {}
