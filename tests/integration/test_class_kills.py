"""A class run that is killed, and whose workers are killed, grades every submission once in the end."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from datauab import gradebook
from datauab.autograde.limits import descendants
from datauab.autograde.sandbox import python_env
from datauab.ledger import Ledger
from tests.autograde.toy_course import NAME, Toy, make_course
from tests.grader.test_grader_service import alive, identity, wait_for
from tests.grader.toy_class import attempts, expected, graded_twice, solved, submit

pytestmark = [pytest.mark.kills, pytest.mark.sandbox, pytest.mark.timeout(900)]

STUDENTS = {f"s{number:02}": 0.1 * number for number in range(24)}


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[Toy]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"root": tmp_path, "warm": "false", "lease_s": 6}.items():
            patch.setenv(f"DATAUAB_{name.upper()}", str(value))
        made = make_course(tmp_path)
        for student, shift in STUDENTS.items():
            submit(made, student, solved(shift, "import time; time.sleep(0.5)"))
        yield made


def start(toy: Toy) -> subprocess.Popen[bytes]:
    env = {**os.environ, **python_env(), "HOME": str(toy.settings.root)}
    log = (toy.settings.root / "class.log").open("ab")
    return subprocess.Popen(
        [sys.executable, "-m", "datauab.cli", "autograde", NAME, "--workers", "2"], cwd=toy.settings.root, env=env,
        stdout=log, stderr=log, start_new_session=True,
    )  # fmt: skip


def scored(toy: Toy) -> int:
    return sum(attempt.state == "scored" for attempt in attempts(toy).values())


def below(process: subprocess.Popen[bytes], sign: str = "") -> set[str]:
    """Processes below `process`, by number and start time, whose command line holds `sign`."""
    found = set()
    for pid in descendants(process.pid):
        with contextlib.suppress(OSError):
            if sign in Path(f"/proc/{pid}/cmdline").read_text(errors="replace"):
                found.add(identity(pid))
    return found - {""}


def check_all(toy: Toy) -> None:
    """Everybody has exactly their marks, once."""
    log = (toy.settings.root / "class.log").read_text(errors="replace")
    found = attempts(toy)
    assert {name: attempt.state for name, attempt in found.items()} == dict.fromkeys(STUDENTS, "scored"), log[-4000:]
    marks = gradebook.assignment_points(toy.settings, NAME)
    for student, shift in STUDENTS.items():
        public, points = expected(toy, shift)
        assert found[student].public == pytest.approx(public, rel=1e-12)
        assert marks[student] == (pytest.approx(points, rel=1e-12), 12.0)
    with Ledger.open(toy.settings) as ledger:
        assert len(ledger.attempts(competition=NAME)) == len(STUDENTS)
        counts = ledger.queue_counts()
    assert (counts.waiting, counts.running) == (0, 0)
    assert graded_twice(toy) == []


def test_killed_three_times_at_random_moments_it_ends_with_everybody_graded_once(toy: Toy) -> None:
    seed = random.SystemRandom().randrange(1 << 30)
    print(f"seed {seed}")  # noqa: T201 - which moments were tried, when it fails
    chance = random.Random(seed)
    done = 0
    for _ in range(3):
        process = start(toy)
        more = chance.randrange(1, 6)
        wait_for(lambda least=done + more, run=process: scored(toy) >= least or run.poll() is not None, 200)
        time.sleep(chance.uniform(0, 1))
        started = below(process)
        process.kill()
        process.wait()
        wait_for(lambda found=started: not alive(found), 30)
        assert scored(toy) >= done
        done = scored(toy)
    assert 0 < done <= len(STUDENTS)
    first = {name: attempt for name, attempt in attempts(toy).items() if attempt.state == "scored"}
    assert start(toy).wait(300) == 0
    check_all(toy)
    assert first == {name: attempts(toy)[name] for name in first}


@pytest.mark.parametrize(
    "victim",
    [
        pytest.param("local_worker", id="worker"),
        pytest.param("cluster_main", id="scheduler"),
    ],
)
def test_a_worker_or_the_scheduler_that_is_killed_in_the_middle_costs_nobody_anything(toy: Toy, victim: str) -> None:
    process = start(toy)
    wait_for(lambda: scored(toy) >= 4, 200)
    found: set[str] = set().union(*(below(process, sign) for sign in victim.split("|")))
    assert found
    for one in found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(one.split()[0]), signal.SIGKILL)
    assert scored(toy) < len(STUDENTS)
    assert process.wait(400) == 0, (toy.settings.root / "class.log").read_text(errors="replace")[-4000:]
    check_all(toy)
    wait_for(lambda: not alive(found), 30)
