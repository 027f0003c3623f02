"""Forked kernels that take what all share: the zygote and the others go on."""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace

import pytest

from datauab.autograde.limits import RunStopped
from datauab.autograde.warm import WarmKernels, _outer_wall
from datauab.errors import GradingError
from tests.autograde.warm_runs import SMALL, Student, parent, run, text_of, told, zygote

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(300)]


def test_terminals_are_its_own_and_one_student_cannot_take_them_all(warm: WarmKernels) -> None:
    hog = """
import os
held = []
try:
    while len(held) < 5000: held.append(os.openpty())
except OSError: pass
print("FOUND" + str(len(held)))"""
    with Student(warm) as beside:
        assert 1 < int(beside.does(hog).partition("FOUND")[2]) < 1000
        found = told(
            warm,
            "import os, json, subprocess\nfirst = sorted(os.listdir('/dev/pts'))\nmine = os.ttyname(os.openpty()[1])\n"
            "try: os.open('/dev/tty', os.O_RDWR); first.append('tty')\nexcept OSError: pass\n"
            "print('FOUND' + json.dumps([first, mine]))",
        )
    assert found == [["ptmx"], "/dev/pts/0"]


@pytest.mark.parametrize(
    ("attack", "words", "limits"),
    [
        ("import os\nwhile True:\n    try: os.fork()\n    except OSError: pass", "limit wall_s", {"wall_s": 6}),
        ("hoard = [bytearray(b'x' * 2**20) for _ in range(4000)]", "limit memory_mb", {}),
        ("import os, json\nfor _ in range(64): os.write(1, b'x' * 2**20)\nprint('FOUND1')", "", {}),
        (
            "import os, time\nheld = []\ntry:\n    while True: held.append(os.dup(0))\nexcept OSError: pass\n"
            "for n in range(8):\n    if os.fork() == 0: time.sleep(600)\ntime.sleep(60)",
            "open files",
            {},
        ),
        (
            "import os\nos.makedirs('/kernel/d')\nfor i in range(200_000): os.symlink('x', f'/kernel/d/{i}')",
            "files",
            {},
        ),
    ],
    ids=["forks", "memory", "output", "descriptors", "names"],
)
def test_what_one_kernel_takes_leaves_the_zygote_and_the_others_as_they_were(
    warm: WarmKernels, attack: str, words: str, limits: dict[str, int]
) -> None:
    before = zygote(warm)
    with Student(warm) as beside:
        beside.does("kept = 7")
        result = run(warm, attack, limits=SMALL.model_copy(update=limits))
        assert words in result.reason
        assert beside.does("import subprocess; print(kept, subprocess.run('true').returncode)") == "7 0\n"
        assert parent(beside.keeper) == before
    assert "FOUND" in text_of(run(warm, "print('FOUND')").outputs)


def test_sockets_that_are_filled_and_left_open_are_counted(warm: WarmKernels) -> None:
    result = run(
        warm,
        """
import os, socket, time
def fill():
    held = []
    try:
        while True:
            pair = socket.socketpair()
            held.append(pair)
            for end in pair: end.setblocking(False)
    except OSError: pass
    time.sleep(600)
for _ in range(20):
    if os.fork() == 0: fill()
time.sleep(50)""",
    )
    assert "open files" in result.reason


def test_what_many_workers_inherit_is_not_held_against_them(warm: WarmKernels) -> None:
    result = run(
        warm,
        """
import os, socket, time
held = [socket.socketpair() for _ in range(20)]
for _ in range(40):
    if os.fork() == 0: time.sleep(600)
each = len(os.listdir('/proc/self/fd'))
time.sleep(1)
print("FOUND" + str(41 * each > 1024 + 32 * 64))""",
    )
    assert "open files" not in result.reason
    assert "FOUNDTrue" in text_of(result.outputs)


def test_descriptors_in_flight_which_an_account_has_few_of_stop_no_other_kernel(warm: WarmKernels) -> None:
    hog = """
import array, os, socket
pairs, sent = [], 0
try:
    while len(pairs) < 400:
        pairs.append(socket.socketpair())
        for _ in range(40):
            pairs[-1][0].sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0] * 250))])
            sent += 250
except OSError: pass
print("FOUND" + str(sent))"""
    with Student(warm) as beside:
        assert int(beside.does(hog).partition("FOUND")[2]) >= 1000
        assert told(warm, "print('FOUND1')") == 1


def test_the_zygote_outlives_that_no_process_can_be_made(warm: WarmKernels) -> None:
    # Its account may have this many processes and threads in all.
    wall = replace(_outer_wall(None, False, False), rlimits=(("nproc", 40),))
    few = SMALL.model_copy(update={"processes": 16})
    with WarmKernels(wall, ("json",)) as tight:
        assert tight.ready(120)
        held: list[Student] = []
        try:
            with contextlib.suppress(GradingError, RunStopped):  # it may have been forked, and then lacked threads
                while not held or held[-1].forked:
                    assert len(held) < 20
                    held.append(Student(tight, few))
            assert held[0].forked
            assert held[0].does("print(1)") == "1\n"
            before = parent(held[0].keeper)
        finally:
            for student in held:
                student.kernel.close()
        ends = time.monotonic() + 120
        while True:
            try:
                with Student(tight, few) as again:
                    if again.forked:
                        assert parent(again.keeper) == before
                        break
            except (GradingError, RunStopped):
                pass  # Linux takes its time to end processes
            assert time.monotonic() < ends
            time.sleep(0.2)
