"""A kit runs by itself, outside the club, and what it writes is scored."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

from datauab import scoring, starter
from datauab.autograde.assignment import public_rows
from datauab.baselines import constant_predictions
from datauab.competition import Competition, load_competition
from datauab.datasets.records import read_manifest
from datauab.settings import Settings
from datauab.solutions import read
from datauab.submission import load_ids, read_predictions
from tests.starter.conftest import COMPETITIONS

FLOORS = {"bitcoin": 0.5, "got": 0.74, "mnist": 0.8, "lesions": 0.25}
"""Public scores that the kits must reach on the real data; a constant answer reaches 0, 0.74, 0.11 and 0.14."""


def unpacked(settings: Settings, competition: Competition, folder: Path) -> Path:
    folder.mkdir()
    with zipfile.ZipFile(starter.kit_file(settings, competition)) as archive:
        archive.extractall(folder)
    return folder


def scored(settings: Settings, competition: Competition, content: bytes, filename: str) -> scoring.Score:
    solution = read(settings, competition.name)
    rows = len(solution.array)
    ids = load_ids(settings.public / competition.dataset, rows)
    array = read_predictions(content, filename, competition=competition, ids=ids, max_bytes=2**26)
    return scoring.score(competition, solution.array, array, public_rows(settings, competition, solution))


@pytest.mark.parametrize("name", COMPETITIONS)
def test_the_script_of_a_kit_writes_a_file_that_beats_the_constant(name: str, club: Settings, tmp_path: Path) -> None:
    competition = load_competition(club.source / name)
    folder = unpacked(club, competition, tmp_path / "kit")
    # -I and an empty environment: nothing of the club is at hand
    done = subprocess.run(
        [sys.executable, "-I", "starter.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        env={},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr, done.stderr
    assert "validation: " in done.stdout
    assert "datauab" not in (folder / "starter.py").read_text()
    found = scored(club, competition, (folder / "submission.csv").read_bytes(), "submission.csv")
    assert np.isfinite([found.public, found.private, *found.interval]).all()
    assert found.full > FLOORS[name]
    manifest = read_manifest(club.public / competition.dataset)
    for value in manifest.baselines.values():
        constant = constant_predictions(competition, value, manifest.rows["test"])
        assert found.full > scored(club, competition, constant, "constant.npy").full


@pytest.mark.parametrize("name", ["bitcoin", "got"])
def test_the_notebook_of_a_kit_writes_the_same_file_as_its_script(name: str, club: Settings, tmp_path: Path) -> None:
    competition = load_competition(club.source / name)
    folder = unpacked(club, competition, tmp_path / "kit")
    subprocess.run([sys.executable, "-I", "starter.py"], cwd=folder, check=True, capture_output=True, timeout=300)
    by_script = (folder / "submission.csv").read_bytes()
    (folder / "submission.csv").unlink()
    notebook = nbformat.read(folder / "starter.ipynb", as_version=4)
    nbformat.validate(notebook)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}}).execute()
    assert (folder / "submission.csv").read_bytes() == by_script


@pytest.mark.parametrize("name", COMPETITIONS)
def test_script_and_notebook_have_the_same_cells(name: str, club: Settings) -> None:
    found = starter.texts(club, load_competition(club.source / name))
    notebook = nbformat.reads(found["starter.ipynb"], as_version=4)
    nbformat.validate(notebook)
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    blocks = [block for block in found["starter.py"].split("# %%") if block and not block.startswith(" [markdown]")]
    assert [block.strip() for block in blocks] == code


@pytest.mark.parametrize("name", COMPETITIONS)
def test_a_kit_holds_the_public_data_and_no_label_of_a_test_row(name: str, club: Settings) -> None:
    competition = load_competition(club.source / name)
    content = starter.kit(club, competition)
    solution = read(club, name).array
    public = {p.relative_to(club.public / name).as_posix() for p in (club.public / name).rglob("*") if p.is_file()}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        inside = {path.removeprefix("data/") for path in archive.namelist() if path.startswith("data/")}
        assert inside == public - {"competition.json", "dataset.json"}
        for path in archive.namelist():
            assert solution.tobytes() not in archive.read(path)


def test_a_kit_is_packed_once_and_anew_where_its_description_changes(club: Settings) -> None:
    competition = load_competition(club.source / "got")
    first = starter.kit_file(club, competition)
    before, content = first.stat().st_mtime_ns, first.read_bytes()
    assert starter.kit_file(club, competition) == first
    assert first.stat().st_mtime_ns == before
    first.unlink()
    assert starter.kit(club, competition) == content
    other = starter.kit_file(club, competition.model_copy(update={"title": "Another"}))
    assert other != first
    assert not first.exists()
    assert [path.name for path in other.parent.glob("got-*.zip")] == [other.name]
