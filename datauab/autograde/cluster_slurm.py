"""Jobs of Slurm that hold workers: as many as were asked for, and a new one for each that ends."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import getpass
import logging
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dask_jobqueue import SLURMCluster
from dask_jobqueue.slurm import SLURMJob
from distributed.core import Status
from distributed.security import Security

from datauab.autograde.certificates import certificate_files, make_certificates
from datauab.autograde.cluster_guard import GuardedScheduler
from datauab.autograde.cluster_settings import ClusterSettings
from datauab.errors import ClubError

_LOOK_S = 1.0
_ORPHANED_S = 30.0  # how long a worker outlives its scheduler
_TOGETHER_S = 10.0
_MOST_ENDED = 3
_LOGS_S = 30 * 86400.0
_MOST_LOG = 1500
_LOG = logging.getLogger(__name__)


class SlurmFailed(ClubError):
    """Slurm takes no job, or runs none that comes to life."""


class _Job(SLURMJob):
    async def close(self) -> None:
        await super().close()
        self.status = Status.closed  # which the cluster looks at when it closes


class SlurmJobs:
    """Keeps `count` jobs waiting or running on `cluster`."""

    def __init__(self, cluster: Any, count: int, settings: ClusterSettings) -> None:
        self._cluster, self._count, self._settings = cluster, count, settings
        self._came: set[str] = set()  # jobs whose worker has been seen
        self._ended = 0  # one after another, whose worker was never seen
        self._alone_since = asyncio.get_running_loop().time()

    async def begin(self) -> None:
        """Ask Slurm for the jobs.

        Raises
        ------
        SlurmFailed
            Where it refuses; says with which words.
        """
        if shutil.which("sbatch") is None:
            raise SlurmFailed("there is no sbatch here: grade on a machine from which jobs can be submitted to Slurm")
        while len(self._cluster.worker_spec) < self._count:
            self._cluster.worker_spec.update(self._cluster.new_worker_spec())
        try:
            await self._cluster
        except RuntimeError as error:
            raise SlurmFailed(f"sbatch took no job: {_words(error)}; look at slurm in club.toml") from error

    async def come(self) -> None:
        """Until workers are there: all of them where they come together, as on a cluster that is free."""
        loop = asyncio.get_running_loop()
        first: float | None = None
        while (there := len(self._cluster.scheduler.workers)) < self._count:
            if there and first is None:
                first = loop.time()
            if first is not None and loop.time() - first > _TOGETHER_S:
                return
            await asyncio.sleep(0.1)

    async def keep(self) -> None:
        """Replace jobs that end, until cancelled.

        Raises
        ------
        SlurmFailed
            Where jobs end before their worker comes, or none comes for a long time.
        """
        while True:
            await asyncio.sleep(_LOOK_S)
            try:
                known = await self._known()
                await self._replace(known)
            except RuntimeError as error:  # Slurm's controller may be away for a while
                _LOG.warning("slurm: %s", _words(error))
                known = {}
            self._check(known)

    async def _known(self) -> dict[str, str]:
        """Jobs that Slurm knows: what it says of each, by number."""
        told = await _Job._call(["squeue", "--noheader", f"--user={getpass.getuser()}", "--format=%A %T %r"])
        return {number: words for number, _, words in (line.strip().partition(" ") for line in told.splitlines())}

    async def _replace(self, known: dict[str, str]) -> None:
        connected = {str(worker.name) for worker in self._cluster.scheduler.workers.values()}
        for name, job in list(self._cluster.workers.items()):
            if str(name) in connected:
                self._came.add(job.job_id)
                self._ended = 0
            elif job.job_id not in known:
                self._note_end(job)
                del self._cluster.workers[name]
                await job.close()
        if connected:
            self._alone_since = asyncio.get_running_loop().time()
        await self._cluster  # asks for those that are missing

    def _note_end(self, job: Any) -> None:
        if job.job_id in self._came:
            _LOG.warning("slurm: job %s ended; another one takes its place", job.job_id)
            return
        self._ended += 1
        if self._ended >= _MOST_ENDED:
            raise SlurmFailed(
                f"{self._ended} jobs of Slurm's in a row ended before their worker came; the last one, {job.job_id}, "
                f"said: {self._log(job.job_id)}"
            )

    def _log(self, number: str | None) -> str:
        found = sorted((self._settings.state / "cluster").glob(f"*-{number}.err")) if number else []
        text = found[0].read_text("utf-8", "replace").strip()[-_MOST_LOG:] if found else ""
        return text or f"nothing (its log should lie in {self._settings.state / 'cluster'}, which nodes must share)"

    def _check(self, known: dict[str, str]) -> None:
        patience = self._settings.slurm.wait_s
        if asyncio.get_running_loop().time() - self._alone_since <= patience:
            return
        own = [str(job.job_id) for job in self._cluster.workers.values()]
        states = ", ".join(f"{number} {known[number]}" for number in own if number in known) or "no job of ours"
        raise SlurmFailed(
            f"no worker came from Slurm within {patience:g} s (slurm.wait_s of club.toml); squeue says: {states}. Ask "
            "for less, wait longer, or look whether nodes reach this machine"
        )


@contextlib.contextmanager
def shared_folder(settings: ClusterSettings) -> Iterator[Path]:
    """A folder for this cluster alone, in one where logs of jobs lie too; both are cleared of what is old.

    A grader that was killed leaves its own behind, with a key that opens nothing any more.
    """
    parent = settings.state / "cluster"
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    for old in parent.glob("own-*"):
        with contextlib.suppress(OSError), (old / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # nobody has it
            shutil.rmtree(old)
    for log in parent.glob("dask-worker-*"):
        with contextlib.suppress(OSError):
            if time.time() - log.stat().st_mtime > _LOGS_S:
                log.unlink()
    folder = Path(tempfile.mkdtemp(prefix="new-", dir=parent))
    try:
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            folder = folder.rename(folder.with_name(folder.name.replace("new-", "own-", 1)))
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def slurm_cluster(settings: ClusterSettings, folder: Path, worker_options: list[str]) -> Any:
    """Describe a cluster without jobs.

    Parameters
    ----------
    folder : Path
        Shared with the nodes; certificates of this cluster are made there.
    worker_options : list of str
        For `datauab.autograde.job_worker`.
    """
    wanted = settings.slurm
    make_certificates(folder)
    ca, cert, key = certificate_files(folder)
    gpus = [f"--gres=gpu:{wanted.gpus}"] if wanted.gpus else []
    return SLURMCluster(
        job_cls=_Job,
        scheduler_cls=GuardedScheduler,
        queue=wanted.partition or None,
        account=wanted.account or None,
        cores=wanted.cores,
        processes=1,
        memory=f"{wanted.memory_mb}MiB",
        walltime=wanted.walltime,
        job_extra_directives=[*gpus, *wanted.extra],
        worker_command="datauab.autograde.job_worker",
        worker_extra_args=[shlex.quote(part) for part in worker_options],
        python=f"{shlex.quote(sys.executable)} -P",
        log_directory=str(settings.state / "cluster"),
        security=Security(
            require_encryption=True,
            tls_ca_file=ca,
            **{f"tls_{role}_cert": cert for role in ("scheduler", "worker", "client")},
            **{f"tls_{role}_key": key for role in ("scheduler", "worker", "client")},
        ),
        protocol="tls://",
        scheduler_options={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
        death_timeout=_ORPHANED_S,
        asynchronous=True,
    )


def _words(error: Exception) -> str:
    """What Slurm's own program said."""
    text = str(error)
    said = text.rpartition("stderr:\n")[2].strip() or text.strip()
    return " ".join(said.split())[:500]
