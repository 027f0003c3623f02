"""A deployment's folder with something to protect in every place."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from datauab.settings import Settings, load_settings

COMPETITION = """\
title = "Toy"
summary = "Predict nothing"
authors = ["The club"]
date = 2026-01-01
cover = "img/cover.svg"
dataset = "toy"
public_share = 0.5
[predictions]
kind = "real"
[metric]
name = "rmse"
direction = "minimize"
[[phases]]
name = "open"
opens = 2026-01-01T00:00:00Z
[points]
begin = 1.0
full = 0.0
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of an empty course."""
    (tmp_path / "source").mkdir()
    return load_settings(tmp_path, port=18000)


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a course with one assignment and secrets in all the places where the platform keeps them."""
    root = tmp_path_factory.mktemp("club")
    for folder, name, text in (
        ("source/toy/img", "cover.svg", "<svg xmlns='http://www.w3.org/2000/svg'/>"),
        ("source/toy", "toy.ipynb", "REFERENCE-SOLUTION"),
        ("source/toy", "competition.toml", COMPETITION),
        ("gradebook/solutions/toy", "solution.npy", "HIDDEN-LABELS"),
        ("gradebook/secrets", "split", "5" * 64),
        ("submitted/berta/toy", "toy.ipynb", "WORK-OF-BERTA"),
    ):
        (root / folder).mkdir(parents=True, exist_ok=True)
        (root / folder / name).write_text(text)
    for private in ("gradebook/solutions", "gradebook/secrets"):
        (root / private).chmod(0o700)
    for private in ("gradebook/solutions/toy/solution.npy", "gradebook/secrets/split"):
        (root / private).chmod(0o600)
    return root
