"""Memory of a kernel that was forked and waits for its notebook, beyond what it shares with the others."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from datauab.autograde.kernels import student_job
from datauab.autograde.limits import descendants
from datauab.autograde.warm import WarmKernels
from datauab.autograde.wire import Kernel
from datauab.errors import ClubError
from datauab.settings import Settings

_KERNELS = 3
_SETTLE_S = 0.5
_READY_S = 300.0


def waiting_kernel_mb(settings: Settings) -> float:
    """Fork kernels from a process that has loaded the course's packages, and measure them while they wait.

    Counted are, of a kernel's three processes, the pages that only one of them has and that no file backs, and their
    page tables.

    Parameters
    ----------
    settings : Settings
        Whose limits and public data the kernels get.

    Returns
    -------
    float
        MB (10⁶ bytes), the mean of a few kernels that wait at one time.

    Raises
    ------
    ClubError
        Where kernels cannot be forked here, or one has gone before it was measured.
    """
    with WarmKernels.start(public=settings.public) as warm, contextlib.ExitStack() as held:
        if not warm.ready(_READY_S):
            raise ClubError(f"bench: expected warm kernels to be ready within {_READY_S:g} s, found that they are not")
        job = student_job(settings.limits, public=settings.public, warm=warm)
        kernels = [held.enter_context(Kernel(job, settings.limits)) for _ in range(_KERNELS)]
        for kernel in kernels:
            kernel.wait_ready()
        time.sleep(_SETTLE_S)
        return sum(_own_bytes(kernel.provisioner.sandbox_pid) for kernel in kernels) / _KERNELS / 1e6


def _own_bytes(first: int) -> int:
    """Bytes of the keeper, the first process and those below it."""
    try:
        keeper = int(Path(f"/proc/{first}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
        return sum(_own_bytes_of(pid) for pid in (keeper, first, *descendants(first)))
    except (OSError, ValueError, IndexError) as error:
        raise ClubError(f"bench: a waiting kernel has gone before it was measured: {error}") from error


def _own_bytes_of(pid: int) -> int:
    kib = 0
    for table, names in (("smaps_rollup", ("Private_Dirty:", "Swap:")), ("status", ("VmPTE:",))):
        for line in Path(f"/proc/{pid}/{table}").read_text(encoding="utf-8").splitlines():
            if line.startswith(names):
                kib += int(line.split()[1])
    return kib * 1024
