"""Solutions and keys: for their owner only, whole or refused, the same for every process."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path

import numpy as np
import pytest

from datauab import solutions
from datauab.errors import ConfigurationError, GradingError
from datauab.settings import Settings


@pytest.fixture
def deployment(tmp_path: Path) -> Settings:
    return Settings(root=tmp_path)


@pytest.mark.parametrize(
    ("array", "dtype"),
    [(np.array([1, 0, 1], np.uint8), np.int64), (np.array([0.5, 1.5], np.float32), np.float64)],
)
def test_what_is_written_is_read(deployment, array, dtype):
    written = solutions.write(deployment, "got", array, "abc")
    found = solutions.read(deployment, "got")
    np.testing.assert_array_equal(found.array, array)
    assert found.array.dtype == dtype
    assert (found.sha256, found.fingerprint) == (written.sha256, "abc")
    with pytest.raises(ValueError, match="read-only"):
        found.array[0] = 9


def test_only_the_owner_may_open_it(deployment):
    solutions.write(deployment, "got", np.arange(3), "abc")
    folder = deployment.solutions / "got"
    assert [folder.stat().st_mode & 0o777, deployment.solutions.stat().st_mode & 0o777] == [0o700, 0o700]
    assert {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()} == {
        "solution.npy": 0o600,
        "solution.json": 0o600,
    }
    (folder / "solution.npy").chmod(0o644)
    with pytest.raises(GradingError, match="owner only, found mode 644"):
        solutions.read(deployment, "got")


def test_writing_the_same_again_touches_nothing(deployment):
    solutions.write(deployment, "got", np.arange(3), "abc")
    path = deployment.solutions / "got" / "solution.npy"
    before = path.stat().st_ino
    solutions.write(deployment, "got", np.arange(3), "abc")
    assert path.stat().st_ino == before
    solutions.write(deployment, "got", np.arange(4), "abc")
    assert len(solutions.read(deployment, "got").array) == 4


def test_a_missing_damaged_or_half_replaced_solution_is_refused(deployment):
    with pytest.raises(GradingError, match="club data prepare got"):
        solutions.read(deployment, "got")
    solutions.write(deployment, "got", np.arange(3), "abc")
    path = deployment.solutions / "got" / "solution.npy"
    content = path.read_bytes()
    path.write_bytes(content[:-1] + b"\x07")
    with pytest.raises(GradingError, match="expected SHA-256"):
        solutions.read(deployment, "got")
    path.write_bytes(content)
    (path.parent / "solution.json").write_text(json.dumps({"rows": 3}))
    with pytest.raises(GradingError, match="damaged"):
        solutions.read(deployment, "got")
    solutions.write(deployment, "got", np.arange(3), "abc")
    assert solutions.read(deployment, "got").array.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "array", [np.array([]), np.zeros((2, 2)), np.array(["a"]), np.array([1, None]), np.array([1.0, np.nan])]
)
def test_what_is_no_solution_is_refused(deployment, array):
    with pytest.raises(GradingError):
        solutions.write(deployment, "got", array, "abc")
    assert not (deployment.solutions / "got" / "solution.npy").exists()


@pytest.mark.parametrize("name", ["../split", "", "a/b", ".hidden"])
def test_names_stay_in_their_folder(deployment, name):
    with pytest.raises(GradingError):
        solutions.read(deployment, name)
    with pytest.raises(ConfigurationError):
        solutions.ensure_secret(deployment, name)


def test_a_key_is_made_once_for_its_owner_only(deployment):
    key = solutions.ensure_secret(deployment, "split")
    assert len(key) == 32
    assert solutions.ensure_secret(deployment, "split") == key
    assert solutions.ensure_secret(deployment, "receipts") != key
    path = deployment.secrets / "split"
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    path.chmod(0o640)
    with pytest.raises(ConfigurationError, match="chmod go="):
        solutions.ensure_secret(deployment, "split")


def test_a_damaged_key_is_refused_and_kept(deployment):
    solutions.ensure_secret(deployment, "split")
    path = deployment.secrets / "split"
    path.write_text("abc\n")
    with pytest.raises(ConfigurationError, match="backup"):
        solutions.ensure_secret(deployment, "split")
    assert path.read_text() == "abc\n"


def _key(root: Path) -> bytes:
    return solutions.ensure_secret(Settings(root=root), "split")


def test_processes_that_race_for_a_key_get_the_same(tmp_path):
    with multiprocessing.get_context("fork").Pool(6) as pool:
        keys = pool.map(_key, [tmp_path] * 24, chunksize=1)
    assert len(set(keys)) == 1
    assert [path.name for path in (tmp_path / "gradebook" / "secrets").iterdir()] == ["split"]
