"""The process that speaks Dask: a scheduler or a client of one, between the grader and the workers.

It is started by `datauab.autograde.cluster.Cluster` with a socket, and ends with it. What crosses the socket are bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datauab.autograde.certificates import certificate_files
from datauab.autograde.cluster import receive, send
from datauab.autograde.cluster_desk import Desk
from datauab.autograde.cluster_pickle import guard_process
from datauab.autograde.cluster_settings import ClusterSettings
from datauab.errors import ClubError, ConfigurationError

if TYPE_CHECKING:
    from datauab.autograde.cluster_slurm import SlurmJobs

_MIB = 2**20
_PATIENCE_S = 20.0
_RESERVE = 0.1  # share of the memory that is left to everything else
NOWHERE = "127.0.0.1:0"
"""Where Dask opens its page, which it always does; without routes it shows nothing."""

DASK_SETTINGS = {
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    "distributed.scheduler.allowed-failures": 0,  # a run is tried again by `Desk`
    "distributed.scheduler.worker-ttl": "60s",
    "distributed.scheduler.work-stealing": False,
    "distributed.worker.daemon": False,  # a worker starts sandboxes of its own
    "distributed.worker.profile.enabled": False,
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": False,
    "distributed.admin.tick.interval": "500ms",
    "distributed.nanny.blocked-handlers": ["get_logs", "plugin_add", "plugin_remove", "run"],
    "distributed.comm.require-encryption": True,
    "distributed.comm.retry.count": 0,
    "distributed.deploy.lost-worker-timeout": "1d",  # or Dask cancels a job that takes another one's place
}
"""How Dask is used, in every process of a cluster."""

DASK_ENVIRONMENT = {
    "DASK_" + key.upper().replace(".", "__").replace("-", "_"): repr(value) for key, value in DASK_SETTINGS.items()
}
"""The same for processes that Dask's own commands start."""


def main(arguments: Sequence[str]) -> None:
    """Serve one grader until its socket is closed."""
    connection = socket.socket(fileno=int(arguments[0]))
    first = receive(connection)
    if first is None:
        return
    given = first[0]
    settings = ClusterSettings(**given["settings"])
    workers = LocalProcesses(settings)
    if given["where"] == "local":
        workers.begin()  # it loads its packages while Dask is loaded here
    import dask

    guard_process()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s cluster %(levelname)s %(message)s", force=True)
    logging.getLogger("distributed").setLevel(logging.ERROR)
    logging.getLogger("distributed.scheduler").setLevel(logging.CRITICAL)  # what fails there comes back as a run's end
    if receive(connection) is None:  # nobody wants it after all
        return
    with dask.config.set(DASK_SETTINGS):
        try:
            asyncio.run(_serve(connection, given, settings, workers))
        except Exception as error:
            reason = str(error) if isinstance(error, ClubError) else f"{type(error).__name__}: {error}"
            with contextlib.suppress(OSError):
                send(connection, {"lost": reason})


class LocalProcesses:
    """Processes of `datauab.autograde.local_worker`, the first of which may be begun before it is asked for."""

    def __init__(self, settings: ClusterSettings) -> None:
        self._command = [
            "setpriv", "--pdeathsig", "KILL", "--", sys.executable, "-P", "-m", "datauab.autograde.local_worker",
            *preload_arguments(settings),
        ]  # fmt: skip
        self._begun: list[subprocess.Popen[str]] = []

    def begin(self) -> None:
        """Begin one that waits for its scheduler."""
        self._begun.append(subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True))

    def next(self) -> subprocess.Popen[str]:
        """One that waits for its scheduler."""
        if not self._begun:
            self.begin()
        return self._begun.pop()


async def _serve(
    connection: socket.socket, given: dict[str, Any], settings: ClusterSettings, workers: LocalProcesses
) -> None:
    async with contextlib.AsyncExitStack() as opened:
        client, jobs = await _open(opened, settings, given["where"], given["workers"], workers)
        desk = Desk(connection, client)
        await (desk.serve() if jobs is None else _first_end(_when_come(desk, jobs), jobs.keep()))


async def _when_come(desk: Desk, jobs: SlurmJobs) -> None:
    await jobs.come()
    await desk.serve()


