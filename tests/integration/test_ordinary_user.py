"""The club without root's rights: the same walls, made of namespaces alone."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from deployment import Deployment
from members import Member
from notebooks import POOR, own_work

from datauab.archive import make_archive
from datauab.ledger import Ledger
from datauab.settings import load_settings

pytestmark = [pytest.mark.hub, pytest.mark.sandbox, pytest.mark.timeout(600)]

ORDINARY = 4321

#: What a student's notebook finds of the deployment: it asks for everything that it could gain from.
CURIOUS = """
import os, pathlib, socket
import numpy as np
import datauab
seen = [str(path) for path in ({gradebook!r}, {source!r}, {homes!r}) if pathlib.Path(path).exists()]
others = [name for name in os.listdir("/proc") if name.isdigit()]
secrets = [name for name in os.environ if "TOKEN" in name or "SECRET" in name or "PASSWORD" in name]
try:
    socket.create_connection(("127.0.0.1", {port}), timeout=2)
    network = True
except OSError:
    network = False
assert not seen and len(others) < 12 and not secrets and not network, (seen, others, secrets, network)
"""


def test_an_ordinary_user_runs_the_club(deploy: Callable[..., Deployment], checkout: Path) -> None:
    account = ORDINARY if os.geteuid() == 0 else None
    if account is not None and not all(folder.stat().st_mode & 0o001 for folder in checkout.parents):
        pytest.skip(f"other accounts may not pass the folders above {checkout}, so none can run its environment")
    club = deploy("ordinary", "bitcoin", account=account)
    club.up()
    member = Member(club, "dora")
    released = club.root / "release" / "bitcoin" / "bitcoin.ipynb"
    folders = {"gradebook": str(club.root / "gradebook"), "source": str(club.root / "source")}
    curious = CURIOUS.format(**folders, homes=str(club.root / ".club" / "homes"), port=club.port)
    notebook = own_work(released, curious + POOR.replace(".mean()", ".mean() if seen == [] else np.nan"))
    number = member.submit(make_archive({"bitcoin.ipynb": nbformat.writes(notebook).encode()}))
    with Ledger.open(load_settings(club.root, port=club.port)) as ledger:
        end = time.monotonic() + 200
        while ledger.attempt(number).state in ("queued", "running") and time.monotonic() < end:
            time.sleep(0.5)
        # An assertion that failed in the notebook would leave `predictions` undefined, and the attempt failed.
        assert ledger.attempt(number).state == "scored", (ledger.attempt(number).reason, club.hub_log())
    owners = {Path(f"/proc/{pid}").stat().st_uid for pid, _ in club.processes()}
    assert owners <= {account if account is not None else os.geteuid()}
    assert club.down() == 0
    assert club.processes() == []
