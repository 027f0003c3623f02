"""``club autograde NAME``: grade a whole class, with progress."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from datauab.autograde.cluster import begun_cluster
from datauab.autograde.loading import without_collections
from datauab.settings import load_settings
from datauab.task_results import STAGES

if TYPE_CHECKING:
    from datauab.grader.classroom_events import Begun, Event, Graded, Summary

SOME_FAILED, SOME_FAULTS, INTERRUPTED = 4, 3, 130
_STYLE = {"scored": "green", "failed": "yellow", "fault": "bold red"}
_WORD = {"scored": "scored", "failed": "no score", "fault": "platform"}


class Lines:
    """One plain line a student, for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = time.monotonic()

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to put back."""

    def begin(self, event: Begun) -> None:
        """Say what is to be done."""
        self._began = time.monotonic()
        self._console.print(_plan(event))

    def done(self, event: Graded) -> None:
        """Say what became of one student."""
        rate = 60 * event.done / max(1e-9, time.monotonic() - self._began)
        left = 60 * (event.total - event.done) / rate
        counts = f"{event.done}/{event.total} {rate:.1f}/min {left:.0f} s left"
        seconds = event.seconds.get("whole", 0.0)
        self._console.print(
            f"{counts}  {escape(event.student)}: {_WORD[event.state]}, {escape(event.text)} ({seconds:.1f} s)"
        )


class Bar(Lines):
    """A bar with time left and throughput, under the same lines."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._progress = Progress(
            TextColumn("[bold]autograding"), BarColumn(), MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"), TextColumn("·"), TimeRemainingColumn(), TextColumn("left"),
            console=console, transient=True,
        )  # fmt: skip
        self._task = self._progress.add_task("", total=None, rate="")

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def begin(self, event: Begun) -> None:
        """Say what is to be done."""
        super().begin(event)
        self._progress.update(self._task, total=event.total)

    def done(self, event: Graded) -> None:
        """Say what became of one student."""
        rate = 60 * event.done / max(1e-9, time.monotonic() - self._began)
        self._progress.update(self._task, completed=event.done, rate=f"{rate:.1f} a minute")
        mark = f"[{_STYLE[event.state]}]{_WORD[event.state]:>8}[/]"
        seconds = event.seconds.get("whole", 0.0)
        self._console.print(f"{mark}  {escape(event.student)}  {escape(event.text)}  [dim]{seconds:.1f} s[/]")


def _plan(event: Begun) -> str:
    same = f", {event.skipped} unchanged" if event.skipped else ""
    return f"{event.total} to grade{same}; {event.slots} at one time" if event.total else f"nothing to grade{same}"


def autograde(
    name: Annotated[str, typer.Argument(help="the assignment")],
    *,
    students: Annotated[list[str] | None, typer.Option(help="only these, by comma or by repeating the option")] = None,
    failed: Annotated[bool, typer.Option("--failed", help="only those whose last result is a failure")] = False,
    force: Annotated[bool, typer.Option("--force", help="run unchanged submissions too")] = False,
    workers: Annotated[int | None, typer.Option(min=1, help="notebooks at one time, or jobs of Slurm")] = None,
    cluster: Annotated[str, typer.Option(help="local, slurm, or the tls:// address of a Dask scheduler")] = "local",
) -> None:
    """Autograde the newest submission of each student; what is unchanged is not run again.

    Stopped with Ctrl-C, a second call goes on where this one was. Exit status: 0 where everybody who was graded has a
    score, 4 where some notebooks failed, 3 where the platform failed for some, 130 where it was stopped.
    """
    settings = load_settings()
    chosen = [part.strip() for text in students or [] for part in text.split(",") if part.strip()]
    console = Console(highlight=False, soft_wrap=True)
    with (
        stopped_by_interrupt(console) as stop,
        (Bar if console.is_terminal else Lines)(console) as shown,
        begun_cluster(settings, cluster, workers) as begun,
    ):
        with without_collections():
            from datauab.grader.classroom import autograde_class  # workers load their packages meanwhile
        summary = autograde_class(
            settings, name, students=chosen, failed=failed, force=force, workers=workers, cluster=cluster,
            begun=begun, tell=_teller(shown), stop=stop,
        )  # fmt: skip
    show(console, summary)
    raise typer.Exit(status(summary))


def _teller(shown: Lines) -> Callable[[Event], None]:
    from datauab.grader.classroom_events import Begun

    def tell(event: Event) -> None:
        if isinstance(event, Begun):
            shown.begin(event)
        else:
            shown.done(event)

    return tell


@contextmanager
def stopped_by_interrupt(console: Console) -> Iterator[threading.Event]:
    """Make the first Ctrl-C a clean stop, and the second one an end at once."""
    stop = threading.Event()

    def interrupt(*_: object) -> None:
        if stop.is_set():
            os.kill(os.getpid(), signal.SIGKILL)
        stop.set()
        console.print("stopping: what runs is put back, nothing new begins (Ctrl-C again ends at once)")

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def show(console: Console, summary: Summary) -> None:
    """Print what became of the class: who has no score and why, what each stage cost, what to do next."""
    for title, found in (("no score", summary.failed), ("the platform failed", summary.faults)):
        if found:
            table = Table("student", "why", title=f"{len(found)}: {title}", title_justify="left")
            for student, reason in sorted(found):
                table.add_row(escape(student), escape(reason))
            console.print(table)
    if summary.graded:
        table = Table("stage", "seconds each", title="what a submission took", title_justify="left")
        table.columns[1].justify = "right"
        for stage, words in STAGES.items():
            if stage in summary.stages:
                table.add_row(words, f"{summary.stages[stage] / summary.graded:.3f}")
        console.print(table)
    rate = 60 * summary.graded / summary.seconds if summary.seconds else 0.0
    still = f" ({len(summary.without)} of them without a score)" if summary.without else ""
    parts = [
        f"{summary.graded} graded in {summary.seconds:.1f} s ({rate:.1f} a minute)",
        f"{summary.skipped} unchanged{still}",
    ]
    parts += [f"{len(summary.failed)} without a score"] if summary.failed else []
    parts += [f"{len(summary.faults)} by the platform's fault"] if summary.faults else []
    parts += [f"{len(summary.elsewhere)} graded by somebody else"] if summary.elsewhere else []
    parts += [f"{len(summary.left)} left"] if summary.left else []
    console.print("club: " + ", ".join(parts))
    if summary.without:
        console.print("club: what failed before is run again where it has changed, or with --failed")
    if summary.left:
        console.print("club: run the same command again to go on")
    if summary.faults:
        console.print("club: the grader's audit log tells organisers more; mend it, then run the same command again")


def status(summary: Summary) -> int:
    """Exit status for a class run."""
    if summary.interrupted:
        return INTERRUPTED
    if summary.faults:
        return SOME_FAULTS
    return SOME_FAILED if summary.failed else 0
