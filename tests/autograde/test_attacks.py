"""Hostile notebooks on the real grading path, as root and as an ordinary account: none may gain a point or a look."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from datauab.autograde.sandbox import Bind, Sandbox, Tmpfs, base_binds, base_symlinks, mode, python_binds, python_env
from tests.autograde import attack_script

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(900)]

SCRIPT = Path(attack_script.__file__)
TESTS = SCRIPT.parent.parent
ACCOUNT = 0x6FFF_FFF0
Results = dict[str, dict[str, Any]]


def run_here(root: Path, *options: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, **python_env(), "HOME": str(root)}
    return subprocess.run(
        [sys.executable, str(SCRIPT), str(root / "course"), *options],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )


def run_as_ordinary_account(root: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """In a sandbox that may nest: as an instructor's server does, without root's rights or files."""
    outer = Sandbox(
        ro_binds=(*base_binds(), *python_binds(), Bind(TESTS)),
        tmpfs=(Tmpfs("/tmp", 512),),
        symlinks=base_symlinks(),
        env=python_env(),
        account=ACCOUNT,
        nestable=True,
        chdir="/tmp",
    )
    names = [name for name in attack_script.ATTACKS if name not in ALIKE]
    command = outer.command([sys.executable, str(SCRIPT), "/tmp/course", *names, *options])
    return subprocess.run(command, capture_output=True, text=True, check=False)


# What these meet is the same code whoever runs it.
ALIKE = ("format", "objects", "huge", "wrong", "nan", "link", "flood", "exit", "signature", "file")

RUNNERS = {"as started": run_here} | ({"ordinary account": run_as_ordinary_account} if mode() == "account" else {})
RUNS = {
    f"{who}, {kind}": (runner, options)
    for kind, options in {"cold kernels": (), "warm kernels": ("--warm",)}.items()
    for who, runner in RUNNERS.items()
}


@pytest.fixture(scope="module", params=RUNS)
def results(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Results:
    runner, options = RUNS[request.param]
    done = runner(tmp_path_factory.mktemp("attacks"), *options)
    assert done.returncode == 0, done.stderr[-3000:]
    found: Results = json.loads(done.stdout.rpartition("RESULTS")[2])
    if request.param.startswith("ordinary account"):
        assert found["*"]["mode"] == "userns"
        assert found["*"]["uid"] == ACCOUNT
    return found


def needs(results: Results, name: str) -> None:
    if name in ALIKE and name not in results:
        pytest.skip("the code that stops it does not depend on the account; tested as started")


def test_an_honest_notebook_gets_its_marks_and_a_warning_costs_none(results: Results) -> None:
    assert results["honest"]["state"] == "scored"
    assert results["honest"]["points"] == pytest.approx(12, abs=1e-3)


def test_nothing_of_the_platform_can_be_seen_or_reached(results: Results) -> None:
    text = json.loads(results["look"]["outputs"])
    shown = next(output["text"] for cell in text if cell for output in cell if "FOUND" in output.get("text", ""))
    found = json.loads(shown.removeprefix("FOUND"))
    package = str(Path(attack_script.__file__).parents[2] / "datauab")
    found["files"] = [path for path in found["files"] if not path.startswith(package)]
    assert found.pop("public") is True
    assert found.pop("helper") == ["helper.py"]
    assert found.pop("forked") is results["*"]["warm"]
    assert not any(found.values()), found
    assert results["look"]["points"] == 2
    assert results["*"]["came"] == []
    assert attack_script.SECRET not in json.dumps(results)


def test_what_the_kernel_replaces_changes_only_its_own_predictions(results: Results) -> None:
    # Zeros have a negative R²: only the check of the shape is passed.
    assert results["replace"]["points"] == 2
    assert not results["*"]["pickle"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("objects", "row 0"),
        ("huge", "at most 1048576 bytes"),
        ("wrong", "expected shape (40,), found (39,)"),
        ("nan", "row 7"),
        ("link", "found TextIOWrapper"),
        ("memory", "limit memory_mb"),
        ("hoard", "limit memory_mb"),
        ("shared", "limit memory_mb"),
        ("forks", "limit"),
        ("threads", "limit processes"),
        ("disk", "limit scratch_mb"),
        ("file", "limit file_mb"),
        ("names", "files"),
        ("sleep", "limit wall_s"),
        ("deaf", "limit cpu_s"),
        ("exit", "its kernel ended"),
        ("signature", "cannot be read"),
    ],
)
def test_a_failure_costs_all_marks_and_says_what_to_change(results: Results, name: str, words: str) -> None:
    needs(results, name)
    assert results[name]["state"] == "failed"
    assert results[name]["points"] == 0
    assert words in results[name]["reason"]
    assert results[name]["seconds"] < 60


def test_an_array_of_objects_is_refused_by_its_header(results: Results) -> None:
    needs(results, "format")
    assert results["format"]["points"] == 0
    assert "Python objects" in results["format"]["reason"]


def test_output_without_end_neither_fills_the_grader_nor_the_notebook(results: Results) -> None:
    needs(results, "flood")
    assert results["flood"]["kept"] < 25 * 2**20
    assert results["flood"]["points"] <= 2


def test_no_process_survives_its_run(results: Results) -> None:
    assert results["behind"]["state"] == "scored"
    assert results["*"]["left"] == []
