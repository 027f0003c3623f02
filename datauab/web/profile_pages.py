"""Profiles of members, and the page on which a member chooses the name that everybody sees."""

from __future__ import annotations

import re
from typing import cast

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from datauab.web.api import Anybody, InClub, Member
from datauab.web.club import Club
from datauab.web.names import KEY_LENGTH, NameChoice, choice_of
from datauab.web.problems import Problem
from datauab.web.profiles import read_profile
from datauab.web.render import page
from datauab.web.session import Viewer
from datauab.web.team_rules import clean_name

CHOICES = ("account", "own", "pseudonym")

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/members/{key}")
def profile(request: Request, key: str, club: InClub, viewer: Anybody) -> Response:
    """Show a member's profile, under the shown name; instructors see the account as well."""
    member = club.names.member_of(key) if re.fullmatch(rf"[0-9a-f]{{{KEY_LENGTH}}}", key) else None
    if member is None:
        raise Problem(404, "NotFound", "there is no such member; open the profile from a leaderboard")
    values = {
        "profile": read_profile(club, member, viewer),
        "account": member if viewer and viewer.instructor else None,
        "own": bool(viewer and viewer.name == member),
    }
    return page(request, "profile.html", viewer, values)


@router.get("/me")
def settings(request: Request, club: InClub, viewer: Member) -> Response:
    """Show the viewer's own settings."""
    return page(request, "me.html", viewer, _settings(club, viewer))


@router.post("/me")
async def choose_name(request: Request, club: InClub, viewer: Member) -> Response:
    """Keep the name that the viewer wants to show."""
    form = viewer.form
    sent = {key: str(form.get(key) or "") for key in ("choice", "name", "again")} if form else {}
    if sent.get("choice") not in CHOICES:
        raise Problem(400, "InvalidRequest", f"expected a choice of {', '.join(CHOICES)}; go back and choose one")
    choice = cast("NameChoice", sent["choice"])
    name = clean_name(sent["name"], "your name") if choice == "own" else ""
    try:
        await run_in_threadpool(club.names.choose, viewer.name, choice, name, again=bool(sent["again"]))
    except ValueError:
        raise Problem(
            409, "NameTaken", f"another member has the name {name!r}, or one that looks like it; choose another"
        ) from None
    return RedirectResponse(f"{club.prefix}me", status_code=303)


def _settings(club: Club, viewer: Viewer) -> dict[str, object]:
    shown = club.names.shown([viewer.name])[viewer.name]
    return {
        "here": "me",
        "shown": shown,
        "choice": choice_of(shown, viewer.name),
        "key": club.names.key_of(viewer.name),
    }
