"""A throw-away Slurm on this machine: real controller, real nodes of one core each, nothing left behind."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from datauab.bench.deployment import free_port
from datauab.errors import ClubError
from datauab.settings import Slurm

PACKAGES = ("slurmctld", "slurmd", "slurm-client", "munge")
"""Debian's packages that it is made of."""

_PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "sinfo", "setpriv", "taskset")
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_MARK = "CLUB_SLURM"  # in the environment of its daemons, which is how their children are found again
_ACCOUNT = "munge"
_START_S = 60.0
_END_S = 30.0
_CONFIG = """\
ClusterName=club
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0,sched_interval=1
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=5
MinJobAge=2
{nodes}
PartitionName=notebooks Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


@dataclass(frozen=True)
class SlurmCluster:
    """A Slurm that runs.

    Attributes
    ----------
    folder : Path
        Its configuration, state and logs.
    nodes : tuple of str
        Names of its nodes.
    settings : Slurm
        What a deployment's ``slurm`` has to be, so that each job takes one node.
    """

    folder: Path
    nodes: tuple[str, ...]
    settings: Slurm

    @property
    def config(self) -> Path:
        """What ``SLURM_CONF`` names."""
        return self.folder / "slurm.conf"

    def jobs(self) -> dict[str, str]:
        """Jobs that wait or run: the node by the job's number, empty where it waits."""
        lines = self.ask("squeue", "--noheader", "--format=%i %N").splitlines()
        return {number: node for number, _, node in (line.strip().partition(" ") for line in lines)}

    def cancel(self, *numbers: str) -> None:
        """End jobs."""
        self.ask("scancel", *numbers)

    def ask(self, program: str, *arguments: str) -> str:
        """Run one of Slurm's programs and return what it prints.

        Raises
        ------
        ClubError
            Where it fails.
        """
        command = [_program(program), *arguments]
        done = subprocess.run(command, env=self._environment(), capture_output=True, text=True, check=False)
        if done.returncode:
            raise ClubError(f"{' '.join(command)}: {done.stderr.strip() or done.returncode}")
        return done.stdout

    def _environment(self) -> dict[str, str]:
        return {"PATH": _PATH, "SLURM_CONF": str(self.config), "LANG": "C.UTF-8"}


@contextlib.contextmanager
def slurm_cluster(nodes: int = 2) -> Iterator[SlurmCluster]:
    """Start a Slurm of one's own, and stop it with everything that it runs.

    Within the block ``SLURM_CONF`` names it, for this process and those that it starts. Each node is held to one core
    of this machine, the next one in turn; a Slurm that the machine belongs to is not touched.

    Parameters
    ----------
    nodes : int
        How many, named n0, n1, ....

    Raises
    ------
    ClubError
        Where its programs are missing, the caller is not root, or it does not start.
    """
    _check_programs()
    with contextlib.ExitStack() as opened:
        folder = Path(tempfile.mkdtemp(prefix="club-slurm-"))
        opened.callback(shutil.rmtree, folder, ignore_errors=True)
        folder.chmod(0o755)  # munged has an account of its own
        cluster = _configured(folder, nodes)
        opened.callback(_kill_left, folder)
        _start_munged(opened, cluster)
        cores = sorted(os.sched_getaffinity(0))
        _start(opened, cluster, "slurmctld", [_program("slurmctld"), "-D"])
        for number, name in enumerate(cluster.nodes):
            pinned = [_program("taskset"), "--cpu-list", str(cores[number % len(cores)])]
            _start(opened, cluster, name, [*pinned, _program("slurmd"), "-D", "-N", name])
        _wait_idle(cluster)
        opened.callback(_cancel_all, cluster)
        opened.enter_context(_named(cluster.config))
        yield cluster


def _check_programs() -> None:
    missing = [name for name in _PROGRAMS if shutil.which(name, path=_PATH) is None]
    if missing:
        raise ClubError(
            f"no Slurm on this machine: found no {', '.join(missing)}; on Debian: apt-get install -y --no-install-"
            f"recommends {' '.join(PACKAGES)}"
        )
    if os.geteuid() != 0:
        raise ClubError(f"a Slurm of one's own is started by root, found the account {os.geteuid()}; run it as root")


