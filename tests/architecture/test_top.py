"""The top of the repository: what the customer fixed and what leads a newcomer, and nothing that a run left behind."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
FIXED = {"jupyterhub_config.py", "source", "release", "autograded", "gradebook", "images", "pyproject.toml", "tests"}
OTHERS = {
    ".ci", ".gitignore", "README.md", "club", "constraints.txt", "datauab", "deploy", "docs", "feedback",
    "nbgrader_config.py", "submitted",
}  # fmt: skip


def test_the_top_holds_what_it_should_and_nothing_else() -> None:
    if not (TOP / ".git").exists():
        pytest.skip("no git repository: nothing tells what belongs to it")
    command = ["git", "-c", f"safe.directory={TOP}", "ls-files", "-z"]
    listed = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=True).stdout.split("\0")
    assert {name.partition("/")[0] for name in listed if name} == FIXED | OTHERS
