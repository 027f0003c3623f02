"""The commands as people type them: real processes, configured by ``nbgrader_config.py`` and the hub's environment."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from exchange_people import Door, Person, notebook_bytes

CONFIG = "from datauab.exchange import configure_exchange\nconfigure_exchange(get_config(), 'data-uab')\n"


def type_in(person: Person, where: Path, *arguments: str) -> str:
    """Run one command of nbgrader and return what it said; it must succeed."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("JUPYTERHUB_", "DATAUAB_"))}
    checkout = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-m", "nbgrader", *arguments],
        check=False,
        cwd=where,
        env={**kept, **person.environment, "PYTHONPATH": str(checkout), "HOME": str(person.home)},
        text=True,
        capture_output=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_a_course_by_its_commands(person: Callable[..., Person], door: Door) -> None:
    teacher, ada = person("teacher", door.address), person("ada", door.address)
    home = ada.home
    (home / "nbgrader_config.py").write_text(CONFIG)
    assert "Released as: data-uab greeting" in type_in(teacher, teacher.root, "release_assignment", "greeting")
    assert "Fetched as: data-uab greeting" in type_in(ada, home, "fetch_assignment", "greeting")
    (home / "greeting" / "greeting.ipynb").write_bytes(notebook_bytes("by hand"))
    assert "Submitted as: data-uab greeting" in type_in(ada, home, "submit", "greeting", "--strict")
    assert "[queued, place 1] (no feedback available)" in type_in(ada, home, "list", "--cached")
    assert "Collecting submission: ada greeting" in type_in(teacher, teacher.root, "collect", "greeting")
    collected = teacher.root / "submitted" / "ada" / "greeting" / "greeting.ipynb"
    assert collected.read_bytes() == notebook_bytes("by hand")
