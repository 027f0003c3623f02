"""The web service as one ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, FastAPI, Query, Request
from fastapi.responses import FileResponse, RedirectResponse, Response

from datauab.keys import ensure_secret
from datauab.ledger import Ledger
from datauab.settings import Settings
from datauab.web import (
    api,
    attempt_api,
    attempt_pages,
    board_api,
    board_pages,
    desk_api,
    desk_pages,
    exchange_api,
    pages,
    profile_pages,
    starter_pages,
    taking_part_api,
    taking_part_pages,
    team_api,
    team_pages,
)
from datauab.web.answered import Answered
from datauab.web.auth import Authenticator
from datauab.web.board_index import BoardIndexes
from datauab.web.catalogue import Catalogue
from datauab.web.club import HERE, Club, utc_now
from datauab.web.endings import Endings
from datauab.web.live import BoardWatch
from datauab.web.names import Names
from datauab.web.problems import Problem, install_problem_handlers
from datauab.web.render import make_environment
from datauab.web.row_ids import RowIds
from datauab.web.security import SecurityHeaders
from datauab.web.session import begin_sign_in, finish_sign_in, sign_out

STATIC = {"club.css": "text/css", "live.js": "text/javascript", "mark.svg": "image/svg+xml"}

entry = APIRouter(include_in_schema=False)


def create_app(
    settings: Settings, ledger: Ledger, auth: Authenticator, clock: Callable[[], datetime] = utc_now
) -> FastAPI:
    """Make the application; it answers below ``settings.web_prefix``.

    Parameters
    ----------
    settings : Settings
        The deployment.
    ledger : Ledger
        Stays open; whoever opened it closes it.
    auth : Authenticator
        Knows the members.
    clock : callable
        The server's clock (aware, UTC): the time of every attempt, whatever a client says.

    Raises
    ------
    ConfigurationError
        Where the key that signs receipts can be neither read nor made.
    """
    catalogue, boards = Catalogue(settings), BoardIndexes(ledger)
    key = ensure_secret(settings, "receipts")
    club = Club(
        settings=settings,
        ledger=ledger,
        auth=auth,
        catalogue=catalogue,
        key=key,
        watch=BoardWatch(lambda name: str(ledger.change_mark(name))),
        answered=Answered(),
        boards=boards,
        names=Names(ledger, key, lambda: _members(catalogue, boards)),
        endings=Endings(settings.state, ledger.unfinished),
        row_ids=RowIds(settings),
        clock=clock,
    )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        club.endings.on_ring(club.watch.wake)
        club.endings.start()
        yield
        club.watch.close()
        club.endings.close()

    prefix = club.prefix.rstrip("/")
    app = FastAPI(
        title=f"{settings.club}: competitions",
        version="1",
        docs_url=None,
        redoc_url=None,
        openapi_url=f"{prefix}/api/openapi.json",
        lifespan=lifespan,
    )
    app.state.club = club
    app.state.templates = make_environment(club.zone, clock)
    install_problem_handlers(app)
    app.add_middleware(SecurityHeaders)
    app.include_router(entry, prefix=prefix)
    for part in (pages, board_pages, profile_pages, attempt_pages, desk_pages, starter_pages):
        app.include_router(part.router, prefix=prefix)
    for part in (team_pages, taking_part_pages):
        app.include_router(part.router, prefix=prefix)
    app.include_router(board_api.router, prefix=f"{prefix}/api/v1")
    app.include_router(attempt_api.router, prefix=f"{prefix}/api/v1")
    app.include_router(exchange_api.router, prefix=f"{prefix}/api/v1")
    for part in (team_api, taking_part_api, desk_api):
        app.include_router(part.router, prefix=f"{prefix}/api/v1")
    return app


@entry.get("/login")
def login(request: Request, club: api.InClub, wanted: Annotated[str | None, Query(alias="next")] = None) -> Response:
    """Begin a sign-in at the hub."""
    return begin_sign_in(request, club, wanted)


@entry.get("/oauth_callback")
async def oauth_callback(
    request: Request, club: api.InClub, code: str = "", state: str = "", error: str = ""
) -> Response:
    """End a sign-in that the hub allowed."""
    if error or not code:
        raise Problem(403, "Forbidden", "the hub did not sign you in; press Sign in once more, or ask an instructor")
    return await finish_sign_in(request, club, code, state)


@entry.post("/logout")
async def logout(club: api.InClub, viewer: api.Member) -> Response:
    """Sign out here and at the hub."""
    return sign_out(club)


@entry.get("/static/{version}/{name}")
def static_file(version: str, name: str) -> Response:
    """Give one of the service's own three files; the version in its address lets browsers keep it."""
    media_type = STATIC.get(name)
    if media_type is None:
        raise Problem(404, "NotFound", "there is no such file")
    headers = {"Cache-Control": "public, max-age=31536000, immutable"}
    return FileResponse(HERE / "static" / name, media_type=media_type, headers=headers)


@entry.get("/health")
def health(club: api.InClub) -> dict[str, str]:
    """Answer where service and database work."""
    club.ledger.queue_counts()
    return {"status": "ok"}


@entry.get("")
def without_slash(club: api.InClub) -> Response:
    """Lead to the first page."""
    return RedirectResponse(club.prefix, status_code=307)


def _members(catalogue: Catalogue, boards: BoardIndexes) -> set[str]:
    return set().union(*(boards.public(one).everybody() for one in catalogue.all()))
