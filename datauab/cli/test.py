"""``club test``: every check of the project, in one command."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from datauab.settings import find_root

SERVICE_MARKERS = ("hub", "browser", "kills", "slurm")
SLOW_MARKERS = (*SERVICE_MARKERS, "training")

console = Console(stderr=True, highlight=False)


def checks(fast: bool, pytest_arguments: list[str]) -> list[tuple[str, list[str]]]:
    """Name every check with its command line, cheap ones first.

    Light tests share the cores, each file on one of them. Those that run whole services, and wait for them half of
    their time, follow two files at once; what trains on all cores comes last, alone.
    """
    python = sys.executable
    pytest = [python, "-m", "pytest"]
    light = [*pytest, "-m", " and ".join(f"not {marker}" for marker in SLOW_MARKERS)]
    services = [*pytest, "-m", f"({' or '.join(SERVICE_MARKERS)}) and not training"]
    cores = os.cpu_count() or 1
    tests = [
        ("light tests (pytest)", [*light, "-n", str(cores), "--dist", "loadfile"]),
        ("tests of services (pytest)", [*services, "-n", str(min(cores, 2)), "--dist", "loadfile"]),
        ("tests that train (pytest)", [*pytest, "-m", "training"]),
    ]
    if pytest_arguments:
        tests = [("tests (pytest)", [*(light if fast else pytest), *pytest_arguments])]
    elif fast:
        tests = tests[:1]
    return [
        ("style (ruff check)", [python, "-m", "ruff", "check", "."]),
        ("format (ruff format)", [python, "-m", "ruff", "format", "--check", "."]),
        ("layers (import-linter)", [python, "-c", "from importlinter.cli import lint_imports_command as m; m()"]),
        ("types (mypy)", [python, "-m", "mypy"]),
        *tests,
    ]


def test(
    fast: Annotated[bool, typer.Option("--fast", help="leave out browser, hub, kills, slurm and training")] = False,
    pytest_arguments: Annotated[list[str] | None, typer.Argument(help="passed to pytest, after --")] = None,
) -> None:
    """Run style, layers, types and tests; with --fast, leave out browser, hub, kills, slurm and training."""
    root = find_root()
    table = Table("check", "result", "seconds")
    failed = []
    for name, command in checks(fast, pytest_arguments or []):
        console.rule(name)
        begin = time.monotonic()
        code = subprocess.run(command, cwd=root, check=False, env={**os.environ, "PYTHONUNBUFFERED": "1"}).returncode
        table.add_row(name, "passed" if code == 0 else f"[red]failed ({code})[/]", f"{time.monotonic() - begin:.0f}")
        if code:
            failed.append(name)
    console.print(table)
    if failed:
        console.print(f"club: failed: {', '.join(failed)}")
        raise typer.Exit(1)
