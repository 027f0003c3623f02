"""``club bench NAME``: measurements, never tests."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from datauab.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datauab.bench import Figure

app = typer.Typer(help="Measure, side by side with what the club replaces.", no_args_is_help=True)


@dataclass(frozen=True)
class Line:
    """One figure of one benchmark."""

    bench: str
    figure: str
    value: float
    unit: str


def show(lines: list[Line], as_json: bool) -> None:
    """Print a table, or with `as_json` one JSON object a line and nothing else on standard output."""
    if as_json:
        for line in lines:
            print(json.dumps({"bench": line.bench, "figure": line.figure, "value": line.value, "unit": line.unit}))
        return
    table = Table("figure", "value", "unit", title=f"bench {lines[0].bench}" if lines else "")
    table.columns[1].justify = "right"
    for line in lines:
        table.add_row(line.figure, f"{line.value:.4g}", line.unit)
    Console().print(table)


def _lines(bench: str, figures: Sequence[Figure]) -> list[Line]:
    return [Line(bench, figure.name, figure.value, figure.unit) for figure in figures]


AsJson = Annotated[bool, typer.Option("--json", help="one JSON line a figure")]
Database = Annotated[str, typer.Option(help="SQLAlchemy URL of an empty database; a SQLite file by default")]


@app.callback()
def bench() -> None:
    """Measure, side by side with what the club replaces."""


@app.command()
def autograde(
    *,
    submissions: Annotated[int, typer.Option(min=1, help="light notebooks of the class")] = 40,
    got: Annotated[int, typer.Option(min=0, help="reference notebooks of Game of Thrones; 0: none")] = 12,
    stock: Annotated[int, typer.Option(min=0, help="how many of each class stock nbgrader grades; 0: all")] = 0,
    idle: Annotated[int, typer.Option(min=0, help="notebooks handed in on an idle machine; 0: none")] = 10,
    slurm: Annotated[int, typer.Option(min=0, help="notebooks for one and for two nodes of Slurm; 0: none")] = 16,
    as_json: AsJson = False,
) -> None:
    """Grade two classes through the sandbox and through stock `nbgrader autograde`, in one run of some 15 minutes."""
    from datauab.bench.autograde import bench_autograde

    told = Console(stderr=True, highlight=False)
    figures = bench_autograde(
        load_settings(), submissions=submissions, got=got, stock=stock, idle=idle, slurm=slurm,
        tell=lambda text: told.print(f"bench: {text}"),
    )  # fmt: skip
    show(_lines("autograde", figures), as_json)


@app.command()
def score(
    repeats: Annotated[int, typer.Option(min=10, help="attempts of one client, for the latency")] = 400,
    clients: Annotated[int, typer.Option(min=1, help="clients at one time, for the throughput")] = 8,
    seconds: Annotated[float, typer.Option(min=1, help="how long they send")] = 60.0,
    database: Database = "",
    as_json: AsJson = False,
) -> None:
    """Score 10,000 class predictions, from request to scored row, beside a fresh process for each attempt."""
    from datauab.bench.score import bench_score

    figures = bench_score(repeats=repeats, clients=clients, seconds=seconds, database=database)
    show(_lines("score", figures), as_json)


@app.command()
def board(
    attempts: Annotated[int, typer.Option(min=1000, help="attempts on the large board")] = 1_000_000,
    members: Annotated[int, typer.Option(min=100, help="members who made them")] = 100_000,
    requests: Annotated[int, typer.Option(min=20, help="pages that are timed")] = 400,
    database: Database = "",
    as_json: AsJson = False,
) -> None:
    """Show the top page and one's own rank on a large board, beside a small one."""
    from datauab.bench.board import bench_board

    figures = bench_board(attempts=attempts, members=members, requests=requests, database=database)
    show(_lines("board", figures), as_json)
