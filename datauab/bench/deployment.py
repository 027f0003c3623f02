"""A throw-away deployment for measurements: a competition, its solution, the real web service and the real grader."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from datauab.autograde.sandbox import python_env
from datauab.errors import ClubError
from datauab.settings import Settings, load_settings

NAME = "quick"
ROWS = 10_000
CLASSES = 10
START_SECONDS = 60.0

_COMPETITION = f"""
title = "What a score costs"
summary = "{ROWS} class predictions."
authors = ["Data UAB"]
date = 2026-01-01
cover = "img/cover.svg"
dataset = "{NAME}"
public_share = 0.3
predictions = {{kind = "class", classes = {list(range(CLASSES))}}}
metric = {{name = "accuracy", direction = "maximize"}}
phases = [{{name = "open", opens = 2026-01-01T00:00:00Z}}]
quotas = {{daily_scored = 1000000, daily_attempts = 1000000}}
points = {{begin = 0.1, full = 1.0}}
"""


@dataclass(frozen=True)
class Bench:
    """A deployment whose services run.

    Attributes
    ----------
    settings : Settings
        Of the deployment.
    port : int
        Of the web service on loopback.
    truth : ndarray
        The solution, int64 of shape (`ROWS`,).
    services : dict of str to Popen
        Processes by name, those that `start` started.
    """

    settings: Settings
    port: int
    truth: NDArray[np.int64]
    services: dict[str, subprocess.Popen[bytes]]

    def start(self, name: str) -> None:
        """Start the service `name`, "web" or "grader", and wait until it answers."""
        commands = {
            "web": ["datauab.bench.served", str(self.settings.root), str(self.port)],
            "grader": ["datauab.grader"],
        }
        with (self.settings.root / f"{name}.log").open("ab") as log:
            self.services[name] = subprocess.Popen(
                [sys.executable, "-m", *commands[name]],
                cwd=self.settings.root,
                env={**python_env(), **_environment(self.settings)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        if name == "web":
            self._wait()

    def kill(self, name: str) -> None:
        """End a service as a power cut would."""
        self.services[name].kill()
        self.services[name].wait()

    def stop(self) -> None:
        """End all services as an operator would."""
        for service in self.services.values():
            service.send_signal(signal.SIGTERM)
        for service in self.services.values():
            try:
                service.wait(20)
            except subprocess.TimeoutExpired:
                service.kill()
                service.wait()

    def client(self) -> HTTPConnection:
        """A connection that stays open."""
        return HTTPConnection("127.0.0.1", self.port, timeout=60)

    def _wait(self) -> None:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                connection = self.client()
                connection.request("GET", f"{self.settings.web_prefix}health")
                if connection.getresponse().status == 200:
                    return
            if self.services["web"].poll() is not None:
                break
            time.sleep(0.05)
        raise ClubError(f"the web service did not start: {(self.settings.root / 'web.log').read_text()[-2000:]}")


@contextlib.contextmanager
def deployed(
    root: Path, database: str = "", services: tuple[str, ...] = ("web", "grader"), lease_s: float = 60.0
) -> Iterator[Bench]:
    """Make a deployment below `root`, run its services, and stop them at the end.

    Parameters
    ----------
    root : Path
        An empty folder.
    database : str
        SQLAlchemy URL; a SQLite file below `root` where empty. Its tables of the ledger are added to.
    services : tuple of str
        Which services to start.
    lease_s : float
        Silence in seconds after which a grader's attempt goes back to the queue.

    Raises
    ------
    ClubError
        Where a service does not start.
    """
    from datauab import solutions
    from datauab.ledger import Ledger

    source = root / "source" / NAME
    source.mkdir(parents=True)
    (root / "nbgrader_config.py").write_text("c = get_config()\n", encoding="utf-8")
    (source / "competition.toml").write_text(_COMPETITION, encoding="utf-8")
    settings = load_settings(root, lease_s=lease_s, **({"database": database} if database else {}))
    settings.gradebook.mkdir(mode=0o700)
    public = settings.public / NAME
    public.mkdir(parents=True)
    (public / "dataset.json").write_text(json.dumps({"title": NAME, "stand_in": False, "rows": {"test": ROWS}}))
    truth = np.random.default_rng(1).integers(0, CLASSES, size=ROWS)
    solutions.write(settings, NAME, truth, "bench")
    with Ledger.open(settings) as ledger:
        ledger.publish_release(NAME, _release(), by="bench")
    bench = Bench(settings, free_port(), truth, {})
    try:
        for name in services:
            bench.start(name)
        yield bench
    finally:
        bench.stop()


def predictions(bench: Bench, number: int) -> bytes:
    """A ``.npy`` file of `ROWS` class predictions, another one for each `number`; about 70 % are right."""
    chance = np.random.default_rng(number)
    guess = np.where(chance.random(ROWS) < 0.7, bench.truth, chance.integers(0, CLASSES, size=ROWS))
    target = io.BytesIO()
    np.save(target, guess, allow_pickle=False)
    return target.getvalue()


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _environment(settings: Settings) -> dict[str, str]:
    return {
        "HOME": str(settings.root),
        "DATAUAB_ROOT": str(settings.root),
        "DATAUAB_DATABASE": settings.database,
        "DATAUAB_LEASE_S": str(settings.lease_s),
        "PYTHONUNBUFFERED": "1",
        **{name: os.environ[name] for name in ("OPENBLAS_CORETYPE", "OMP_NUM_THREADS") if name in os.environ},
    }


def _release() -> bytes:
    cells: list[object] = []
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr(f"{NAME}.ipynb", json.dumps(notebook))
    return target.getvalue()
