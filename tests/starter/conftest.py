"""A club with the four competitions and their real data."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from datauab.settings import Settings

COMPETITIONS = ("bitcoin", "got", "mnist", "lesions")


@pytest.fixture(scope="session")
def club(tmp_path_factory: pytest.TempPathFactory, checkout: Path, raw: Path) -> Settings:
    """Give a root with the shipped competitions, prepared from real raw files."""
    from datauab.cli.data import prepare_datasets

    root = tmp_path_factory.mktemp("club")
    for name in COMPETITIONS:
        shutil.copytree(checkout / "source" / name, root / "source" / name)
    (root / "gradebook").mkdir(mode=0o700)
    settings = Settings(root=root, raw=raw)
    prepare_datasets(settings, COMPETITIONS)
    return settings
