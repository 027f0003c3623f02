"""``club bundle``: competitions to Codabench, and from Codabench and CodaLab."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from datauab.settings import Settings, load_settings

app = typer.Typer(help="Competition bundles of Codabench and CodaLab.", no_args_is_help=True)
console = Console(highlight=False, soft_wrap=True, markup=False)


@app.command("export")
def export_command(
    name: Annotated[str, typer.Argument(help="competition")],
    out: Annotated[Path | None, typer.Argument(help="file to write; <name>-bundle.zip by default")] = None,
    image: Annotated[str, typer.Option(help="Docker image in which Codabench runs the scoring program")] = "",
    data: Annotated[bool, typer.Option(help="whether the public data goes along")] = True,
) -> None:
    """Pack a competition as a Codabench version 2 bundle; it holds the ground truth, so keep it safe."""
    from datauab.bundles import export_bundle
    from datauab.bundles.exporting import IMAGE

    exported = export_bundle(load_settings(), name, image=image or IMAGE, data=data)
    path = out or Path(f"{name}-bundle.zip")
    _write_privately(path, exported.content)
    for remark in exported.remarks:
        console.print(f"  {remark}")
    console.print(f"{path}: {len(exported.content) / 2**20:.1f} MiB; it holds the ground truth: for organisers only")


@app.command("import")
def import_command(
    file: Annotated[Path, typer.Argument(help="bundle", exists=True, dir_okay=False, readable=True)],
    name: Annotated[str, typer.Option(help="name of the competition; made from its title by default")] = "",
) -> None:
    """Make a competition from a bundle of Codabench (version 2) or CodaLab (1.5)."""
    from datauab.bundles import import_bundle

    settings = load_settings()
    imported = import_bundle(settings, file.read_bytes(), name)
    for remark in imported.remarks:
        console.print(f"  {remark}")
    made = imported.competition.name
    _record(settings, made, file.name, [str(remark) for remark in imported.remarks])
    console.print(f"{made}: written to {settings.source / made}; {len(imported.remarks)} remarks, read them first")


def _write_privately(path: Path, content: bytes) -> None:
    """Write a file that no other account can read, from its first byte on."""
    temporary = path.with_name(f".{path.name}.part")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    temporary.replace(path)


def _record(settings: Settings, name: str, file: str, remarks: list[str]) -> None:
    """Keep what the import had to say where the organiser's desk shows it."""
    from datauab.ledger import Ledger

    with Ledger.open(settings) as ledger:
        audit = getattr(ledger, "audit", None)
        if audit is not None:
            audit("operator", "bundle.import", name, file[:200], {"remarks": remarks[:500]})
