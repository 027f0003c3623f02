"""The grader as a process: what it records, how it stops, and that nothing is lost when it is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell

from datauab import gradebook
from datauab.archive import make_archive, read_archive
from datauab.autograde.limits import descendants
from datauab.autograde.provisioner import TEMPORARY
from datauab.autograde.sandbox import python_env
from datauab.baselines import reference_archive
from datauab.grader import service
from datauab.ledger import Attempt, Ledger
from tests.autograde.toy_course import NAME, Toy, make_course, npy
from tests.grader.toy_queue import wait_for

pytestmark = pytest.mark.sandbox

RIGHT = "predictions = np.arange(40) * 1.25 + 7.0625"
SLOW = f"import time; time.sleep(20)\n{RIGHT}"


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    return make_course(tmp_path_factory.mktemp("graded"))


def notebook(toy: Toy, source: str) -> bytes:
    found = nbformat.read(toy.settings.root / "release" / NAME / f"{NAME}.ipynb", as_version=4)
    found.cells = [*found.cells[:2], new_code_cell(source), *found.cells[3:]]
    return make_archive({f"{NAME}.ipynb": nbformat.writes(found).encode()})


def start(toy: Toy, *options: str) -> subprocess.Popen[bytes]:
    env = {**os.environ, **python_env(), "DATAUAB_ROOT": str(toy.settings.root), "HOME": str(toy.settings.root)}
    log = (toy.settings.root / "grader.log").open("ab")
    return subprocess.Popen(
        [sys.executable, "-m", "datauab.grader", *options], cwd=toy.settings.root, env=env, stdout=log, stderr=log
    )


def of(ledger: Ledger, attempt: Attempt) -> Attempt:
    return ledger.attempt(attempt.id)


def below(process: subprocess.Popen[bytes]) -> set[str]:
    """Everything that a grader started, workers and kernels among it, by number and start time."""
    return {found for pid in descendants(process.pid) if (found := identity(pid))}


def identity(pid: int | str) -> str:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else f"{pid} {fields[19]}"


def alive(started: set[str]) -> set[str]:
    return {found for found in started if identity(found.split()[0]) == found}


def test_every_kind_of_attempt_ends_with_its_result(toy: Toy) -> None:
    with Ledger.open(toy.settings) as ledger:
        member = ledger.add_attempt(competition=NAME, member="ana", blob=notebook(toy, RIGHT))
        empty = ledger.add_attempt(competition=NAME, member="ben", blob=make_archive({"other.ipynb": b"{}"}))
        file = ledger.add_attempt(competition=NAME, member="cid", kind="predictions", origin="web",
                                  blob=npy(np.arange(40.0)))  # fmt: skip
        short = ledger.add_attempt(competition=NAME, member="dan", kind="predictions", blob=npy(np.zeros(3)))
        base = ledger.add_attempt(competition=NAME, member="Post", origin="baseline",
                                  blob=reference_archive(toy.settings, NAME))  # fmt: skip
        assert start(toy, "--once").wait(180) == 0
        scored = of(ledger, member)
        assert (scored.state, scored.public, scored.points) == ("scored", pytest.approx(1), pytest.approx(12))
        page = read_archive(ledger.feedback_archive(member.id) or b"")[f"{NAME}.html"].decode()
        assert "Public score" in page
        assert "mellon" not in page
        assert "expected toy.ipynb" in (of(ledger, empty).reason or "")
        assert of(ledger, file).state == "scored"
        assert of(ledger, file).points is None
        assert "expected shape (40,), found (3,)" in (of(ledger, short).reason or "")
        assert of(ledger, base).state == "scored"
        assert of(ledger, base).public == pytest.approx(ledger.attempt(base.id).public)
    # A baseline is no student: only members stand in nbgrader's gradebook.
    assert gradebook.assignment_points(toy.settings, NAME) == {"ana": (pytest.approx(12), 12.0)}


def test_told_to_stop_it_puts_its_attempt_back_and_leaves_no_process(toy: Toy) -> None:
    with Ledger.open(toy.settings) as ledger:
        waiting = ledger.add_attempt(competition=NAME, member="slow", blob=notebook(toy, SLOW))
        process = start(toy)
        wait_for(lambda: of(ledger, waiting).state == "running")
        time.sleep(3)
        started = below(process)
        assert len(started) > 5
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert of(ledger, waiting).state == "queued"
        wait_for(lambda: not alive(started), 10)


def test_killed_it_loses_nothing_and_grades_nothing_twice(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATAUAB_ROOT", str(toy.settings.root))
    with Ledger.open(toy.settings) as ledger:
        older = ledger.add_attempt(competition=NAME, member="kim", blob=notebook(toy, "predictions = np.zeros(40)"))
        # A grader that was killed: its lease is there, and runs out.
        dead = ledger.lease("dead", 600, attempt_id=older.id)
        assert dead is not None
        process = start(toy)
        waiting = ledger.add_attempt(competition=NAME, member="kim", blob=notebook(toy, RIGHT))
        wait_for(lambda: of(ledger, waiting).state in ("running", "scored"), 120)
        started = below(process)
        process.kill()
        process.wait()
        wait_for(lambda: not alive(started), 10)
        for attempt in (older, waiting):
            expire(toy, attempt)
        assert start(toy, "--once").wait(240) == 0
        assert [of(ledger, attempt).state for attempt in (older, waiting)] == ["scored", "scored"]
        assert len(ledger.attempts(competition=NAME, member="kim")) == 2
    # The older one may have been graded last; the gradebook holds the marks of the newest.
    assert gradebook.points(toy.settings, NAME, "kim") == (pytest.approx(12), 12.0)


def expire(toy: Toy, attempt: Attempt) -> None:
    """Let the lease of an attempt run out now, as a minute without a heartbeat would."""
    from datetime import UTC, datetime

    from datauab.ledger.engine import Database
    from datauab.ledger.tables import queue

    database = Database(toy.settings.database)
    with database.writing() as connection:
        held = queue.c.attempt_id == attempt.id, queue.c.token.is_not(None)
        connection.execute(queue.update().where(*held).values(leased_until=datetime(2026, 1, 1, tzinfo=UTC)))
    database.engine.dispose()


def test_a_fault_of_the_platform_costs_nobody_anything_and_tells_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy = make_course(tmp_path / "broken")
    (toy.settings.solutions / NAME / "solution.npy").unlink()
    with Ledger.open(toy.settings) as ledger:
        attempt = ledger.add_attempt(competition=NAME, member="eve", blob=notebook(toy, RIGHT))
        assert start(toy, "--once").wait(120) == 0
        found = of(ledger, attempt)
    assert (found.state, found.platform_fault) == ("failed", True)
    assert "costs no quota" in (found.reason or "")
    assert str(tmp_path) not in (found.reason or "")
    assert "solution" not in (found.reason or "")


def test_without_a_sandbox_it_does_not_start(toy: Toy, tmp_path: Path) -> None:
    (tmp_path / "python").symlink_to(sys.executable)
    env = {**python_env(), "PATH": str(tmp_path), "DATAUAB_ROOT": str(toy.settings.root)}
    command = [sys.executable, "-m", "datauab.grader", "--once"]
    done = subprocess.run(command, cwd=toy.settings.root, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "install it (apt-get install bubblewrap)" in done.stderr


def test_what_a_killed_grader_left_in_the_temporary_folder_goes_and_nothing_else(tmp_path: Path) -> None:
    old, young, other = (tmp_path / name for name in (f"{TEMPORARY}attempt-a", f"{TEMPORARY}kernel-b", "of-others"))
    for folder in (old, young, other):
        folder.mkdir()
        (folder / "outcome.json").touch()
    for folder in (old, other):
        os.utime(folder, (0, 0))
    (tmp_path / f"{TEMPORARY}link").symlink_to(other)
    service.remove_leftovers(tmp_path)
    assert not old.exists()
    assert young.exists()
    assert (other / "outcome.json").exists()
