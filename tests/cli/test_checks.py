"""What ``./club test`` runs: every test in exactly one of its phases."""

from __future__ import annotations

import itertools
import sys

from datauab.cli.test import SLOW_MARKERS, checks


def expressions(commands: list[tuple[str, list[str]]]) -> list[str]:
    return [command[command.index("pytest", 2) :][2] for _, command in commands if command[1:3] == ["-m", "pytest"]]


def test_every_test_belongs_to_one_phase_whatever_its_markers() -> None:
    phases = expressions(checks(fast=False, pytest_arguments=[]))
    assert len(phases) == 3
    for present in itertools.product((False, True), repeat=len(SLOW_MARKERS)):
        markers = dict(zip(SLOW_MARKERS, present, strict=True))
        runs = [bool(eval(phase, {"__builtins__": {}}, markers)) for phase in phases]  # noqa: S307 - our own words
        assert sum(runs) == 1, (markers, phases)


def test_fast_leaves_out_what_is_slow_and_arguments_reach_pytest() -> None:
    fast = checks(fast=True, pytest_arguments=[])
    assert len(expressions(fast)) == 1
    assert all(f"not {marker}" in expressions(fast)[0] for marker in SLOW_MARKERS)
    name, command = checks(fast=False, pytest_arguments=["tests/cli", "-k", "fast"])[-1]
    assert (name, command) == ("tests (pytest)", [sys.executable, "-m", "pytest", "tests/cli", "-k", "fast"])
