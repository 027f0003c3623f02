"""A whole club for the tests that need one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from deployment import Deployment


@pytest.fixture(scope="session")
def deploy(checkout: Path, raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Deployment]]:
    """Make deployments that are stopped at the end, whatever happened."""
    made: list[Deployment] = []

    def make(name: str, *assignments: str) -> Deployment:
        deployment = Deployment(tmp_path_factory.mktemp(name) / "course", checkout, raw, assignments)
        made.append(deployment)
        return deployment

    yield make
    for deployment in made:
        if deployment.process is not None and deployment.process.poll() is None:
            deployment.down()
