"""Pages: the templates, what each of them gets, and how values are written in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from datauab.web.club import HERE, Club, club_of, static_version
from datauab.web.plain_markup import to_html
from datauab.web.session import Viewer

_PATTERNS = {"minutes": "%d %b %Y, %H:%M", "seconds": "%d %b %Y, %H:%M:%S"}


def make_environment(zone: ZoneInfo, clock: Callable[[], datetime]) -> Environment:
    """Make the environment of the templates: everything is escaped, and a missing value is an error."""
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def local(moment: datetime, digits: str = "minutes") -> str:
        return moment.astimezone(zone).strftime(_PATTERNS[digits]).lstrip("0")

    environment.globals["now"] = clock
    environment.filters.update(local=local, number=number, trim_zeros=trim_zeros, plain_markup=to_html)
    return environment


def number(value: float, digits: int) -> str:
    """`value` with `digits` decimals and a true minus sign."""
    return f"{value:.{digits}f}".replace("-", "−")


def trim_zeros(text: str) -> str:
    """`text` of a decimal number without zeros that say nothing."""
    return text.rstrip("0").rstrip(".") if "." in text else text


def page(
    request: Request,
    template: str,
    viewer: Viewer | None,
    values: Mapping[str, Any],
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> HTMLResponse:
    """Render `template` with `values` and what every page needs."""
    club = club_of(request)
    everywhere = {
        "viewer": viewer,
        "club": club.settings.club,
        "prefix": club.prefix,
        "hub_prefix": club.auth.hub_prefix,
        "zone": club.settings.timezone,
        "path": _own_path(request),
        "here": "",
        "static": lambda name: f"{club.prefix}static/{static_version(name)}/{name}",
    }
    environment: Environment = request.app.state.templates
    text = environment.get_template(template).render({**everywhere, **values})
    return HTMLResponse(text, status_code=status, headers=dict(headers or {}))


def error_page(
    request: Request,
    status: int,
    heading: str,
    message: str,
    *,
    headers: Mapping[str, str] | None = None,
    onward: tuple[str, str] | None = None,
) -> HTMLResponse:
    """Render a refusal for people; `onward` is the address and label of the page that helps."""
    club = club_of(request)
    back = request.url.path if request.method == "POST" else None
    values = {"status": status, "heading": heading, "message": message, "back": back, "onward": onward}
    if back and not _can_go_back(club, back):
        values["back"] = club.prefix
    return page(request, "error.html", getattr(request.state, "viewer", None), values, status=status, headers=headers)


def login_redirect(request: Request) -> Response:
    """Send a browser to the sign-in, and from there back to where it wanted to go."""
    club = club_of(request)
    return RedirectResponse(f"{club.prefix}login?{urlencode({'next': _own_path(request)})}", status_code=302)


def _own_path(request: Request) -> str:
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


def _can_go_back(club: Club, path: str) -> bool:
    return path.startswith(f"{club.prefix}competitions/")
