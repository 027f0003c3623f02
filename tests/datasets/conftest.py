"""Deployments in a temporary folder, and the real raw files to damage."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from datauab.settings import Settings


@pytest.fixture
def deployment(tmp_path: Path, raw: Path) -> Settings:
    """Give a deployment that finds the real raw files."""
    return Settings(root=tmp_path, raw=raw)


@pytest.fixture
def copied(tmp_path: Path, raw: Path) -> Callable[[str], Settings]:
    """Copy the raw files of one dataset, so that a test may damage them."""

    def copy(name: str) -> Settings:
        folder = tmp_path / "raw" / name
        shutil.copytree(raw / name, folder)
        folder.chmod(0o755)
        for path in folder.iterdir():
            path.chmod(0o644)
        return Settings(root=tmp_path, raw=tmp_path / "raw")

    return copy
