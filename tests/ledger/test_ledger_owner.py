"""Where root runs the club, the course's account must read what root's processes write."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from datauab import solutions
from datauab.ledger import Ledger
from datauab.settings import load_settings

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root writes for other accounts")

COURSE = 299_999


def test_what_root_writes_belongs_to_the_account_of_the_gradebook(tmp_path: Path) -> None:
    settings = load_settings(tmp_path)
    for folder in (settings.gradebook, settings.attempts, settings.secrets, settings.solutions):
        folder.mkdir(mode=0o700)
        os.chown(folder, COURSE, COURSE)
    with Ledger.open(settings) as ledger:
        attempt = ledger.add_attempt(competition="c", member="m", kind="notebook", origin="exchange", blob=b"work")
        ledger.publish_feedback(attempt.id, b"feedback")
    solutions.ensure_secret(settings, "receipts")
    solutions.write(settings, "c", np.arange(3.0), "fingerprint")
    written = [
        path for folder in (settings.attempts, settings.secrets, settings.solutions) for path in folder.rglob("*")
    ]
    assert sum(path.is_file() for path in written) >= 5
    assert {path.stat().st_uid for path in written} == {COURSE}
