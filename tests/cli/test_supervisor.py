from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from datauab.cli.supervisor import descendants

#: In the deployment's folder, ``python -m jupyterhub`` finds a test's program first; the supervisor itself is real.
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}

FAMILY = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
time.sleep(60)
"""

STUBBORN = """
import os, signal, sys, time
from pathlib import Path
import datauab.cli.supervisor as supervisor
from datauab.settings import load_settings

settings = load_settings(Path(sys.argv[1]))
with supervisor.supervised(settings) as child:
    child.start()
    while not (settings.root / "ready").exists():
        time.sleep(0.02)
    child.stop(patience=1)
    print(*supervisor.descendants(os.getpid()))
"""

# A hub that ignores SIGTERM and whose grandchild has left its session and lost its parent.
HUB = """
import os, signal, time
from pathlib import Path
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        Path("grandchild").write_text(str(os.getpid()))
        Path("ready").touch()
        time.sleep(60)
    os._exit(0)
time.sleep(60)
"""


WATCHED = """
import sys
from pathlib import Path
import datauab.cli.supervisor as supervisor
from datauab.settings import load_settings

supervisor.keeper.LONGEST_PAUSE_S = float(sys.argv[2])
with supervisor.supervised(load_settings(Path(sys.argv[1]))) as child:
    child.start()
    child.run(lambda line: print(line, flush=True))
print("stopped")
"""

# A hub that dies at once, as one does where the disk is full or a port is taken.
DYING = """
with open("starts", "a") as starts:
    starts.write("started\\n")
raise SystemExit(3)
"""


def write_hub(root: Path, program: str) -> None:
    (root / "jupyterhub.py").write_text(program)
    (root / "jupyterhub_config.py").touch()


def watch_dying(root: Path, longest_pause: float) -> subprocess.Popen[str]:
    """Start a real supervisor, in a process of its own, of a hub that dies."""
    write_hub(root, DYING)
    command = [sys.executable, "-c", WATCHED, str(root), str(longest_pause)]
    return subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True)


def test_a_hub_that_dies_again_and_again_is_never_given_up(tmp_path: Path) -> None:
    process = watch_dying(tmp_path, 0.0)
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(8)]
    assert all(line.startswith("the hub died (code 3); starting it again in") for line in lines), lines
    assert all(str(tmp_path / ".club" / "logs" / "hub.log") in line for line in lines)
    process.terminate()
    assert process.communicate(timeout=20)[0].splitlines()[-1] == "stopped"
    assert process.returncode == 0
    assert len((tmp_path / "starts").read_text().splitlines()) >= 8


def test_a_stop_does_not_wait_for_the_next_start(tmp_path: Path) -> None:
    process = watch_dying(tmp_path, 60.0)
    assert process.stdout is not None
    waits = [process.stdout.readline().split(" in ")[1].split(" s,")[0] for _ in range(4)]
    assert waits == ["0.5", "1.0", "2.0", "4.0"]
    began = time.monotonic()
    process.terminate()
    assert process.wait(20) == 0
    assert time.monotonic() - began < 4
    assert len((tmp_path / "starts").read_text().splitlines()) == 4


def test_descendants_finds_children_of_children() -> None:
    parent = subprocess.Popen([sys.executable, "-c", FAMILY])
    try:
        end = time.monotonic() + 10
        while len(descendants(parent.pid)) < 1 and time.monotonic() < end:
            time.sleep(0.02)
        assert len(descendants(parent.pid)) == 1
        assert parent.pid in descendants(os.getpid())
    finally:
        for pid in descendants(parent.pid):
            os.kill(pid, 9)
        parent.kill()
        parent.wait()


def test_stop_leaves_nothing_even_of_processes_that_refuse_and_hide(tmp_path: Path) -> None:
    write_hub(tmp_path, HUB)
    done = subprocess.run(
        [sys.executable, "-c", STUBBORN, str(tmp_path)],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "grandchild").read_text()), 0)
