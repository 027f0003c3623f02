"""``club cluster``: a scheduler and workers on other machines, for those who have no Slurm."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from datauab.settings import load_settings

app = typer.Typer(help="Grade on other machines: certificates, a scheduler, workers.", no_args_is_help=True)

Certificates = Annotated[Path, typer.Option(help="folder of ca.pem, cert.pem and key.pem")]


@app.callback()
def cluster() -> None:
    """Grade on other machines."""


@app.command()
def certificates(folder: Annotated[Path, typer.Argument(help="a new folder")]) -> None:
    """Make certificates for one cluster: whoever has them may run notebooks, and nobody else."""
    from datauab.autograde.certificates import make_certificates

    make_certificates(folder)
    typer.echo(f"club: {folder}: copy it to each machine, and name it as cluster_certificates in club.toml")


@app.command()
def scheduler(
    certificates: Certificates,
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8786,
    host: Annotated[str, typer.Option(help="address to listen on; all of this machine's by default")] = "",
) -> None:
    """Run the scheduler that workers and the grader connect to."""
    from datauab.autograde.certificates import certificate_files
    from datauab.autograde.cluster_settings import bare_environment

    certificate_files(certificates)
    command = [sys.executable, "-P", "-m", "datauab.autograde.cluster_guard", str(certificates), host, str(port)]
    _become(command, bare_environment())


@app.command()
def worker(
    address: Annotated[str, typer.Argument(help="of the scheduler, tls://HOST:PORT")],
    certificates: Certificates,
    notebooks: Annotated[int | None, typer.Option(min=1, help="at one time; by default one a core")] = None,
) -> None:
    """Run notebooks on this machine, from a checkout of the course with its public data."""
    from datauab.autograde.cluster_main import DASK_ENVIRONMENT, worker_command
    from datauab.autograde.cluster_settings import ClusterSettings, bare_environment

    command = worker_command(ClusterSettings.of(load_settings()), address, certificates, notebooks)
    _become(command, {**bare_environment(), **DASK_ENVIRONMENT})


def _become(command: list[str], environment: dict[str, str]) -> None:
    """Give this process to `command`, so that signals reach it."""
    os.execve(command[0], command, environment)  # noqa: S606  a fixed program, started without a shell
