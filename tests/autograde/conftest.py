"""The toy course that the tests of autograding share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.autograde.toy_course import Toy, make_course


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Toy]:
    """Give one course for all tests: each uses students of its own."""
    root: Path = tmp_path_factory.mktemp("course")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATAUAB_ROOT", str(root))
        yield make_course(root)
