"""The worker of a job: ``python -m datauab.autograde.job_worker``, with the options that dask-jobqueue gives.

Like the worker of this machine (`datauab.autograde.local_worker`) it begins to load the course's packages before it
loads Dask.
"""

from __future__ import annotations

from typing import Any

import click

from datauab.autograde.worker import OPTIONS, begin

_RESOURCES = "what it has to give, such as MEMORY=4096 GPU=0"


@click.command(params=[*OPTIONS])
@click.argument("scheduler")
@click.option("--name", required=True)
@click.option("--nthreads", type=int, required=True, help="notebooks at one time")
@click.option("--resources", required=True, help=_RESOURCES)
@click.option("--death-timeout", type=float, required=True, help="seconds to look for the scheduler")
@click.option("--tls-ca-file", "ca_file", required=True)
@click.option("--tls-cert", "cert", required=True)
@click.option("--tls-key", "key", required=True)
@click.option("--protocol", type=click.Choice(["tls://"]), expose_value=False)
@click.option("--local-directory", help="where Dask may write; a temporary folder of the node's by default")
@click.option("--interface", help="the network by which the scheduler is reached")
@click.option("--memory-limit", expose_value=False, help="Slurm's to enforce")
def main(scheduler: str, public: str, gpu_share: int, cold: bool, resources: str, **options: Any) -> None:
    """Work until the scheduler has gone, or Slurm ends the job."""
    begin(public, gpu_share, cold)
    from datauab.autograde.lone_worker import work  # while the packages are loaded

    given = {name: float(value) for name, _, value in (part.partition("=") for part in resources.split())}
    work(scheduler, resources=given, **options)


if __name__ == "__main__":
    main()
