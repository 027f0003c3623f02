"""Autograding a class, beside stock nbgrader, which grades one notebook after another and without a sandbox."""

from __future__ import annotations

import json
import statistics
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from datauab.bench.courses import Course, got_course, linear_course
from datauab.bench.figure import Figure
from datauab.bench.idle import idle_figures
from datauab.bench.kernel_memory import waiting_kernel_mb
from datauab.bench.slurm_cluster import slurm_cluster
from datauab.errors import ClubError
from datauab.ledger import Grading, Ledger
from datauab.settings import Settings

STAGES = {
    "convert": ("prepare",), "fork": ("start",), "cells": ("cells",), "export": ("export",), "transfer": ("transfer",),
    "score": ("score", "autograder"), "write": ("write",),
}  # fmt: skip
"""What is shown of a submission's wall time, and of which stages of the grader it consists."""

Tell = Callable[[str], None]


def quiet(_: str) -> None:
    """Tell nobody how far it is."""


def bench_autograde(
    settings: Settings,
    *,
    submissions: int = 40,
    got: int = 12,
    stock: int = 0,
    idle: int = 10,
    slurm: int = 16,
    tell: Tell = quiet,
) -> list[Figure]:
    """Grade two classes here and with stock ``nbgrader autograde``, and measure what a member waits for.

    Parameters
    ----------
    settings : Settings
        Of the deployment whose Game of Thrones and raw data are taken.
    submissions : int
        Light notebooks: each imports numpy, pandas, scikit-learn, seaborn, matplotlib, torch and torchvision, fits a
        linear model and draws two figures.
    got : int
        Reference notebooks of Game of Thrones; 0 leaves them out.
    stock : int
        How many of each class stock nbgrader grades; all where 0. Its time for one does not depend on their number.
    idle : int
        Light notebooks that are handed in one after another on an idle machine; 0 leaves them out.
    slurm : int
        Reference notebooks that one and then two nodes of a Slurm grade; 0 leaves it out.
    tell : callable
        Told what is measured next.

    Returns
    -------
    list of Figure
        For each class the seconds a submission on either path and ``ratio``, the throughput over stock's; the mean
        seconds of each stage; ``overhead``, ``submit_to_board``, ``slurm.speedup`` and ``kernel.mb``.

    Raises
    ------
    ClubError
        Where a notebook is not graded.
    """
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        root = Path(folder)
        figures = _linear(root, submissions, stock or submissions, tell)
        if got:
            figures += _got(root, settings, got, stock or got, tell)
        if idle:
            tell(f"idle: {idle} notebooks, one after another, from Submit to the board")
            figures += idle_figures(root / "idle", idle)
        tell("kernel: memory of waiting ones")
        figures.append(Figure("kernel.mb", waiting_kernel_mb(settings), "MB of its own a waiting kernel"))
        if slurm:
            figures += _slurm(root, settings, slurm, tell)
    return figures


def _linear(root: Path, submissions: int, stock: int, tell: Tell) -> list[Figure]:
    club, other = linear_course(root / "linear", club=True), linear_course(root / "linear-stock", club=False)
    return _compare(club, other, submissions, stock, tell)


def _got(root: Path, settings: Settings, submissions: int, stock: int, tell: Tell) -> list[Figure]:
    club = got_course(root / "got", settings)
    other = got_course(root / "got-stock", settings, club=club)
    return _compare(club, other, submissions, stock, tell)


def _compare(club: Course, other: Course, submissions: int, stock: int, tell: Tell) -> list[Figure]:
    title = club.name
    club.hand_in(submissions)
    other.hand_in(stock)
    tell(f"{title}: {submissions} notebooks here")
    here = time_class(club, submissions)
    tell(f"{title}: {stock} notebooks by stock nbgrader, one after another")
    there = other.run("nbgrader", "autograde", other.name)
    if other.graded() != stock:
        raise ClubError(f"bench autograde: expected {stock} notebooks graded by stock nbgrader, found {other.graded()}")
    each, each_stock = here / submissions, there / stock
    return [
        Figure(f"{title}.club", each, "s/submission"),
        Figure(f"{title}.stock", each_stock, "s/submission"),
        Figure(f"{title}.ratio", each_stock / each, "times stock's throughput"),
        *stage_figures(title, (graded.seconds for graded in _gradings(club).values())),
    ]


def time_class(course: Course, submissions: int, *options: str) -> float:
    """Wall time of ``club autograde`` for the course's class in seconds, its start included.

    Raises
    ------
    ClubError
        Where somebody has no score.
    """
    seconds = course.run("datauab.cli", "autograde", course.name, *options)
    scored = sum(grading.state == "scored" for grading in _gradings(course).values())
    if not scored == course.graded() == submissions:
        raise ClubError(
            f"bench autograde: expected {submissions} scores and autograded notebooks, found {scored} and "
            f"{course.graded()}"
        )
    return seconds


def stage_figures(title: str, runs: Iterable[Mapping[str, float]]) -> list[Figure]:
    """Mean seconds of each stage of `STAGES`."""
    found = list(runs)
    return [
        Figure(
            f"{title}.stage.{name}", statistics.fmean(sum(run.get(part, 0.0) for part in parts) for run in found), "s"
        )
        for name, parts in STAGES.items()
    ]


def _gradings(course: Course) -> dict[str, Grading]:
    with Ledger.open(course.settings) as ledger:
        return ledger.newest_gradings(course.name)


def _slurm(root: Path, settings: Settings, submissions: int, tell: Tell) -> list[Figure]:
    course = got_course(root / "slurm", settings)
    course.hand_in(submissions)
    seconds = {}
    for nodes in (1, 2):
        tell(f"slurm: {submissions} notebooks of Game of Thrones on {nodes} of one core")
        with slurm_cluster(nodes) as cluster:
            wanted = cluster.settings.model_dump(mode="json")
            lines = "".join(f"{name} = {json.dumps(value)}\n" for name, value in wanted.items())
            (course.root / "club.toml").write_text(f"[slurm]\n{lines}", encoding="utf-8")
            options = ("--cluster", "slurm", "--workers", str(nodes), "--force")
            seconds[nodes] = time_class(course, submissions, *options)
    return [
        *(Figure(f"slurm.{nodes}", spent / submissions, "s/submission") for nodes, spent in seconds.items()),
        Figure("slurm.speedup", seconds[1] / seconds[2], "times the throughput of one node"),
    ]
