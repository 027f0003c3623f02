"""What the cluster's processes are told of a deployment: where public data lies and what to ask for, and no secret."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict

from datauab.settings import Settings, Slurm

_KEPT = frozenset({"HOME", "LANG", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "TZ", "USER"})
_KEPT_FAMILIES = ("CUDA_", "DASK_", "LC_", "LD_LIBRARY_", "MKL_", "NVIDIA_", "OMP_", "OPENBLAS_", "SBATCH_", "SLURM_")


class ClusterSettings(BaseModel):
    """The settings that schedulers and workers need; see `datauab.settings.Settings` for each.

    The database's address, which may hold a password, is not among them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    public: Path
    state: Path
    warm: bool
    gpu_share: int
    certificates: Path | None
    slurm: Slurm

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Those of a deployment."""
        return cls(
            public=settings.public,
            state=settings.state,
            warm=settings.warm,
            gpu_share=settings.gpu_share,
            certificates=settings.cluster_certificates,
            slurm=settings.slurm,
        )


def bare_environment() -> dict[str, str]:
    """What others may know of the own environment: Slurm, for one, sends a job's to its node."""
    return {name: value for name, value in os.environ.items() if name in _KEPT or name.startswith(_KEPT_FAMILIES)}
