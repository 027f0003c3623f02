"""Kill grader, web service and hub at random moments: nothing acknowledged is lost or graded twice."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from collections.abc import Callable

import nbformat
import pytest
from deployment import Deployment
from members import Member
from notebooks import FAIR, POOR, own_work

from datauab import gradebook
from datauab.archive import make_archive
from datauab.ledger import Ledger
from datauab.settings import load_settings

pytestmark = [pytest.mark.hub, pytest.mark.sandbox, pytest.mark.timeout(1800)]

VICTIMS = {"grader": r"datauab\.grader", "web service": r"datauab\.web", "hub": r"-m jupyterhub"}

ROUNDS = 3

#: Seconds in which a victim must be back. The hub looks every 30 s whether a service's keeper still runs, and ends
#: itself where one dies while it starts; after such deaths the hub pauses for up to 30 s.
BACK_S = 150


def kill_at_random(club: Deployment, killed: list[str], chance: random.Random) -> None:
    """Kill each victim once a round, in random order and at random moments.

    Who is not there at that moment, since the death of the hub took it along, dies when it is back.
    """
    for _ in range(ROUNDS):
        for name in chance.sample(list(VICTIMS), len(VICTIMS)):
            time.sleep(chance.uniform(0.0, 6.0))
            end = time.monotonic() + BACK_S
            while time.monotonic() < end:
                if kill(club.pids(VICTIMS[name])):
                    killed.append(name)
                    break
                time.sleep(0.1)


def kill(pids: list[int]) -> int:
    """Kill processes; gives how many were there to be killed."""
    dead = 0
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            dead += 1
    return dead


def test_what_is_acknowledged_is_graded_once_whoever_dies(deploy: Callable[..., Deployment]) -> None:
    club = deploy("kills", "bitcoin")
    club.up()
    released = club.root / "release" / "bitcoin" / "bitcoin.ipynb"
    members = [Member(club, f"student{number}") for number in range(3)]
    archives = [
        make_archive({"bitcoin.ipynb": nbformat.writes(own_work(released, code)).encode()}) for code in (POOR, FAIR)
    ]
    killed: list[str] = []
    killer = threading.Thread(target=kill_at_random, args=(club, killed, random.Random()), daemon=True)
    killer.start()
    acknowledged = []
    for archive in archives:
        for member in members:
            acknowledged.append(member.submit(archive))
            time.sleep(2)
    killer.join(900)
    assert sorted(killed) == sorted([*VICTIMS] * ROUNDS), (
        f"expected {ROUNDS} deaths of each, found {killed}\n{club.output.read_text()}\n{club.hub_log()}"
    )
    assert len(set(acknowledged)) == len(acknowledged)

    settings = load_settings(club.root, port=club.port)
    with Ledger.open(settings) as ledger:
        end = time.monotonic() + 400
        while time.monotonic() < end:
            states = {number: ledger.attempt(number).state for number in acknowledged}
            if not set(states.values()) & {"queued", "running"}:
                break
            time.sleep(1)
        reasons = [ledger.attempt(number).reason for number in acknowledged]
        assert set(states.values()) == {"scored"}, (states, reasons, club.hub_log())
        own = [item for item in ledger.attempts(competition="bitcoin") if item.origin != "baseline"]
        assert sorted(item.id for item in own) == sorted(acknowledged)
        scores = {item.member: item.public for item in own if item.id in acknowledged[3:]}
        assert len(set(scores.values())) == 1, "the same notebook on the same data has one score"
        board = [row.member for row in ledger.public_board("bitcoin") if row.member.startswith("student")]
    assert {member.name for member in members} <= set(board)
    for member in members:
        assert gradebook.points(settings, "bitcoin", member.name) is not None
    assert club.down() == 0
    assert club.processes() == []
