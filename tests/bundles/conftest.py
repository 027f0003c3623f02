"""A club with the four competitions and their real data, and an empty one that bundles are imported into."""

from __future__ import annotations

import shutil
from collections.abc import Callable
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


@pytest.fixture
def fresh(tmp_path: Path) -> Settings:
    """Give a root without any competition."""
    return make_root(tmp_path / "fresh")


@pytest.fixture(scope="module")
def other_club(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Give one empty root for a whole module."""
    return make_root(tmp_path_factory.mktemp("other"))


def make_root(root: Path) -> Settings:
    """An empty course."""
    (root / "source").mkdir(parents=True)
    (root / "gradebook").mkdir(mode=0o700)
    return Settings(root=root)


@pytest.fixture
def nothing_left(fresh: Settings) -> Callable[[], None]:
    """Check that a refused bundle left nothing behind."""

    def check() -> None:
        assert not list(fresh.source.iterdir())
        assert not fresh.public.exists() or not list(fresh.public.iterdir())
        assert not fresh.solutions.exists() or not list(fresh.solutions.iterdir())

    return check
