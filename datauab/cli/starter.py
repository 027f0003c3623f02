"""``club starter``: the kit with which somebody begins a competition anywhere."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from datauab.settings import load_settings

console = Console(highlight=False, soft_wrap=True, markup=False)


def starter(
    name: Annotated[str, typer.Argument(help="competition")],
    out: Annotated[Path | None, typer.Argument(help="file to write; <name>-starter-kit.zip by default")] = None,
) -> None:
    """Write a competition's starter kit: public data, and a script and notebook that make a first submission."""
    from datauab.competition import load_competition
    from datauab.starter import kit_file

    settings = load_settings()
    made = kit_file(settings, load_competition(settings.source / name))
    path = out or Path(f"{name}-starter-kit.zip")
    shutil.copyfile(made, path)
    console.print(f"{path}: {path.stat().st_size / 2**20:.1f} MiB; unpack it, then: python starter.py")
