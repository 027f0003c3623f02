"""Servers and people for the tests of the exchange."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pytest
import uvicorn
from jupyter_core.application import NoStart
from nbgrader.apps.nbgraderapp import NbGraderApp
from nbgrader.coursedir import CourseDirectory
from nbgrader.exchange import ExchangeFactory
from traitlets.config import Config, LoggingConfigurable

from datauab.exchange import configure_exchange
from datauab.ledger import Ledger
from tests.ports import free_port

COURSE = "data-uab"
TOML = """
title = "Greeting"
summary = "Say hello."
authors = ["Ada"]
date = 2026-01-01
cover = "img/cover.svg"
dataset = "got"
public_share = 0.3
points = {begin = 0.5, full = 0.9}
predictions = {kind = "class", classes = [0, 1]}
metric = {name = "accuracy", direction = "maximize"}
phases = [{name = "open", opens = 2020-01-01T00:00:00Z}]
quotas = {daily_scored = 50, daily_attempts = 50}
"""


def notebook_bytes(text: str = "print('hello')") -> bytes:
    """Give a small valid notebook."""
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text, id="cell-1")])
    return nbformat.writes(book).encode()


def tree(folder: Path) -> dict[str, bytes]:
    """Give every file below `folder` by its relative path."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@dataclass
class Door:
    """The running web service and what a test may ask of the ledger behind it."""

    address: str
    ledger: Ledger


class Served:
    """An ASGI application behind a real socket, in a thread."""

    def __init__(self, app: Any) -> None:
        self.port = free_port()
        config = uvicorn.Config(app, host="127.0.0.1", port=self.port, log_level="warning", lifespan="on")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def __enter__(self) -> Served:
        self._thread.start()
        deadline = time.monotonic() + 20
        while not self._server.started:
            assert time.monotonic() < deadline, "the server did not start within 20 s"
            time.sleep(0.01)
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.should_exit = True
        self._thread.join(20)


class Person:
    """One member at work: the environment the hub gives, a home, and nbgrader's classes as its pages build them."""

    def __init__(self, name: str, home: Path, root: Path, address: str, patch: pytest.MonkeyPatch) -> None:
        self.name, self.home, self.root, self.address, self._patch = name, home, root, address, patch
        home.mkdir(parents=True, exist_ok=True)
        self.lines: list[str] = []

    @property
    def environment(self) -> dict[str, str]:
        """Give the hub's part of the environment."""
        return {
            "JUPYTERHUB_USER": self.name,
            "JUPYTERHUB_API_TOKEN": f"token-{self.name}",
            "DATAUAB_WEB_URL": self.address,
        }

    def do(self, what: str, assignment: str = "greeting", *, student: str = "*", **options: Any) -> Any:
        """Run one of the factory's classes with `options` as its traits; keeps the log in `lines`."""
        for key, value in self.environment.items():
            self._patch.setenv(key, value)
        config = Config()
        configure_exchange(config, COURSE)
        config.CourseDirectory.update({"root": str(self.root), "assignment_id": assignment, "student_id": student})
        for key, value in options.pop("coursedir", {}).items():
            config.CourseDirectory[key] = value
        config.Exchange.assignment_dir = str(self.home)
        app = LoggingConfigurable(config=config)
        action = getattr(ExchangeFactory(parent=app), what)(coursedir=CourseDirectory(parent=app), parent=app)
        for key, value in options.items():
            setattr(action, key, value)
        self.lines = []
        handler = _Lines(self.lines)
        action.log.addHandler(handler)
        action.log.setLevel(logging.INFO)
        try:
            return action.start()
        finally:
            action.log.removeHandler(handler)

    def said(self, text: str) -> bool:
        """Whether a line of the last action's log contains `text`."""
        return any(text in line for line in self.lines)


def work(person: Person) -> Path:
    """Give the student's folder of the assignment."""
    return person.home / "greeting"


class _Lines(logging.Handler):
    def __init__(self, lines: list[str]) -> None:
        super().__init__()
        self._into = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._into.append(record.getMessage())


@dataclass(frozen=True)
class Result:
    """What a command of nbgrader left: its exit code, what it printed and what it logged."""

    returncode: int
    stdout: str
    stderr: str


def run_nbgrader(*arguments: str) -> Result:
    """Run a command of nbgrader in this process, which is many times faster than a new one."""
    app = NbGraderApp.instance()
    printed, logged, code = io.StringIO(), io.StringIO(), 0
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(logged):
            app.initialize(list(arguments))
            app.start()
    except NoStart:
        pass
    except SystemExit as exit_:
        code = exit_.code if isinstance(exit_.code, int) else 1
    finally:
        app.reset()
    return Result(code, printed.getvalue(), logged.getvalue())


Answer = tuple[int, Any]


class Fake:
    """A server that answers as it is told, and remembers what it was asked."""

    def __init__(self, answer: Callable[[str, str, bytes, dict[str, str]], Answer]) -> None:
        self.answer = answer
        self.asked: list[tuple[str, str]] = []

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while (await receive())["type"] != "lifespan.shutdown":
                await send({"type": "lifespan.startup.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        headers = {key.decode(): value.decode() for key, value in scope["headers"]}
        self.asked.append((scope["method"], scope["path"]))
        status, content = self.answer(scope["method"], scope["path"], body, headers)
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        sent = [(b"content-type", b"application/json")]
        if status in range(300, 400):
            sent.append((b"location", b"/hub/login"))
        await send({"type": "http.response.start", "status": status, "headers": sent})
        await send({"type": "http.response.body", "body": data})
