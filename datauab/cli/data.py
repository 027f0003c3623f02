"""``club data``: raw files, public folders, and the solutions that only the grader opens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from datauab.settings import Settings, load_settings

if TYPE_CHECKING:
    from datauab.datasets import Prepared
    from datauab.datasets.records import Progress as Tell

app = typer.Typer(help="Raw data and what students see of it.", no_args_is_help=True)
console = Console(highlight=False, soft_wrap=True)

Name = Annotated[str | None, typer.Argument(help="dataset; all by default")]


@contextmanager
def showing(name: str) -> Iterator[Tell]:
    """Show the steps of work on one dataset, with a bar where the amount is known."""
    columns = (
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(name, total=None)

        def tell(step: str, done: int, total: int) -> None:
            bar.update(task, description=f"{name}: {step}", completed=done, total=total or None)

        yield tell


def prepare_datasets(
    settings: Settings, names: Sequence[str], *, stand_in: bool = False, download: bool = False
) -> dict[str, Prepared]:
    """Prepare datasets, hand their solutions to the grader's folder, and tell notebooks what a submission must be.

    Parameters
    ----------
    settings : Settings
        The deployment.
    names : sequence of str
        Datasets.
    stand_in : bool
        Make data up even where the real data could be had.
    download : bool
        Whether to ask the sources again where a stand-in stands already.

    Returns
    -------
    dict
        `Prepared` of each dataset.
    """
    from datauab import datasets, solutions

    secret = solutions.ensure_secret(settings, "split")
    done = {}
    for name in names:
        with showing(name) as tell:
            prepared = datasets.prepare(settings, name, secret, tell, stand_in=stand_in, download=download)
            _hand_over(settings, name, prepared)
        for note in prepared.notes:
            console.print(f"  [yellow]{name}[/]: {note}")
        if prepared.stand_in:
            console.print(f"  [yellow]{name}: made-up data stands in for the real data[/]")
        elif prepared.changed:
            console.print(f"  prepared [bold]{name}[/]: {prepared.manifest.rows['test']} hidden test rows")
        done[name] = prepared
    return done


def _hand_over(settings: Settings, name: str, prepared: Prepared) -> None:
    """Write the solution of every competition on this dataset, where it is not the one that stands."""
    from datauab import solutions
    from datauab.competition import load_competitions
    from datauab.datasets.publishing import put_file
    from datauab.errors import ClubError

    for competition in load_competitions(settings.source).values():
        if competition.dataset != name:
            continue
        try:
            current = solutions.read(settings, competition.name).fingerprint == prepared.fingerprint
        except ClubError:
            current = False
        if not current:
            solutions.write(settings, competition.name, prepared.solution, prepared.fingerprint)
        if competition.name == name:
            put_file(prepared.public_dir, "competition.json", competition.model_dump_json(indent=2).encode() + b"\n")


@app.command()
def fetch(name: Name = None) -> None:
    """Find the raw files or download them into .club/raw-cache."""
    from datauab import datasets

    settings = load_settings()
    for each in [name] if name else datasets.known(settings):
        with showing(each) as tell:
            fetched = datasets.fetch(settings, each, tell)
        for note in fetched.notes:
            console.print(f"  [yellow]{each}[/]: {note}")
        found = ", ".join(str(path) for path in fetched.files.values())
        console.print(f"{each}: {found or 'not to be had; ./club data prepare makes a stand-in'}")


@app.command()
def prepare(
    name: Name = None,
    stand_in: Annotated[
        bool, typer.Option("--stand-in", help="make data up, even where real data is to be had")
    ] = False,
) -> None:
    """Split the raw data, publish what students see, and hand the solutions to the grader."""
    from datauab import datasets

    settings = load_settings()
    names = [datasets.find(settings, name).name] if name else datasets.known(settings)
    for each, prepared in prepare_datasets(settings, names, stand_in=stand_in, download=True).items():
        rows = ", ".join(f"{count} {part}" for part, count in prepared.manifest.rows.items() if count)
        console.print(f"{each}: {rows}, in {prepared.public_dir}{' (stand-in)' if prepared.stand_in else ''}")
