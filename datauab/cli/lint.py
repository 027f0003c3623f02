"""``club lint``: what an organiser should know before a competition begins."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from datauab.settings import load_settings

_COLOURS = {"error": "bold red", "warning": "yellow", "note": "cyan"}


def lint(
    name: Annotated[str, typer.Argument(help="competition")],
    json: Annotated[bool, typer.Option("--json", help="print the findings as JSON")] = False,
) -> None:
    """Look for leaks, bad splits and slips in a competition before it begins; exit code 1 where there is an error."""
    from datauab.lint import lint as look

    console = Console(highlight=False, markup=False)
    if json:
        found = look(load_settings(), name)
        typer.echo(found.model_dump_json(indent=2))
    else:
        with Console(stderr=True).status(f"{name}: reading") as status:
            found = look(load_settings(), name, lambda step: status.update(f"{name}: {step}"))
        table = Table("severity", "what", "where", "found", "advice", title=f"{name}: {len(found.findings)} findings")
        for one in found.findings:
            table.add_row(
                Text(one.severity, style=_COLOURS[one.severity]), one.code, one.where, one.message, one.advice
            )
        if found.findings:
            console.print(table)
        else:
            console.print(f"{name}: nothing found")
    if any(one.severity == "error" for one in found.findings):
        raise typer.Exit(1)
