"""The club's commands: thin verbs over the package, and the place where errors become exit codes."""

from __future__ import annotations

import atexit
import gc
import sys

import typer
from rich.console import Console
from rich.markup import escape

from datauab.cli import (
    accounts,
    autograde,
    bench,
    bundle,
    cluster,
    data,
    doctor,
    lint,
    new,
    receipt,
    starter,
    submit,
    test,
    up,
)
from datauab.errors import ClubError

app = typer.Typer(
    name="club",
    help="Data UAB Club: assignments on a JupyterHub, graded on hidden labels, on one leaderboard.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.command()(up.up)
app.command()(doctor.doctor)
app.command()(test.test)
app.command()(accounts.invite)
app.command()(submit.submit)
app.command()(new.new)
app.command()(lint.lint)
app.command()(autograde.autograde)
app.command()(starter.starter)
app.add_typer(accounts.app, name="instructor")
app.add_typer(data.app, name="data")
app.add_typer(bench.app, name="bench")
app.add_typer(bundle.app, name="bundle")
app.add_typer(cluster.app, name="cluster")
app.add_typer(receipt.app, name="receipt")


def main() -> None:
    """Run the command line; an error on purpose ends with its message and exit code 1, an interrupt with 130."""
    atexit.register(gc.freeze)  # Python else looks through all that is loaded before it ends: nearly a second
    try:
        app()
    except ClubError as error:
        Console(stderr=True, highlight=False, soft_wrap=True).print(f"[bold red]club:[/] {escape(str(error))}")
        sys.exit(1)
    except KeyboardInterrupt:
        Console(stderr=True).print("\nclub: interrupted; what was finished is kept")
        sys.exit(130)
