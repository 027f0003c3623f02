"""A small competition with a real solution, the real web service and the real grader, for people in browsers."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import numpy as np
import uvicorn
from numpy.typing import NDArray

from datauab import solutions
from datauab.autograde.assignment import public_rows
from datauab.autograde.sandbox import python_env
from datauab.competition import load_competition
from datauab.ledger import Ledger
from datauab.settings import Settings, load_settings
from datauab.web.app import create_app
from datauab.web.auth import Identity
from tests.integration.people import Person
from tests.web.web_course import Members, archive, notebook

NAME = "bitcoin"
ROWS = 400
COVER = (
    b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 320 180"><rect width="320" height="180" fill="#0b7a55"/>'
    b'<path d="M20 140 L90 96 L150 118 L220 52 L300 70" fill="none" stroke="#fff" stroke-width="9"/></svg>'
)


def describe(opens: datetime, closes: datetime) -> str:
    """``competition.toml`` of a competition with rules, teams and a reveal at its end."""
    return f'''
title = "Predict the price of bitcoin"
summary = "Daily network data, one price."
authors = ["Ada Puig"]
date = {opens:%Y-%m-%d}
tags = ["regression"]
cover = "cover.svg"
dataset = "{NAME}"
public_share = 0.5
predictions = {{kind = "real"}}
metric = {{name = "r2", direction = "maximize"}}
phases = [{{name = "main", opens = {opens.isoformat()}, closes = {closes.isoformat()}}}]
quotas = {{daily_scored = 20, daily_attempts = 40}}
teams = {{max_size = 3}}
points = {{begin = 0.0, full = 0.9}}

[rules]
text = """
# Fair play
One account each, and **no** private sharing of code across teams.
- Data from elsewhere must be public.
"""
'''


class ShiftedClock:
    """The real time, some while later where a test says so."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@dataclass
class Stage:
    """A competition under way.

    Attributes
    ----------
    address : str
        Of the web service, with its prefix.
    truth : ndarray
        The solution, float64 of shape (`ROWS`,).
    public : ndarray of bool
        Rows of the public board.
    """

    settings: Settings
    ledger: Ledger
    members: Members
    clock: ShiftedClock
    address: str
    truth: NDArray[np.float64]
    public: NDArray[np.bool_]
    grader: subprocess.Popen[bytes]
    people: dict[str, Person] = field(default_factory=dict)

    def person(self, name: str) -> Person:
        """A member at a browser, signed in; the same one each time."""
        if name not in self.people:
            self.members.known.setdefault(f"tok-{name}", Identity(name))
            person = Person(self.address, name)
            person.open(f"{self.address}health")
            person.driver.add_cookie({"name": self.members.cookie_name, "value": f"tok-{name}", "path": "/"})
            self.people[name] = person
        return self.people[name]

    def visit(self, name: str, path: str = "") -> Person:
        """Let a member open a page of the competition."""
        person = self.person(name)
        person.open(f"{self.address}competitions/{NAME}{path}")
        return person

    def off_by(self, public: float, private: float, seed: int = 0) -> NDArray[np.float64]:
        """Predictions with noise of these sizes on the two parts of the rows."""
        noise = np.random.default_rng(seed).normal(size=ROWS)
        return self.truth + noise * np.where(self.public, public, private)

    def file(self, predictions: NDArray[np.float64], name: str = "mine.npy") -> Path:
        """The predictions as a file to choose in a form."""
        path = self.settings.root.parent / name
        np.save(path, predictions)
        return path

    def send(self, name: str, predictions: NDArray[np.float64]) -> float:
        """Hand in by the API and wait; gives the public score."""
        target = io.BytesIO()
        np.save(target, predictions)
        answer = httpx.post(
            f"{self.address}api/v1/competitions/{NAME}/attempts?filename=mine.npy&wait=30",
            content=target.getvalue(),
            headers={"Authorization": f"token tok-{name}"},
            trust_env=False,
            timeout=60,
        )
        assert answer.status_code == 201, answer.text
        assert answer.json()["state"] == "scored", answer.text
        return float(answer.json()["score"])

    def correct(self, truth: NDArray[np.float64]) -> None:
        """Put a corrected solution in the place of the old one."""
        solutions.write(self.settings, NAME, truth, "corrected")

    def hold_grader(self, held: bool) -> None:
        """Stop the grader for a while, or let it go on."""
        self.grader.send_signal(signal.SIGSTOP if held else signal.SIGCONT)


@contextmanager
def staged(root: Path) -> Iterator[Stage]:
    """Set a competition up below `root` and serve it until the end."""
    folder = root / "source" / NAME
    (folder / "img").mkdir(parents=True)
    (root / "nbgrader_config.py").write_text("c = get_config()\n")
    now = datetime.now(UTC).replace(microsecond=0)
    (folder / "competition.toml").write_text(describe(now - timedelta(days=9), now + timedelta(days=1)))
    (folder / f"{NAME}.ipynb").write_bytes(notebook())
    (folder / "img" / "cover.svg").write_bytes(COVER)
    settings = load_settings(root, upload_mb=1)
    settings.gradebook.mkdir(mode=0o700)
    (settings.public / NAME).mkdir(parents=True)
    rows = {"train": 3 * ROWS, "test": ROWS}
    (settings.public / NAME / "dataset.json").write_text(
        json.dumps({"title": "Bitcoin, day by day", "stand_in": False, "rows": rows})
    )
    truth = np.random.default_rng(7).normal(size=ROWS)
    solution = solutions.write(settings, NAME, truth, "first")
    public = np.asarray(public_rows(settings, load_competition(folder), solution))
    with Ledger.open(settings) as ledger, graded(settings) as grader:
        ledger.publish_release(NAME, archive(), by="teacher")
        members, clock = Members(), ShiftedClock()
        with served(settings, ledger, members, clock) as address:
            stage = Stage(settings, ledger, members, clock, address, truth, public, grader)
            try:
                yield stage
            finally:
                for person in stage.people.values():
                    person.leave()


@contextmanager
def served(settings: Settings, ledger: Ledger, members: Members, clock: ShiftedClock) -> Iterator[str]:
    """The real application behind a real server; gives its address."""
    app = create_app(settings, ledger, members, clock)
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", server_header=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        threading.Event().wait(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}{settings.web_prefix}"
    finally:
        app.state.club.watch.close()
        server.should_exit = True
        thread.join(10)


@contextmanager
def graded(settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    """The real grader as a process of its own."""
    kept = {name: os.environ[name] for name in ("OPENBLAS_CORETYPE", "OMP_NUM_THREADS") if name in os.environ}
    environment = {**python_env(), **kept, "HOME": str(settings.root), "DATAUAB_ROOT": str(settings.root)}
    with (settings.root / "grader.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "datauab.grader"], env=environment, stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGCONT)
            process.terminate()
            process.wait(30)
