"""The two kernels of a grading run: the student's, and the trusted one that holds the solution."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from datauab.autograde.limits import prlimits
from datauab.autograde.provisioner import KernelJob
from datauab.autograde.sandbox import Bind, Sandbox, Tmpfs, base_binds, base_symlinks, python_binds, python_env
from datauab.autograde.warm import WarmKernels
from datauab.settings import Limits

SCRATCH = "/tmp"  # noqa: S108  the sandbox's own
SOLUTION = "/kernel/solution.npy"
SOCKETS = "/kernel"
PUBLIC = Path("/public")
_FILES = f"{SOCKETS}/submitted.tar"
# Machine accounts far above those that people and services have; two for each process that grades.
_FIRST_ACCOUNT = 0x7000_0000
_KERNEL = (sys.executable, "-m", "ipykernel_launcher", "--HistoryManager.enabled=False")
# Made inside, so that nothing of the host is writable and no link in the submission is followed on the host.
_PREPARE = (
    "sh",
    "-c",
    f"mkdir notebook home && if [ -f {_FILES} ]; then tar -xf {_FILES} -C notebook --no-same-owner; fi && "
    'cd notebook && exec "$@"',
    "sh",
)


def accounts() -> tuple[int, int]:
    """Machine accounts (student's kernel, trusted kernel) that no other living process grades under."""
    first = _FIRST_ACCOUNT + 2 * os.getpid()
    return first, first + 1


@dataclass(frozen=True)
class _Warm:
    student: WarmKernels | None = None
    trusted: WarmKernels | None = None


_WARM = [_Warm()]


@contextlib.contextmanager
def use_warm(student: WarmKernels | None, trusted: WarmKernels | None) -> Iterator[None]:
    """Fork kernels from these, in all threads, until the block ends."""
    _WARM.append(_Warm(student, trusted))
    try:
        yield
    finally:
        _WARM.pop()


def warm_kernels() -> WarmKernels | None:
    """What students' kernels are forked from, where `use_warm` says so."""
    return _WARM[-1].student


def kernel_env(user: str) -> dict[str, str]:
    """The whole environment of a kernel, beside what its data and devices need."""
    home = f"{SCRATCH}/home"
    env = {**python_env(), "HOME": home, "TMPDIR": SCRATCH, "USER": user}
    if user == "student":
        env |= {"LOGNAME": user, "IPYTHONDIR": f"{home}/.ipython", "MPLCONFIGDIR": f"{home}/.matplotlib"}
    return env


def student_job(
    limits: Limits,
    files: Mapping[str, bytes] | None = None,
    public: Path | None = None,
    gpu: bool = False,
    *,
    warm: WarmKernels | None = None,
    devices: str | None = None,
) -> KernelJob:
    """The kernel that runs a submitted notebook.

    Parameters
    ----------
    limits : Limits
        What the run may use.
    files : mapping of str to bytes
        Files beside the notebook, by relative path; the run gets its own writable copies.
    public : Path, optional
        Folder of public data, seen read-only as ``/public``.
    gpu : bool
        Whether NVIDIA devices of the machine are passed through.
    warm : WarmKernels, optional
        What it is forked from; without, it starts cold.
    devices : str, optional
        Which GPUs it sees, as in ``CUDA_VISIBLE_DEVICES``; all by default.
    """
    shared_memory = max(8, limits.scratch_mb // 4)
    env = kernel_env("student")
    if devices is not None:
        env["CUDA_VISIBLE_DEVICES"] = devices
    binds = (*base_binds(), *python_binds())
    if public is not None:
        env |= {"DATAUAB_PUBLIC": str(PUBLIC), "TORCH_HOME": str(PUBLIC / "torch")}
        binds = (*binds, Bind(public, PUBLIC, optional=True))
    nodes: tuple[Path, ...] = ()
    if gpu:
        nodes = tuple(sorted(Path("/dev").glob("nvidia*")))
        binds = (*binds, Bind(Path("/sys/devices"), optional=True), Bind(Path("/sys/bus/pci"), optional=True))
    sandbox = Sandbox(
        ro_binds=binds,
        tmpfs=(Tmpfs(SCRATCH, max(8, limits.scratch_mb - shared_memory)),),
        shm_mb=shared_memory,
        symlinks=base_symlinks(),
        devices=nodes,
        env=env,
        account=accounts()[0],
        rlimits=prlimits(limits, gpu),
        chdir=SCRATCH,
        hostname="notebook",
    )
    packed = {_FILES: _tar(files)} if files else {}
    return KernelJob(sandbox, (*_PREPARE, *_KERNEL), packed, archive=_FILES, warm=warm)


def trusted_job(solution: bytes) -> KernelJob:
    """The clean kernel that runs autograder cells: no network, no file of any student, the solution in memory.

    Parameters
    ----------
    solution : bytes
        The ground truth as ``.npy``.
    """
    sandbox = Sandbox(
        ro_binds=(*base_binds(), *python_binds()),
        tmpfs=(Tmpfs(SCRATCH, 64),),
        symlinks=base_symlinks(),
        shm_mb=64,
        env=kernel_env("grader"),
        account=accounts()[1],
        chdir=SCRATCH,
        hostname="trusted",
    )
    return KernelJob(sandbox, (*_PREPARE, *_KERNEL), {SOLUTION: solution}, warm=_WARM[-1].trusted)


def _tar(files: Mapping[str, bytes]) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for name in sorted(files):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(files[name]), 0o644
            archive.addfile(entry, io.BytesIO(files[name]))
    return target.getvalue()
