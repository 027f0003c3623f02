"""Kits of kinds and forms that no shipped competition has."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from datauab import datasets, starter
from datauab.competition import load_competition
from datauab.scaffold import look_at, scaffold
from datauab.settings import Settings
from datauab.submission import load_ids, read_predictions


@pytest.mark.parametrize(
    ("kind", "metric"),
    [("real", "rmsle"), ("class", "f1_macro"), ("probability", "roc_auc"), ("scores", "log_loss")],
)
@pytest.mark.parametrize("validation", [0.1, 0.0])
def test_a_kit_of_each_kind_writes_a_valid_file(kind: str, metric: str, validation: float, tmp_path: Path) -> None:
    random = np.random.default_rng(4)
    table = pd.DataFrame({"id": [f"r{n}" for n in range(400)], "a": random.normal(size=400), "w": ["x", "y"] * 200})
    table["y"] = np.exp(table["a"]) if kind == "real" else (table["a"] + random.normal(size=400) > 0).astype(int)
    table.to_csv(tmp_path / "toy.csv", index=False)
    settings = Settings(root=tmp_path / "club")
    made = scaffold(settings, "toy", look_at(tmp_path / "toy.csv", kind=kind), table=tmp_path / "toy.csv")  # type: ignore[arg-type]
    path = made.folder / "competition.toml"
    lines = [
        f"validation_share = {validation}" if "validation_share" in line else line
        for line in path.read_text().splitlines()
    ]
    text = "\n".join(lines)
    for name, direction in (("r2", "maximize"), ("accuracy", "maximize")):
        better = "minimize" if metric == "rmsle" else direction
        text = text.replace(f'name = "{name}"\ndirection = "{direction}"', f'name = "{metric}"\ndirection = "{better}"')
    path.write_text(text)
    competition = load_competition(made.folder)
    assert competition.metric.name == metric
    prepared = datasets.prepare(settings, "toy", b"a" * 32)
    with zipfile.ZipFile(starter.kit_file(settings, competition)) as archive:
        archive.extractall(tmp_path / "kit")
    done = subprocess.run(
        [sys.executable, "-I", "starter.py"], cwd=tmp_path / "kit", capture_output=True, text=True, env={}, check=False
    )
    assert done.returncode == 0, done.stderr
    ids = load_ids(prepared.public_dir, len(prepared.solution))
    content = (tmp_path / "kit" / "submission.csv").read_bytes()
    array = read_predictions(content, "submission.csv", competition=competition, ids=ids, max_bytes=2**20)
    assert len(array) == len(prepared.solution)
