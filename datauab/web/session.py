"""Sessions of browsers and tokens of programs: who the viewer is, and that a form was sent on purpose.

Students' own servers share the host name, so a page there is "same origin". What a browser sends with its cookie is
therefore trusted only where it is a plain visit, or carries the token that this service wrote into its own pages.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request
from fastapi.responses import RedirectResponse, Response
from starlette.datastructures import FormData

from datauab.web.auth import AuthenticationUnavailable, Identity
from datauab.web.club import Club, running_club
from datauab.web.problems import Problem, SignInNeeded
from datauab.web.streams import read_form

log = logging.getLogger(__name__)

COOKIE_SECONDS = 14 * 24 * 3600
STATE_SECONDS = 600
FORM_OVERHEAD = 64 * 1024
"""Bytes of a form beside the uploaded file."""

_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_TOKEN = re.compile(r"(?:token|bearer)\s+(\S+)\s*", re.IGNORECASE)


@dataclass(frozen=True)
class Viewer:
    """The signed-in member who asks.

    Attributes
    ----------
    xsrf : str
        What forms of this session must send back; empty for programs, which send no cookie.
    form : FormData or None
        The form that came with the request and whose token was checked.
    """

    name: str
    instructor: bool
    xsrf: str = ""
    form: FormData | None = None


async def optional_viewer(request: Request, club: Annotated[Club, Depends(running_club)]) -> Viewer | None:
    """The viewer, or None for a visitor; on public pages a hub that is down makes everybody a visitor."""
    try:
        return await _remembered(request, club)
    except AuthenticationUnavailable as error:
        log.warning("shown as to a visitor, since the hub did not answer: %s", error)
        return None


async def signed_in(request: Request, club: Annotated[Club, Depends(running_club)]) -> Viewer:
    """The viewer; nobody else gets in."""
    viewer = await _remembered(request, club)
    if viewer is None:
        raise SignInNeeded
    return viewer


async def instructor(viewer: Annotated[Viewer, Depends(signed_in)]) -> Viewer:
    """The viewer, who is an instructor of the course."""
    if not viewer.instructor:
        raise Problem(403, "Forbidden", "this is for the course's instructors; ask one of them")
    return viewer


async def _remembered(request: Request, club: Club) -> Viewer | None:
    viewer = await _identify(request, club)
    request.state.viewer = viewer  # an error page later in this request greets the same person
    return viewer


async def _identify(request: Request, club: Club) -> Viewer | None:
    header = request.headers.get("authorization")
    if header is not None:
        found = _TOKEN.fullmatch(header)
        identity = await club.auth.identify(found[1]) if found else None
        if identity is None:
            raise Problem(
                403,
                "Forbidden",
                "the hub does not know this token, or it may not use this service: expected "
                "`Authorization: token <hub token>`; restart your server or make a new token on the hub",
            )
        return _viewer(identity)
    cookie = request.cookies.get(club.auth.cookie_name)
    if not cookie:
        return None
    identity = await club.auth.identify(cookie, request.cookies.get("jupyterhub-session-id", ""))
    if identity is None:
        return None
    xsrf = xsrf_token(club.key, cookie)
    if request.method in _SAFE_METHODS:
        trusted = _is_visit(request) or _equal(request.headers.get("x-xsrftoken"), xsrf)
        return _viewer(identity, xsrf) if trusted else None
    form = await _checked_form(request, club, xsrf)
    return _viewer(identity, xsrf, form)


def _viewer(identity: Identity, xsrf: str = "", form: FormData | None = None) -> Viewer:
    return Viewer(identity.name, identity.instructor, xsrf, form)


def xsrf_token(key: bytes, cookie: str) -> str:
    """The token that belongs to a session: nobody without the session's cookie and the service's key can make it."""
    return hmac.new(key, b"datauab.xsrf:" + cookie.encode(), hashlib.sha256).hexdigest()


def _is_visit(request: Request) -> bool:
    # Browsers that send no Sec-Fetch-Mode (plain http, old ones) cannot be told apart from a visit.
    return request.headers.get("sec-fetch-mode", "navigate") == "navigate"


def _equal(found: str | None, expected: str) -> bool:
    return hmac.compare_digest((found or "").encode(), expected.encode())


async def _checked_form(request: Request, club: Club, xsrf: str) -> FormData | None:
    if not is_same_origin(request):
        raise Problem(403, "Forbidden", "this request came from another site; open the club's own page and try again")
    if _equal(request.headers.get("x-xsrftoken"), xsrf):
        return None
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in ("multipart/form-data", "application/x-www-form-urlencoded"):
        form = await read_form(request, club.settings.upload_mb, FORM_OVERHEAD)
        sent = form.get("_xsrf")
        if isinstance(sent, str) and _equal(sent, xsrf):
            return form
        await form.close()
    raise Problem(
        403, "Forbidden", "the form's protection token is missing or old; go back, reload the page and send it again"
    )


def is_same_origin(request: Request) -> bool:
    """Whether the browser says that one of this host's own pages sent the request; silence counts as no."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("origin")
    if origin is None:
        return False
    forwarded = request.headers.get("x-forwarded-host", "").partition(",")[0].strip()
    return urlsplit(origin).netloc in {request.headers.get("host", ""), forwarded} - {""}


