"""``club bench NAME``: measurements, never tests."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

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


@app.callback()
def bench() -> None:
    """Measure, side by side with what the club replaces."""


@app.command()
def autograde(
    submissions: Annotated[int, typer.Option(min=1, help="notebooks of the class")] = 8,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON line a figure")] = False,
) -> None:
    """Grade a class of notebooks through the sandbox and through stock `nbgrader autograde`, in one run."""
    from datauab.bench import bench_autograde

    figures = bench_autograde(submissions=submissions)
    show([Line("autograde", figure.name, figure.value, figure.unit) for figure in figures], as_json)