async def _first_end(*works: Coroutine[Any, Any, None]) -> None:
    """Until one of `works` ends or fails; the others are cancelled then."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _open(
    opened: contextlib.AsyncExitStack, settings: ClusterSettings, where: str, workers: int, processes: LocalProcesses
) -> tuple[Any, SlurmJobs | None]:
    """Open a client of the cluster; and the jobs that have to be kept up beside it."""
    from datauab.autograde.cluster_guard import GuardedClient

    jobs = None
    if where == "local":
        cluster = await opened.enter_async_context(_local(settings, workers, processes))
    elif where == "slurm":
        cluster, jobs = await _slurm(opened, settings, workers)
    else:
        return await opened.enter_async_context(_remote(settings, where)), None
    client = GuardedClient(cluster, security=cluster.security, asynchronous=True, timeout=_PATIENCE_S)
    return await opened.enter_async_context(client), jobs


def preload_arguments(settings: ClusterSettings) -> list[str]:
    """Arguments of `datauab.autograde.worker.dask_setup`."""
    cold = [] if settings.warm else ["--cold"]
    return ["--public", str(settings.public), "--gpu-share", str(settings.gpu_share), *cold]


def resources(settings: ClusterSettings, memory_mb: int, gpus: int) -> dict[str, float]:
    """What a worker has to give, in the words that runs ask for it."""
    return {"MEMORY": float(memory_mb), "GPU": float(gpus * settings.gpu_share)}


def _local(settings: ClusterSettings, workers: int, processes: LocalProcesses) -> Any:
    from distributed import LocalCluster
    from distributed.security import Security

    from datauab.autograde.cluster_guard import GuardedScheduler
    from datauab.autograde.cluster_local import LocalWorker
    from datauab.autograde.worker import gpus_here

    cluster = LocalCluster(
        n_workers=1,
        threads_per_worker=workers or len(os.sched_getaffinity(0)),
        worker_class=LocalWorker,
        start_process=processes.next,
        protocol="tls://",
        host="127.0.0.1",
        security=Security.temporary(),
        dashboard_address=NOWHERE,
        memory_limit=0,
        resources=resources(settings, machine_memory_mb(), gpus_here()),
        silence_logs=logging.ERROR,
        asynchronous=True,
    )
    cluster.scheduler_spec["cls"] = GuardedScheduler
    return cluster


async def _slurm(opened: contextlib.AsyncExitStack, settings: ClusterSettings, jobs: int) -> tuple[Any, SlurmJobs]:
    from datauab.autograde.cluster_slurm import SlurmJobs, shared_folder, slurm_cluster

    shared = opened.enter_context(shared_folder(settings))
    given = resources(settings, settings.slurm.memory_mb, settings.slurm.gpus)
    described = slurm_cluster(settings, shared, _worker_options(settings, given))
    cluster = await opened.enter_async_context(described)
    kept = SlurmJobs(cluster, jobs or 1, settings)
    await kept.begin()
    return cluster, kept


@contextlib.asynccontextmanager
async def _remote(settings: ClusterSettings, where: str) -> AsyncIterator[Any]:
    """A client of a scheduler that an operator has started."""
    from distributed.security import Security

    from datauab.autograde.cluster_guard import GuardedClient

    if not where.startswith("tls://"):
        raise ConfigurationError(f"expected local, slurm or an address that begins with tls://, found {where}")
    ca, cert, key = certificate_files(settings.certificates)
    security = Security(tls_ca_file=ca, tls_client_cert=cert, tls_client_key=key, require_encryption=True)
    try:
        client = await GuardedClient(where, security=security, asynchronous=True, timeout=_PATIENCE_S)
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"no scheduler that knows these certificates answers: {error}; start one with ./club cluster scheduler, "
            f"with the certificates of {settings.certificates}"
        ) from error
    async with client:
        yield client


def worker_command(settings: ClusterSettings, address: str, folder: Path, notebooks: int | None) -> list[str]:
    """Command line of a worker for the scheduler at `address`.

    Raises
    ------
    ConfigurationError
        Where `folder` holds no certificates.
    """
    from datauab.autograde.worker import gpus_here

    given = resources(settings, machine_memory_mb(), gpus_here())
    return [
        sys.executable, "-m", "distributed.cli.dask_worker", address, *_tls_options(folder), "--nthreads",
        str(notebooks or len(os.sched_getaffinity(0))), "--nworkers", "1", "--memory-limit", "0", "--no-dashboard",
        "--dashboard-address", NOWHERE, "--local-directory", tempfile.gettempdir(), "--preload",
        "datauab.autograde.worker", *_worker_options(settings, given),
    ]  # fmt: skip


def _tls_options(folder: Path) -> list[str]:
    ca, cert, key = certificate_files(folder)
    return ["--tls-ca-file", ca, "--tls-cert", cert, "--tls-key", key]


def _worker_options(settings: ClusterSettings, given: dict[str, float]) -> list[str]:
    named = " ".join(f"{name}={value:g}" for name, value in given.items())
    return ["--resources", named, *preload_arguments(settings)]


def machine_memory_mb() -> int:
    """Memory of this machine that runs may have, in MiB."""
    return int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // _MIB * (1 - _RESERVE))


if __name__ == "__main__":
    main(sys.argv[1:])