def is_https(request: Request) -> bool:
    """Whether the browser's own connection is encrypted, by what the outermost proxy says."""
    said = request.headers.get("x-forwarded-proto", "").partition(",")[0].strip().lower()
    return (said or request.url.scheme) == "https"


def safe_next(club: Club, wanted: str | None) -> str:
    """`wanted` where it is a path of this service, else the service's first page: no open redirect."""
    ok = wanted and wanted.startswith(club.prefix) and "\\" not in wanted and wanted.isprintable()
    parts = urlsplit(wanted) if ok and wanted else None
    if parts and not parts.scheme and not parts.netloc and ".." not in parts.path.split("/"):
        return str(wanted)
    return club.prefix


def begin_sign_in(request: Request, club: Club, wanted: str | None) -> Response:
    """Send the browser to the hub with a state that only this browser holds."""
    start = club.auth.begin(safe_next(club, wanted))
    answer = RedirectResponse(start.url, status_code=302)
    _set_cookie(request, club, answer, (_state_cookie(club, start.state), start.state), STATE_SECONDS)
    return answer


async def finish_sign_in(request: Request, club: Club, code: str, state: str) -> Response:
    """Check the state, exchange the code, and keep the token in a cookie that scripts cannot read.

    Raises
    ------
    Problem
        403 where the sign-in was not begun in this browser, took too long, or was begun before a restart.
    """
    held = request.cookies.get(_state_cookie(club, state))
    result = await club.auth.finish(code, state) if state and _equal(held, state) else None
    if result is None:
        raise Problem(
            403, "Forbidden", "this sign-in was not begun in this browser, or took too long; press Sign in once more"
        )
    token, wanted = result
    if await club.auth.identify(token) is None:
        raise Problem(403, "Forbidden", "your account may not use this service; ask an instructor to let you in")
    answer = RedirectResponse(safe_next(club, wanted), status_code=302)
    answer.delete_cookie(_state_cookie(club, state), path=club.prefix)
    _set_cookie(request, club, answer, (club.auth.cookie_name, token), COOKIE_SECONDS)
    return answer


def sign_out(club: Club) -> Response:
    """Forget the session here and let the hub forget its own."""
    answer = RedirectResponse(f"{club.auth.hub_prefix}logout", status_code=303)
    answer.delete_cookie(club.auth.cookie_name, path=club.prefix)
    return answer


def _state_cookie(club: Club, state: str) -> str:
    # one cookie for each sign-in under way, so that two tabs do not undo each other
    return f"{club.auth.cookie_name}-oauth-state-{hashlib.sha256(state.encode()).hexdigest()[:10]}"


def _set_cookie(request: Request, club: Club, answer: Response, cookie: tuple[str, str], seconds: int) -> None:
    name, value = cookie
    answer.set_cookie(
        name, value, max_age=seconds, path=club.prefix, httponly=True, samesite="lax", secure=is_https(request)
    )
