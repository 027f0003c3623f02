from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from datauab.cli.supervisor import descendants

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
    (tmp_path / "jupyterhub.py").write_text(textwrap.dedent(HUB))
    (tmp_path / "jupyterhub_config.py").touch()
    # `python -m jupyterhub` finds the stubborn program first: the supervisor itself is the real one.
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{Path(__file__).resolve().parents[2]}"}
    done = subprocess.run(
        [sys.executable, "-c", STUBBORN, str(tmp_path)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "grandchild").read_text()), 0)
