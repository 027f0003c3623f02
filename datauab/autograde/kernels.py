"""The two kernels of a grading run: the student's, and the trusted one that holds the solution."""

from __future__ import annotations

import io
import os
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path

from datauab.autograde.limits import prlimits
from datauab.autograde.provisioner import KernelJob
from datauab.autograde.sandbox import Bind, Sandbox, Tmpfs, base_binds, base_symlinks, python_binds, python_env
from datauab.settings import Limits

SCRATCH = "/tmp"  # noqa: S108  the sandbox's own
SOLUTION = "/solution.npy"
_FILES = "/submitted.tar"
_PUBLIC = Path("/public")
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


def student_job(
    limits: Limits, files: Mapping[str, bytes] | None = None, public: Path | None = None, gpu: bool = False
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
    """
    shared_memory = max(8, limits.scratch_mb // 4)
    env = {
        **python_env(),
        "HOME": f"{SCRATCH}/home",
        "TMPDIR": SCRATCH,
        "USER": "student",
        "LOGNAME": "student",
        "IPYTHONDIR": f"{SCRATCH}/home/.ipython",
        "MPLCONFIGDIR": f"{SCRATCH}/home/.matplotlib",
    }
    binds = (*base_binds(), *python_binds())
    if public is not None:
        env |= {"DATAUAB_PUBLIC": str(_PUBLIC), "TORCH_HOME": str(_PUBLIC / "torch")}
        binds = (*binds, Bind(public, _PUBLIC, optional=True))
    devices: tuple[Path, ...] = ()
    if gpu:
        devices = tuple(sorted(Path("/dev").glob("nvidia*")))
        binds = (*binds, Bind(Path("/sys/devices"), optional=True), Bind(Path("/sys/bus/pci"), optional=True))
    sandbox = Sandbox(
        ro_binds=binds,
        tmpfs=(Tmpfs(SCRATCH, max(8, limits.scratch_mb - shared_memory)),),
        shm_mb=shared_memory,
        symlinks=base_symlinks(),
        devices=devices,
        env=env,
        account=accounts()[0],
        rlimits=prlimits(limits, gpu),
        chdir=SCRATCH,
        hostname="notebook",
    )
    packed = {_FILES: _tar(files)} if files else {}
    return KernelJob(sandbox, (*_PREPARE, *_KERNEL), packed)


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
        env={**python_env(), "HOME": f"{SCRATCH}/home", "TMPDIR": SCRATCH, "USER": "grader"},
        account=accounts()[1],
        chdir=SCRATCH,
        hostname="trusted",
    )
    return KernelJob(sandbox, (*_PREPARE, *_KERNEL), {SOLUTION: solution})


def _tar(files: Mapping[str, bytes]) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for name in sorted(files):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(files[name]), 0o644
            archive.addfile(entry, io.BytesIO(files[name]))
    return target.getvalue()
