"""A whole club for the tests that need one."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from deployment import Deployment


@pytest.fixture(scope="session")
def deploy(checkout: Path, raw: Path) -> Iterator[Callable[..., Deployment]]:
    """Make deployments that are stopped at the end, whatever happened."""
    made: list[Deployment] = []

    def make(name: str, *assignments: str, account: int | None = None) -> Deployment:
        # Below /tmp itself: pytest's own folders are closed to other accounts.
        folder = Path(tempfile.mkdtemp(prefix=f"club-{name}-"))
        folder.chmod(0o755)
        deployment = Deployment(folder / "course", checkout, raw, assignments, account)
        made.append(deployment)
        return deployment

    yield make
    for deployment in made:
        if deployment.process is not None and deployment.process.poll() is None:
            deployment.down()
        shutil.rmtree(deployment.root.parent, ignore_errors=True)
