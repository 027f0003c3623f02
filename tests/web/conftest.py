"""A small real course, a real ledger on SQLite, and the real application on them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import uvicorn
from web_course import PNG, TOML, Clock, Members, add_attempt, archive, notebook  # type: ignore[import-not-found]

from datauab.ledger import Attempt, Ledger, ScoreRecord
from datauab.settings import Settings, load_settings
from datauab.web.app import create_app


@pytest.fixture
def course(tmp_path: Path) -> Settings:
    root = tmp_path / "course"
    folder = root / "source" / "bitcoin"
    (folder / "img").mkdir(parents=True)
    (root / "nbgrader_config.py").write_text("c = get_config()\n")
    (folder / "competition.toml").write_text(TOML)
    (folder / "bitcoin.ipynb").write_bytes(notebook("### BEGIN SOLUTION"))
    (folder / "img" / "cover.png").write_bytes(PNG)
    public = root / ".club" / "public" / "bitcoin"
    public.mkdir(parents=True)
    rows = {"train": 2336, "validation": 292, "test": 292}
    (public / "dataset.json").write_text(json.dumps({"title": "Bitcoin, day by day", "stand_in": False, "rows": rows}))
    return load_settings(root, upload_mb=1)


@pytest.fixture
def ledger(course: Settings) -> Iterator[Ledger]:
    with Ledger.open(course) as opened:
        yield opened


@pytest.fixture
def members() -> Members:
    return Members()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def released(ledger: Ledger) -> None:
    ledger.publish_release("bitcoin", archive(), by="teacher")


@pytest.fixture
def address(course: Settings, ledger: Ledger, members: Members, clock: Clock, released: None) -> Iterator[str]:
    """The address of the real application behind a real uvicorn, with its prefix."""
    app = create_app(course, ledger, members, clock)
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", server_header=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        threading.Event().wait(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}{course.web_prefix}"
    app.state.club.watch.close()
    server.should_exit = True
    thread.join(10)


@pytest.fixture
def api(address: str) -> Iterator[Callable[[str | None], httpx.Client]]:
    """Clients by the name of their member; None is a visitor."""
    opened: list[httpx.Client] = []

    def make(name: str | None) -> httpx.Client:
        headers = {"Authorization": f"token tok-{name}"} if name else {}
        client = httpx.Client(base_url=address, headers=headers, trust_env=False, timeout=60)
        opened.append(client)
        return client

    yield make
    for client in opened:
        client.close()


@pytest.fixture
def browser(address: str) -> Iterator[Callable[[str], httpx.Client]]:
    """Clients that hold a session's cookie and send what browsers send, by the name of their member."""
    opened: list[httpx.Client] = []

    def make(name: str) -> httpx.Client:
        client = httpx.Client(
            base_url=address,
            cookies={"service-club": f"tok-{name}"},
            headers={"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "same-origin"},
            trust_env=False,
            timeout=60,
        )
        opened.append(client)
        return client

    yield make
    for client in opened:
        client.close()


@pytest.fixture
def scored(ledger: Ledger) -> Callable[..., Attempt]:
    """Add an attempt and score it, as the grader would."""

    def add(member: str, public: float, private: float | None = None, **more: object) -> Attempt:
        attempt = add_attempt(ledger, member, **more)
        lease = ledger.lease("test")
        assert lease is not None
        assert lease.attempt.id == attempt.id
        record = ScoreRecord(
            public=public,
            private=public - 0.01 if private is None else private,
            interval_low=public - 0.02,
            interval_high=public + 0.02,
            metric="r2",
            secondary={"rmse": {"public": 812.5, "private": 777.25}},
            points=8.5,
            max_points=10.0,
            scorer_hash="s" * 64,
            solution_hash="t" * 64,
        )
        ledger.finish_scored(lease, record)
        return ledger.attempt(attempt.id)

    return add
