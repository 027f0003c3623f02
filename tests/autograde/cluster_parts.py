"""Runs by hand, and real schedulers and workers on loopback, for the tests of the cluster."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil

from datauab.autograde.certificates import certificate_files, make_certificates
from datauab.autograde.cluster import Cluster
from datauab.autograde.request import RunCell, RunRequest, RunResult
from datauab.settings import Limits, Settings
from datauab.submission import read_npy
from tests.ports import free_port

PATIENCE_S = 90.0


def course(root: Path, **more: object) -> Settings:
    """Settings of a course that has nothing but a place; kernels start cold, which is quicker for a few."""
    (root / "source").mkdir(parents=True, exist_ok=True)
    (root / "nbgrader_config.py").touch()
    return Settings(root=root, warm=False, **more)


def request(source: str, **files: bytes) -> RunRequest:
    """A run of one cell that gives predictions."""
    limits = Limits(memory_mb=600, processes=64, scratch_mb=64, file_mb=16, wall_s=60, cpu_s=30, predictions_mb=1)
    cells = (RunCell(number=0, kind="code", source=source), RunCell(number=1, kind="export"))
    return RunRequest(cells=cells, variable="predictions", limits=limits, files=files)


def counting(number: int, seconds: float = 0.0) -> RunRequest:
    """A run whose predictions tell its number."""
    return request(f"import time; time.sleep({seconds})\nimport numpy\npredictions = numpy.arange(3) + {number}.0")


def number_of(result: RunResult) -> float:
    """The number of a run that `counting` made."""
    assert result.predictions is not None, result.reason
    array = read_npy(result.predictions, 2**20)
    assert np.array_equal(array - array[0], np.arange(3))
    return float(array[0])


def until(found: Callable[[], object], what: str) -> None:
    """Wait until `found` gives something true."""
    end = time.monotonic() + PATIENCE_S
    while not found():
        assert time.monotonic() < end, f"{what}: not within {PATIENCE_S:g} s"
        time.sleep(0.05)


def family(pid: int) -> list[psutil.Process]:
    """The process and all that come from it."""
    with contextlib.suppress(psutil.NoSuchProcess):
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    return []


def gone(processes: list[psutil.Process]) -> bool:
    """Whether none of them runs any more."""
    left = 0
    for one in processes:
        with contextlib.suppress(psutil.NoSuchProcess):  # it ended between two looks
            left += one.is_running() and one.status() != psutil.STATUS_ZOMBIE
    return not left


def told(process: psutil.Process) -> tuple[str, ...]:
    """Its command line; empty where it has ended."""
    with contextlib.suppress(psutil.Error):
        return tuple(process.cmdline())
    return ()


def dask_workers_of(cluster: Cluster) -> list[psutil.Process]:
    """Processes of this machine that run notebooks."""
    return [one for one in family(cluster.pid) if "datauab.autograde.local_worker" in told(one)]


def dask_worker_of(cluster: Cluster) -> psutil.Process:
    """The one of them."""
    found = dask_workers_of(cluster)
    assert len(found) == 1
    return found[0]


def listens(port: int) -> bool:
    """Whether somebody does."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


class Remote:
    """A scheduler that an operator has started, and workers."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.certificates, self.port = folder, folder / "certificates", free_port()
        self.processes: list[subprocess.Popen[bytes]] = []
        self.hostile: list[subprocess.Popen[bytes]] = []
        self.settings = course(folder / "course", cluster_certificates=self.certificates)
        if not self.certificates.exists():
            make_certificates(self.certificates)

    @property
    def address(self) -> str:
        """What the grader is given."""
        return f"tls://127.0.0.1:{self.port}"

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        """Start a Python module beside the course."""
        log = (self.folder / f"log-{len(self.processes)}").open("wb")
        with log:
            self.processes.append(
                subprocess.Popen(
                    [sys.executable, "-m", *arguments], cwd=self.settings.root, stdout=log, stderr=log,
                    env={**os.environ, "DATAUAB_ROOT": str(self.settings.root), "DATAUAB_WARM": "false", **environment},
                )
            )  # fmt: skip
        return self.processes[-1]

    def scheduler(self) -> subprocess.Popen[bytes]:
        """``./club cluster scheduler``, as soon as it listens."""
        where = ["--certificates", str(self.certificates), "--port", str(self.port), "--host", "127.0.0.1"]
        process = self.start("datauab.cli", "cluster", "scheduler", *where)
        until(lambda: listens(self.port) or process.poll() is not None, "the scheduler")
        assert process.poll() is None, self.logs()
        return process

    def worker(self, **environment: str) -> subprocess.Popen[bytes]:
        """``./club cluster worker`` of one notebook at a time."""
        options = ["--certificates", str(self.certificates), "--notebooks", "1"]
        return self.start("datauab.cli", "cluster", "worker", self.address, *options, **environment)

    def tls_options(self) -> list[str]:
        """For Dask's own commands."""
        ca, cert, key = certificate_files(self.certificates)
        return ["--tls-ca-file", ca, "--tls-cert", cert, "--tls-key", key]

    def hostile_worker(self, traces: Path) -> subprocess.Popen[bytes]:
        """A worker in an attacker's hands."""
        preload = str(Path(__file__).with_name("hostile_worker.py"))
        arguments = [self.address, *self.tls_options(), "--nthreads", "1", "--no-nanny", "--no-dashboard"]
        arguments += ["--dashboard-address", "127.0.0.1:0", "--local-directory", tempfile.gettempdir()]
        arguments += ["--resources", "MEMORY=100000", "--preload", preload]
        root = Path(__file__).resolve().parents[2]
        process = self.start("distributed.cli.dask_worker", *arguments, HOSTILE=str(traces), PYTHONPATH=str(root))
        self.hostile.append(process)
        return process

    def logs(self) -> str:
        """What they said."""
        return "\n".join(path.read_text("utf-8", "replace")[-3000:] for path in sorted(self.folder.glob("log-*")))

    def close(self) -> None:
        """End them all."""
        for process in self.processes:
            (process.kill if process in self.hostile else process.terminate)()
        for process in self.processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextlib.contextmanager
def remote(folder: Path) -> Iterator[Remote]:
    """Give a cluster without processes, and end those that the test starts."""
    folder.mkdir(exist_ok=True)
    made = Remote(folder)
    try:
        yield made
    finally:
        made.close()
