"""Five hundred submissions in one run, a tenth of them hostile, endless or broken: the others get their exact marks."""

from __future__ import annotations

import os
import random
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from datauab import gradebook
from datauab.archive import make_archive
from datauab.autograde.limits import descendants
from datauab.ledger import Ledger
from tests.autograde.attack_script import ATTACKS, left_behind
from tests.autograde.toy_course import NAME, Toy, make_course
from tests.grader.test_grader_service import wait_for
from tests.grader.toy_class import attempts, expected, graded_twice, run, submit
from tests.grader.toy_queue import edit

pytestmark = [pytest.mark.kills, pytest.mark.sandbox, pytest.mark.timeout(1800)]

HONEST = 450
BAD = 50
# Those that take their whole time are few, or the test would wait for them alone.
SLOW = ["sleep", "forks", "deaf"]
QUICK = [name for name in ATTACKS if name not in ("honest", "look", "replace", "flood", "behind", *SLOW)]
BROKEN = {
    "json": b"{",
    "list": make_archive({f"{NAME}.ipynb": b"[]"}),
    "other": make_archive({"other.ipynb": b"{}"}),
    "no_cells": make_archive({f"{NAME}.ipynb": b'{"cells": 1, "nbformat": 4}'}),
}


def honest(number: int) -> list[str]:
    """Cells of student `number`: no two are wrong by the same."""
    ways = [
        f"predictions = np.arange(40) * 1.25 + 7.0625\npredictions[::2] += {shift(number)!r}",
        f"def model(n):\n    return n * 1.25 + 7.0625 + (n % 2 == 0) * {shift(number)!r}\n"
        "predictions = np.array([model(n) for n in range(40)])",
        f"import pandas as pd\nt = pd.Series(range(40)) * 1.25 + 7.0625\nt[::2] += {shift(number)!r}\npredictions = t",
    ]
    return [f"print('student {number}')", ways[number % len(ways)]]


def shift(number: int) -> float:
    return round(0.02 * (number + 1), 2)


def bad() -> dict[str, list[str] | bytes]:
    found: dict[str, list[str] | bytes] = {}
    for number in range(BAD):
        kinds = [*SLOW, *QUICK, *BROKEN]
        name = kinds[number] if number < len(kinds) else [*QUICK, *BROKEN][number % (len(QUICK) + len(BROKEN))]
        found[f"bad-{number:02}-{name}"] = BROKEN[name] if name in BROKEN else ATTACKS[name][0]
    return found


def mounts() -> set[str]:
    return {line.split()[4] for line in Path("/proc/self/mountinfo").read_text(encoding="ascii").splitlines()}


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[Toy]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATAUAB_ROOT", str(tmp_path))
        with tempfile.TemporaryDirectory(prefix="class-") as folder:  # a short path, for the sockets in it
            patch.setenv("TMPDIR", folder)
            patch.setattr(tempfile, "tempdir", folder)
            yield course(tmp_path)


def course(root: Path) -> Toy:
    made = make_course(root)
    edit(made.settings, "wall_s = 60", "wall_s = 20")
    edit(made.settings, "cpu_s = 30", "cpu_s = 6")
    return made


def test_the_honest_nine_tenths_get_exactly_their_marks(toy: Toy) -> None:
    students: dict[str, list[str] | bytes] = {f"honest-{number:03}": honest(number) for number in range(HONEST)}
    students |= bad()
    students |= {"behind-0": ATTACKS["behind"][0]}  # it earns its marks, and must leave no process
    for name in random.Random(5).sample(sorted(students), len(students)):
        submit(toy, name, students[name])
    before = mounts(), set(descendants(os.getpid()))
    summary, _ = run(toy)
    sys.stdout.write(f"\n{summary.graded} in {summary.seconds:.0f} s; stages: ")
    sys.stdout.write(str({stage: round(spent / summary.graded, 4) for stage, spent in summary.stages.items()}) + "\n")

    assert (summary.graded, summary.faults, summary.left, summary.elsewhere) == (len(students), [], [], [])
    reasons = dict(summary.failed)
    assert {name for name in reasons if not name.startswith("bad-")} == set()
    found = attempts(toy)
    marks = gradebook.assignment_points(toy.settings, NAME)
    exact = np.array([[*expected(toy, shift(number))] for number in range(HONEST)])
    assert len(set(exact[:, 0])) == HONEST
    for number in range(HONEST):
        name = f"honest-{number:03}"
        assert found[name].state == "scored", (name, found[name].reason)
        assert found[name].public == pytest.approx(exact[number, 0], rel=1e-9)
        assert marks[name] == (pytest.approx(exact[number, 1], rel=1e-9), 12.0)
        assert found[name].points == pytest.approx(exact[number, 1], rel=1e-9)
    for name in students:
        if name.startswith("bad-"):
            assert (found[name].state, found[name].platform_fault) == ("failed", False), name
            assert reasons[name] == found[name].reason
            assert len(reasons[name]) > 20
            assert marks.get(name, (0.0, 12.0))[0] == 0
    assert graded_twice(toy) == []
    with Ledger.open(toy.settings) as ledger:
        counts = ledger.queue_counts()
    assert (counts.waiting, counts.running) == (0, 0)

    wait_for(lambda: left_behind() == [], 30)
    wait_for(lambda: set(descendants(os.getpid())) <= before[1], 30)
    assert mounts() == before[0]
    left = {path.name for path in Path(tempfile.gettempdir()).rglob("*")}
    assert left <= {"dask-scratch-space", "purge.lock", "global.lock"}  # Dask keeps its folder, with no worker's in it
    again, _ = run(toy)
    assert (again.graded, again.skipped) == (0, len(students))
