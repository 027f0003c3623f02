"""Prepared data in the life of a deployment: raw files go, files are lost, stand-ins come and go."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from datauab import datasets
from datauab.errors import DataError
from datauab.settings import Settings

SECRET = b"one secret" * 4
OTHER = b"another one" * 4


def digest(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_prepared_data_stays_when_its_raw_files_are_gone(copied, tmp_path):
    settings = copied("got")
    first = datasets.prepare(settings, "got", SECRET)
    shutil.rmtree(tmp_path / "raw")
    again = datasets.prepare(settings, "got", SECRET, download=False)
    assert not again.changed
    assert again.fingerprint == first.fingerprint
    with pytest.raises(DataError, match="raw files are gone"):
        _ = again.solution
    with pytest.raises(DataError, match=r"real data was prepared before.*--stand-in"):
        datasets.prepare(settings, "got", OTHER, download=False)
    assert not datasets.prepare(settings, "got", SECRET, download=False).stand_in


def test_a_public_folder_that_lost_a_file_is_made_anew(copied):
    settings = copied("bitcoin")
    first = datasets.prepare(settings, "bitcoin", SECRET)
    before = digest(first.public_dir)
    first.public_dir.chmod(0o755)
    (first.public_dir / "validation.csv").unlink()
    again = datasets.prepare(settings, "bitcoin", SECRET)
    assert again.changed
    assert digest(again.public_dir) == before


def test_a_stand_in_is_marked_asked_for_and_given_up_for_real_data(copied):
    settings = copied("got")
    made = datasets.prepare(settings, "got", SECRET, stand_in=True)
    assert made.stand_in
    assert made.manifest.source.startswith("made up")
    assert not datasets.prepare(settings, "got", SECRET, stand_in=True).changed
    real = datasets.prepare(settings, "got", SECRET)
    assert real.changed
    assert not real.stand_in


def test_without_raw_files_and_network_a_stand_in_of_the_same_size_is_made(tmp_path, monkeypatch):
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path / "none"))
    monkeypatch.setenv("HOME", str(tmp_path))
    settings = Settings(root=tmp_path, raw=tmp_path / "nowhere")
    made = datasets.prepare(settings, "got", SECRET)
    assert made.stand_in
    assert made.manifest.rows == {"train": 1557, "validation": 0, "test": 389}
    assert any("Kaggle token" in note for note in made.notes)
    assert any("DATAUAB_RAW" in note for note in made.notes)
    other = datasets.prepare(Settings(root=tmp_path / "other"), "got", OTHER)
    assert not np.array_equal(
        pd.read_csv(made.public_dir / "train.csv")["popularity"].sort_values(),
        pd.read_csv(other.public_dir / "train.csv")["popularity"].sort_values(),
    )


def test_an_unknown_dataset_is_refused_with_those_that_are(deployment):
    with pytest.raises(DataError, match="expected one of bitcoin, got, lesions, mnist"):
        datasets.prepare(deployment, "iris", SECRET)
