"""``club data``: public files, solutions for the grader alone, and what a submission must be."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

from datauab import solutions
from datauab.cli import data
from datauab.competition import Competition
from datauab.errors import DataError
from datauab.settings import Settings


@pytest.fixture
def course(tmp_path, raw, checkout, monkeypatch) -> Settings:
    """Give a course with the two tabular posts."""
    for name in ("bitcoin", "got"):
        (tmp_path / "source" / name).mkdir(parents=True)
        shutil.copy(checkout / "source" / name / "competition.toml", tmp_path / "source" / name)
    (tmp_path / "nbgrader_config.py").touch()
    monkeypatch.setenv("DATAUAB_ROOT", str(tmp_path))
    monkeypatch.setenv("DATAUAB_RAW", str(raw))
    return Settings(root=tmp_path)


def test_preparing_gives_the_solution_to_the_grader_and_the_description_to_notebooks(course):
    prepared = data.prepare_datasets(course, ["bitcoin", "got"])
    for name, rows in (("bitcoin", 292), ("got", 389)):
        solution = solutions.read(course, name)
        assert solution.array.shape == (rows,)
        assert solution.fingerprint == prepared[name].fingerprint
        assert (solution.array == prepared[name].solution).all()
        folder = course.public / name
        assert Competition.model_validate_json((folder / "competition.json").read_bytes()).name == name
        assert folder.stat().st_mode & 0o777 == 0o555
        assert (course.solutions / name).stat().st_mode & 0o777 == 0o700
    assert not list(course.public.rglob("solution*"))


def test_preparing_again_keeps_everything_and_repairs_a_lost_solution(course):
    first = data.prepare_datasets(course, ["got"])["got"]
    path = course.solutions / "got" / "solution.npy"
    before = path.stat().st_ino
    again = data.prepare_datasets(course, ["got"])["got"]
    assert not again.changed
    assert path.stat().st_ino == before
    shutil.rmtree(course.solutions)
    data.prepare_datasets(course, ["got"])
    assert np.array_equal(solutions.read(course, "got").array, first.solution)


def test_a_stand_in_is_kept_without_asking_the_network_and_its_solution_fits(course):
    offline = course.model_copy(update={"raw": None})
    made = data.prepare_datasets(offline, ["got"], stand_in=True)["got"]
    kept = data.prepare_datasets(offline, ["got"])["got"]
    assert kept.stand_in
    assert not kept.changed
    assert solutions.read(course, "got").fingerprint == made.fingerprint == kept.fingerprint


def test_the_commands_tell_what_they_did(course):
    runner = CliRunner()
    result = runner.invoke(data.app, ["prepare", "got"])
    assert result.exit_code == 0, result.output
    assert "1557 train, 389 test" in result.output.replace("\n", " ")
    result = runner.invoke(data.app, ["prepare", "got", "--stand-in"])
    assert "made-up data stands in" in result.output
    assert json.loads((course.public / "got" / "dataset.json").read_text())["stand_in"] is True
    result = runner.invoke(data.app, ["fetch", "bitcoin"])
    assert "bitcoin_dataset.csv" in result.output
    assert isinstance(runner.invoke(data.app, ["prepare", "iris"]).exception, DataError)
