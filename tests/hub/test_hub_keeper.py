"""The keeper of one command: signals, memory, restarts, and nothing left behind."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from datauab.autograde import sandbox
from datauab.autograde.sandbox import Bind, Sandbox, Tmpfs
from datauab.hub.keeper import next_pause
from datauab.hub.services import DIE_WITH_PARENT, keep

WALL = Sandbox(
    ro_binds=(*sandbox.base_binds(), *sandbox.python_binds()),
    tmpfs=(Tmpfs("/tmp", 16),),
    symlinks=sandbox.base_symlinks(),
    env=sandbox.python_env(),
)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def gone(pids: list[int], seconds: float = 10) -> bool:
    end = time.monotonic() + seconds
    while any(map(alive, pids)) and time.monotonic() < end:
        time.sleep(0.05)
    return not any(map(alive, pids))


def below(pid: int) -> list[int]:
    children = [int(c) for p in Path(f"/proc/{pid}/task").glob("*/children") for c in p.read_text().split()]
    return children + [deeper for child in children for deeper in below(child)]


def start(command: list[str], wanted: int) -> tuple[subprocess.Popen[str], list[int]]:
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "ready"
    pids = below(process.pid)
    assert len(pids) >= wanted
    return process, pids


def test_a_command_that_ends_gives_its_status() -> None:
    assert subprocess.run(keep(["sh", "-c", "exit 7"]), check=False).returncode == 7


@pytest.mark.sandbox
def test_who_is_inside_a_wall_cannot_read_how_it_was_built(tmp_path: Path) -> None:
    hidden = tmp_path / "nobody-shall-know-this-path"
    hidden.mkdir()
    wall = replace(WALL, ro_binds=(*WALL.ro_binds, Bind(hidden, Path("/inside"))), inherit_env=True)
    code = "import glob; print(*(open(p, 'rb').read() for p in glob.glob('/proc/[0-9]*/cmdline')))"
    command = keep(wall.command([sys.executable, "-c", code]))
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "bwrap" in said
    assert hidden.name not in said


@pytest.mark.sandbox
def test_a_polite_stop_reaches_the_command_inside_the_wall() -> None:
    code = "import os,signal,sys,time; signal.signal(15, lambda *_: (os.write(1, b'bye'), sys.exit(3)));"
    code += "print('ready', flush=True); time.sleep(60)"
    process, pids = start(keep(WALL.command([sys.executable, "-c", code])), 3)
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 3
    assert process.stdout is not None
    assert process.stdout.read().strip() == "bye"
    assert gone(pids)


@pytest.mark.sandbox
def test_a_killed_keeper_takes_everything_with_it() -> None:
    code = (
        "import subprocess,time; subprocess.Popen(['setsid','sleep','77']); print('ready', flush=True); time.sleep(60)"
    )
    process, pids = start(keep(WALL.command([sys.executable, "-c", code])), 4)
    process.kill()
    process.wait()
    assert gone(pids)


@pytest.mark.sandbox
def test_a_service_ends_with_the_hub_that_was_killed(tmp_path: Path) -> None:
    service = [*DIE_WITH_PARENT, *keep([*DIE_WITH_PARENT, "sh", "-c", "echo ready; sleep 77"], restart=True)]
    hub = f"import subprocess,time; subprocess.Popen({service!r}); time.sleep(60)"
    process, pids = start([sys.executable, "-c", hub], 2)
    process.kill()
    process.wait()
    # the shell itself ends with its keeper; what a shell started is that command's own affair
    assert gone(pids[:2])


@pytest.mark.sandbox
def test_over_the_memory_limit_the_kernel_ends_and_the_server_stays() -> None:
    grow = "x = bytearray(300 * 2**20); import time; time.sleep(60)"
    code = f"import subprocess,sys; print('ready', flush=True); p = subprocess.run([sys.executable,'-c',{grow!r}]);"
    code += "print(p.returncode, flush=True)"
    process, _ = start(keep(WALL.command([sys.executable, "-c", code]), memory_mb=200), 3)
    said, _ = process.communicate(timeout=20)
    assert "-9" in said.splitlines()
    assert "200 MiB allowed" in said
    assert process.returncode == 0


def test_who_had_worked_is_back_at_once_and_who_cannot_start_is_tried_ever_more_slowly() -> None:
    pauses = [0.0]
    while len(pauses) < 10:
        pauses.append(next_pause(2.0, pauses[-1]))
    assert pauses == [0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]
    assert next_pause(31.0, 30.0) == 0.5


def test_a_service_that_dies_is_started_again_and_a_stop_is_quick() -> None:
    process = subprocess.Popen(keep(["sh", "-c", "echo again"], restart=True), stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert [process.stdout.readline().split()[0] for _ in range(3)].count("again") == 2
    began = time.monotonic()
    process.terminate()
    process.wait(10)
    assert time.monotonic() - began < 3


@pytest.mark.sandbox
def test_who_is_inside_cannot_read_where_the_deployment_lies() -> None:
    code = "print('ready', open('/proc/1/cmdline').read().replace(chr(0), ' '))"
    said = subprocess.run(keep(WALL.command([sys.executable, "-c", code])), capture_output=True, text=True, check=True)
    assert "ready" in said.stdout
    assert "--bind" not in said.stdout
