"""``club autograde`` as an organiser runs it: what it prints, how it ends, and that Ctrl-C leaves nothing behind."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from datauab.archive import make_archive
from datauab.autograde.limits import descendants
from datauab.autograde.sandbox import python_env
from datauab.ledger import Ledger
from tests.autograde.toy_course import NAME, Toy, make_course
from tests.grader.test_grader_service import alive, identity, wait_for
from tests.grader.toy_class import SLOW, attempts, edit_source, graded_twice, solved, submit
from tests.grader.toy_queue import edit

pytestmark = pytest.mark.sandbox


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[Toy]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATAUAB_ROOT", str(tmp_path))
        yield make_course(tmp_path)


def command(*options: str) -> list[str]:
    return [sys.executable, "-m", "datauab.cli", "autograde", *options]


def env(toy: Toy) -> dict[str, str]:
    root = str(toy.settings.root)
    return {**os.environ, **python_env(), "DATAUAB_ROOT": root, "HOME": root, "DATAUAB_WARM": "false", "TERM": "xterm"}


def club(toy: Toy, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*options), cwd=toy.settings.root, env=env(toy), capture_output=True, text=True, check=False
    )


def started_by(pid: int) -> set[str]:
    return {found for number in descendants(pid) if (found := identity(number))}


def test_plain_lines_name_everybody_and_the_exit_status_says_how_it_went(toy: Toy) -> None:
    submit(toy, "ana", solved(0.0))
    submit(toy, "ben", solved(1.0))
    good = club(toy, NAME)
    assert good.returncode == 0, good.stderr
    assert "2 to grade; 2 at one time" in good.stdout.replace(f"{os.cpu_count()} at", "2 at")
    assert re.search(r"^2/2 \d+\.\d/min 0 s left  (ana|ben): scored, r2 = .*points \(\d+\.\d s\)$", good.stdout, re.M)
    assert "ana: scored, r2 = 1.0000, 12 of 12 points" in good.stdout
    assert re.search(r"club: 2 graded in \d+\.\d s \(\d+\.\d a minute\), 0 unchanged", good.stdout)
    assert re.search(r"what a submission took\n.*\n.*stage", good.stdout)
    assert "\x1b" not in good.stdout
    assert good.stderr == ""

    submit(toy, "cid", ["x = 1"])
    submit(toy, "dan [bold]", make_archive({f"{NAME}.ipynb": b"[]"}))
    failed = club(toy, NAME, "--workers", "1")
    assert failed.returncode == 4
    assert "2 to grade, 2 unchanged; 1 at one time" in failed.stdout
    assert "2: no score" in failed.stdout
    assert re.search(r"cid: no score, predictions: expected a variable of this name", failed.stdout)
    assert "dan [bold]" in failed.stdout
    assert "Traceback" not in failed.stdout + failed.stderr

    nothing = club(toy, NAME)
    assert (nothing.returncode, nothing.stderr) == (0, "")
    assert "nothing to grade, 4 unchanged" in nothing.stdout
    assert "4 unchanged (2 of them without a score)" in nothing.stdout

    edit_source(toy, "report(r2=r2_score(solution, predictions))", "report(r2=0.25)")
    fault = club(toy, NAME, "--students", "ana,ben", "--students", "cid")
    assert fault.returncode == 3
    assert "2: the platform failed" in fault.stdout
    assert "the platform's own r2 gives" in fault.stdout
    assert "run the same command again" in fault.stdout


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["nowhere"], "nowhere: no such assignment; expected one of toy"),
        ([NAME, "--students", "ana,eve"], "nothing was handed in by eve; expected some of ana"),
        ([NAME, "--cluster", "somewhere"], "expected local, slurm or an address that begins with tls://"),
        ([NAME, "--workers", "0"], "workers"),
    ],
)
def test_a_wrong_call_says_what_is_wrong(toy: Toy, options: list[str], expected: str) -> None:
    submit(toy, "ana", solved(0.0))
    done = club(toy, *options)
    assert done.returncode in (1, 2)
    assert expected in done.stderr
    assert "Traceback" not in done.stderr
    assert attempts(toy)["ana"].state == "queued"


def read_all(terminal: int, process: subprocess.Popen[bytes]) -> str:
    """What a terminal shows, escape sequences too, until the process ends."""
    found = b""
    while process.poll() is None or select.select([terminal], [], [], 0)[0]:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                found += os.read(terminal, 65536)
            except OSError:  # the other end was closed
                break
    return found.decode(errors="replace")


def test_at_a_terminal_a_bar_shows_how_far_it_is_and_ctrl_c_stops_it_cleanly(toy: Toy) -> None:
    edit(toy.settings, "wall_s = 60", "wall_s = 900")
    names = [f"a{number}" for number in range(4)]
    for number, name in enumerate(names):
        submit(toy, name, solved(float(number)))
    submit(toy, "slow", [SLOW])
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command(NAME, "--workers", "2"), cwd=toy.settings.root, env=env(toy), stdin=theirs, stdout=theirs,
        stderr=theirs, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    shown: list[str] = []
    reader = threading.Thread(target=lambda: shown.append(read_all(ours, process)), daemon=True)
    reader.start()
    try:
        wait_for(lambda: all(attempts(toy)[name].state == "scored" for name in names), 200)
        wait_for(lambda: attempts(toy)["slow"].state == "running")
        time.sleep(3)  # into the cell that sleeps
        started = started_by(process.pid)
        assert len(started) > 4
        os.killpg(process.pid, signal.SIGINT)  # the terminal's Ctrl-C goes to everybody in its foreground
        assert process.wait(60) == 130
    finally:
        process.kill()
    reader.join(30)
    os.close(ours)
    (screen,) = shown
    for words in ("autograding", "4/5", "a minute", "stopping: what runs is put back", "1 left", "same command again"):
        assert words in screen, words
    assert "Traceback" not in screen
    wait_for(lambda: not alive(started), 30)
    states = {student: attempt.state for student, attempt in attempts(toy).items()}
    assert states == {**dict.fromkeys(names, "scored"), "slow": "queued"}

    submit(toy, "slow", solved(4.0))
    again = club(toy, NAME)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "1 to grade, 4 unchanged" in again.stdout
    assert graded_twice(toy) == []
    with Ledger.open(toy.settings) as ledger:
        assert [attempt.state for attempt in ledger.latest_attempts(NAME)] == ["scored"] * 5