def _program(name: str) -> str:
    return shutil.which(name, path=_PATH) or name


def _configured(folder: Path, nodes: int) -> SlurmCluster:
    memory = int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20) // nodes
    settings = Slurm(partition="notebooks", cores=1, memory_mb=max(512, int(memory * 0.9)), walltime="01:00:00")
    cluster = SlurmCluster(folder, tuple(f"n{number}" for number in range(nodes)), settings)
    lines = [
        f"NodeName={name} NodeHostname={socket.gethostname()} NodeAddr=127.0.0.1 Port={free_port()} CPUs=1 "
        f"RealMemory={max(512, memory)}"
        for name in cluster.nodes
    ]
    (folder / "state").mkdir(mode=0o700)
    cluster.config.write_text(
        _CONFIG.format(host=socket.gethostname(), port=free_port(), folder=folder, nodes="\n".join(lines)),
        encoding="utf-8",
    )
    return cluster


def _start_munged(opened: contextlib.ExitStack, cluster: SlurmCluster) -> None:
    """Start the service by which Slurm's daemons know each other, with a key of its own."""
    folder = cluster.folder / "munge"
    folder.mkdir(mode=0o755)
    (folder / "key").touch(mode=0o600)
    (folder / "key").write_bytes(os.urandom(128))
    for path in (folder, folder / "key"):
        shutil.chown(path, _ACCOUNT, _ACCOUNT)
    own = [f"--{name}-file={folder / name}" for name in ("key", "pid", "log", "seed")]
    _start(
        opened, cluster, "munged",
        [_program("setpriv"), f"--reuid={_ACCOUNT}", f"--regid={_ACCOUNT}", "--clear-groups", "--", _program("munged"),
         "--foreground", f"--socket={folder / 'socket'}", *own],
    )  # fmt: skip
    _wait(cluster, "munged", (folder / "socket").exists)


def _start(opened: contextlib.ExitStack, cluster: SlurmCluster, name: str, command: list[str]) -> None:
    environment = {**cluster._environment(), _MARK: str(cluster.folder)}
    with (cluster.folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            command, env=environment, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    opened.callback(_stop, process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait_idle(cluster: SlurmCluster) -> None:
    def idle() -> bool:
        try:
            states = cluster.ask("sinfo", "--noheader", "--Node", "--format=%T").split()
        except ClubError:  # the controller is not there yet
            return False
        return states == ["idle"] * len(cluster.nodes)

    _wait(cluster, "slurmctld", idle)


def _wait(cluster: SlurmCluster, name: str, ready: Callable[[], bool]) -> None:
    end = time.monotonic() + _START_S
    while not ready():
        if time.monotonic() > end:
            log = (cluster.folder / f"{name}.log").read_text("utf-8", "replace")[-1500:]
            raise ClubError(f"a Slurm of {len(cluster.nodes)} nodes did not start within {_START_S:g} s: {log}")
        time.sleep(0.1)


def _cancel_all(cluster: SlurmCluster) -> None:
    end = time.monotonic() + _END_S
    with contextlib.suppress(ClubError):
        cluster.ask("scancel", "--user=root")
        while cluster.jobs() and time.monotonic() < end:
            time.sleep(0.1)


def _kill_left(folder: Path) -> None:
    """Kill what its daemons have left, such as the keeper of a job that does not end."""
    mark = f"{_MARK}={folder}".encode()
    for environment in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if mark in environment.read_bytes().split(b"\0"):
                os.kill(int(environment.parent.name), signal.SIGKILL)


@contextlib.contextmanager
def _named(config: Path) -> Iterator[None]:
    before = os.environ.get("SLURM_CONF")
    os.environ["SLURM_CONF"] = str(config)
    try:
        yield
    finally:
        if before is None:
            del os.environ["SLURM_CONF"]
        else:
            os.environ["SLURM_CONF"] = before
