"""``club new``: the beginning of a competition and its assignment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from datauab.settings import load_settings

console = Console(highlight=False, soft_wrap=True, markup=False)


def new(  # noqa: PLR0917 - typer makes options of them
    name: Annotated[str, typer.Argument(help="name of its folder: lower-case letters, digits, - and _")],
    kind: Annotated[str, typer.Option(help="real, class, probability or scores; by the table where there is one")] = "",
    title: Annotated[str, typer.Option(help="what people read; made from the name by default")] = "",
    csv: Annotated[
        Path | None, typer.Option(help="the table, with the target", exists=True, dir_okay=False, readable=True)
    ] = None,
    target: Annotated[str, typer.Option(help="column to predict; the last of the table by default")] = "",
    id_column: Annotated[str, typer.Option("--id", help="column with another value in each row")] = "",
) -> None:
    """Scaffold a competition: competition.toml, a post with an autograder cell, a cover, a place for its table."""
    from datauab.errors import ConfigurationError
    from datauab.scaffold import KINDS, Plan, look_at, scaffold

    chosen = next((one for one in KINDS if one == kind), None)
    if kind and chosen is None:
        raise ConfigurationError(f"--kind {kind!r}: expected one of {', '.join(KINDS)}")
    settings = load_settings()
    if csv is None:
        plan = Plan(chosen or "real", target or "target", id_column)
    else:
        plan = look_at(csv, target=target, id_column=id_column, kind=chosen)
    made = scaffold(settings, name, plan, title=title, table=csv)
    console.print(f"written: {made.folder}; predictions of kind {plan.kind}, target {plan.target!r}")
    steps = [] if made.has_table else [f"put its CSV files into {made.raw}, and name the target in competition.toml"]
    steps += [
        f"write the post: {made.folder / name}.ipynb",
        f"./club data prepare {name}",
        f"./club lint {name}",
        f"nbgrader generate_assignment {name} && nbgrader release_assignment {name}   (or ./club up, which does both)",
    ]
    for number, step in enumerate(steps, 1):
        console.print(f"  {number}. {step}")
