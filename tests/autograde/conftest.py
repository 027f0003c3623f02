"""The toy course that the tests of autograding share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from datauab.autograde.warm import WarmKernels
from tests.autograde.toy_course import Toy, make_course
from tests.autograde.warm_runs import SECRET


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Toy]:
    """Give one course for all tests: each uses students of its own."""
    root: Path = tmp_path_factory.mktemp("course")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATAUAB_ROOT", str(root))
        yield make_course(root)


@pytest.fixture(scope="module")
def warm() -> Iterator[WarmKernels]:
    """Give kernels that are forked from one with few packages, started where the environment holds a secret."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATAUAB_PROBE_SECRET", SECRET)
        with WarmKernels.start(packages=("numpy",)) as kernels:
            assert kernels.ready(120)
            yield kernels
