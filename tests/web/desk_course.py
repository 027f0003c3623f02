"""What the tests of the organiser's desk share: its routes, and forms as a browser sends them."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI

from datauab.ledger import Attempt, Ledger

SAFE = {"GET", "HEAD", "OPTIONS"}
MANAGE = "competitions/bitcoin/manage"
DESK = "api/v1/competitions/bitcoin/desk"


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """Run an application behind a real uvicorn; gives its address without a path."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        threading.Event().wait(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    app.state.club.watch.close()
    server.should_exit = True
    thread.join(10)


def routes_of(app: FastAPI) -> Iterator[tuple[str, str]]:
    """Every method and path of an application, however deep its routers are included."""
    yield from _walk(app.routes)


def _walk(routes: Iterable[Any]) -> Iterator[tuple[str, str]]:
    for route in routes:
        inner = getattr(route, "effective_candidates", None)
        if inner is not None:
            yield from _walk(inner())
        for method in getattr(route, "methods", None) or ():
            yield method, route.path


def desk_routes(app: FastAPI, prefix: str) -> list[tuple[str, str]]:
    """Routes of the desk, pages and API, without the service's prefix."""
    found = {(method, path.removeprefix(prefix)) for method, path in routes_of(app)}
    return sorted(one for one in found if "/manage" in one[1] or "/desk" in one[1])


def filled(path: str, **values: object) -> str:
    """A route's path for the competition of the tests; what `values` do not name is a number that nothing has."""
    known = {"name": "bitcoin", "member": "ada", "key": "daily_scored", "number": 987654, **values}
    return path.format(**known)


def xsrf_of(client: httpx.Client, competition: str = "bitcoin") -> str:
    return client.get(f"competitions/{competition}/manage/bundle").text.split('data-xsrf="')[1].split('"')[0]


def send(client: httpx.Client, path: str, **fields: object) -> httpx.Response:
    """Send a form of the desk as a browser does, with the session's token."""
    data = {"_xsrf": xsrf_of(client), **{name: str(value) for name, value in fields.items()}}
    return client.post(path if path.startswith("competitions/") else f"{MANAGE}{path}", data=data)


def fail(ledger: Ledger, attempt: Attempt, reason: str = "line 3: expected a number", platform: bool = False) -> None:
    """Let grading of `attempt` fail."""
    lease = ledger.lease("test", attempt_id=attempt.id)
    assert lease is not None
    ledger.finish_failed(lease, reason, platform)


def answer(ledger: Ledger, result: Any = None, reason: str = "") -> int:
    """End the task that waits, as the grader would; gives its number."""
    lease = ledger.lease_task("test")
    assert lease is not None
    if reason:
        ledger.fail_task(lease, reason)
    else:
        ledger.finish_task(lease, result.model_dump(mode="json"))
    return lease.task.id
