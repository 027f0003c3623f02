"""Doorbells between real processes: rung, taken over, missing, and in folders with long names."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from datauab.autograde.sandbox import python_env
from datauab.doorbell import FOLDER, GRADER, WEB, Doorbell, doorbell_folder, ring


def test_a_ring_of_another_process_ends_the_wait_at_once(tmp_path: Path) -> None:
    with Doorbell(tmp_path, GRADER) as bell:
        assert not bell.wait(0.0)
        code = (
            "import sys; from pathlib import Path; from datauab.doorbell import ring; ring(Path(sys.argv[1]), 'grader')"
        )
        subprocess.run([sys.executable, "-c", code, str(tmp_path)], env={**os.environ, **python_env()}, check=True)
        began = time.monotonic()
        assert bell.wait(20)
        assert time.monotonic() - began < 5


def test_who_waits_already_is_woken_within_milliseconds(tmp_path: Path) -> None:
    with Doorbell(tmp_path, WEB) as bell:
        rung: list[float] = []
        waiter = threading.Thread(target=lambda: rung.append(time.monotonic()) if bell.wait(20) else None)
        waiter.start()
        time.sleep(0.1)
        began = time.monotonic()
        ring(tmp_path, WEB)
        waiter.join(20)
        assert rung[0] - began < 1


def test_many_rings_are_one_and_none_of_them_waits(tmp_path: Path) -> None:
    with Doorbell(tmp_path, GRADER) as bell:
        for _ in range(2000):  # more than any socket holds
            ring(tmp_path, GRADER)
        while bell.wait(0):
            pass
        assert not bell.wait(0.01)


def test_ringing_where_nobody_waits_does_nothing(tmp_path: Path) -> None:
    ring(tmp_path, GRADER)
    ring(tmp_path / "missing", GRADER)
    with Doorbell(tmp_path, GRADER):
        pass
    ring(tmp_path, GRADER)
    assert not list((tmp_path / FOLDER).iterdir())


def test_a_later_process_takes_a_doorbell_over_and_the_earlier_one_leaves_it_alone(tmp_path: Path) -> None:
    with Doorbell(tmp_path, GRADER) as later:
        with Doorbell(tmp_path, GRADER) as newest:
            ring(tmp_path, GRADER)
            assert newest.wait(5)
            assert not later.wait(0)
        assert later.wait(0.0) is False
    first = Doorbell(tmp_path, GRADER).__enter__()
    with Doorbell(tmp_path, GRADER) as second:
        first.__exit__(None, None, None)
        ring(tmp_path, GRADER)
        assert second.wait(5)


def test_what_a_killed_process_left_is_replaced(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from datauab.doorbell import Doorbell\n"
        "with Doorbell(Path(sys.argv[1]), 'grader'): os.kill(os.getpid(), 9)"
    )
    env = {**os.environ, **python_env()}
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=env, check=False)
    assert (tmp_path / FOLDER / "grader.sock").is_socket()
    ring(tmp_path, GRADER)  # nobody listens: refused, and that is no error
    with Doorbell(tmp_path, GRADER) as bell:
        ring(tmp_path, GRADER)
        assert bell.wait(5)


def test_folders_with_longer_names_than_sockets_take_work_as_well(tmp_path: Path) -> None:
    state = tmp_path / ("a" * 90) / ("b" * 90)
    with Doorbell(state, WEB) as bell:
        ring(state, WEB)
        assert bell.wait(5)


def test_without_a_folder_for_it_a_doorbell_only_waits(tmp_path: Path) -> None:
    (tmp_path / FOLDER).write_text("in the way", encoding="utf-8")
    with Doorbell(tmp_path, WEB) as bell:
        assert bell.fileno() == -1
        ring(tmp_path, WEB)
        assert not bell.wait(0.01)


def test_a_doorbell_is_open_to_its_owner_only(tmp_path: Path) -> None:
    with Doorbell(tmp_path, WEB):
        assert (tmp_path / FOLDER).stat().st_mode & 0o777 == 0o700
        assert (tmp_path / FOLDER / "web.sock").stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be two accounts")
@pytest.mark.parametrize("waits_as_root", [True, False])
def test_the_course_account_and_root_ring_each_other(waits_as_root: bool) -> None:
    account = 64999
    with tempfile.TemporaryDirectory() as name:
        state = Path(name)
        state.chmod(0o711)
        os.chown(doorbell_folder(state), account, account)
        ready, told = os.pipe()
        waiter = os.fork()
        if waiter == 0:
            become(0 if waits_as_root else account)
            with Doorbell(state, GRADER) as bell:
                os.write(told, b"1")
                os._exit(0 if bell.wait(10) else 1)
        os.read(ready, 1)
        ringer = os.fork()
        if ringer == 0:
            become(account if waits_as_root else 0)
            ring(state, GRADER)
            os._exit(0)
        os.waitpid(ringer, 0)
        assert os.waitstatus_to_exitcode(os.waitpid(waiter, 0)[1]) == 0


def become(account: int) -> None:
    os.setgroups([])
    os.setgid(account)
    os.setuid(account)


def test_a_name_that_is_no_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected a name"):
        Doorbell(tmp_path, "../grader")
